//! `tern explain`: why a job or a task is where it is.

use std::io::{self, Write};
use std::process::ExitCode;

use tern_node::control::api::work::{DecisionView, EstimateView, ExplainView, LatelyView, TaskView};
use tern_node::control::{Door, Entry};

use super::args::ExplainArgs;
use crate::cli::print::{deadline, summary};
use crate::cli::{Context, Outcome};
use crate::grid::table::Table;

pub async fn explain(context: &Context, args: ExplainArgs) -> Outcome {
    let Some(place) = args.place else { return lately(context).await };
    let door = Door::open(&context.home, Entry::AgentOrLook, None).await?;
    let explained = door.explain(&place.job, place.task).await;
    door.close(true).await?;
    let explained = explained?;
    if context.printer.json {
        context.printer.value(&explained)?;
    } else {
        let mut out = context.printer.out();
        write(context, &explained, &mut out)?;
        out.flush()?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What the node decided for itself.
async fn lately(context: &Context) -> Outcome {
    let door = Door::open(&context.home, Entry::Agent, None).await?;
    let decisions = door.decisions().await;
    door.close(true).await?;
    let decisions = decisions?;
    if context.printer.json {
        context.printer.value(&decisions)?;
        return Ok(ExitCode::SUCCESS);
    }
    for LatelyView { ms_ago, what, because } in &decisions {
        context.printer.line(&format!("{:>8.1} s ago  {what}: {because}", *ms_ago as f64 / 1_000.0))?;
    }
    if decisions.is_empty() {
        context.printer.remark("nothing was decided since the agent began but where tasks run: `tern explain JOB`");
    }
    Ok(ExitCode::SUCCESS)
}

fn write(context: &Context, view: &ExplainView, out: &mut impl Write) -> io::Result<()> {
    match &view.job {
        Some(job) => writeln!(out, "{} {} {}", view.id, context.printer.state(job.state).trim_end(), summary(job))?,
        None => writeln!(out, "{} is another node's job; this one has tasks of it", view.id)?,
    }
    if let Some(because) = &view.because {
        writeln!(out, "  because     {because}")?;
    }
    if let Some(deadline) = view.job.as_ref().and_then(deadline) {
        writeln!(out, "  deadline    {deadline}")?;
    }
    if let Some(estimate) = &view.estimate {
        writeln!(out, "  expected    {}", expected(estimate))?;
    }
    for (failures, tasks) in (1..).zip(&view.failed_and_run_again).filter(|(_, tasks)| **tasks > 0) {
        writeln!(out, "  again       {tasks} tasks failed {failures} times and are tried once more")?;
    }
    if let Some(task) = &view.task {
        write_task(task, out)?;
    }
    if !view.nodes.is_empty() {
        writeln!(out, "\nwho may run it")?;
        let mut table = Table::new(&["NODE", "FREE", "SLOTS", "QUEUED", "HEARD", "MAY"]);
        for node in &view.nodes {
            let heard = match node.heard_ms_ago {
                Some(ms) => format!("{:.1} s ago", ms as f64 / 1_000.0),
                None if node.here => "here".to_owned(),
                None => "never".to_owned(),
            };
            let may = node.refused.as_ref().map_or_else(|| "yes".to_owned(), |why| format!("no: {why}"));
            let [free, slots, queued] = [node.free, node.slots, node.queued].map(|count| count.to_string());
            table.wide([node.name.clone(), free, slots, queued, heard, may]);
        }
        table.write(out)?;
    }
    if !view.loans.is_empty() {
        writeln!(out, "\nwho has tasks of it")?;
        let mut table = Table::new(&["FROM", "TO", "TASKS", "GRANT", "LEASE ENDS IN"]);
        for loan in &view.loans {
            let ends = loan.lease_ends_in_ms.map_or_else(|| "it begins".to_owned(), |ms| format!("{ms} ms"));
            table.row([loan.from.clone(), loan.to.clone(), loan.tasks.to_string(), loan.grant.to_string(), ends]);
        }
        table.write(out)?;
    }
    if !view.decisions.is_empty() {
        // Decisions are about so many tasks of a job, not about each.
        let job = if view.task.is_some() { " about the job" } else { "" };
        writeln!(out, "\nwhat was decided lately{job}")?;
    }
    view.decisions.iter().try_for_each(|decision| write_decision(decision, out))
}

/// What was expected, how good such words were, and from what they come.
fn expected(estimate: &EstimateView) -> String {
    let (least, most) = (length(estimate.least_ms), length(estimate.most_ms));
    let long = if least == most { least } else { format!("{least} to {most} a task") };
    let within = estimate
        .within_factor
        .map_or_else(String::new, |factor| format!(", within {:.1}x", (factor * 10.0).ceil() / 10.0));
    let runs = if estimate.runs == 1 { "1 run".to_owned() } else { format!("{} runs", estimate.runs) };
    let of = if estimate.of == "task" { "task" } else { "command" };
    format!("{long}{within}, from {runs} of this {of}")
}

fn length(ms: f64) -> String {
    match ms {
        ms if ms < 999.5 => format!("{ms:.0} ms"),
        ms if ms < 99_950.0 => format!("{:.1} s", ms / 1e3),
        ms if ms < 5_970_000.0 => format!("{:.0} min", ms / 6e4),
        ms => format!("{:.1} h", ms / 3.6e6),
    }
}

fn write_decision(decision: &DecisionView, out: &mut impl Write) -> io::Result<()> {
    let DecisionView { ms_ago, what, tasks, node, because } = decision;
    let way = match what.as_str() {
        "checkpointed" => "on",
        what if what.ends_with("back") => "from",
        _ => "to",
    };
    let whom = node.as_ref().map_or_else(String::new, |node| format!(" {way} {node}"));
    let count = if what == "ordered" { String::new() } else { format!(" {tasks}") };
    writeln!(out, "  {:>8.1} s ago  {what}{count}{whom}: {because}", *ms_ago as f64 / 1_000.0)
}

fn write_task(task: &TaskView, out: &mut impl Write) -> io::Result<()> {
    let place = match (&task.name, task.state.as_str()) {
        (Some(name), "lent") => format!(" to {name}"),
        (Some(name), _) => format!(" on {name}"),
        (None, _) => String::new(),
    };
    let ran = task.ran_ms.map_or_else(String::new, |ms| format!(", ran for {ms:.1} ms"));
    writeln!(out, "  task {:<6} {}{place}{ran}", task.number, task.state)?;
    if let Some(token) = &task.token {
        writeln!(out, "  token       {token}")?;
    }
    if task.round > 0 || task.failures > 0 {
        writeln!(out, "  tries       round {}, {} failed in it", task.round, task.failures)?;
    }
    if let Some(because) = &task.because {
        writeln!(out, "  waits       {because}")?;
    }
    Ok(())
}
