//! The mesh's own loop: everything that happens to it comes here, one after the other, and its effects leave from here.

mod effects;
mod looking;
mod saving;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use iroh::SecretKey;
use tern_core::machine::mesh::{CloseReason, Here, LinkId, Mesh, MeshEvent, MeshOptions, Signer};
use tern_core::observe::{Fit, Power};
use tern_core::trust::Name;
use tern_core::words::NodeId;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::grid::GridAsk;
use super::peers::Peers;
use super::work::ToLoop;
use crate::clock;
use crate::overlay::carry::fabric::Fabric;
use crate::overlay::carry::links::{self, Opened};
use crate::overlay::carry::ways::Directory;
use crate::overlay::door::join::Knock;
use crate::overlay::door::members::Members;
use crate::overlay::door::nearby::{self, Nearby, Neighbourhood};
use crate::store::StoreError;
use crate::store::grid::{self as durable, GridStore, public, sign, verify};
use effects::News;

/// What may wait for the actor.
pub const SAID_MAX: usize = 4096;
/// How often links are asked whether they carried packets, and connections whether they are direct.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Notes kept for people; the oldest go first.
const NOTES_MAX: usize = 32;
/// Changes of addresses are written down together after this.
const SAVE_AFTER: Duration = Duration::from_secs(2);

/// How long a member is down before it is asked whether anything still comes from it, and once more before its connections end.
const GONE_LOOK: Duration = Duration::from_secs(2);

/// A member that does not know this node so often and for so long is right.
const SENT_AWAY_OFTEN: u32 = 3;
const SENT_AWAY_LONG: Duration = Duration::from_secs(5);

/// Everything that can reach the actor.
pub enum Said {
    Mesh(MeshEvent),
    Opened(Opened),
    Knock(Box<Knock>),
    Ask(GridAsk),
    /// A machine on the same network, member or not.
    Nearby(Box<Nearby>),
    NotNearby(NodeId),
    /// A member does not know this node as one.
    SentAway(NodeId),
    /// What feeds this machine now.
    Power(Power),
    /// An address of this machine came or went.
    Moved,
    /// Where this machine is reached now.
    Addresses {
        link: Vec<SocketAddr>,
        main: Vec<SocketAddr>,
    },
}

/// The actor and all that it holds.
pub struct Actor {
    pub(super) secret: SecretKey,
    pub(super) incarnation: u64,
    pub(super) mesh: Mesh,
    pub(super) here: Here,
    flat_members: usize,
    pub(super) store: GridStore,
    /// What the store has; its roll is that of the last saving.
    pub(super) durable: durable::Grid,
    /// The secret of this machine's admin key, where it has one.
    pub(super) admin: Option<SecretKey>,
    pub(super) links: links::Shared,
    pub(super) peers: Peers,
    pub(super) members: Members,
    pub(super) directory: Directory,
    addresses: BTreeMap<NodeId, Vec<SocketAddr>>,
    pub(super) to_loop: ToLoop,
    /// What this node was called last in a grid.
    pub(super) name: Name,
    pub(super) notes: Vec<String>,
    pub(super) neighbourhood: Neighbourhood,
    /// Members that did not know this node: since when, and how often.
    sent_away: HashMap<NodeId, (Instant, u32)>,
    /// Members that are down and may have open connections: when these are looked at next, and what had come over them.
    gone: BTreeMap<NodeId, (Instant, Option<u64>)>,
    /// One of them that kept saying so.
    pub(super) exiled_by: Option<NodeId>,
    frames: HashMap<LinkId, mpsc::Sender<Vec<u8>>>,
    said: mpsc::Receiver<Said>,
    /// What waits until something slow has ended.
    waiting: VecDeque<Said>,
    /// What the loop does not know yet of members.
    untold: BTreeMap<NodeId, News>,
    /// What the loop was told of the machines of members.
    fits: BTreeMap<NodeId, Fit>,
    wake_at: u64,
    looked: Instant,
    save_at: Option<Instant>,
    /// A write that goes on: a slow disk must not keep this task from its heartbeats.
    saving: Option<JoinHandle<Result<(), StoreError>>>,
}

/// What an actor is made of.
pub struct Parts {
    pub secret: SecretKey,
    pub incarnation: u64,
    pub here: Here,
    /// Up to so many members everybody knows everybody.
    pub flat_members: usize,
    pub store: GridStore,
    pub durable: durable::Grid,
    pub links: links::Shared,
    pub peers: Peers,
    pub members: Members,
    pub directory: Directory,
    /// Where members may be, from the configuration.
    pub addresses: BTreeMap<NodeId, Vec<SocketAddr>>,
    pub said: mpsc::Receiver<Said>,
}

impl Actor {
    pub fn new(parts: Parts) -> Self {
        let Parts { secret, incarnation, here, flat_members, store, durable, links, peers, .. } = parts;
        let Parts { members, directory, addresses, said, .. } = parts;
        let mesh = mesh(&secret, incarnation, &durable, here.clone(), flat_members);
        let to_loop = peers.to_loop().clone();
        Self {
            secret,
            incarnation,
            mesh,
            here,
            flat_members,
            store,
            durable,
            admin: None,
            links,
            peers,
            members,
            directory,
            addresses,
            to_loop,
            name: Name::near(""),
            notes: Vec::new(),
            neighbourhood: Neighbourhood::default(),
            sent_away: HashMap::new(),
            gone: BTreeMap::new(),
            exiled_by: None,
            frames: HashMap::new(),
            said,
            waiting: VecDeque::new(),
            untold: BTreeMap::new(),
            fits: BTreeMap::new(),
            wake_at: 0,
            looked: Instant::now(),
            save_at: None,
            saving: None,
        }
    }

    /// Runs until it says good-bye.
    pub async fn run(mut self) {
        self.begin();
        let fabric = self.fabric().clone();
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            if let Some(said) = self.waiting.pop_front() {
                if !self.take(said).await {
                    break;
                }
                continue;
            }
            let wake = self.until_wake();
            tokio::select! {
                biased;
                next = self.said.recv() => {
                    let Some(next) = next else { break };
                    if !self.take(next).await {
                        break;
                    }
                }
                () = tokio::time::sleep(wake) => self.handle(MeshEvent::Tick),
                () = fabric.stirred.notified() => self.stirred(),
                end = async { self.saving.as_mut().expect("it was asked").await }, if self.saving.is_some() => {
                    self.saving = None;
                    self.was_saved(end);
                }
                _ = look.tick() => self.look(),
            }
        }
        self.save().await;
    }

    fn until_wake(&self) -> Duration {
        Duration::from_nanos(self.wake_at.saturating_sub(clock::now().boot))
    }

    /// Tells the mesh of itself what it does not know after a start: where members were last seen, and who may connect.
    pub(super) fn begin(&mut self) {
        let members: Vec<NodeId> = self.mesh.roll().members().keys().copied().collect();
        self.members.replace(&members);
        self.tell_configured(&members);
        self.tell_inviting();
        self.read_admin_key();
        let me = public(&self.secret);
        if self.mesh.roll().is_member(me) {
            self.name = Name::near(&self.mesh.name_of(&me));
        }
        nearby::introduce(&self.links.endpoint, self.name.as_str(), &self.mesh.roll().grid());
        for (peer, addresses) in self.durable.addresses.clone() {
            self.handle(MeshEvent::Addresses { peer, addresses });
        }
        self.handle(MeshEvent::Tick);
    }

    /// False: that was the good-bye.
    async fn take(&mut self, said: Said) -> bool {
        match said {
            Said::Mesh(MeshEvent::Leave) => {
                self.handle(MeshEvent::Leave);
                return false;
            }
            Said::Knock(knock) => self.knock(*knock).await,
            Said::Ask(ask) => self.answer(ask).await,
            other => self.take_now(other),
        }
        true
    }

    /// Takes what nothing has to be waited for.
    fn take_now(&mut self, said: Said) {
        match said {
            Said::Mesh(event) => {
                if let MeshEvent::LinkClosed { link } = &event {
                    self.frames.remove(link);
                }
                self.handle(event);
            }
            Said::Nearby(nearby) => self.nearby(*nearby),
            Said::NotNearby(node) => self.neighbourhood.gone(&node),
            Said::SentAway(peer) => self.sent_away(peer),
            Said::Addresses { link, main } => {
                (self.here.link_addresses, self.here.main_addresses) = (link, main);
                self.handle(MeshEvent::Here(Box::new(self.here.clone())));
                self.moved();
            }
            Said::Power(power) => {
                (self.here.facts.power, self.here.on_battery) = (power, power.is_battery());
                self.handle(MeshEvent::Here(Box::new(self.here.clone())));
            }
            Said::Moved => self.moved(),
            Said::Opened(Opened { peer, link, outgoing, frames }) => {
                self.frames.insert(link, frames);
                self.handle(MeshEvent::LinkUp { peer, link, outgoing });
            }
            Said::Ask(ask) => self.look_up(ask),
            // Both change the grid, and are taken elsewhere.
            Said::Knock(_) => {}
        }
    }

    pub(super) fn handle(&mut self, event: MeshEvent) {
        let mut effects = Vec::new();
        self.mesh.handle(event, clock::now(), &mut effects);
        for effect in effects {
            self.perform(effect);
        }
    }

    /// The admin key, from the disk: a staged one counts from the moment when the roll names it.
    pub(super) fn read_admin_key(&mut self) {
        match self.store.admin_key(self.mesh.roll()) {
            Ok(key) => self.admin = key,
            Err(error) => self.note(format!("the admin key of this machine cannot be read: {error}")),
        }
    }

    /// Something for people; said once, it moves up when it happens again.
    pub(super) fn note(&mut self, note: String) {
        let known = self.notes.len();
        self.notes.retain(|before| *before != note);
        if self.notes.len() == known {
            tracing::warn!("{note}");
        }
        if self.notes.len() >= NOTES_MAX {
            self.notes.remove(0);
        }
        self.notes.push(note);
    }

    /// Another grid, or the same one anew: all links end, and the mesh begins from what the store says.
    pub(super) fn enter(&mut self) {
        let gone: Vec<NodeId> =
            self.mesh.nodes().into_iter().filter(|node| node.up && !node.here).map(|it| it.node).collect();
        for node in gone {
            self.is_down(node);
        }
        for end in self.links.fabric.links() {
            self.close(end.id, CloseReason::NotAMember);
        }
        self.links.fabric.route(&[]);
        (self.sent_away, self.exiled_by) = (HashMap::new(), None);
        self.mesh = mesh(&self.secret, self.incarnation, &self.durable, self.here.clone(), self.flat_members);
        self.begin();
        self.peers.forget_strangers();
    }

    pub(super) fn fabric(&self) -> &Arc<Fabric> {
        &self.links.fabric
    }
}

fn mesh(secret: &SecretKey, incarnation: u64, grid: &durable::Grid, here: Here, flat_members: usize) -> Mesh {
    let signing = secret.clone();
    Mesh::new(MeshOptions {
        me: public(secret),
        incarnation,
        roll: grid.roll.clone(),
        verify,
        signer: Signer::new(move |text| sign(&signing, text)),
        here,
        flat_members,
    })
}
