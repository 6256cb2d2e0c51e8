//! Printing: JSON where it was asked for, else text; never a panic when nobody reads.

use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use serde::Serialize;
use tern_core::view::{JobState, JobView};
use tern_node::control::words::state_word;
use tracing_subscriber::filter::{self, FilterExt};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// Standard output, which says that it was it when it takes no more: a full disk may be any.
#[derive(Debug)]
pub struct Standard(StdoutLock<'static>);

impl Write for Standard {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(of_output)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(of_output)
    }
}

fn of_output(error: io::Error) -> io::Error {
    // Asked to go on after a signal, a writer looks at the kind alone.
    io::Error::new(error.kind(), format!("standard output takes no more: {error}"))
}

/// Where a command's answer goes.
#[derive(Clone, Copy, Debug)]
pub struct Printer {
    pub json: bool,
    colour: bool,
}

impl Printer {
    pub fn new(json: bool) -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { json, colour: !json && !unwanted && io::stdout().is_terminal() }
    }

    /// Whether colours are wanted and can be seen.
    pub const fn coloured(self) -> bool {
        self.colour
    }

    /// Standard output, buffered; flush it before the end.
    #[expect(clippy::unused_self, reason = "where output goes is for the printer to say")]
    pub fn out(self) -> BufWriter<Standard> {
        BufWriter::new(Standard(io::stdout().lock()))
    }

    /// One JSON value on a line.
    pub fn value(self, value: &impl Serialize) -> io::Result<()> {
        let mut out = self.out();
        serde_json::to_writer(&mut out, value)?;
        out.write_all(b"\n")?;
        out.flush()
    }

    pub fn line(self, text: &str) -> io::Result<()> {
        let mut out = self.out();
        writeln!(out, "{text}")?;
        out.flush()
    }

    /// A remark beside the answer: on stderr, and not where programs read.
    pub fn remark(self, text: &str) {
        if !self.json {
            // Nobody reads stderr: there is nobody left to tell.
            let _unheard = writeln!(io::stderr(), "tern: {text}");
        }
    }

    pub fn state(self, state: JobState) -> String {
        let colour = match state {
            JobState::Done => "32",
            JobState::Failed => "31",
            JobState::Running => "36",
            JobState::Held | JobState::Cancelled => "33",
            JobState::Queued => "0",
        };
        self.painted(&format!("{:<9}", state_word(state)), colour)
    }

    pub fn painted(self, text: &str, colour: &str) -> String {
        if self.colour { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// One line on a job.
pub fn summary(view: &JobView) -> String {
    let tasks = &view.tasks;
    let mut text = format!("{} of {} done", tasks.done, tasks.total);
    for (count, word) in [(tasks.failed, "failed"), (tasks.cancelled, "cancelled"), (tasks.running, "running")] {
        if count > 0 {
            text.push_str(&format!(", {count} {word}"));
        }
    }
    text
}

/// What a person would call it.
pub fn title(view: &JobView) -> &str {
    if view.name.is_empty() { &view.command } else { &view.name }
}

/// Text for a terminal, whoever wrote it: no control characters but the ends of lines.
pub fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect()
}

/// A line for a terminal: no control characters, at most `width` characters.
pub fn plain(text: &str, width: usize) -> String {
    let mut line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(width + 1).collect();
    if line.chars().count() > width {
        line = line.chars().take(width.saturating_sub(1)).collect();
        line.push('…');
    }
    line
}

/// Milliseconds since `then_ms`, as people say it.
pub fn ago(then_ms: u64) -> String {
    let seconds = tern_node::clock::now().wall_ms.saturating_sub(then_ms) / 1_000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// How a job stands to its deadline, if it has one.
pub fn deadline(view: &JobView) -> Option<String> {
    let due = view.deadline_ms?;
    let at = view.ended_ms.unwrap_or_else(|| tern_node::clock::now().wall_ms);
    let seconds = at.abs_diff(due) as f64 / 1_000.0;
    let done = view.state == JobState::Done;
    Some(match (view.ended_ms, at > due) {
        (Some(_), true) => format!("missed: ended {seconds:.1} s after it"),
        (Some(_), false) if done => format!("met: ended {seconds:.1} s before it"),
        (Some(_), false) => format!("not met: ended {seconds:.1} s before it, and not all of it is done"),
        (None, true) => format!("missed: {seconds:.1} s ago"),
        (None, false) => format!("in {seconds:.1} s"),
    })
}

/// Logs to stderr from now on. Set up only when asked for: it costs start-up.
pub fn log_to_stderr(verbose: u8) {
    let level = if verbose > 1 { "trace" } else { "debug" };
    log_as(level);
}

/// Logs to stderr by directives such as `info` or `tern_node=debug`; wrong ones leave errors only.
pub fn log_as(directives: &str) {
    // The libraries below open a span for each connection and call; what nobody asked to see in detail need not be formatted.
    let chosen = filter::EnvFilter::new(directives);
    let in_detail = chosen.max_level_hint().is_none_or(|level| level >= filter::LevelFilter::DEBUG);
    let wanted = filter::filter_fn(move |what| in_detail || what.is_event());
    let ansi = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    // Already set up: the first one stays.
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(ansi);
    let lines = lines.with_filter(chosen.and(wanted));
    let _first = tracing_subscriber::registry().with(lines).try_init();
}
