//! `tern logs`: what tasks wrote, all of a job's or one task's, up to now or as it comes.
//!
//! Of a job with several tasks each task's output is shown whole when the task has ended, so that two never mix. One task is
//! shown while it runs.

use std::io;
use std::process::ExitCode;

use tern_core::view::JobView;
use tern_node::control::results::Stream;
use tern_node::control::{Door, Entry};
use tokio::time::{Instant, interval_at};

use crate::cli::failure::{DATAERR, NOINPUT};
use crate::cli::run::{LOOK, Shown, pass_on};
use crate::cli::tree::LogsArgs;
use crate::cli::{Context, Failure, Outcome};

pub async fn logs(context: &Context, args: LogsArgs) -> Outcome {
    let entry = if args.follow { Entry::AgentOrHere } else { Entry::AgentOrLook };
    let door = Door::open(&context.home, entry, None).await?;
    let written = write_logs(context, &door, &args).await;
    door.close(true).await?;
    written.map(|()| ExitCode::SUCCESS)
}

async fn write_logs(context: &Context, door: &Door, args: &LogsArgs) -> Result<(), Failure> {
    let view = door.job(&args.job).await?;
    let total = view.tasks.total;
    if let Some(number) = args.number.filter(|number| *number > total) {
        let message = format!("job {} has no task {number}: they are 1 to {total}", view.job);
        return Err(Failure::new(NOINPUT, "no_such_task", message));
    }
    match args.number.or((total == 1).then_some(1)) {
        Some(number) if !context.printer.json => one(door, args, number).await,
        _ => all(context, door, args, &view).await,
    }
}

/// One task, also while it runs.
async fn one(door: &Door, args: &LogsArgs, number: u32) -> Result<(), Failure> {
    let mut shown = [Shown::new(number, Stream::Stdout), Shown::new(number, Stream::Stderr)];
    if !args.follow {
        let result =
            door.result(&args.job, number, true).await?.next().await?.and_then(|batch| batch.into_iter().next());
        for stream in &mut shown {
            match &result {
                Some(result) => stream.finish(door, &args.job, result).await?,
                None => stream.look(door, &args.job).await?,
            }
        }
        return Ok(());
    }
    let mut results = door.results(&args.job, true, true).await?;
    let mut look = interval_at(Instant::now() + LOOK, LOOK);
    loop {
        let batch = tokio::select! {
            batch = results.next() => batch?,
            _ = look.tick() => {
                for stream in &mut shown {
                    stream.look(door, &args.job).await?;
                }
                continue
            }
        };
        let Some(batch) = batch else { return Ok(()) };
        if let Some(result) = batch.iter().find(|result| result.number == number) {
            for stream in &mut shown {
                stream.finish(door, &args.job, result).await?;
            }
            return Ok(());
        }
    }
}

/// Every task that has ended, or ends; or the line of one as JSON.
async fn all(context: &Context, door: &Door, args: &LogsArgs, view: &JobView) -> Result<(), Failure> {
    let mut results = match args.number {
        Some(number) if !args.follow => door.result(&args.job, number, true).await?,
        _ => door.results(&args.job, args.follow, true).await?,
    };
    let (mut told, mut lost) = (0, Vec::new());
    while let Some(batch) = results.next().await? {
        for result in batch.iter().filter(|result| args.number.is_none_or(|number| number == result.number)) {
            told += 1;
            if context.printer.json {
                context.printer.value(result)?;
            } else {
                let (out, err) = (&mut io::stdout().lock(), &mut io::stderr().lock());
                lost.extend(readable(pass_on(door, &args.job, result, Stream::Stdout, out).await)?);
                lost.extend(readable(pass_on(door, &args.job, result, Stream::Stderr, err).await)?);
            }
            if args.follow && args.number.is_some() {
                return Ok(());
            }
        }
    }
    if let Some(first) = lost.first() {
        let message = format!("{} outputs cannot be read; the others were shown. The first: {first}", lost.len());
        return Err(Failure::new(DATAERR, "outputs_missing", message));
    }
    let known = view.tasks.done + view.tasks.failed;
    if args.number.is_none() && told < known {
        let message = format!(
            "{} of {known} results cannot be read: files in {} are damaged or gone. What could be read was shown",
            known - told,
            context.home.path().join("seg").display()
        );
        return Err(Failure::new(DATAERR, "results_missing", message));
    }
    Ok(())
}

/// What is damaged keeps nobody from the rest: it is told at the end.
fn readable(passed: Result<(), Failure>) -> Result<Option<String>, Failure> {
    match passed {
        Ok(()) => Ok(None),
        Err(failure) if failure.kind == "damaged" => Ok(Some(failure.message)),
        Err(failure) => Err(failure),
    }
}
