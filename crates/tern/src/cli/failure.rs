//! What went wrong, as a sentence and as an exit code of sysexits.

use std::io::{self, Write};
use std::process::ExitCode;

use tern_node::control::DoorError;

use crate::cli::print::harmless;
use crate::hogs::Trouble;

/// Command line used wrongly.
pub const USAGE: u8 = 64;
/// What was given cannot be used: an argument, a damaged journal, a job that is not in a state for this.
pub const DATAERR: u8 = 65;
/// No such job, no such file.
pub const NOINPUT: u8 = 66;
/// No such node, no such zone.
pub const NOHOST: u8 = 68;
/// No agent, or a node that cannot be reached.
pub const UNAVAILABLE: u8 = 69;
/// A fault of ours, or of the system below us.
pub const SOFTWARE: u8 = 70;
/// A file or socket that cannot be made.
pub const CANTCREAT: u8 = 73;
pub const IOERR: u8 = 74;
/// Try again later: somebody is ahead, or the disk is full.
pub const TEMPFAIL: u8 = 75;
/// The other side says something that this version does not know.
pub const PROTOCOL: u8 = 76;
/// Another user's.
pub const NOPERM: u8 = 77;
pub const CONFIG: u8 = 78;
/// As a shell shows a program that a closed pipe ended: 128 + SIGPIPE.
const CLOSED_PIPE: u8 = 141;

/// Why a command ended early.
#[derive(Debug)]
pub struct Failure {
    pub code: u8,
    pub kind: String,
    pub message: String,
}

impl Failure {
    pub fn new(code: u8, kind: &str, message: impl Into<String>) -> Self {
        Self { code, kind: kind.to_owned(), message: message.into() }
    }

    pub fn no_home() -> Self {
        let message = "neither TERN_HOME nor HOME is set: name a state folder with --home";
        Self::new(CONFIG, "no_home", message)
    }

    /// A closed pipe is no failure to talk about: the reader has what it wanted.
    pub const fn is_closed_pipe(&self) -> bool {
        self.code == CLOSED_PIPE
    }

    /// Says it on stderr, unless it is a closed pipe.
    pub fn report(&self, json: bool) -> ExitCode {
        if !self.is_closed_pipe() {
            let line = if json {
                serde_json::json!({"error": {"kind": self.kind, "message": self.message}}).to_string()
            } else {
                format!("tern: {}", harmless(&self.message))
            };
            // Nobody reads stderr: there is nobody left to tell.
            let _unheard = writeln!(io::stderr(), "{line}");
        }
        ExitCode::from(self.code)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let (code, kind) = match error.kind() {
            io::ErrorKind::BrokenPipe => (CLOSED_PIPE, "closed_pipe"),
            io::ErrorKind::NotFound => (NOINPUT, "not_found"),
            io::ErrorKind::PermissionDenied => (NOPERM, "no_permission"),
            io::ErrorKind::StorageFull => (TEMPFAIL, "storage_full"),
            _ => (IOERR, "io"),
        };
        Self::new(code, kind, error.to_string())
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        io::Error::from(error).into()
    }
}

impl From<DoorError> for Failure {
    fn from(error: DoorError) -> Self {
        let message = error.to_string();
        match error {
            DoorError::Refused { kind, .. } => Self { code: code_of(&kind), kind, message },
            DoorError::Unreachable { kind, .. } => Self::new(code_of(kind), kind, message),
            // The agent's end, not the reader's.
            DoorError::Io(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                Self::new(UNAVAILABLE, "agent_gone", message)
            }
            DoorError::Io(error) => Self { message, ..Self::from(error) },
        }
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Here { code, kind, message } => Self::new(code, kind, message),
            Trouble::Door(error) => error.into(),
            Trouble::Print(error) => error.into(),
        }
    }
}

/// The exit code of a kind of refusal.
pub fn code_of(kind: &str) -> u8 {
    match kind {
        "invalid" | "limit" => USAGE,
        "wrong_state" | "bad_argument" | "damaged" | "newer_format" | "older_format" | "bad_ticket" | "changed"
        | "in_a_grid" | "itself" | "outside" => DATAERR,
        "no_such_job" | "no_result" | "not_throttled" | "no_journal" | "no_such_forward" | "no_such_file" => NOINPUT,
        "no_such_node" | "no_such_zone" => NOHOST,
        "no_agent" | "agent_gone" | "no_mesh" | "no_warden" | "no_machine" | "unreachable" | "refused_there" => {
            UNAVAILABLE
        }
        "inputs_not_written" | "exists" | "not_listened" => CANTCREAT,
        "bad_answer" => PROTOCOL,
        "storage_failed" | "io" | "results_not_read" => IOERR,
        "storage_full"
        | "backpressure"
        | "busy"
        | "draining"
        | "drained"
        | "stopping"
        | "agent_stopped"
        | "locked"
        | "broken"
        | "no_idle_peers"
        | "grid_full"
        | "too_many_invitations" => TEMPFAIL,
        "no_permission" | "foreign_socket" | "protected" | "throttle_refused" | "not_admin" | "ticket_refused"
        | "door_closed" | "exile" | "needs_recovery" | "removed" | "too_deep" | "refused" => NOPERM,
        "config" => CONFIG,
        _ => SOFTWARE,
    }
}

/// What clap has to say: help and version are no failures.
pub fn usage(error: &clap::Error) -> ExitCode {
    let code = if error.use_stderr() { USAGE } else { 0 };
    match error.print() {
        Ok(()) => ExitCode::from(code),
        Err(error) => Failure::from(error).report(false),
    }
}
