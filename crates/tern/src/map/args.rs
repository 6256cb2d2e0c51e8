//! The options of `tern map`: those of GNU parallel that it takes, with their letters and their meaning.
//!
//! Options end at the first word that is none; from there on everything belongs to the command, up to `:::`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Parser};
use tern_core::words::{Halt, limits};

use super::error::MapError;
use super::halt;
use crate::travel::TravelArgs;

/// Said when an option is refused.
pub const SUPPORTED: &str = "Of parallel's options it knows: -0 -a -C/--colsep -j/--jobs/-P -k/--keep-order \
    -n/--max-args --halt --timeout --retries --dry-run --tag --bar --eta --shell --env; and of its own: --json \
    --quiet --share --stage --in --out --on --not-on --zone --cpus --mem --gpus --arch --lane --strategy --deadline --exclusive --defer --checkpoint --grace --idempotent --home. What belongs to the command stands after the command's name; see tern map --help.";

/// `-j 0`, "as many as possible": more than this many processes at once help nobody on one machine.
const JOBS_AT_MOST: u32 = 256;

#[derive(Debug, Parser)]
#[command(
    name = "tern map",
    bin_name = "tern map",
    about = "Run a command once for each argument, on every core, and lose nothing",
    override_usage = "tern map [OPTIONS] COMMAND [WORD]... [::: ARG... | :::: FILE...]...\n       \
                      ... | tern map [OPTIONS] COMMAND [WORD]...",
    after_help = AFTER_HELP,
    args_override_self = true
)]
pub struct MapArgs {
    /// Tasks at once: N, N% of the cores, +N or -N cores more or less, 0 for as many as make sense [default: 100%]
    #[arg(short, long, visible_short_alias = 'P', visible_alias = "max-procs", value_name = "N", allow_hyphen_values = true, value_parser = jobs, default_value = "100%", hide_default_value = true)]
    pub jobs: Jobs,
    /// Print output in the order of the input
    #[arg(short, long)]
    pub keep_order: bool,
    /// Give each task N arguments (0: run once an argument without inserting it)
    #[arg(short = 'n', long, value_name = "N")]
    pub max_args: Option<u32>,
    /// Read arguments from FILE, one a line; `-` is standard input; several files are several sources
    #[arg(short = 'a', long = "arg-file", value_name = "FILE")]
    pub arg_file: Vec<PathBuf>,
    /// Arguments in files and standard input end with NUL, not with a newline
    #[arg(short = '0', long)]
    pub null: bool,
    /// Cut each argument into columns at PATTERN (text, `\t`, `[,;]`, ` +`); `{1}`, `{2}` … name them
    #[arg(short = 'C', long, value_name = "PATTERN", allow_hyphen_values = true, value_parser = super::input::colsep::Pattern::parse)]
    pub colsep: Option<super::input::colsep::Pattern>,
    /// Stop early: never, or soon|now,fail|success|done=N|N%
    #[arg(long, value_name = "WHEN,WHAT=N", allow_hyphen_values = true, value_parser = halt::parse)]
    pub halt: Option<Halt>,
    /// End a task after this time: seconds, or 90s, 1.5m, 2h, 1d12h
    #[arg(long, value_name = "TIME", value_parser = timeout)]
    pub timeout: Option<Duration>,
    /// Run a failing task up to N times
    #[arg(long, value_name = "N", default_value_t = 1, hide_default_value = true, value_parser = clap::value_parser!(u8).range(1..=i64::from(limits::TRIES_MAX)))]
    pub retries: u8,
    /// Print the commands and run none
    #[arg(long, visible_alias = "dryrun")]
    pub dry_run: bool,
    /// Begin each line of output with the task's arguments and a tab
    #[arg(long)]
    pub tag: bool,
    /// Show progress on standard error even where that is no terminal
    #[arg(long)]
    pub bar: bool,
    /// As --bar
    #[arg(long)]
    pub eta: bool,
    /// The command is text for a shell (/bin/sh, or PATH); arguments are quoted for it
    #[arg(long, value_name = "PATH", num_args = 0..=1, require_equals = true, default_missing_value = "/bin/sh", value_parser = shell)]
    pub shell: Option<String>,
    #[command(flatten)]
    pub travel: TravelArgs,
    /// Let this variable travel to other nodes with the tasks (here they have the whole environment)
    #[arg(long, value_name = "NAME")]
    pub env: Vec<OsString>,
    /// Print one JSON object a task and a summary at the end
    #[arg(long)]
    pub json: bool,
    /// No progress, no notices; errors and the tasks' own output remain
    #[arg(short, long)]
    pub quiet: bool,
    /// State folder [default: $TERN_HOME, else by XDG]
    #[arg(long, value_name = "DIR")]
    pub home: Option<PathBuf>,
    /// The command, its words, and the sources of its arguments
    #[arg(trailing_var_arg = true, value_name = "COMMAND")]
    pub words: Vec<OsString>,
}

const AFTER_HELP: &str = "\
Places in the command: {} the argument, {.} without extension, {/} last component, {//} folder, {/.} last component \
without extension, {#} the task's number; {2}, {2/.}, {-1} columns. Without a place {} is added at the end.\n\
Sources: ::: words, :::: files, :::+ and ::::+ linked to the source before; several sources are combined.\n\
A command in one string is split by quoting rules without a shell; --shell asks for one.\n\
Exit status: 0, the number of failed tasks up to 100, 101 for more; with --halt as parallel has it.";

/// The command line of `tern map`, for help, completions and the manual.
#[must_use]
pub fn command() -> clap::Command {
    MapArgs::command()
}

/// Reads the words that followed `tern map`.
///
/// # Errors
/// [`MapError::UnknownOption`], or [`MapError::Options`] for what clap says itself (help included).
pub fn read(raw: Vec<OsString>) -> Result<MapArgs, MapError> {
    MapArgs::try_parse_from(std::iter::once(OsString::from("tern map")).chain(raw)).map_err(|error| {
        match (error.kind(), error.get(ContextKind::InvalidArg)) {
            (ErrorKind::UnknownArgument, Some(ContextValue::String(option))) => {
                MapError::UnknownOption { option: option.clone() }
            }
            _ => MapError::Options(error),
        }
    })
}

/// What `-j` asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Jobs {
    Exactly(u32),
    AsManyAsPossible,
    /// Of the cores.
    Percent(f64),
    /// The cores and this many more (or fewer).
    Beside(i32),
}

impl Jobs {
    /// What holds where nothing is said.
    pub const ALL_CORES: Self = Self::Percent(100.0);

    /// Slots for `tasks` tasks on a machine of `cores`: at least 1, never more than there are tasks.
    #[must_use]
    pub fn slots(self, cores: u32, tasks: u32) -> u32 {
        let wanted = match self {
            Self::Exactly(jobs) => jobs.min(limits::SLOTS_MAX),
            Self::AsManyAsPossible => JOBS_AT_MOST,
            Self::Percent(percent) => (f64::from(cores) * percent / 100.0) as u32,
            Self::Beside(more) => cores.saturating_add_signed(more),
        };
        wanted.clamp(1, limits::SLOTS_MAX).min(tasks.max(1))
    }
}

fn jobs(text: &str) -> Result<Jobs, String> {
    let wrong = || format!("`{text}` is neither a number, N%, +N nor -N");
    if let Some(percent) = text.strip_suffix('%') {
        let percent = percent.parse().ok().filter(|percent: &f64| percent.is_finite() && *percent >= 0.0);
        return percent.map(Jobs::Percent).ok_or_else(wrong);
    }
    if text.starts_with(['+', '-']) {
        return text.parse().map(Jobs::Beside).map_err(|_| wrong());
    }
    match text.parse().map_err(|_| wrong())? {
        0 => Ok(Jobs::AsManyAsPossible),
        jobs => Ok(Jobs::Exactly(jobs)),
    }
}

/// Seconds, or numbers with the suffixes s, m, h and d one after the other.
fn timeout(text: &str) -> Result<Duration, String> {
    if text.ends_with('%') {
        return Err("a percentage of the median run time is not supported; give a time such as 90s or 5m".into());
    }
    let wrong = || format!("`{text}` is no time; write seconds, or 90s, 1.5m, 2h, 1d12h");
    let mut seconds = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number: f64 = rest[..digits].parse().map_err(|_| wrong())?;
        let suffix = rest[digits..].chars().next();
        seconds += number
            * match suffix {
                None | Some('s' | 'S') => 1.0,
                Some('m' | 'M') => 60.0,
                Some('h' | 'H') => 3_600.0,
                Some('d' | 'D') => 86_400.0,
                Some(_) => return Err(wrong()),
            };
        rest = &rest[digits + suffix.map_or(0, char::len_utf8)..];
    }
    let time = Duration::try_from_secs_f64(seconds).map_err(|_| wrong())?;
    if text.is_empty() || u64::try_from(time.as_millis()).is_err() { Err(wrong()) } else { Ok(time) }
}

/// Refuses shells in which single quotes do not mean what they mean in sh.
fn shell(path: &str) -> Result<String, String> {
    let name = path.rsplit('/').next().unwrap_or(path);
    match name {
        "" => Err("name a shell, or write --shell alone for /bin/sh".into()),
        "csh" | "tcsh" | "rc" | "es" | "fish" | "nu" | "pwsh" | "elvish" | "xonsh" => {
            Err(format!("arguments cannot be quoted safely for {name}; name a POSIX shell such as /bin/sh or bash"))
        }
        _ => Ok(path.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &[&str]) -> Result<MapArgs, MapError> {
        read(line.iter().map(Into::into).collect())
    }

    #[test]
    fn options_end_at_the_first_word_that_is_none() {
        let args = words(&["-j4", "-k", "-n", "2", "ls", "-l", "--tag", "--", "-j", ":::", "-x"]).expect("parses");
        assert_eq!(args.words, ["ls", "-l", "--tag", "--", "-j", ":::", "-x"]);
        assert!(args.keep_order && !args.tag && args.max_args == Some(2));
        assert_eq!(words(&["--", "-x", "a"]).expect("parses").words, ["-x", "a"]);
        assert_eq!(words(&["-0k", ":::", "a"]).expect("parses").words, [":::", "a"]);
        assert_eq!(words(&["--shell", "echo", "a"]).expect("parses").shell.as_deref(), Some("/bin/sh"));
        assert_eq!(words(&["--shell=/bin/bash", "a"]).expect("parses").shell.as_deref(), Some("/bin/bash"));
    }

    #[test]
    fn an_unknown_option_is_refused_with_those_that_are_known() {
        for option in ["--sshlogin", "-X", "--pipe"] {
            let error = words(&[option, "echo"]).expect_err("is unknown");
            assert!(matches!(&error, MapError::UnknownOption { option: named } if named == option), "{error:?}");
            assert!(error.to_string().contains("--halt"), "{error}");
            assert_eq!(error.status(), 64);
        }
    }

    #[test]
    fn jobs_are_counted_from_the_cores() {
        let slots = |text: &str| jobs(text).map(|jobs| jobs.slots(4, 1000));
        assert_eq!(
            ["3", "0", "50%", "150%", "+2", "-1", "-9", "1%"].map(|text| slots(text).expect("is valid")),
            [3, 256, 2, 6, 6, 3, 1, 1]
        );
        assert_eq!(jobs("9").expect("is valid").slots(4, 2), 2, "never more than there are tasks");
        assert!(["x", "", "1.5", "-", "nan%", "-3%", "99999999999"].iter().all(|text| slots(text).is_err()));
        assert_eq!(words(&["-j", "-1", "x"]).expect("parses").jobs, Jobs::Beside(-1));
        assert_eq!(words(&["-j+1", "x"]).expect("parses").jobs, Jobs::Beside(1));
    }

    #[test]
    fn times_have_suffixes_and_percentages_are_refused() {
        let millis = |text: &str| timeout(text).map(|time| time.as_millis());
        assert_eq!(
            ["5", "0.5", "90s", "1.5m", "2h", "1d12h", "1h30"].map(|text| millis(text).expect("is valid")),
            [5_000, 500, 90_000, 90_000, 7_200_000, 129_600_000, 3_630_000]
        );
        assert!(
            ["", "x", "1x", "1..2", "s", "-1", "9999999999999999999999d"].iter().all(|text| timeout(text).is_err())
        );
        assert!(timeout("200%").expect_err("is refused").contains("percentage"));
    }

    #[test]
    fn shells_with_other_quotes_are_refused() {
        assert!(shell("/usr/bin/fish").is_err() && shell("tcsh").is_err() && shell("/bin/dash").is_ok());
    }
}
