//! Orders to jobs: cancel, hold, release, retry, forget.

use std::process::ExitCode;

use tern_core::view::JobState;
use tern_node::control::{Door, DoorError, Entry};

use super::tree::{JobsArgs, RetryArgs};
use super::{Context, Failure, Outcome};

pub async fn cancel(context: &Context, args: JobsArgs) -> Outcome {
    each(context, args, "cancelled", async |door, job| door.cancel(job).await).await
}

pub async fn hold(context: &Context, args: JobsArgs) -> Outcome {
    each(context, args, "held", async |door, job| door.hold(job).await).await
}

pub async fn release(context: &Context, args: JobsArgs) -> Outcome {
    each(context, args, "released", async |door, job| door.release(job).await).await
}

pub async fn forget(context: &Context, args: JobsArgs) -> Outcome {
    each(context, args, "forgotten", async |door, job| door.forget(job).await).await
}

/// Does it to each job; one that refuses does not keep the others from it, and its reason decides the exit code.
async fn each(
    context: &Context,
    args: JobsArgs,
    done: &str,
    order: impl AsyncFn(&Door, &str) -> Result<(), DoorError>,
) -> Outcome {
    let door = Door::open(&context.home, Entry::AgentOrLook, None).await?;
    let mut code = ExitCode::SUCCESS;
    for job in &args.jobs {
        match order(&door, job).await {
            Ok(()) if context.printer.json => {
                context.printer.value(&serde_json::json!({"job": job, "outcome": done}))?;
            }
            Ok(()) => context.printer.line(&format!("{job} {done}"))?,
            Err(error) => code = Failure::from(error).report(context.printer.json),
        }
    }
    door.close(true).await?;
    Ok(code)
}

pub async fn retry(context: &Context, args: RetryArgs) -> Outcome {
    let door = Door::open(&context.home, Entry::AgentOrLook, None).await?;
    let tasks = (!args.tasks.is_empty()).then_some(args.tasks);
    let answer = async {
        let tasks = door.retry(&args.job, tasks).await?;
        Ok::<_, Failure>((tasks, door.job(&args.job).await?.state == JobState::Held))
    };
    let answer = answer.await;
    let agent = door.is_agent();
    door.close(true).await?;
    let (tasks, held) = answer?;
    if context.printer.json {
        context.printer.value(&serde_json::json!({"job": args.job, "tasks": tasks}))?;
    } else {
        let count = match tasks {
            None => String::new(),
            Some(1) => ": 1 task".to_owned(),
            Some(tasks) => format!(": {tasks} tasks"),
        };
        context.printer.line(&format!("{} runs again{count}", args.job))?;
    }
    if held {
        context.printer.remark(&format!("{} is held: `tern release {}` starts it", args.job, args.job));
    } else if !agent {
        context.printer.remark(&format!("no agent runs: they start with `tern up` or `tern wait {}`", args.job));
    }
    Ok(ExitCode::SUCCESS)
}
