//! Answers that come in parts: results, and what a task wrote.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use axum::body::Bytes;
use tern_core::words::TaskSet;
use tern_core::words::limits::DOOR_LINE_BYTES_MAX;

use super::DoorError;
use super::reach::{Incoming, REJOINS_MAX, Reach, is_break};
use crate::control::api::TaskResult;

/// Results as they count. They go on with an agent that came back, and none is told twice.
pub struct Results {
    reach: Arc<Reach>,
    path: String,
    /// None: to be opened again.
    incoming: Option<Incoming>,
    /// The beginning of a line whose end has not come yet.
    rest: Vec<u8>,
    /// What was told, by round; only kept of an agent, which may die and begin anew.
    told: BTreeMap<u16, TaskSet>,
    rejoins: u32,
}

impl Results {
    pub(super) async fn open(reach: &Arc<Reach>, path: String) -> Result<Self, DoorError> {
        let incoming = Some(reach.open(&path).await?);
        Ok(Self { reach: Arc::clone(reach), path, incoming, rest: Vec::new(), told: BTreeMap::new(), rejoins: 0 })
    }

    /// The next batch, or None at the end (job over, or nothing more where it does not follow). May be dropped and called
    /// again at any time.
    pub async fn next(&mut self) -> Result<Option<Vec<TaskResult>>, DoorError> {
        loop {
            let incoming = match &mut self.incoming {
                Some(incoming) => incoming,
                gone => gone.insert(self.reach.open(&self.path).await?),
            };
            match incoming.chunk().await {
                Ok(Some(chunk)) => {
                    let mut batch = split_lines(&mut self.rest, &chunk)?;
                    if self.reach.is_agent() {
                        let told = &mut self.told;
                        batch.retain(|result| told.entry(result.round).or_default().insert(result.number));
                    }
                    if !batch.is_empty() {
                        return Ok(Some(batch));
                    }
                }
                Ok(None) if self.rest.is_empty() => return Ok(None),
                Ok(None) => return Err(torn()),
                Err(error) if self.reach.is_agent() && self.rejoins < REJOINS_MAX && is_break(&error) => {
                    self.rejoins += 1;
                    self.incoming = None;
                    self.rest.clear();
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Reads the lines that `chunk` completes; what is left of it waits in `rest`.
fn split_lines(rest: &mut Vec<u8>, chunk: &[u8]) -> Result<Vec<TaskResult>, DoorError> {
    let mut batch = Vec::new();
    let mut left = chunk;
    while let Some(end) = left.iter().position(|byte| *byte == b'\n') {
        let (line, after) = left.split_at(end);
        left = after.get(1..).unwrap_or_default();
        if rest.is_empty() {
            batch.push(read_line(line)?);
        } else {
            rest.extend_from_slice(line);
            batch.push(read_line(rest)?);
            rest.clear();
        }
    }
    if rest.len() + left.len() > DOOR_LINE_BYTES_MAX {
        return Err(torn());
    }
    rest.extend_from_slice(left);
    Ok(batch)
}

fn read_line(line: &[u8]) -> Result<TaskResult, DoorError> {
    serde_json::from_slice(line).map_err(|error| DoorError::Io(error.into()))
}

fn torn() -> DoorError {
    DoorError::Io(io::Error::new(io::ErrorKind::UnexpectedEof, "the node's answer ended in the middle of a line"))
}

/// What a task wrote, in chunks. It goes on where it was with an agent that came back.
pub struct Output {
    reach: Arc<Reach>,
    /// Without the first byte to send.
    path: String,
    from: u64,
    incoming: Option<Incoming>,
    rejoins: u32,
}

impl Output {
    pub(super) async fn open(reach: &Arc<Reach>, path: String, from: u64) -> Result<Self, DoorError> {
        let mut output = Self { reach: Arc::clone(reach), path, from, incoming: None, rejoins: 0 };
        output.incoming = Some(output.reopen().await?);
        Ok(output)
    }

    async fn reopen(&self) -> Result<Incoming, DoorError> {
        self.reach.open(&format!("{}?from={}", self.path, self.from)).await
    }

    /// The next bytes, or None at the end. May be dropped and called again at any time.
    pub async fn next(&mut self) -> Result<Option<Bytes>, DoorError> {
        loop {
            if self.incoming.is_none() {
                self.incoming = Some(self.reopen().await?);
            }
            let Some(incoming) = &mut self.incoming else { return Ok(None) };
            match incoming.chunk().await {
                Err(error) if self.reach.is_agent() && self.rejoins < REJOINS_MAX && is_break(&error) => {
                    self.rejoins += 1;
                    self.incoming = None;
                }
                chunk => {
                    if let Ok(Some(bytes)) = &chunk {
                        self.from += bytes.len() as u64;
                    }
                    return chunk;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"number":1,"round":0,"exit":{"code":0},"status":0,"started_ms":0,"ran_ms":1.5,"cpu_ms":0.5,"rss_kib":9,"node":"00000001","stdout_bytes":3,"stderr_bytes":0,"stdout":[255,0,10]}"#;

    #[test]
    fn lines_are_read_wherever_the_chunks_are_cut() {
        let text = format!("{LINE}\n{LINE}\n");
        for cut in 0..text.len() {
            let (first, second) = text.as_bytes().split_at(cut);
            let mut rest = Vec::new();
            let mut batch = split_lines(&mut rest, first).unwrap();
            batch.extend(split_lines(&mut rest, second).unwrap());
            assert_eq!(batch.len(), 2, "cut at {cut}");
            assert!(rest.is_empty());
            assert_eq!(batch[1].stdout.as_ref().unwrap().0, [255, 0, 10]);
        }
    }

    #[test]
    fn a_line_that_is_no_result_is_an_error_and_not_a_panic() {
        assert!(split_lines(&mut Vec::new(), b"{}\n").is_err());
        assert!(split_lines(&mut Vec::new(), b"\xff\n").is_err());
    }
}
