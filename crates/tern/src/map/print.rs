//! What comes back, as it is shown: a task's output in one piece, standard output before standard error; with `-k` in
//! the order of the input, with `--tag` each line after its arguments, with `--json` one object a task.
//!
//! With `-k` only what comes early is held back: up to 64 MiB of output in memory, more in an unlinked file. Results
//! carry the first MiB of each output; where there is more, it is read from the node in pieces when its turn comes.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Instant;

use serde::Serialize;
use tern_core::promise::Exit;
use tern_core::words::Bytes;
use tern_core::words::template::Template;
use tern_node::control::api::TaskResult;
use tern_node::control::results::Stream;

use super::halt::{Tally, Verdict};
use super::progress::Progress;
use held::Held;

mod held;

/// Notices about single tasks; after these only their number counts.
const NOTICES_MAX: u32 = 20;

/// Says a line on standard error; a closed one has nobody to tell.
pub fn say(text: &str) {
    drop(writeln!(io::stderr().lock(), "{text}"));
}

/// How to show results.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    pub keep_order: bool,
    pub tag: bool,
    pub json: bool,
    pub quiet: bool,
}

/// Takes a piece of output.
pub type Sink<'a> = &'a mut dyn FnMut(&[u8]) -> io::Result<()>;
/// Reads all that a task wrote, from its beginning, where a result carries only a part.
pub type Fetch = Box<dyn FnMut(u32, Stream, Sink<'_>) -> io::Result<()> + Send>;

/// Shows results as they come.
pub struct Printer<Out, Err> {
    out: Out,
    err: Err,
    style: Style,
    rows: Vec<Vec<Bytes>>,
    template: Template,
    /// With `-k`: what came before its turn, and whose turn it is.
    held: Option<Held>,
    notices: u32,
    fetch: Fetch,
    progress: Progress,
    pub tally: Tally,
    started: Instant,
}

/// What the printer has to know of the job.
pub struct Job {
    pub rows: Vec<Vec<Bytes>>,
    pub template: Template,
    pub tally: Tally,
    pub progress: Progress,
}

/// One line of `--json`.
#[derive(Serialize)]
struct Line<'a> {
    args: &'a [Bytes],
    #[serde(flatten)]
    result: &'a TaskResult,
}

/// The last line of `--json`.
#[derive(Serialize)]
struct Summary<'a> {
    job: Option<&'a str>,
    total: usize,
    done: u32,
    failed: u32,
    cancelled: u32,
    /// Of the whole command.
    status: u8,
    seconds: f64,
}

impl<Out: Write, Err: Write> Printer<Out, Err> {
    /// `rows` and `template` are those of the job.
    pub fn new(sinks: (Out, Err), style: Style, job: Job, fetch: Fetch) -> Self {
        let (out, err) = sinks;
        let Job { rows, template, tally, progress } = job;
        let held = style.keep_order.then(Held::default);
        Self { out, err, style, rows, template, held, notices: 0, fetch, progress, tally, started: Instant::now() }
    }

    /// Shows a batch of results and flushes once.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn batch(&mut self, results: Vec<TaskResult>) -> io::Result<()> {
        let mut progress = std::mem::replace(&mut self.progress, Progress::None);
        let written = progress.beside(|| {
            for result in results {
                self.take(result)?;
            }
            self.out.flush()
        });
        progress.show(&self.tally);
        self.progress = progress;
        written
    }

    /// Shows what was held back and the summary, and gives the exit status of the whole.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn finish(mut self, job: Option<&str>) -> io::Result<u8> {
        let progress = std::mem::replace(&mut self.progress, Progress::None);
        let status = self.tally.status();
        progress.beside(|| {
            if let Some(mut held) = self.held.take() {
                while let Some(result) = held.pop_any()? {
                    self.show(&result)?;
                }
            }
            if self.style.json {
                self.summary(job, status)?;
            }
            self.out.flush()
        })?;
        if self.notices > NOTICES_MAX {
            self.notice(format_args!("{} more tasks like these", self.notices - NOTICES_MAX))?;
        }
        progress.finish(&self.tally);
        Ok(status)
    }

    fn take(&mut self, result: TaskResult) -> io::Result<()> {
        let verdict = self.tally.count(result.exit, result.status);
        match &mut self.held {
            None if verdict == Verdict::Drop => {}
            None => self.show(&result)?,
            Some(held) => {
                let number = result.number;
                held.push((verdict != Verdict::Drop).then_some(result), number)?;
                while let Some(result) = self.held.as_mut().map(Held::pop_next).transpose()?.flatten() {
                    self.show(&result)?;
                }
            }
        }
        if verdict == Verdict::ShowAndHalt && !self.style.quiet {
            self.notice(format_args!("--halt has its mark; no more tasks are started"))?;
        }
        Ok(())
    }

    fn show(&mut self, result: &TaskResult) -> io::Result<()> {
        let args = self.rows.get(result.number as usize - 1).map(Vec::as_slice).unwrap_or_default();
        if self.style.json {
            serde_json::to_writer(&mut self.out, &Line { args, result }).map_err(io::Error::from)?;
            self.out.write_all(b"\n")?;
        } else {
            let tag = self.style.tag.then(|| tag(args));
            self.show_output(result, Stream::Stdout, tag.as_deref())?;
            self.show_output(result, Stream::Stderr, tag.as_deref())?;
        }
        if self.style.quiet { Ok(()) } else { self.notices_of(result) }
    }

    /// Shows one output of a task, whole.
    fn show_output(&mut self, result: &TaskResult, stream: Stream, tag: Option<&[u8]>) -> io::Result<()> {
        let (to, given, wanted): (&mut dyn Write, _, _) = match stream {
            Stream::Stdout => (&mut self.out, &result.stdout, result.stdout_bytes),
            Stream::Stderr if result.stderr_bytes == 0 => return Ok(()),
            Stream::Stderr => {
                // It must come after what the same task wrote before, also where both are one terminal.
                self.out.flush()?;
                (&mut self.err, &result.stderr, result.stderr_bytes)
            }
        };
        let given = given.as_deref().unwrap_or_default();
        let mut at_start = true;
        if given.len() as u64 >= wanted {
            write_output(to, given, tag, &mut at_start)?;
        } else {
            let mut broken = None;
            let fetched = (self.fetch)(result.number, stream, &mut |piece| {
                let written = write_output(to, piece, tag, &mut at_start);
                written.map_err(|error| {
                    let kind = error.kind();
                    broken = Some(error);
                    kind.into()
                })
            });
            match (broken, fetched) {
                (Some(error), _) => return Err(error),
                (None, Err(error)) => {
                    self.notice(format_args!("task {}: the rest of its output is lost: {error}", result.number))?;
                }
                (None, Ok(())) => {}
            }
        }
        if stream == Stream::Stderr { self.err.flush() } else { Ok(()) }
    }

    /// What a person should know about an end and does not see in the output.
    fn notices_of(&mut self, result: &TaskResult) -> io::Result<()> {
        let silent = result.stdout_bytes == 0 && result.stderr_bytes == 0;
        let end = match result.exit {
            Exit::TimedOut => "was ended after its time-out",
            Exit::Code(127) if silent => "has a program that was not found (status 127)",
            Exit::Code(126) if silent => "has a program that may not be run (status 126)",
            _ => "",
        };
        if end.is_empty() {
            return Ok(());
        }
        self.notices += 1;
        if self.notices > NOTICES_MAX {
            return Ok(());
        }
        let number = result.number;
        let command = self.rows.get(number as usize - 1).map(|row| self.template.show(row, number)).unwrap_or_default();
        self.out.flush()?;
        self.notice(format_args!("task {number} {end}: {command}"))
    }

    fn notice(&mut self, text: std::fmt::Arguments<'_>) -> io::Result<()> {
        writeln!(self.err, "tern map: {text}")?;
        self.err.flush()
    }

    fn summary(&mut self, job: Option<&str>, status: u8) -> io::Result<()> {
        let Tally { succeeded: done, failed, cancelled, .. } = self.tally;
        let seconds = self.started.elapsed().as_secs_f64();
        let summary = Summary { job, total: self.rows.len(), done, failed, cancelled, status, seconds };
        let object = BTreeMap::from([("summary", summary)]);
        serde_json::to_writer(&mut self.out, &object).map_err(io::Error::from)?;
        self.out.write_all(b"\n")
    }
}

/// The task's arguments and a tab.
fn tag(args: &[Bytes]) -> Vec<u8> {
    let mut tag = Vec::new();
    for (index, arg) in args.iter().enumerate() {
        if index > 0 {
            tag.push(b' ');
        }
        tag.extend_from_slice(arg);
    }
    tag.push(b'\t');
    tag
}

/// Writes a piece of output as it is, or with `tag` before each of its lines; `at_start`: a line begins here.
fn write_output(to: &mut dyn Write, output: &[u8], tag: Option<&[u8]>, at_start: &mut bool) -> io::Result<()> {
    let Some(tag) = tag else { return to.write_all(output) };
    for line in output.split_inclusive(|&byte| byte == b'\n') {
        if *at_start {
            to.write_all(tag)?;
        }
        to.write_all(line)?;
        *at_start = line.ends_with(b"\n");
    }
    Ok(())
}

/// Prints the commands of `--dry-run`.
///
/// # Errors
/// When standard output cannot be written.
pub fn dry_run(to: &mut impl Write, style: Style, rows: &[Vec<Bytes>], template: &Template) -> io::Result<()> {
    #[derive(Serialize)]
    struct Planned<'a> {
        number: u32,
        args: &'a [Bytes],
        argv: Vec<Bytes>,
    }
    for (row, number) in rows.iter().zip(1..) {
        if style.json {
            let planned = Planned { number, args: row, argv: template.render(row, number) };
            serde_json::to_writer(&mut *to, &planned).map_err(io::Error::from)?;
        } else {
            let tag = style.tag.then(|| tag(row));
            write_output(to, &template.show(row, number), tag.as_deref(), &mut true)?;
        }
        to.write_all(b"\n")?;
    }
    to.flush()
}

#[cfg(test)]
mod tests;
