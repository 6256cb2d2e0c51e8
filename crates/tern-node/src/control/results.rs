//! Results on their way out: counted ends as lines of JSON, and the bytes that tasks wrote.
//!
//! What counted together is sent together. Nothing is held for a slow reader beyond a few chunks: the producer waits.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes as Chunk};
use hyper::body::{Body as HttpBody, Frame};
use tern_core::promise::{Outcome, Output};
use tern_core::words::limits::{DOOR_CHUNK_BYTES, DOOR_CHUNKS_MAX};
use tern_core::words::{Bytes, JobId};
use tokio::sync::mpsc;

use super::api::TaskResult;
use crate::home::Home;
use crate::node::Watch;
use crate::process::inflight::{self, Row};

/// Output files kept open while results are written out.
const OPEN_FILES_MAX: usize = 64;

/// One of the two outputs of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "stdout" => Some(Self::Stdout),
            "stderr" => Some(Self::Stderr),
            _ => None,
        }
    }
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
    #[must_use]
    pub const fn of(self, outcome: &Outcome) -> Output {
        match self {
            Self::Stdout => outcome.stdout,
            Self::Stderr => outcome.stderr,
        }
    }
    #[must_use]
    pub fn path(self, home: &Home, file: u32) -> PathBuf {
        match self {
            Self::Stdout => home.stdout(file),
            Self::Stderr => home.stderr(file),
        }
    }
}

type Sender = mpsc::Sender<Result<Chunk, std::io::Error>>;

/// A body whose chunks come from a task; dropping it ends the task.
struct Chunks(mpsc::Receiver<Result<Chunk, std::io::Error>>);

impl HttpBody for Chunks {
    type Data = Chunk;
    type Error = std::io::Error;
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Chunk>, std::io::Error>>> {
        self.0.poll_recv(cx).map(|next| next.map(|chunk| chunk.map(Frame::data)))
    }
}

/// All results of a watch as NDJSON. A node that stops before the job is over breaks the body off, so that no reader takes
/// a torn stream for a whole one.
pub fn stream(watch: Watch, lines: Lines, follow: bool) -> Body {
    let (sender, receiver) = mpsc::channel(DOOR_CHUNKS_MAX);
    tokio::spawn(write_results(watch, lines, follow, sender));
    Body::new(Chunks(receiver))
}

async fn write_results(mut watch: Watch, mut lines: Lines, follow: bool, sender: Sender) {
    let mut over = !follow;
    loop {
        let update = tokio::select! {
            update = watch.next() => update,
            () = sender.closed() => return,
        };
        let update = match update {
            Ok(Some(update)) => update,
            Ok(None) => break,
            Err(error) => {
                let _gone = sender.send(Err(std::io::Error::other(error))).await;
                return;
            }
        };
        over |= update.view.state.is_over();
        for outcome in &update.outcomes {
            lines.push(outcome);
            if lines.is_full() && sender.send(Ok(lines.take())).await.is_err() {
                return;
            }
        }
        if !lines.is_empty() && sender.send(Ok(lines.take())).await.is_err() {
            return;
        }
    }
    if !over {
        let broken = std::io::Error::other("the node stopped before the job was over");
        // The reader may be gone as well; then nobody needs to be told.
        let _gone = sender.send(Err(broken)).await;
    }
}

/// What a running task has written up to now; None where it does not run here.
///
/// The file of a slot serves one task after the other, and the next may begin while the end of this one waits for the
/// disk. So the length is taken first: a task that wrote before that stands in the table, and its beginning is our end.
#[must_use]
pub fn running(home: &Home, job: JobId, task: u32, stream: Stream) -> Option<Output> {
    let is_it = |row: &Row| row.attempt.job == job && row.attempt.task == task;
    let file = inflight::read(home).ok()?.into_iter().find(is_it)?.file;
    let written = std::fs::metadata(stream.path(home, file)).ok()?.len();
    let rows = inflight::read(home).ok()?;
    let row = rows.iter().find(|row| is_it(row) && row.file == file)?;
    let begin = |row: &Row| match stream {
        Stream::Stdout => row.stdout_at,
        Stream::Stderr => row.stderr_at,
    };
    let offset = begin(row);
    let later = rows.iter().filter(|row| row.file == file && !is_it(row)).map(begin);
    let end = later.filter(|at| *at >= offset).min().unwrap_or(written).min(written);
    Some(Output { file, offset, len: end.saturating_sub(offset) })
}

/// A whole output in chunks. A range that the file does not hold breaks the body off.
pub fn whole(path: PathBuf, range: Output) -> Body {
    if range.len == 0 {
        return Body::empty();
    }
    let (sender, receiver) = mpsc::channel(DOOR_CHUNKS_MAX);
    tokio::task::spawn_blocking(move || {
        if let Err(error) = copy_range(&path, range, &sender) {
            let _gone = sender.blocking_send(Err(error));
        }
    });
    Body::new(Chunks(receiver))
}

fn copy_range(path: &std::path::Path, range: Output, sender: &Sender) -> Result<(), std::io::Error> {
    let file = File::open(path)?;
    let (mut at, end) = (range.offset, range.offset.saturating_add(range.len));
    while at < end {
        let mut chunk = vec![0; (end - at).min(DOOR_CHUNK_BYTES as u64) as usize];
        file.read_exact_at(&mut chunk, at)?;
        at += chunk.len() as u64;
        if sender.blocking_send(Ok(chunk.into())).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// Makes lines of outcomes.
pub struct Lines {
    home: Home,
    /// Bytes of each output in a line; None: no output.
    limit: Option<u64>,
    number: Option<u32>,
    files: BTreeMap<(Stream, u32), File>,
    buffer: Vec<u8>,
}

impl Lines {
    #[must_use]
    pub fn new(home: Home, limit: Option<u64>, number: Option<u32>) -> Self {
        Self { home, limit, number, files: BTreeMap::new(), buffer: Vec::new() }
    }
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.buffer.len() >= DOOR_CHUNK_BYTES
    }
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }
    pub fn take(&mut self) -> Chunk {
        std::mem::take(&mut self.buffer).into()
    }

    /// Adds the line of `outcome`, unless another task was asked for.
    pub fn push(&mut self, outcome: &Outcome) {
        let number = outcome.attempt.task.saturating_add(1);
        if self.number.is_some_and(|wanted| wanted != number) {
            return;
        }
        let result = TaskResult {
            number,
            round: outcome.attempt.round,
            exit: outcome.exit,
            status: outcome.exit.status(),
            started_ms: outcome.started_ms,
            ran_ms: milli(outcome.ran_ns, 1_000_000),
            cpu_ms: milli(outcome.cpu_us, 1_000),
            rss_kib: (outcome.rss_kib > 0).then_some(outcome.rss_kib),
            node: format!("{:08x}", outcome.ran_on),
            stdout_bytes: outcome.stdout.len,
            stderr_bytes: outcome.stderr.len,
            stdout: self.read(Stream::Stdout, outcome.stdout),
            stderr: self.read(Stream::Stderr, outcome.stderr),
        };
        // Writing plain data to memory cannot fail; were it to, the line would be missing and the reader's count off.
        if serde_json::to_writer(&mut self.buffer, &result).is_ok() {
            self.buffer.push(b'\n');
        }
    }

    /// The beginning of an output. None where nothing was written, none was asked for, or the file is gone: the
    /// `…_bytes` beside it tells the three apart.
    fn read(&mut self, stream: Stream, range: Output) -> Option<Bytes> {
        let want = range.len.min(self.limit?);
        if want == 0 {
            return None;
        }
        if self.files.len() >= OPEN_FILES_MAX {
            self.files.clear();
        }
        let file = match self.files.entry((stream, range.file)) {
            std::collections::btree_map::Entry::Occupied(open) => open.into_mut(),
            std::collections::btree_map::Entry::Vacant(slot) => {
                slot.insert(File::open(stream.path(&self.home, range.file)).ok()?)
            }
        };
        let mut bytes = vec![0; want as usize];
        file.read_exact_at(&mut bytes, range.offset).ok()?;
        Some(bytes.into())
    }
}

fn milli(value: u64, per_milli: u64) -> f64 {
    value as f64 / per_milli as f64
}
