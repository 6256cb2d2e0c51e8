//! What faces ask for: a copy from one node to another, and a file for whoever is least busy.

use tern_core::decide::target::{Candidate, least_loaded_idle};
use tern_core::words::NodeId;
use tokio::sync::mpsc;

use super::names;
use super::receive::place::INBOX;
use super::receive::pull;
use super::wire::{Ask, Event, Kind, Order, Summary, Trouble, hear};
use crate::overlay::Grid;
use crate::overlay::calls::Call;
use crate::overlay::grid::GridView;

/// Bytes of all sources' paths together: they travel in one question.
const SOURCES_BYTES_MAX: usize = 12 * 1024;

/// What to copy. A node that is not named is this one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copy {
    pub from: Option<NodeId>,
    pub sources: Vec<Vec<u8>>,
    pub to: Option<NodeId>,
    pub target: Vec<u8>,
    pub recursive: bool,
    pub force: bool,
}

/// Copies between the nodes of a grid; all copies of this are one.
#[derive(Clone)]
pub struct Files(Grid);

impl Files {
    #[must_use]
    pub fn new(grid: Grid) -> Self {
        Self(grid)
    }

    /// Copies until all is there, and says how far it is. Ends early when dropped; what came stays for the next try.
    ///
    /// # Errors
    /// [`Trouble`]
    pub async fn copy(&self, copy: Copy, events: &mpsc::Sender<Event>) -> Result<Summary, Trouble> {
        let Copy { from, sources, to, target, recursive, force } = copy;
        let me = self.0.peers().me();
        let order = Order { from: from.unwrap_or(me), sources, target, recursive, force, inbox: false };
        self.order(to.unwrap_or(me), order, events).await
    }

    async fn order(&self, to: NodeId, order: Order, events: &mpsc::Sender<Event>) -> Result<Summary, Trouble> {
        let bytes: usize = order.sources.iter().map(|source| source.len() + 8).sum();
        if order.sources.is_empty() || bytes > SOURCES_BYTES_MAX {
            let message = format!("no sources, or more than {SOURCES_BYTES_MAX} bytes of paths: copy in parts");
            return Err(Trouble::new(Kind::Invalid, message));
        }
        if order.from == to {
            return Err(Trouble::new(Kind::Invalid, "both ends are one node: cp does that"));
        }
        if to == self.0.peers().me() {
            return pull::run(self.0.peers(), &order, events).await;
        }
        let (_send, mut receive) = self.0.peers().call(&to, &Call::Files(Ask::Take(order))).await?;
        loop {
            match hear::<Event>(&mut receive).await? {
                Event::Done(summary) => return Ok(summary),
                Event::Failed(trouble) => return Err(trouble),
                event => drop(events.send(event).await),
            }
        }
    }

    /// Sends files to the least loaded idle node, into its `~/tern-inbox/`. It is told before it begins.
    ///
    /// # Errors
    /// [`Kind::NoIdlePeers`], and those of a copy.
    pub async fn share(
        &self,
        sources: Vec<Vec<u8>>,
        recursive: bool,
        events: &mpsc::Sender<Event>,
    ) -> Result<Summary, Trouble> {
        let view = self.0.view().await.map_err(|error| Trouble::new(Kind::Unreachable, error.to_string()))?;
        let (to, chosen) = choose(&view).ok_or_else(|| Trouble::new(Kind::NoIdlePeers, "no idle peers"))?;
        let _unheard = events.send(chosen).await;
        let target = names::bytes(std::path::Path::new(INBOX));
        let order = Order { from: self.0.peers().me(), sources, target, recursive, force: false, inbox: true };
        self.order(to, order, events).await
    }
}

/// The node for a shared file, by what this node last heard of each.
#[must_use]
pub fn choose(view: &GridView) -> Option<(NodeId, Event)> {
    let fit = view.nodes.iter().filter(|node| node.up && !node.here);
    let candidates: Vec<(Candidate, &str)> = fit
        .filter_map(|node| {
            let vitals = node.vitals.filter(|vitals| !vitals.flags.draining && !vitals.flags.disk_full)?;
            let (trit, rho_milli, link) = (vitals.trit, vitals.rho_milli, node.reach.trit);
            Some((Candidate { node: node.node, trit, rho_milli, link }, node.name.as_str()))
        })
        .collect();
    let idle: Vec<Candidate> = candidates.iter().map(|(candidate, _)| *candidate).collect();
    let at = least_loaded_idle(&idle)?;
    let count = (0..idle.len()).filter(|at| least_loaded_idle(&idle[*at..=*at]).is_some()).count();
    let (chosen, name) = candidates.get(at)?;
    let event = Event::Chosen { node: (*name).to_owned(), rho_milli: chosen.rho_milli?, idle: count as u32 };
    Some((chosen.node, event))
}
