//! `tern run`: one command, its output and its exit code passed through.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use tern_core::promise::Exit;
use tern_core::words::Bytes;
use tern_node::control::api::TaskResult;
use tern_node::control::results::Stream;
use tern_node::control::{Door, DoorError, Entry};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use super::failure::{Failure, SOFTWARE};
use super::submit::request;
use super::tree::RunArgs;
use super::{Context, Outcome};

/// Runs it through the agent, or in a folder of its own where none runs. The first SIGINT or SIGTERM cancels it, and the
/// command ends as the task does.
pub async fn run(context: &Context, args: RunArgs) -> Outcome {
    let request = request(&args.task, &args.command)?;
    let door = Door::open(&context.home, Entry::AgentOrPrivate, Some(1)).await?;
    let job = match door.submit(&request).await {
        Ok(job) => job,
        Err(refused) => {
            // Nothing was accepted: there is nothing to keep.
            let _left = door.close(false).await;
            return Err(refused.into());
        }
    };
    let end = follow(context, &door, &job).await;
    if end.is_err() {
        // Whatever went wrong here, nobody waits for it any more; it may be over already.
        let _over = door.cancel(&job).await;
    }
    // What nobody wants to read need not be kept.
    let keep = end.as_ref().is_err_and(|failure| !failure.is_closed_pipe());
    let closed = door.close(keep).await;
    let (result, stopped) =
        end.map_err(|failure| Failure { message: format!("job {job}: {}", failure.message), ..failure })?;
    closed?;
    if context.printer.json {
        context.printer.value(&serde_json::json!({"job": job, "result": result}))?;
    }
    let by_us = matches!(result.exit, Exit::Cancelled | Exit::Checkpointed);
    Ok(ExitCode::from(stopped.filter(|_| by_us).map_or(result.status, |signal| 128 + signal)))
}

/// How often the output of a running command is looked at. Its end is not awaited this way, so a short one never is.
pub const LOOK: Duration = Duration::from_millis(40);

/// Returns the end, and the signal on which it was asked for.
async fn follow(context: &Context, door: &Door, job: &str) -> Result<(TaskResult, Option<u8>), Failure> {
    let mut results = door.results(job, true, true).await?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut look = tokio::time::interval_at(Instant::now() + LOOK, LOOK);
    let mut shown = [Shown::new(1, Stream::Stdout), Shown::new(1, Stream::Stderr)];
    let (mut last, mut stopped) = (None, None);
    loop {
        let batch = tokio::select! {
            batch = results.next() => batch?,
            _ = interrupt.recv() => { stopped = Some(2); cancel(door, job).await?; continue }
            _ = terminate.recv() => { stopped = Some(15); cancel(door, job).await?; continue }
            _ = look.tick(), if !context.printer.json => {
                for stream in &mut shown {
                    stream.look(door, job).await?;
                }
                continue
            }
        };
        let Some(batch) = batch else { break };
        last = batch.into_iter().last().or(last);
    }
    let result = last.ok_or_else(|| Failure::new(SOFTWARE, "no_result", "it ended without a result"))?;
    if !context.printer.json {
        for stream in &mut shown {
            stream.finish(door, job, &result).await?;
        }
    }
    Ok((result, stopped))
}

/// Cancels the job; one that has just ended refuses, which is as good.
async fn cancel(door: &Door, job: &str) -> Result<(), Failure> {
    match door.cancel(job).await {
        Ok(()) | Err(DoorError::Refused { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// One output of a task, as far as it was passed on.
pub struct Shown {
    number: u32,
    stream: Stream,
    bytes: u64,
}

impl Shown {
    pub const fn new(number: u32, stream: Stream) -> Self {
        Self { number, stream, bytes: 0 }
    }

    /// Passes on what came since the last look. A task that waits, or has just ended, has nothing to look at.
    pub async fn look(&mut self, door: &Door, job: &str) -> Result<(), Failure> {
        let mut output = match door.output_from(job, self.number, self.stream, self.bytes).await {
            Ok(output) => output,
            Err(DoorError::Refused { kind, .. }) if kind == "no_result" => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        while let Some(chunk) = output.next().await? {
            self.bytes += chunk.len() as u64;
            self.write(&chunk)?;
        }
        Ok(())
    }

    /// Passes on the rest.
    pub async fn finish(&mut self, door: &Door, job: &str, result: &TaskResult) -> Result<(), Failure> {
        let (held, whole) = held(result, self.stream);
        match held.map(|bytes| &bytes[..]) {
            _ if self.bytes >= whole => Ok(()),
            Some(bytes) if bytes.len() as u64 == whole => {
                let rest = usize::try_from(self.bytes).ok().and_then(|shown| bytes.get(shown..));
                Ok(self.write(rest.unwrap_or_default())?)
            }
            _ => self.look(door, job).await,
        }
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        match self.stream {
            Stream::Stdout => io::stdout().lock().write_all(bytes).and_then(|()| io::stdout().flush()),
            Stream::Stderr => io::stderr().lock().write_all(bytes),
        }
    }
}

/// What a result holds of an output, and how many bytes there are in all.
fn held(result: &TaskResult, stream: Stream) -> (Option<&Bytes>, u64) {
    match stream {
        Stream::Stdout => (result.stdout.as_ref(), result.stdout_bytes),
        Stream::Stderr => (result.stderr.as_ref(), result.stderr_bytes),
    }
}

/// Writes what a task wrote; what did not fit into its line is asked for.
pub async fn pass_on(
    door: &Door,
    job: &str,
    result: &TaskResult,
    stream: Stream,
    to: &mut impl Write,
) -> Result<(), Failure> {
    match held(result, stream) {
        (Some(bytes), whole) if bytes.len() as u64 == whole => to.write_all(bytes)?,
        (None, 0) => return Ok(()),
        _ => {
            let mut output = door.output(job, result.number, stream).await?;
            while let Some(chunk) = output.next().await? {
                to.write_all(&chunk)?;
            }
        }
    }
    Ok(to.flush()?)
}
