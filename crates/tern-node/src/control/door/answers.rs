//! Answers that come in parts: results, and what a task wrote.

use std::io;

use axum::body::Bytes;
use tern_core::words::limits::DOOR_LINE_BYTES_MAX;

use super::DoorError;
use super::reach::Incoming;
use crate::control::api::TaskResult;

/// Results as they count.
pub struct Results {
    incoming: Incoming,
    /// The beginning of a line whose end has not come yet.
    rest: Vec<u8>,
}

impl Results {
    pub(super) fn new(incoming: Incoming) -> Self {
        Self { incoming, rest: Vec::new() }
    }

    /// The next batch, or None at the end (job over, or nothing more where it does not follow).
    pub async fn next(&mut self) -> Result<Option<Vec<TaskResult>>, DoorError> {
        loop {
            let Some(chunk) = self.incoming.chunk().await? else {
                return if self.rest.is_empty() { Ok(None) } else { Err(torn()) };
            };
            let batch = split_lines(&mut self.rest, &chunk)?;
            if !batch.is_empty() {
                return Ok(Some(batch));
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

/// What a task wrote, in chunks.
pub struct Output {
    incoming: Incoming,
}

impl Output {
    pub(super) fn new(incoming: Incoming) -> Self {
        Self { incoming }
    }

    /// The next bytes, or None at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, DoorError> {
        self.incoming.chunk().await
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
