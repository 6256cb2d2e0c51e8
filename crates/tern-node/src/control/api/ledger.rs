//! The ledger: transfers, who posted what of them, and what does not fit together.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /v1/ledger`: what all nodes of the grid that answer have posted, held against each other.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct LedgerView {
    /// Nothing is wrong, as far as the nodes that answered know.
    pub sound: bool,
    pub books: Vec<BookView>,
    /// The same by zones, where nodes stand in some.
    pub zones: Vec<ZoneBookView>,
    /// The newest transfers, oldest first.
    pub transfers: Vec<TransferView>,
    /// Transfers that were looked at in all.
    pub looked: u64,
    pub findings: Vec<FindingView>,
    /// Names of members that did not answer: what only they posted is open.
    pub silent: Vec<String>,
}

/// The book that one node keeps for others, since its start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct BookView {
    pub name: String,
    pub node: String,
    pub epoch: u64,
    /// Every epoch that closed added up to nothing.
    pub adds_up: bool,
    pub committed: u64,
    pub aborted: u64,
    /// Tasks of the transfers that were committed.
    pub tasks: u64,
    /// Transfers of which one side has not posted yet, and those of which one side never did.
    pub open: u32,
    pub unresolved: u64,
    /// Its own postings that wait for their broker, and those that no broker took.
    pub waiting: u32,
    pub unbrokered: u64,
    /// Lines that earlier agents of it wrote and that cannot be read.
    pub unread: u64,
    /// How often a posting was not entered, by reason: `forged`, `unlike`, `blocked`, `not_here`, `full`. What may be entered later is told
    /// several times.
    pub refused: BTreeMap<String, u64>,
    /// Pairs of which it enters nothing more until they tell a transfer alike, for five epochs at most. Sixteen of them at most. Their work
    /// goes on.
    pub blocked: Vec<BlockedView>,
}

/// Two nodes that tell a transfer in two ways.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct BlockedView {
    pub sender: String,
    pub receiver: String,
    pub tx: String,
}

/// What stayed within a zone, and what crossed its border.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ZoneBookView {
    pub zone: String,
    /// Transfers within it, and their tasks.
    pub within: u64,
    pub tasks_within: u64,
    /// Tasks that went to other zones, and that came from them.
    pub given: u64,
    pub taken: u64,
    /// The halves of transfers within it add up to nothing. One whose other half is on its way is not among them.
    pub adds_up: bool,
}

/// One transfer: +1 the sender, 0 the broker, −1 the receiver.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct TransferView {
    pub at_ms: u64,
    pub tx: String,
    pub sender: String,
    pub broker: String,
    pub receiver: String,
    pub tasks: u32,
    /// `both`, `sender`, `receiver`; `taken back`.
    pub posted: String,
}

/// Something that does not fit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct FindingView {
    pub tx: String,
    /// `forged`, `unlike`, `lost` or `repeated`.
    pub wrong: String,
    /// In whose postings.
    pub name: String,
    pub node: String,
    /// The same in words.
    pub text: String,
}
