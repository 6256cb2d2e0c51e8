//! From options and arguments to the job: what is asked of the node, checked as far as it can be without one.

use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use tern_core::words::template::{Piece, Template};
use tern_core::words::{Bytes, Discipline, limits, quote};
use tern_node::control::api::SubmitRequest;

use super::args::{Jobs, MapArgs};
use super::error::MapError;
use super::input::sources::{Shape, Sources, rows};

/// Rows smaller than this cannot make an argument too long, whatever the template, and are not rendered to find out.
const SURELY_SHORT: usize = 4 * 1024;
/// How often a place may stand in a template for `SURELY_SHORT` to hold.
const PLACES_SURELY_FEW: usize = 16;

/// A job that is ready to be submitted, and its command for showing it.
#[derive(Debug)]
pub struct Batch {
    /// `rows` is always there.
    pub request: SubmitRequest,
    pub template: Template,
    pub slots: u32,
}

impl Batch {
    #[must_use]
    pub fn rows(&self) -> &[Vec<Bytes>] {
        self.request.rows.as_deref().unwrap_or_default()
    }
    #[must_use]
    pub fn tasks(&self) -> u32 {
        u32::try_from(self.rows().len()).unwrap_or(u32::MAX)
    }
}

/// Reads all input and makes the job. Nothing is started, nothing written.
///
/// # Errors
/// [`MapError`]
pub fn batch(args: &MapArgs, sources: Sources, cores: u32, stdin: &mut dyn Read) -> Result<Batch, MapError> {
    let (command, is_whole_line) = command(sources.command, args.shell.as_deref())?;
    check_places(&command)?;
    let shape = Shape { null: args.null, colsep: args.colsep.as_ref(), max_args: args.max_args };
    let mut rows = rows(sources.sources, &shape, stdin)?;
    if is_whole_line {
        split_lines(&mut rows)?;
    }
    let template = Template::parse(&command, args.shell.clone(), true).map_err(|_| MapError::EmptyCommand)?;
    check_lengths(&template, &rows)?;
    let tasks = u32::try_from(rows.len()).unwrap_or(u32::MAX);
    let slots = args.jobs.slots(cores, tasks);
    let environment =
        |(name, value): (std::ffi::OsString, std::ffi::OsString)| (Bytes(name.into_vec()), Bytes(value.into_vec()));
    let travelling =
        args.env.iter().filter_map(|name| Some((name.clone(), std::env::var_os(name)?))).map(environment).collect();
    let mut request = SubmitRequest {
        argv: command,
        shell: args.shell.clone(),
        append: true,
        rows: Some(rows),
        // What fits this machine says nothing about others.
        parallel: if args.travel.shares() && args.jobs == Jobs::ALL_CORES { 0 } else { slots },
        tries: args.retries,
        timeout_ms: args.timeout.and_then(|time| u64::try_from(time.as_millis()).ok()).filter(|&ms| ms > 0),
        halt: args.halt.unwrap_or_default(),
        env: travelling,
        cwd: Bytes(std::env::current_dir().map_err(MapError::Folder)?.into_os_string().into_vec()),
        environment: std::env::vars_os().map(environment).collect(),
        ..SubmitRequest::default()
    };
    args.travel.apply(&mut request, Discipline::Batch);
    Ok(Batch { request, template, slots })
}

/// The template's words; and whether each argument is a whole command line that has to be split itself.
fn command(words: Vec<Bytes>, shell: Option<&str>) -> Result<(Vec<Bytes>, bool), MapError> {
    match words.as_slice() {
        [] => Ok((vec!["{}".into()], shell.is_none())),
        [word] if **word == *b"{}" => Ok((words, shell.is_none())),
        [text] if shell.is_none() => {
            let words = quote::split(text).map_err(|fault| MapError::Split { fault })?;
            if words.is_empty() { Err(MapError::EmptyCommand) } else { Ok((words, false)) }
        }
        _ => Ok((words, false)),
    }
}

/// Refuses places that parallel fills and this does not, instead of passing them on as text.
fn check_places(words: &[Bytes]) -> Result<(), MapError> {
    let holds = |word: &Bytes, text: &[u8]| word.windows(text.len()).any(|part| part == text);
    for word in words {
        if holds(word, b"{%}") {
            return Err(MapError::Place { place: "{%}" });
        }
        // Of a template in one string, which is split at its spaces, the end stands in another word.
        if holds(word, b"{=") {
            return Err(MapError::Place { place: "{= =}" });
        }
    }
    Ok(())
}

/// Arguments that are command lines become words; an empty line is a command that does nothing, as in a shell.
fn split_lines(rows: &mut [Vec<Bytes>]) -> Result<(), MapError> {
    for (index, row) in rows.iter_mut().enumerate() {
        let mut words = Vec::new();
        for line in row.iter() {
            let split = quote::split(line);
            words.extend(split.map_err(|fault| MapError::SplitArgument { number: index + 1, fault })?);
        }
        if words.is_empty() {
            words.push("true".into());
        }
        *row = words;
    }
    Ok(())
}

/// Finds arguments that the kernel would refuse, before anything has been started.
fn check_lengths(template: &Template, rows: &[Vec<Bytes>]) -> Result<(), MapError> {
    let literal: usize = template.words.iter().flatten().map(literal_bytes).sum();
    let places = template.words.iter().map(Vec::len).sum::<usize>();
    let surely_short = if literal <= SURELY_SHORT && places <= PLACES_SURELY_FEW { SURELY_SHORT } else { 0 };
    for (index, row) in rows.iter().enumerate() {
        if row.iter().map(|column| column.len() + 1).sum::<usize>() <= surely_short {
            continue;
        }
        let argv = template.render(row, 1);
        let number = index + 1;
        if let Some(word) = argv.iter().find(|word| word.len() >= limits::ARG_BYTES_MAX) {
            return Err(MapError::ArgumentTooLong { number, bytes: word.len() });
        }
        let bytes = argv.iter().map(|word| word.len() + 1).sum();
        if bytes > limits::ARGV_BYTES_MAX {
            return Err(MapError::ArgumentsTooLong { number, bytes });
        }
    }
    Ok(())
}

fn literal_bytes(piece: &Piece) -> usize {
    match piece {
        Piece::Literal(text) => text.len(),
        _ => 0,
    }
}

/// Names given to `--env` that are not set, for a notice.
pub fn unset(args: &MapArgs) -> impl Iterator<Item = String> {
    args.env
        .iter()
        .filter(|name| std::env::var_os(name).is_none())
        .map(|name| String::from_utf8_lossy(name.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::args;

    fn made(line: &[&str], stdin: &str) -> Result<Batch, MapError> {
        let mut args = args::read(line.iter().map(Into::into).collect())?;
        let sources = Sources::read(std::mem::take(&mut args.words), std::mem::take(&mut args.arg_file))?;
        batch(&args, sources, 2, &mut stdin.as_bytes())
    }

    /// The commands that would run, one a line, as they would be typed.
    fn commands(line: &[&str], stdin: &str) -> String {
        match made(line, stdin) {
            Ok(batch) => {
                let lines = batch.rows().iter().zip(1..).map(|(row, n)| format!("{}\n", batch.template.show(row, n)));
                lines.collect::<Vec<_>>().concat()
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_command_in_one_string_is_split_and_one_in_words_is_not() {
        assert_eq!(commands(&["echo 'a  b' {}", ":::", "x y"], ""), "echo 'a  b' 'x y'\n");
        assert_eq!(commands(&["echo", "a  b", "{}", ":::", "x"], ""), "echo 'a  b' x\n");
        assert_eq!(commands(&["echo", "a;b", ":::", "x"], ""), "echo 'a;b' x\n");
        assert!(commands(&["echo {} | wc", ":::", "x"], "").contains("--shell"));
        assert_eq!(commands(&["--shell", "echo {} | wc", ":::", "x y"], ""), "echo 'x y' | wc\n");
        assert_eq!(made(&["", ":::", "x"], "").expect_err("is empty").status(), 64);
    }

    #[test]
    fn arguments_without_a_command_are_commands() {
        assert_eq!(commands(&[":::", "echo a", "ls -l 'b c'", ""], ""), "echo a\nls -l 'b c'\ntrue\n");
        assert_eq!(commands(&["{}"], "echo a\n"), "echo a\n");
        assert!(commands(&[], "echo a\necho b | wc\n").contains("argument 2"));
        assert_eq!(commands(&["--shell"], "echo b | wc\n"), "echo b | wc\n");
    }

    #[test]
    fn places_of_parallel_alone_are_refused() {
        assert!(commands(&["echo", "{%}", ":::", "x"], "").contains("`{%}`"));
        assert!(commands(&["echo", "{= $_++ =}", ":::", "x"], "").contains("{= =}"));
        assert!(commands(&["echo {= uc =}", ":::", "x"], "").contains("{= =}"));
    }

    #[test]
    fn arguments_beyond_the_kernels_limit_are_refused() {
        let long = "x".repeat(limits::ARG_BYTES_MAX);
        assert!(matches!(made(&["echo"], &long), Err(MapError::ArgumentTooLong { number: 1, bytes: 131_072 })));
        assert!(made(&["echo"], &long[1..]).is_ok());
        let lines = format!("{}\n", &long[1..]).repeat(17);
        assert!(matches!(made(&["-n17", "echo"], &lines), Err(MapError::ArgumentsTooLong { number: 1, .. })));
    }

    #[test]
    fn options_reach_the_request() {
        let line =
            ["-j3", "--timeout", "1.5", "--retries", "4", "--halt", "now,fail=2", "echo", ":::", "1", "2", "3", "4"];
        let batch = made(&line, "").expect("is valid");
        let request = &batch.request;
        assert_eq!((request.parallel, request.timeout_ms, request.tries, request.halt.count), (3, Some(1500), 4, 2));
        assert_eq!((batch.slots, batch.tasks(), request.append, request.local_only), (3, 4, true, true));
        assert!(!request.cwd.is_empty() && !request.environment.is_empty());
    }
}
