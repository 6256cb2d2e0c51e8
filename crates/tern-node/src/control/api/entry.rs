//! Coming and going: invitations, joins, removals. Tickets are secrets; their `Debug` shows nothing of them.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `POST /v1/invitations`
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct InviteRequest {
    /// The machine that comes may let others in, too.
    pub admin: bool,
    /// How long the ticket is good, at most a week.
    pub lasts_seconds: u64,
}

/// How long a ticket is good where nothing else is said.
pub const LASTS_SECONDS: u64 = 3_600;

impl Default for InviteRequest {
    fn default() -> Self {
        Self { admin: false, lasts_seconds: LASTS_SECONDS }
    }
}

/// A new ticket. Who has it can come in, once.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct InvitationView {
    pub ticket: String,
    /// Unix milliseconds, by this machine's clock.
    pub expires_ms: u64,
    pub admin: bool,
    pub grid: String,
}

impl fmt::Debug for InvitationView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ticket: _, expires_ms, admin, grid } = self;
        let mut shown = f.debug_struct("InvitationView");
        shown.field("expires_ms", expires_ms).field("admin", admin).field("grid", grid).finish_non_exhaustive()
    }
}

/// `POST /v1/join`
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JoinRequest {
    pub ticket: String,
    /// What the others shall call this node; absent: as it is called now.
    #[serde(default)]
    pub name: Option<String>,
}

impl fmt::Debug for JoinRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinRequest").field("name", &self.name).finish_non_exhaustive()
    }
}

/// `POST /v1/recover`
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecoverRequest {
    /// The text of the recovery key's file.
    pub recovery: String,
    /// Machines that are lost: name, short key or whole key. They are sent away.
    #[serde(default)]
    pub lost: Vec<String>,
}

impl fmt::Debug for RecoverRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecoverRequest").field("lost", &self.lost).finish_non_exhaustive()
    }
}

/// What a join changed.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct JoinedView {
    pub grid: String,
    /// The name that this node has there.
    pub name: String,
    pub admin: bool,
    pub members: u32,
    /// This machine's clock minus that of the machine that made the ticket.
    pub clock_ahead_ms: i64,
}

/// What a departure changed: the grid that was left, and the one that this node is in now, alone.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LeftView {
    pub left: String,
    pub grid: String,
}

/// Who was sent away.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RemovedView {
    pub name: String,
    pub node: String,
}
