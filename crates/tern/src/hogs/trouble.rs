//! Why one of these commands ended early, with the exit code of sysexits where it is ours to say.

use std::io;

use tern_node::control::DoorError;
use tern_node::process::throttle::ThrottleError;
use tern_node::sense::SenseError;

/// A command that did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// Found out here. `kind` is stable for scripts.
    #[error("{message}")]
    Here { code: u8, kind: &'static str, message: String },
    /// The node refused, or could not be reached.
    #[error(transparent)]
    Door(#[from] DoorError),
    /// The answer could not be printed.
    #[error(transparent)]
    Print(#[from] io::Error),
}

impl From<SenseError> for Trouble {
    fn from(error: SenseError) -> Self {
        // EX_OSERR: the system did not give what it gives elsewhere.
        Self::Here { code: 71, kind: "no_reading", message: error.to_string() }
    }
}

impl From<serde_json::Error> for Trouble {
    fn from(error: serde_json::Error) -> Self {
        Self::Print(error.into())
    }
}

impl From<ThrottleError> for Trouble {
    fn from(error: ThrottleError) -> Self {
        use ThrottleError as E;
        let (code, kind) = match &error {
            E::Percent { .. } => (64, "invalid"),
            E::NoProcess { .. } => (66, "no_such_process"),
            E::Unfit { .. } | E::NoMethod { .. } | E::Watchdog { .. } => (69, "throttle_unavailable"),
            E::Look { .. } | E::Write { .. } | E::Unreadable { .. } | E::Release { .. } => (74, "io"),
            E::TooMany { .. } | E::AlreadyHeld { .. } | E::Stopped { .. } => (75, "throttle_refused"),
            E::Protected { .. } | E::Foreign { .. } => (77, "protected"),
        };
        let nothing = if kind == "protected" { "; nothing was done" } else { "" };
        Self::Here { code, kind, message: format!("{error}{nothing}") }
    }
}
