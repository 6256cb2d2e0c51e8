//! The words of the command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, CommandFactory, Parser, Subcommand};

use crate::files::args::FilesCommand;
use crate::grid::args::GridCommand;
use crate::top::TopArgs;
use crate::travel::TravelArgs;
use crate::work::args::WorkCommand;

/// Runs your work on the machines you own: at once on this one, and on others that have nothing to do.
#[derive(Debug, Parser)]
#[command(name = "tern", version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    /// State folder [default: $TERN_HOME, else by XDG]
    #[arg(long, global = true, value_name = "FOLDER")]
    pub home: Option<PathBuf>,
    /// Print JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// Say more on stderr; twice: everything
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a command once for each argument, on every core, and lose nothing
    #[command(disable_help_flag = true)]
    Map(MapWords),
    /// Run one command; its output and exit code are passed through
    Run(RunArgs),
    /// Accept a job and return at once
    Submit(SubmitArgs),
    /// List jobs
    Jobs,
    /// Show one job
    Job(JobArgs),
    /// Show what tasks wrote
    Logs(LogsArgs),
    /// Wait until jobs are over; exits 0 only if all tasks are done
    Wait(WaitArgs),
    /// End jobs: what waits never runs, what runs gets TERM, then KILL
    Cancel(JobsArgs),
    /// Start nothing more of jobs
    Hold(JobsArgs),
    /// Let held jobs start
    Release(JobsArgs),
    /// Run again what failed or was cancelled
    Retry(RetryArgs),
    /// Remove jobs that are over, and their results
    Forget(JobsArgs),
    /// Show this node and all nodes of the grid, or one of them, or a zone, in full
    Status(StatusArgs),
    /// Show the grid live: q ends it
    Top(TopArgs),
    #[command(flatten)]
    Grid(GridCommand),
    #[command(flatten)]
    Files(FilesCommand),
    #[command(flatten)]
    Work(WorkCommand),
    /// Say whether this machine is overloaded, balanced or idle
    Trit(crate::hogs::trit::TritArgs),
    /// Name what holds this machine and its tasks back, with the figures that say so
    Bottlenecks(crate::hogs::bottlenecks::BottlenecksArgs),
    /// List the processes that take most of this machine
    Scum(crate::hogs::scum::ScumArgs),
    /// Hold a process back, and let it go again
    Throttle(crate::hogs::throttle::ThrottleArgs),
    /// Start the agent
    Up(UpArgs),
    /// Drain the agent and stop it
    Down(DownArgs),
    /// Three nodes on this machine share one node's flood of work
    Demo(crate::demo::DemoArgs),
    /// Show and check settings
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Config(ConfigArgs),
    /// Check what Tern needs of this machine
    Doctor,
    /// Print one life of a simulated grid, the same for the same seed; or how a workload would fare on given machines
    Sim(SimArgs),
    /// Print a completion script
    Completion(CompletionArgs),
    /// Write man pages
    Man(ManArgs),
    /// The agent itself; `tern up` starts it
    #[command(hide = true)]
    Agent,
}

/// The words of `tern map`, which reads them itself.
#[derive(Debug, Args)]
pub struct MapWords {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub words: Vec<OsString>,
}

impl MapWords {
    /// The words with what was said before the command.
    pub fn with_globals(self, json: bool) -> Vec<OsString> {
        json.then(|| "--json".into()).into_iter().chain(self.words).collect()
    }
}

/// The whole tree, with the options that `tern map` reads itself: for help, man pages and completion.
pub fn whole() -> clap::Command {
    Cli::command().mut_subcommand("map", |_| crate::map::command().name("map"))
}

/// How tasks run, for all commands that start some.
#[derive(Debug, Clone, Args)]
pub struct TaskArgs {
    /// A name for people
    #[arg(long)]
    pub name: Option<String>,
    /// Attempts at each task before it counts as failed
    #[arg(long, visible_alias = "tries", value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub retries: u8,
    /// End a task after this time: 10, 10s, 5m, 2h, 1d
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub timeout: Option<Duration>,
    /// Variables that travel with the task to other nodes
    #[arg(long, value_name = "NAME")]
    pub env: Vec<OsString>,
    #[command(flatten)]
    pub travel: TravelArgs,
    /// The command is one text for a shell [default shell: /bin/sh]
    #[arg(long, value_name = "SHELL", num_args = 0..=1, require_equals = true, default_missing_value = "/bin/sh")]
    pub shell: Option<String>,
}

#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub task: TaskArgs,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub struct SubmitArgs {
    #[command(flatten)]
    pub task: TaskArgs,
    /// One task for each line of FILE (`-`: standard input)
    #[arg(long, value_name = "FILE", conflicts_with = "array")]
    pub each_line: Option<PathBuf>,
    /// One task for each number from A to B
    #[arg(long, value_name = "A-B", value_parser = array, allow_hyphen_values = true)]
    pub array: Option<(i64, i64)>,
    /// Tasks at once on one node [default: its slots]
    #[arg(short = 'j', long = "jobs", value_name = "N")]
    pub parallel: Option<u32>,
    /// Start nothing before `tern release`
    #[arg(long)]
    pub hold: bool,
    /// The command and its arguments, with {} where the input goes [default: at the end]
    #[arg(required = true, trailing_var_arg = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub struct JobArgs {
    /// Its id: 12, or 12-3f9a1c2b
    pub job: String,
    /// With each task that has ended
    #[arg(long)]
    pub tasks: bool,
}

#[derive(Debug, Args)]
pub struct JobsArgs {
    /// Their ids
    #[arg(required = true, value_name = "JOB")]
    pub jobs: Vec<String>,
}

#[derive(Debug, Args)]
pub struct RetryArgs {
    pub job: String,
    /// Only these tasks: 3 or 7-9
    #[arg(value_name = "NUMBER", value_parser = numbers)]
    pub tasks: Vec<(u32, u32)>,
}

#[derive(Debug, Args)]
pub struct LogsArgs {
    /// Go on until the job is over
    #[arg(short, long)]
    pub follow: bool,
    pub job: String,
    /// Only this task, from 1
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub number: Option<u32>,
}

#[derive(Debug, Args)]
pub struct WaitArgs {
    #[arg(required = true, value_name = "JOB")]
    pub jobs: Vec<String>,
    /// Give up after this time (exit code 75); the jobs go on
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub timeout: Option<Duration>,
}

#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Its name, its short key or its whole key; or the name of a zone
    #[arg(value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub node: Option<String>,
}

#[derive(Debug, Args)]
pub struct UpArgs {
    /// Return when the agent is ready
    #[arg(long)]
    pub detach: bool,
}

#[derive(Debug, Clone, Copy, Args)]
pub struct DownArgs {
    /// Do not wait for running tasks: end them; they run again at the next start
    #[arg(long)]
    pub now: bool,
    /// Do not wait for running tasks: leave them running; the next agent adopts them
    #[arg(long, conflicts_with = "now")]
    pub keep_tasks: bool,
}

#[derive(Debug, Args)]
pub struct ConfigArgs {
    #[command(subcommand)]
    pub command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print the settings in force
    Show {
        /// With where each comes from
        #[arg(long)]
        origin: bool,
    },
    /// Read the settings, or FILE, and say what is wrong
    Check { file: Option<PathBuf> },
    /// Print the path of this user's file
    Path,
}

#[derive(Debug, Args)]
pub struct SimArgs {
    /// The life to tell; with --workload what is drawn
    #[arg(required_unless_present = "workload")]
    pub seed: Option<u64>,
    /// Replay these tasks instead: a Standard Workload Format file (.swf), or a list `arrival_s,work_s,cores,memory_mib,bytes,class,deadline_s`
    #[arg(long, value_name = "FILE", requires = "nodes")]
    pub workload: Option<PathBuf>,
    /// On these machines: a list `cores,speed,zone,memory_mib,bandwidth_mbit,owner`, of which
    /// only the first is needed
    #[arg(long, value_name = "FILE", requires = "workload")]
    pub nodes: Option<PathBuf>,
    /// The order of tasks that name none: fifo, interactive, batch or deadline
    #[arg(long, default_value = "fifo", value_parser = order)]
    pub order: tern_core::words::Discipline,
    /// How wrong estimates are: the deviation of their logarithm
    #[arg(long, default_value_t = 0.3, value_parser = deviation)]
    pub sigma: f64,
}

fn deviation(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| (0.0..=5.0).contains(number));
    number.ok_or_else(|| "a deviation is a number from 0 to 5".to_owned())
}

fn order(text: &str) -> Result<tern_core::words::Discipline, String> {
    use tern_core::words::Discipline;
    match text {
        "fifo" => Ok(Discipline::Fifo),
        "interactive" => Ok(Discipline::Interactive),
        "batch" => Ok(Discipline::Batch),
        "deadline" => Ok(Discipline::Deadline),
        _ => Err(format!("{text} is none of fifo, interactive, batch, deadline")),
    }
}

#[derive(Debug, Args)]
pub struct CompletionArgs {
    pub shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub struct ManArgs {
    /// One file for each command is written here; absent: the main page is printed
    pub folder: Option<PathBuf>,
}

/// `10`, `10s`, `500ms`, `5m`, `2h`, `1d`, each with a fraction if need be.
pub fn duration(text: &str) -> Result<Duration, String> {
    let unit_at = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let scale = match unit {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        _ => return Err("a time looks like 10, 10s, 500ms, 5m, 2h or 1d".to_owned()),
    };
    let number: f64 = number.parse().map_err(|_| "a time begins with a number, as in 10s".to_owned())?;
    // Tens of years: what is longer is a slip, and would not fit into nanoseconds.
    Some(number * scale)
        .filter(|seconds| *seconds > 0.0 && *seconds < 1e9)
        .map(Duration::from_secs_f64)
        .ok_or_else(|| "a time is more than 0 and less than 10⁹ seconds".to_owned())
}

/// `1-1000000`, `-5-5`, or `7`.
pub fn array(text: &str) -> Result<(i64, i64), String> {
    let wrong = || "an array looks like 1-1000000".to_owned();
    // A minus at the very beginning belongs to the first number.
    let dash = text.char_indices().skip(1).find(|(_, c)| *c == '-').map(|(at, _)| at);
    let Some(at) = dash else {
        let only = text.parse().map_err(|_| wrong())?;
        return Ok((only, only));
    };
    let (first, last) = (text.get(..at), text.get(at + 1..));
    let number = |part: Option<&str>| part.and_then(|part| part.parse::<i64>().ok()).ok_or_else(wrong);
    let (first, last) = (number(first)?, number(last)?);
    if last < first { Err(format!("{first} comes after {last}")) } else { Ok((first, last)) }
}

/// `3` or `7-9`, from 1.
fn numbers(text: &str) -> Result<(u32, u32), String> {
    let wrong = || "tasks are given as 3 or 7-9, from 1".to_owned();
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.parse().map_err(|_| wrong())?, last.parse().map_err(|_| wrong())?);
    if first == 0 || last < first { Err(wrong()) } else { Ok((first, last)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_sound() {
        Cli::command().debug_assert();
        whole().debug_assert();
    }

    #[test]
    fn times_are_read_with_their_units_and_nonsense_is_refused() {
        assert_eq!(duration("10"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        for wrong in ["", "s", "-1", "0", "1x", "1e30", "1.2.3", "99999999999d"] {
            assert!(duration(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn arrays_are_read_with_their_signs_and_nonsense_is_refused() {
        assert_eq!(array("1-1000000"), Ok((1, 1_000_000)));
        assert_eq!(array("-5--3"), Ok((-5, -3)));
        assert_eq!(array("-5-5"), Ok((-5, 5)));
        assert_eq!(array("7"), Ok((7, 7)));
        for wrong in ["", "-", "5-1", "1-", "a-b", "1-2-3", "1-99999999999999999999"] {
            assert!(array(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn what_follows_map_is_left_to_it() {
        let cli = Cli::try_parse_from(["tern", "--json", "map", "-k", "echo", "{}", ":::", "a"]).unwrap();
        let Command::Map(map) = cli.command else { panic!("not map") };
        assert_eq!(map.with_globals(cli.json), ["--json", "-k", "echo", "{}", ":::", "a"]);
    }

    #[test]
    fn what_follows_the_command_belongs_to_it() {
        let cli = Cli::try_parse_from(["tern", "run", "ls", "-l", "--json"]).unwrap();
        let Command::Run(run) = cli.command else { panic!("not run") };
        assert_eq!(run.command, ["ls", "-l", "--json"]);
        assert!(!cli.json);
    }
}
