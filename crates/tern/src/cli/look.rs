//! Looking: jobs, one job, what tasks wrote, waiting for the end, the node and its grid.

pub mod logs;
pub mod status;

use std::io::{self, Write};
use std::process::ExitCode;

use tern_core::view::{JobState, JobView};
use tern_node::control::api::TaskResult;
use tern_node::control::{Door, Entry, Results};

use super::failure::TEMPFAIL;
use super::print::{ago, deadline, plain, summary, title};
use super::tree::{JobArgs, WaitArgs};
use super::{Context, Failure, Outcome};

pub async fn jobs(context: &Context) -> Outcome {
    let door = Door::open(&context.home, Entry::AgentOrLook, None).await?;
    let jobs = door.jobs().await;
    door.close(true).await?;
    let jobs = jobs?;
    let printer = context.printer;
    if printer.json {
        printer.value(&jobs)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = printer.out();
    if !jobs.is_empty() {
        writeln!(out, "{:<14} {:<9} {:>17} {:>7} {:>5}  NAME", "JOB", "STATE", "DONE", "FAILED", "AGE")?;
    }
    for view in &jobs {
        let done = format!("{}/{}", view.tasks.done, view.tasks.total);
        let (state, age, name) = (printer.state(view.state), ago(view.accepted_ms), plain(title(view), 60));
        writeln!(out, "{:<14} {state} {done:>17} {:>7} {age:>5}  {name}", view.job, view.tasks.failed)?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

pub async fn job(context: &Context, args: JobArgs) -> Outcome {
    let door = Door::open(&context.home, Entry::AgentOrLook, None).await?;
    let shown = show_job(context, &door, &args).await;
    door.close(true).await?;
    shown.map(|()| ExitCode::SUCCESS)
}

async fn show_job(context: &Context, door: &Door, args: &JobArgs) -> Result<(), Failure> {
    let view = door.job(&args.job).await?;
    let mut out = context.printer.out();
    if !context.printer.json {
        write_job(context, &view, &mut out)?;
    } else if !args.tasks {
        serde_json::to_writer(&mut out, &view)?;
        out.write_all(b"\n")?;
    }
    if args.tasks {
        let mut results = door.results(&args.job, false, false).await?;
        // Written as they come: a job may have millions.
        if context.printer.json {
            let text = serde_json::to_string(&view)?;
            out.write_all(text.strip_suffix('}').unwrap_or(&text).as_bytes())?;
            write_results_json(&mut results, &mut out).await?;
        } else {
            while let Some(batch) = results.next().await? {
                batch.iter().try_for_each(|result| write_task(result, &mut out))?;
            }
        }
    }
    Ok(out.flush()?)
}

/// The rest of a job's object: `results`, and its end.
async fn write_results_json(results: &mut Results, out: &mut impl Write) -> Result<(), Failure> {
    out.write_all(b",\"results\":[")?;
    let mut first = true;
    while let Some(batch) = results.next().await? {
        for result in &batch {
            if !std::mem::take(&mut first) {
                out.write_all(b",")?;
            }
            serde_json::to_writer(&mut *out, result)?;
        }
    }
    Ok(out.write_all(b"]}\n")?)
}

fn write_job(context: &Context, view: &JobView, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{} {} {}", view.job, context.printer.state(view.state).trim_end(), summary(view))?;
    writeln!(out, "  command     {}", plain(&view.command, 200))?;
    if !view.name.is_empty() {
        writeln!(out, "  name        {}", plain(&view.name, 200))?;
    }
    writeln!(out, "  accepted    {} ago, in {} journals", ago(view.accepted_ms), view.durability)?;
    if let Some(ended) = view.ended_ms {
        writeln!(out, "  ran for     {:.1} s", ended.saturating_sub(view.accepted_ms) as f64 / 1_000.0)?;
    }
    if let Some(deadline) = deadline(view) {
        writeln!(out, "  deadline    {deadline}")?;
    }
    if view.round > 0 {
        writeln!(out, "  round       {} (run again that often)", view.round)?;
    }
    if let Some(because) = &view.because {
        writeln!(out, "  because     {because}")?;
    }
    Ok(())
}

fn write_task(result: &TaskResult, out: &mut impl Write) -> io::Result<()> {
    let TaskResult { number, status, ran_ms, node, stdout_bytes, stderr_bytes, .. } = result;
    writeln!(
        out,
        "  {number:>8}  exit {status:>3}  {ran_ms:>10.1} ms  on {node}  {stdout_bytes} + {stderr_bytes} bytes"
    )
}

pub async fn wait(context: &Context, args: WaitArgs) -> Outcome {
    let door = Door::open(&context.home, Entry::AgentOrHere, None).await?;
    let all = wait_for_all(context, &door, &args.jobs);
    let done = match args.timeout {
        None => all.await,
        Some(time) => tokio::time::timeout(time, all).await.unwrap_or_else(|_| {
            let message = "the time is over and not all jobs are; they go on";
            Err(Failure::new(TEMPFAIL, "timeout", message))
        }),
    };
    if !door.is_agent()
        && let Ok(status) = door.status().await
    {
        // With an agent, `tern status` has them.
        status.notes.iter().for_each(|note| context.printer.remark(note));
    }
    door.close(true).await?;
    Ok(if done? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn wait_for_all(context: &Context, door: &Door, jobs: &[String]) -> Result<bool, Failure> {
    let mut all_done = true;
    for job in jobs {
        let before = door.job(job).await?;
        if before.state == JobState::Held {
            context.printer.remark(&format!("{} is held: `tern release {}` starts it", before.job, before.job));
        }
        let view = door.wait(job).await?;
        all_done &= view.state == JobState::Done;
        if context.printer.json {
            context.printer.value(&view)?;
        } else {
            let state = context.printer.state(view.state);
            context.printer.line(&format!("{} {} {}", view.job, state.trim_end(), summary(&view)))?;
        }
    }
    Ok(all_done)
}
