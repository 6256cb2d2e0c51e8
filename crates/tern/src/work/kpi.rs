//! `tern kpi`: figures of how well this node worked, from what it wrote down. Without an agent the file is read all the same.

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use tern_core::observe::kpi::{Figures, Kpi};
use tern_node::control::{Door, Entry};

use super::args::KpiArgs;
use crate::cli::{Context, Outcome};

pub async fn kpi(context: &Context, args: KpiArgs) -> Outcome {
    let door = Door::open(&context.home, Entry::AgentOrLook, None).await?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let since = args.since.map_or(0, |ago| now.saturating_sub(ago).as_millis());
    let shown = door.kpi(u64::try_from(since).unwrap_or(u64::MAX)).await?;
    door.close(true).await?;
    if context.printer.json {
        context.printer.value(&shown)?;
    } else {
        context.printer.line(table(&shown).trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// One line a figure: its value, or why there is none.
fn table(shown: &Kpi) -> String {
    let Kpi { tasks, moves, seconds, lives, nodes, .. } = shown;
    let mut text = format!(
        "{seconds:.0} seconds, {lives} {} of the agent, {nodes} {}\n",
        word(*lives, "life", "lives"),
        word(*nodes, "node", "nodes")
    );
    text += &format!("{} tasks accepted, {} done, {} failed", tasks.accepted, tasks.done, tasks.failed);
    for (count, what) in
        [(tasks.cancelled, "cancelled"), (tasks.again, "runs that were not the last"), (tasks.foreign, "of others")]
    {
        if count > 0 {
            text += &format!(", {count} {what}");
        }
    }
    text += &format!("; {} lent, {} came back, {} borrowed\n\n", moves.lent, moves.returned, moves.borrowed);
    for (what, name, value) in rows(&shown.figures) {
        let why = || shown.not_measured.get(name).cloned().unwrap_or_default();
        text += &format!("{what:<22}{}\n", value.unwrap_or_else(|| format!("-  {}", why())));
    }
    if shown.unreadable > 0 {
        text += &format!("\n{} lines could not be read and are left out\n", shown.unreadable);
    }
    if shown.clock_steps > 0 {
        text += &format!("\n{} starts seem to lie before their task: the clock was set\n", shown.clock_steps);
    }
    text
}

const fn word(count: u32, one: &'static str, many: &'static str) -> &'static str {
    if count == 1 { one } else { many }
}

fn rows(figures: &Figures) -> Vec<(&'static str, &'static str, Option<String>)> {
    let plain = |value: Option<f64>| value.map(|value| format!("{value:.4}"));
    let rate = |value: Option<f64>| value.map(|value| format!("{value:.3}/s"));
    let time = |value: Option<f64>| value.map(|value| format!("{value:.3} s"));
    let share = |value: Option<f64>| value.map(|value| format!("{:.1} %", value * 100.0));
    vec![
        ("load variance", "load_variance", plain(figures.load_variance)),
        ("  over its mean", "load_variation", plain(figures.load_variation)),
        ("migrations", "migration_rate", rate(figures.migration_rate)),
        ("queue latency, mean", "queue_latency_mean", time(figures.queue_latency_mean)),
        ("  p50", "queue_latency_p50", time(figures.queue_latency_p50)),
        ("  p95", "queue_latency_p95", time(figures.queue_latency_p95)),
        ("  p99", "queue_latency_p99", time(figures.queue_latency_p99)),
        ("utilisation", "utilisation", share(figures.utilisation)),
        ("makespan over bound", "makespan_over_bound", plain(figures.makespan_over_bound)),
        ("  worst", "makespan_over_bound_worst", plain(figures.makespan_over_bound_worst)),
        ("fairness (Jain)", "jain", plain(figures.jain)),
        ("throughput", "throughput", rate(figures.throughput)),
        ("task latency, mean", "task_latency_mean", time(figures.task_latency_mean)),
        ("tasks in system, L", "tasks_in_system", plain(figures.tasks_in_system)),
        ("  by rate, \u{3bb}W", "little_lambda_w", plain(figures.little_lambda_w)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use tern_core::observe::kpi::{Moves, Tasks};

    #[test]
    fn a_figure_that_was_not_measured_says_why() {
        let figures = Figures {
            queue_latency_mean: Some(0.0204),
            utilisation: Some(0.5),
            throughput: Some(12.0),
            ..Figures::default()
        };
        let why = [("jain".to_owned(), "no second node was known".to_owned())];
        let shown = Kpi {
            seconds: 12.4,
            lives: 1,
            nodes: 1,
            tasks: Tasks { accepted: 24, done: 20, failed: 4, again: 2, ..Tasks::default() },
            moves: Moves { lent: 3, ..Moves::default() },
            figures,
            not_measured: why.into(),
            unreadable: 1,
            ..Kpi::default()
        };
        expect![[r#"
            12 seconds, 1 life of the agent, 1 node
            24 tasks accepted, 20 done, 4 failed, 2 runs that were not the last; 3 lent, 0 came back, 0 borrowed

            load variance         -  
              over its mean       -  
            migrations            -  
            queue latency, mean   0.020 s
              p50                 -  
              p95                 -  
              p99                 -  
            utilisation           50.0 %
            makespan over bound   -  
              worst               -  
            fairness (Jain)       -  no second node was known
            throughput            12.000/s
            task latency, mean    -  
            tasks in system, L    -  
              by rate, λW         -  

            1 lines could not be read and are left out
        "#]]
        .assert_eq(&table(&shown));
    }
}
