//! The grid's refusals in words: what kind they are, and what to do.

use axum::http::StatusCode;
use tern_core::trust::{Impossible, JoinRefusal, TicketError};

use super::Refused;
use crate::overlay::door::join::JoinError;
use crate::overlay::grid::GridError;
use crate::overlay::peers::CallError;

/// The node has no grid: by its settings where it is an agent, else since it lives inside a command.
#[must_use]
pub fn no_mesh(agent: bool) -> Refused {
    let (message, advice) = if agent {
        ("this node is in no grid: `mesh.enabled` is false in its settings", "Set it to true and start the agent anew.")
    } else {
        ("a node inside a command is in no grid", "Start the agent with `tern up --detach`, then ask again.")
    };
    Refused::new(StatusCode::CONFLICT, "no_mesh", message, advice)
}

impl From<TicketError> for Refused {
    fn from(error: TicketError) -> Self {
        let message = match error {
            TicketError::Prefix => format!("this is {error}"),
            _ => error.to_string(),
        };
        Self::new(
            StatusCode::BAD_REQUEST,
            "bad_ticket",
            message,
            "Nothing was changed. `tern invite` on a machine of the grid prints a ticket.",
        )
    }
}

impl From<GridError> for Refused {
    fn from(error: GridError) -> Self {
        let message = error.to_string();
        let (status, kind, advice) = match &error {
            GridError::Impossible(impossible) => impossible_words(*impossible),
            GridError::NotAdmin { .. } => (StatusCode::FORBIDDEN, "not_admin", "Ask on one of their machines."),
            GridError::Exile { .. } => {
                (StatusCode::FORBIDDEN, "exile", "`tern leave` and a new ticket of the others bring it back.")
            }
            GridError::TooManyInvitations => (
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_invitations",
                "Try again when one of them was used or has expired.",
            ),
            GridError::InAGrid { .. } => (StatusCode::CONFLICT, "in_a_grid", ""),
            GridError::NoSuchNode(_) => (StatusCode::NOT_FOUND, "no_such_node", ""),
            GridError::NoSuchZone(_) => (StatusCode::NOT_FOUND, "no_such_zone", ""),
            GridError::Ticket(_) => (StatusCode::BAD_REQUEST, "bad_ticket", ""),
            GridError::Join(join) => join_words(join),
            GridError::Call(call) => call_words(call),
            GridError::Store(_) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "storage_failed",
                "See to the disk of the state folder (`tern doctor`), then try again.",
            ),
            GridError::HalfDone(_) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "half_done",
                "See to the disk of the state folder (`tern doctor`), restart the node, then `tern join` with a ticket.",
            ),
            GridError::Local(_) => (StatusCode::CONFLICT, "not_listened", "Name another local port, or 0 for any."),
            GridError::Stopping => {
                (StatusCode::SERVICE_UNAVAILABLE, "stopping", "Start it again with `tern up`, then ask again.")
            }
        };
        Self::new(status, kind, message, advice)
    }
}

type Words = (StatusCode, &'static str, &'static str);

const fn impossible_words(impossible: Impossible) -> Words {
    match impossible {
        Impossible::NotAdmin => (StatusCode::FORBIDDEN, "not_admin", "`tern members` shows who is an admin."),
        Impossible::NoSuchMember => (StatusCode::NOT_FOUND, "no_such_node", "`tern members` lists them."),
        Impossible::Itself => (StatusCode::CONFLICT, "itself", "`tern leave` takes this machine out of its grid."),
        Impossible::Removed => (StatusCode::CONFLICT, "removed", "A new state folder has a new key."),
        Impossible::NeedsRecovery => (StatusCode::FORBIDDEN, "needs_recovery", ""),
        Impossible::Full => (StatusCode::CONFLICT, "grid_full", "Remove members that are gone for good."),
        Impossible::TooDeep => (StatusCode::CONFLICT, "too_deep", ""),
    }
}

const fn join_words(error: &JoinError) -> Words {
    match error {
        JoinError::Unreachable { .. } => (
            StatusCode::BAD_GATEWAY,
            "unreachable",
            "See that it runs (`tern status` there) and that the two can reach each other; the ticket stays good.",
        ),
        JoinError::Closed(_) => (
            StatusCode::FORBIDDEN,
            "door_closed",
            "Where no invitation is open, the ticket was used or has expired: make a new one there. Otherwise try again.",
        ),
        JoinError::Broken(_) => (StatusCode::BAD_GATEWAY, "broken", "The ticket stays good: try again."),
        JoinError::Refused(JoinRefusal::RevokedKey) => (
            StatusCode::FORBIDDEN,
            "ticket_refused",
            "No ticket brings this key back: `tern down`, then join with a new state folder (TERN_HOME).",
        ),
        JoinError::Refused(_) => (StatusCode::FORBIDDEN, "ticket_refused", "`tern invite` prints a new ticket."),
        JoinError::Answer(_) => {
            (StatusCode::BAD_GATEWAY, "bad_answer", "See that both machines have the same version of tern.")
        }
    }
}

const fn call_words(error: &CallError) -> Words {
    match error {
        CallError::Unreachable { .. } => {
            (StatusCode::BAD_GATEWAY, "unreachable", "`tern netcheck` shows links and addresses.")
        }
        CallError::Broken { .. } => (StatusCode::BAD_GATEWAY, "broken", "`tern path` shows the way to it."),
        CallError::Refused(_) => (StatusCode::BAD_GATEWAY, "refused_there", "Nothing was changed."),
    }
}
