//! What faces ask about the grid, and the handle by which they ask.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use iroh::SecretKey;
use tern_core::machine::mesh::{LinkView, NodeView, Reach, ZoneView};
use tern_core::trust::{Admin, GridId, Name, Ticket};
use tern_core::words::NodeId;
use tokio::sync::{mpsc, oneshot};

use super::actor::Said;
use super::calls::{self, Forward, Forwards, Round};
use super::peers::{CallError, Peers};
use crate::overlay::door::join::JoinError;
use crate::overlay::door::nearby::Nearby;

/// How long a ticket may be good: a week.
pub const TICKET_MS_MAX: u64 = 7 * 24 * 3_600_000;

/// How long a join waits for the first link, and how often it looks.
const USABLE_WITHIN: Duration = Duration::from_secs(2);
const USABLE_POLL: Duration = Duration::from_millis(10);

/// Why the grid is as it was before.
#[derive(Clone, Debug, thiserror::Error)]
pub enum GridError {
    #[error("{0}. Nothing was changed")]
    Impossible(tern_core::trust::Impossible),
    #[error(
        "this machine is no admin of its grid: it cannot let others in or send them away. Admins are: {admins}. Nothing was changed"
    )]
    NotAdmin { admins: String },
    #[error(
        "{by} says that this node is not in its grid: whoever came by a ticket of this one would be alone with it. Nothing was changed"
    )]
    Exile { by: String },
    #[error("there are as many open invitations as there may be. Nothing was changed")]
    TooManyInvitations,
    #[error("this node is in a grid with {others} other(s) already: `tern leave` first. Nothing was changed")]
    InAGrid { others: usize },
    #[error("no member is called {0:?}: `tern members` lists them. Nothing was changed")]
    NoSuchNode(String),
    #[error("no zone is called {0:?}: `tern zones` lists them. Nothing was changed")]
    NoSuchZone(String),
    #[error("{0}. Nothing was changed")]
    Ticket(String),
    #[error(transparent)]
    Join(#[from] JoinError),
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("what is known of the grid could not be written: {0}. Nothing was changed")]
    Store(String),
    #[error("this node has left its grid and could not write down the next one: {0}")]
    HalfDone(String),
    #[error("{0}. Nothing was changed")]
    Local(String),
    #[error("the node is stopping")]
    Stopping,
}

/// A new invitation.
#[derive(Clone, Debug)]
pub struct Invited {
    pub ticket: Ticket,
    pub expires_ms: u64,
}

/// What a join changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    pub grid: GridId,
    pub name: String,
    pub admin: bool,
    pub clock_ahead_ms: i64,
}

/// The grid as this node sees it.
#[derive(Clone, Debug)]
pub struct GridView {
    pub grid: GridId,
    pub me: NodeId,
    /// This machine may let others in.
    pub admin: bool,
    pub admins: Vec<Admin>,
    pub nodes: Vec<NodeView>,
    pub links: Vec<LinkView>,
    /// Where they stand; zones in which others lie are among them.
    pub zones: Vec<ZoneView>,
    /// Messages that were not believed, by reason.
    pub refused: Vec<(&'static str, u64)>,
    pub strangers: u64,
    /// Machines on the local network that are not in the grid.
    pub nearby: Vec<Nearby>,
    pub open_invitations: usize,
    pub forwarded: u64,
    pub dropped: u64,
    pub notes: Vec<String>,
}

impl GridView {
    /// A member by its key, its short form, or its name: a name that looks like another member's key leads nobody to the wrong one.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<&NodeView> {
        let by_key = self.nodes.iter().find(|node| node.node.to_string() == text || node.node.to_hex() == text);
        by_key.or_else(|| self.nodes.iter().find(|node| node.name == text))
    }
}

type Reply<T> = oneshot::Sender<Result<T, GridError>>;

/// A question to the actor, and where its answer goes.
pub enum GridAsk {
    View(oneshot::Sender<GridView>),
    Reach { node: NodeId, reply: oneshot::Sender<Reach> },
    Invite { admin: bool, lasts_ms: u64, reply: Reply<Invited> },
    Join { ticket: Box<Ticket>, name: Option<Name>, reply: Reply<Joined> },
    Leave { reply: Reply<()> },
    Remove { node: NodeId, reply: Reply<()> },
    Rotate { reply: Reply<()> },
    Recover { root: Box<SecretKey>, lost: Vec<NodeId>, reply: Reply<()> },
}

/// A handle to the grid; all copies are one.
#[derive(Clone)]
pub struct Grid {
    to_actor: mpsc::Sender<Said>,
    peers: Peers,
    forwards: Forwards,
}

impl Grid {
    pub fn new(to_actor: mpsc::Sender<Said>, peers: Peers) -> Self {
        Self { to_actor, peers, forwards: Forwards::default() }
    }

    pub fn peers(&self) -> &Peers {
        &self.peers
    }

    async fn ask<T>(&self, ask: impl FnOnce(oneshot::Sender<T>) -> GridAsk) -> Result<T, GridError> {
        let (reply, answer) = oneshot::channel();
        self.to_actor.send(Said::Ask(ask(reply))).await.map_err(|_| GridError::Stopping)?;
        answer.await.map_err(|_| GridError::Stopping)
    }

    /// # Errors
    /// [`GridError::Stopping`]
    pub async fn view(&self) -> Result<GridView, GridError> {
        self.ask(GridAsk::View).await
    }

    /// The member of this name.
    ///
    /// # Errors
    /// [`GridError::NoSuchNode`]
    pub async fn find(&self, text: &str) -> Result<NodeView, GridError> {
        let view = self.view().await?;
        view.find(text).cloned().ok_or_else(|| GridError::NoSuchNode(text.to_owned()))
    }

    /// # Errors
    /// [`GridError`]
    pub async fn invite(&self, admin: bool, lasts_ms: u64) -> Result<Invited, GridError> {
        self.ask(|reply| GridAsk::Invite { admin, lasts_ms, reply }).await?
    }

    /// # Errors
    /// [`GridError`]
    pub async fn join(&self, ticket: Ticket, name: Option<Name>) -> Result<Joined, GridError> {
        let joined = self.ask(|reply| GridAsk::Join { ticket: Box::new(ticket), name, reply }).await??;
        // Whoever looks next sees the others, not a list of machines that were not reached yet.
        let began = Instant::now();
        while began.elapsed() < USABLE_WITHIN && !self.view().await?.nodes.iter().any(|node| node.up && !node.here) {
            tokio::time::sleep(USABLE_POLL).await;
        }
        Ok(joined)
    }

    /// # Errors
    /// [`GridError`]
    pub async fn leave(&self) -> Result<(), GridError> {
        self.ask(|reply| GridAsk::Leave { reply }).await?
    }

    /// # Errors
    /// [`GridError`]
    pub async fn remove(&self, node: NodeId) -> Result<(), GridError> {
        self.ask(|reply| GridAsk::Remove { node, reply }).await?
    }

    /// Makes this machine an admin by the recovery key, and takes all power from the lost ones.
    ///
    /// # Errors
    /// [`GridError`]
    pub async fn recover(&self, root: SecretKey, lost: Vec<NodeId>) -> Result<(), GridError> {
        self.ask(|reply| GridAsk::Recover { root: Box::new(root), lost, reply }).await?
    }

    /// # Errors
    /// [`GridError`]
    pub async fn rotate(&self) -> Result<(), GridError> {
        self.ask(|reply| GridAsk::Rotate { reply }).await?
    }

    /// # Errors
    /// [`GridError`]
    pub async fn reach(&self, node: NodeId) -> Result<Reach, GridError> {
        self.ask(|reply| GridAsk::Reach { node, reply }).await
    }

    /// # Errors
    /// [`GridError::Call`]
    pub async fn ping(&self, node: &NodeId, count: usize, bytes: usize) -> Result<Vec<Round>, GridError> {
        Ok(calls::ping(&self.peers, node, count, bytes).await?)
    }

    /// Asks a member something about work.
    ///
    /// # Errors
    /// [`GridError::Call`]
    pub async fn work(&self, node: &NodeId, ask: calls::WorkAsk) -> Result<calls::WorkAnswer, GridError> {
        Ok(calls::ask(&self.peers, node, ask).await?)
    }

    /// # Errors
    /// [`GridError::Local`]: the address cannot be listened on.
    pub async fn forward(&self, local: SocketAddr, node: NodeId, port: u16) -> Result<Forward, GridError> {
        self.forwards.open(self.peers.clone(), local, node, port).await.map_err(GridError::Local)
    }

    pub fn forwards(&self) -> &Forwards {
        &self.forwards
    }
}
