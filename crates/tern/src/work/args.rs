//! The words of these commands, and who answers each.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::{balance, benchmark, drain, explain, kpi, ledger, migrate};
use crate::cli::tree::duration;
use crate::cli::{Context, Outcome, block_on};

#[derive(Debug, Subcommand)]
pub enum WorkCommand {
    /// Let a node start nothing more, also after a restart: what waits there goes to others
    Drain(DrainArgs),
    /// Let a drained node start tasks again
    Undrain(UndrainArgs),
    /// Say why a job or a task is where it is, and who may not run it
    Explain(ExplainArgs),
    /// Let a task run on another node: by moving it, by a checkpoint, or anew; throttles what can do none of these
    Migrate(MigrateArgs),
    /// The same of a task that is named by its process
    MigrateScum(MigrateScumArgs),
    /// Show how loaded each node is, and what the rules make of all of them together
    MeshBalance,
    /// Name up to three idle nodes, the one with the smallest load a core first; exits 1 where there is none
    FindMinus,
    /// Show which waiting tasks would go where to even out the load
    Balance(BalanceArgs),
    /// Show which tasks went from whom to whom, and whether all of it adds up
    Ledger(LedgerArgs),
    /// Show how well this node worked: latency, use, balance and fairness, from what it wrote down
    Kpi(KpiArgs),
    /// Measure the grid with tiny tasks: throughput, latency, makespan, fairness
    Benchmark(BenchmarkArgs),
}

impl WorkCommand {
    pub fn run(self, context: &Context) -> Outcome {
        match self {
            Self::Drain(args) => block_on(drain::drain(context, args)),
            Self::Undrain(args) => block_on(drain::undrain(context, args)),
            Self::Explain(args) => block_on(explain::explain(context, args)),
            Self::Migrate(args) => block_on(migrate::migrate(context, args)),
            Self::MigrateScum(args) => block_on(migrate::scum(context, args)),
            Self::MeshBalance => block_on(balance::mesh(context)),
            Self::FindMinus => block_on(balance::minus(context)),
            Self::Balance(args) => block_on(balance::balance(context, args)),
            Self::Ledger(args) => block_on(ledger::ledger(context, args)),
            Self::Kpi(args) => block_on(kpi::kpi(context, args)),
            Self::Benchmark(args) => block_on(benchmark::benchmark(context, args)),
        }
    }
}

#[derive(Debug, Args)]
pub struct KpiArgs {
    /// Only of the last: 90, 10m, 1h, 7d [default: all that is kept]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub since: Option<Duration>,
}

#[derive(Debug, Args)]
pub struct DrainArgs {
    /// Its name, its short key or its whole key [default: this node]
    #[arg(value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub node: Option<String>,
    /// Return when nothing runs there any more
    #[arg(long)]
    pub wait: bool,
}

#[derive(Debug, Args)]
pub struct UndrainArgs {
    /// Its name, its short key or its whole key [default: this node]
    #[arg(value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub node: Option<String>,
}

#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// A job, as 12 or 12-3f9a1c2b, or one of its tasks, as 12/7 [default: what this node decided lately for itself]
    #[arg(value_name = "JOB[/TASK]", value_parser = place)]
    pub place: Option<Place>,
}

#[derive(Debug, Args)]
pub struct MigrateArgs {
    /// A task, as 12/7, or the process of one that runs here
    #[arg(value_name = "JOB/TASK|PID", value_parser = mover)]
    pub what: Mover,
    /// The node that is to have it: its name, its short key or its whole key [default: where most is gained]
    #[arg(long, value_name = "NODE")]
    pub to: Option<String>,
    /// Throttle a process that is no task of Tern's
    #[arg(long)]
    pub foreign: bool,
}

#[derive(Debug, Args)]
pub struct MigrateScumArgs {
    /// The process of a task that runs here
    #[arg(value_parser = clap::value_parser!(i32).range(1..))]
    pub pid: i32,
    /// The node that is to have it: its name, its short key or its whole key [default: where most is gained]
    #[arg(long, value_name = "NODE")]
    pub to: Option<String>,
    /// Throttle it if it is no task of Tern's
    #[arg(long)]
    pub foreign: bool,
}

/// What is to move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mover {
    Task(Place),
    Process(i32),
}

#[derive(Debug, Clone, Copy, Args)]
pub struct BalanceArgs {
    /// Carry it out: those that would receive tasks ask for them; exits 1 where one does not
    #[arg(long)]
    pub apply: bool,
}

#[derive(Debug, Clone, Copy, Args)]
pub struct LedgerArgs {
    #[command(subcommand)]
    pub what: Option<LedgerWhat>,
}

#[derive(Debug, Clone, Copy, Subcommand)]
pub enum LedgerWhat {
    /// Say only what does not add up, with its transfer and its node; exits 1 where something does not
    Audit,
}

/// A job, and perhaps one of its tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub job: String,
    /// From 1.
    pub task: Option<u32>,
}

#[derive(Debug, Clone, Copy, Args)]
pub struct BenchmarkArgs {
    /// Tasks that do nothing, in the first batch
    #[arg(long, value_name = "N", default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub tasks: u32,
    /// About how long the second batch shall take, of tasks that compute
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub seconds: Duration,
}

/// `12`, `12-3f9a1c2b`, `12/7`.
fn place(text: &str) -> Result<Place, String> {
    let Some((job, task)) = text.split_once('/') else {
        return Ok(Place { job: text.to_owned(), task: None });
    };
    let task = task.parse().ok().filter(|task| *task > 0);
    let task = task.ok_or_else(|| "a task looks like 12/7, and tasks count from 1".to_owned())?;
    Ok(Place { job: job.to_owned(), task: Some(task) })
}

/// `12/7`, `12-3f9a1c2b/7`; a bare number is a process.
fn mover(text: &str) -> Result<Mover, String> {
    if let Some(pid) = text.parse::<i32>().ok().filter(|pid| *pid > 0) {
        return Ok(Mover::Process(pid));
    }
    match place(text)? {
        place @ Place { task: Some(_), .. } => Ok(Mover::Task(place)),
        Place { .. } => Err("a task looks like 12/7, a process is a number".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_number_is_a_process_and_a_task_has_a_slash() {
        assert_eq!(mover("4711"), Ok(Mover::Process(4711)));
        assert_eq!(mover("12/7"), Ok(Mover::Task(Place { job: "12".to_owned(), task: Some(7) })));
        for wrong in ["0", "-4", "12-3f9a1c2b", "12/", "x"] {
            assert!(mover(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_place_is_a_job_or_one_of_its_tasks() {
        let of = |job: &str, task| Ok(Place { job: job.to_owned(), task });
        assert_eq!(place("12"), of("12", None));
        assert_eq!(place("12-3f9a1c2b/7"), of("12-3f9a1c2b", Some(7)));
        for wrong in ["12/", "12/0", "12/a", "12/7/8", "12/-1"] {
            assert!(place(wrong).is_err(), "{wrong:?}");
        }
    }
}
