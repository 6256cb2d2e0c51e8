//! What can go wrong before and while a batch runs, as `tern map` says it on standard error.
//!
//! Everything but `Door`, `Output` and `Signals` is found before anything has been started; no state was touched then.

use std::path::PathBuf;

use tern_core::words::limits;
use tern_core::words::quote::SplitError;
use tern_node::control::door::DoorError;

use crate::cli::failure::{Failure, code_of};

/// Statuses of sysexits(3).
pub mod sysexits {
    pub const USAGE: u8 = 64;
    pub const DATA: u8 = 65;
    pub const NO_INPUT: u8 = 66;
    pub const IO: u8 = 74;
}

#[derive(Debug, thiserror::Error)]
pub enum MapError {
    /// Help, version, or an option that clap refused; it prints itself.
    #[error("{0}")]
    Options(clap::Error),
    #[error("`{option}` is not an option of tern map. {}", super::args::SUPPORTED)]
    UnknownOption { option: String },
    #[error("the command is empty; name a program, for example: tern map gzip {{}} ::: *.txt")]
    EmptyCommand,
    #[error("the command has {fault}; {}", advice(.fault))]
    Split { fault: SplitError },
    #[error("argument {number} is meant as a command and has {fault}; {}", advice(.fault))]
    SplitArgument { number: usize, fault: SplitError },
    #[error(
        "`{place}` in the command is parallel's and not tern map's; places are {{}} {{.}} {{/}} {{//}} {{/.}} {{#}}, and {{2}} {{2/.}} {{-1}} for columns"
    )]
    Place { place: &'static str },
    #[error("`::::` names no file; write :::: FILE, or :::: - for standard input")]
    NoFile,
    #[error("standard input is named twice as a source; it can be read once")]
    InputTwice,
    #[error("cannot read the input file {}: {cause}; nothing was started", path.display())]
    Input { path: PathBuf, cause: std::io::Error },
    #[error("record {record} of {name} holds a NUL byte, which no argument can; use -0 if NUL separates the arguments")]
    Nul { name: String, record: usize },
    #[error(
        "task {number} would get an argument of {bytes} bytes; the kernel's limit is {}; nothing was started",
        limits::ARG_BYTES_MAX - 1
    )]
    ArgumentTooLong { number: usize, bytes: usize },
    #[error(
        "task {number} would get {bytes} bytes of arguments; the limit is {}; nothing was started (is -n too large?)",
        limits::ARGV_BYTES_MAX
    )]
    ArgumentsTooLong { number: usize, bytes: usize },
    #[error("the sources give {tasks} tasks; a job has at most {}; nothing was started", limits::TASKS_PER_JOB_MAX)]
    TooManyTasks { tasks: u64 },
    #[error("the current folder cannot be found: {0}; nothing was started")]
    Folder(std::io::Error),
    #[error("{0}")]
    Door(#[from] DoorError),
    #[error("cannot write the output: {0}; the job was cancelled")]
    Output(std::io::Error),
    #[error("cannot listen for signals: {0}; nothing was started")]
    Signals(std::io::Error),
}

fn advice(fault: &SplitError) -> &'static str {
    if fault.needs_a_shell() {
        "tern map runs programs without a shell: quote it, or ask for a shell with --shell"
    } else {
        "close it, or quote it"
    }
}

impl MapError {
    /// The exit status by sysexits, 141 for a reader that went away.
    #[must_use]
    pub fn status(&self) -> u8 {
        match self {
            Self::Options(error) => u8::from(error.use_stderr()) * sysexits::USAGE,
            Self::UnknownOption { .. }
            | Self::EmptyCommand
            | Self::Split { .. }
            | Self::Place { .. }
            | Self::NoFile
            | Self::TooManyTasks { .. }
            | Self::InputTwice => sysexits::USAGE,
            Self::SplitArgument { .. }
            | Self::Nul { .. }
            | Self::ArgumentTooLong { .. }
            | Self::ArgumentsTooLong { .. } => sysexits::DATA,
            Self::Input { .. } | Self::Folder(_) => sysexits::NO_INPUT,
            Self::Door(DoorError::Refused { kind, .. }) => code_of(kind),
            Self::Door(DoorError::Unreachable { kind, .. }) => code_of(kind),
            Self::Door(DoorError::Io(_)) | Self::Signals(_) => sysexits::IO,
            Self::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe => super::run::BROKEN_PIPE,
            Self::Output(_) => sysexits::IO,
        }
    }

    /// Says it on standard error; a reader that went away is told nothing.
    pub fn say(&self, json: bool) {
        match self {
            // A closed standard error has nobody to tell.
            Self::Options(error) => drop(error.print()),
            Self::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
            _ if json => drop(Failure::new(self.status(), self.kind(), self.to_string()).report(true)),
            _ => super::print::say(&format!("tern map: {self}")),
        }
    }

    /// What a program is told instead of the sentence.
    fn kind(&self) -> &str {
        match self {
            Self::Door(DoorError::Refused { kind, .. }) => kind,
            Self::Door(DoorError::Unreachable { kind, .. }) => kind,
            Self::Input { .. } | Self::Folder(_) => "no_such_file",
            Self::Door(DoorError::Io(_)) | Self::Output(_) | Self::Signals(_) => "io",
            _ if self.status() == sysexits::DATA => "bad_argument",
            _ => "invalid",
        }
    }
}
