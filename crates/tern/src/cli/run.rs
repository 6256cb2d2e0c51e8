//! `tern run`: one command, its output and its exit code passed through.

use std::io::{self, Write};
use std::process::ExitCode;

use tern_node::control::api::TaskResult;
use tern_node::control::results::Stream;
use tern_node::control::{Door, Entry};
use tokio::signal::unix::{SignalKind, signal};

use super::failure::{Failure, SOFTWARE};
use super::submit::request;
use super::tree::RunArgs;
use super::{Context, Outcome};

/// Runs it through the agent, or in a folder of its own where none runs. The first SIGINT or SIGTERM cancels it, and the
/// command ends as the task does.
pub async fn run(context: &Context, args: RunArgs) -> Outcome {
    let request = request(&args.task, &args.command)?;
    let door = Door::open(&context.home, Entry::AgentOrPrivate, Some(1)).await?;
    let job = door.submit(&request).await?;
    let end = follow(context, &door, &job).await;
    if let Err(failure) = &end {
        context.printer.remark(&format!("job {job}: {}", failure.message));
        // Whatever went wrong here, nobody waits for it any more; it may be over already.
        let _over = door.cancel(&job).await;
    }
    let finished = end.is_ok();
    let closed = door.close(!finished).await;
    let result = end?;
    closed?;
    if context.printer.json {
        context.printer.value(&serde_json::json!({"job": job, "result": result}))?;
    }
    Ok(ExitCode::from(result.status))
}

async fn follow(context: &Context, door: &Door, job: &str) -> Result<TaskResult, Failure> {
    let mut results = door.results(job, true, true).await?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut last = None;
    loop {
        let batch = tokio::select! {
            batch = results.next() => batch?,
            _ = interrupt.recv() => { door.cancel(job).await?; continue }
            _ = terminate.recv() => { door.cancel(job).await?; continue }
        };
        let Some(batch) = batch else { break };
        last = batch.into_iter().last().or(last);
    }
    let result = last.ok_or_else(|| Failure::new(SOFTWARE, "no_result", "it ended without a result"))?;
    if !context.printer.json {
        pass_on(door, job, &result, Stream::Stdout, &mut io::stdout().lock()).await?;
        pass_on(door, job, &result, Stream::Stderr, &mut io::stderr().lock()).await?;
    }
    Ok(result)
}

/// Writes what a task wrote; what did not fit into its line is asked for.
pub async fn pass_on(
    door: &Door,
    job: &str,
    result: &TaskResult,
    stream: Stream,
    to: &mut impl Write,
) -> Result<(), Failure> {
    let (held, whole) = match stream {
        Stream::Stdout => (result.stdout.as_ref(), result.stdout_bytes),
        Stream::Stderr => (result.stderr.as_ref(), result.stderr_bytes),
    };
    match held {
        Some(bytes) if bytes.len() as u64 == whole => to.write_all(bytes)?,
        None if whole == 0 => return Ok(()),
        _ => {
            let mut output = door.output(job, result.number, stream).await?;
            while let Some(chunk) = output.next().await? {
                to.write_all(&chunk)?;
            }
        }
    }
    Ok(to.flush()?)
}
