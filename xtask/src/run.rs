//! Running other programs, and saying how long each part of a command took.
//!
//! A part that fails does not hide the next one: all parts run, and the command fails at its end with the names of
//! those that failed.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The folder that holds the workspace's `Cargo.toml`.
pub fn root() -> PathBuf {
    let here = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    let parent = here.parent().map(Path::to_path_buf);
    parent.unwrap_or(here)
}

/// `cargo` as the one that runs us, in the workspace's folder, with nothing on its standard input.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root()).stdin(Stdio::null());
    command
}

/// Runs a program to its end with our own output; an error names the program and its status.
pub fn run(mut command: Command) -> Result<(), String> {
    let shown = show(&command);
    println!("$ {shown}");
    let status = command.status().map_err(|error| format!("{shown}: could not be started: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{shown}: {status}")) }
}

/// Like [`run`], and every line of its standard output is also given to `seen`.
pub fn run_watched(mut command: Command, mut seen: impl FnMut(&str)) -> Result<(), String> {
    let shown = show(&command);
    println!("$ {shown}");
    let mut child =
        command.stdout(Stdio::piped()).spawn().map_err(|error| format!("{shown}: could not be started: {error}"))?;
    let lines = child.stdout.take().map(BufReader::new).into_iter().flat_map(|reader| reader.split(b'\n'));
    let mut out = std::io::stdout();
    for line in lines.map_while(Result::ok) {
        let text = String::from_utf8_lossy(&line);
        let _ = writeln!(out, "{text}");
        seen(&text);
    }
    let status = child.wait().map_err(|error| format!("{shown}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{shown}: {status}")) }
}

/// Runs a program silently and returns its standard output as text.
pub fn capture(mut command: Command) -> Result<String, String> {
    let shown = show(&command);
    let output = command.output().map_err(|error| format!("{shown}: could not be started: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!("{shown}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr).trim_end()))
    }
}

/// A command as a person would type it.
fn show(command: &Command) -> String {
    let name = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    std::iter::once(name).chain(command.get_args()).map(std::ffi::OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

/// The parts of one command, with what each took.
pub struct Parts {
    began: Instant,
    done: Vec<(String, Duration, bool)>,
}

impl Parts {
    pub fn new() -> Self {
        Self { began: Instant::now(), done: Vec::new() }
    }

    /// Runs one part, prints its error at once, and remembers both.
    pub fn part(&mut self, name: &str, work: impl FnOnce() -> Result<(), String>) -> bool {
        println!("\n== {name}");
        let began = Instant::now();
        let end = work();
        if let Err(message) = &end {
            eprintln!("{name} failed: {message}");
        }
        self.done.push((name.to_string(), began.elapsed(), end.is_ok()));
        end.is_ok()
    }

    /// Prints the table of times; an error if any part failed.
    pub fn finish(self) -> Result<(), String> {
        println!("\n{:<28} {:>9}", "part", "seconds");
        for (name, took, good) in &self.done {
            println!("{name:<28} {:>9.1}{}", took.as_secs_f64(), if *good { "" } else { "  failed" });
        }
        println!("{:<28} {:>9.1}", "all", self.began.elapsed().as_secs_f64());
        let failed: Vec<&str> = self.done.iter().filter(|part| !part.2).map(|part| part.0.as_str()).collect();
        if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", "))) }
    }
}

/// The number after `flag` among `options`, or `default` where the flag is absent.
pub fn number(options: &[&str], flag: &str, default: u64) -> Result<u64, String> {
    let Some(at) = options.iter().position(|option| *option == flag) else { return Ok(default) };
    let value = options.get(at + 1).ok_or_else(|| format!("{flag} wants a number after it"))?;
    value.parse().map_err(|_| format!("{flag} {value}: not a whole number"))
}
