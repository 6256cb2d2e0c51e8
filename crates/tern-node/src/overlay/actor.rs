//! The mesh's own loop: everything that happens to it comes here, one after the other, and its effects leave from here.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use iroh::SecretKey;
use tern_core::machine::mesh::{CloseReason, Here, LinkId, Mesh, MeshEffect, MeshEvent, MeshOptions, Signer};
use tern_core::observe::{Power, Vitals};
use tern_core::trust::Name;
use tern_core::wire::Message;
use tern_core::words::NodeId;
use tern_core::words::limits::FLAT_MEMBERS_MAX;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::grid::GridAsk;
use super::peers::Peers;
use super::work::ToLoop;
use crate::clock;
use crate::node::input::Peer;
use crate::overlay::carry::fabric::Fabric;
use crate::overlay::carry::ground;
use crate::overlay::carry::links::{self, Opened};
use crate::overlay::carry::ways::Directory;
use crate::overlay::door::join::Knock;
use crate::overlay::door::members::Members;
use crate::overlay::door::nearby::{self, Nearby, Neighbourhood};
use crate::store::StoreError;
use crate::store::grid::{self as durable, GridStore, public, sign, verify};

/// What may wait for the actor.
pub const SAID_MAX: usize = 4096;
/// How often links are asked whether they carried packets, and connections whether they are direct.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Notes kept for people; the oldest go first.
const NOTES_MAX: usize = 32;
/// Changes of addresses are written down together after this.
const SAVE_AFTER: Duration = Duration::from_secs(2);

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
    frames: HashMap<LinkId, mpsc::Sender<Vec<u8>>>,
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
    pub store: GridStore,
    pub durable: durable::Grid,
    pub links: links::Shared,
    pub peers: Peers,
    pub members: Members,
    pub directory: Directory,
    /// Where members may be, from the configuration.
    pub addresses: BTreeMap<NodeId, Vec<SocketAddr>>,
}

impl Actor {
    pub fn new(parts: Parts) -> Self {
        let Parts { secret, incarnation, here, store, durable, links, peers, members, directory, addresses } = parts;
        let mesh = mesh(&secret, incarnation, &durable, here.clone());
        let to_loop = peers.to_loop().clone();
        Self {
            secret,
            incarnation,
            mesh,
            here,
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
            frames: HashMap::new(),
            wake_at: 0,
            looked: Instant::now(),
            save_at: None,
            saving: None,
        }
    }

    /// Runs until all who could say something are gone, or the grid is left for good.
    pub async fn run(mut self, mut said: mpsc::Receiver<Said>) {
        self.begin().await;
        let fabric = self.fabric().clone();
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let wake = Duration::from_nanos(self.wake_at.saturating_sub(clock::now().boot));
            tokio::select! {
                biased;
                next = said.recv() => match next {
                    Some(next) => self.take(next).await,
                    None => break,
                },
                () = tokio::time::sleep(wake) => self.handle(MeshEvent::Tick).await,
                () = fabric.stirred.notified() => self.stirred().await,
                _ = look.tick() => self.look().await,
            }
        }
        self.save().await;
    }

    /// Tells the mesh of itself what it does not know after a start: where members were last seen, and who may connect.
    pub(super) async fn begin(&mut self) {
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
            self.handle(MeshEvent::Addresses { peer, addresses }).await;
        }
        self.handle(MeshEvent::Tick).await;
    }

    async fn take(&mut self, said: Said) {
        match said {
            Said::Mesh(MeshEvent::LinkClosed { link }) => {
                self.frames.remove(&link);
                self.handle(MeshEvent::LinkClosed { link }).await;
            }
            Said::Mesh(MeshEvent::Leave) => {
                self.handle(MeshEvent::Leave).await;
                // What was to be written together a little later is written before the end.
                if self.save_at.is_some() {
                    self.save().await;
                }
            }
            Said::Nearby(nearby) => self.nearby(*nearby).await,
            Said::NotNearby(node) => self.neighbourhood.gone(&node),
            Said::SentAway(peer) => self.sent_away(peer),
            Said::Addresses { link, main } => {
                (self.here.link_addresses, self.here.main_addresses) = (link, main);
                self.handle(MeshEvent::Here(Box::new(self.here.clone()))).await;
                self.moved().await;
            }
            Said::Power(power) => {
                (self.here.facts.power, self.here.on_battery) = (power, power.is_battery());
                self.handle(MeshEvent::Here(Box::new(self.here.clone()))).await;
            }
            Said::Moved => self.moved().await,
            Said::Mesh(event) => self.handle(event).await,
            Said::Opened(Opened { peer, link, outgoing, frames }) => {
                self.frames.insert(link, frames);
                self.handle(MeshEvent::LinkUp { peer, link, outgoing }).await;
            }
            Said::Knock(knock) => self.knock(*knock).await,
            Said::Ask(ask) => self.answer(ask).await,
        }
    }

    async fn nearby(&mut self, nearby: Nearby) {
        if self.mesh.roll().is_member(nearby.node) {
            let (peer, addresses) = (nearby.node, nearby.addresses);
            self.handle(MeshEvent::Addresses { peer, addresses }).await;
        } else {
            self.neighbourhood.heard(nearby);
        }
    }

    /// What stands on an address that is gone is made anew at once, from one that is there.
    async fn moved(&mut self) {
        for end in self.links.fabric.links() {
            if ground::is_lost(&end.connection) {
                self.handle(MeshEvent::Stranded { link: end.id }).await;
            }
        }
        self.peers.mend();
    }

    /// The other machine knows more than this one: this node was removed while it was away. One that has only not heard yet of
    /// this node says so as well, for a moment.
    fn sent_away(&mut self, by: NodeId) {
        let (first, times) = self.sent_away.entry(by).or_insert_with(|| (Instant::now(), 0));
        *times += 1;
        if *times < SENT_AWAY_OFTEN || first.elapsed() < SENT_AWAY_LONG {
            return;
        }
        self.sent_away.remove(&by);
        let note = format!(
            "{} says that this node is not in its grid: was it removed while it was away? `tern leave` and a new ticket \
             bring it back",
            self.mesh.name_of(&by)
        );
        if !self.notes.contains(&note) {
            self.note(note);
        }
    }

    /// Packets pass where there were none.
    async fn stirred(&mut self) {
        for end in self.links.fabric.links().into_iter().filter(|end| end.is_busy()) {
            self.handle(MeshEvent::Traffic { link: end.id }).await;
        }
    }

    /// What nobody reports: which links carry packets, and which connections found a direct path.
    async fn look(&mut self) {
        let after = std::mem::replace(&mut self.looked, Instant::now()).elapsed();
        for end in self.links.fabric.links() {
            let busy = end.is_busy();
            end.look(after);
            if busy {
                self.handle(MeshEvent::Traffic { link: end.id }).await;
            }
        }
        for (peer, direct) in self.peers.paths() {
            self.handle(MeshEvent::Direct { peer, direct }).await;
        }
        let free = self.saving.as_ref().is_none_or(JoinHandle::is_finished);
        if free && self.save_at.is_some_and(|at| at <= Instant::now()) {
            self.begin_to_save().await;
        }
    }

    pub(super) async fn handle(&mut self, event: MeshEvent) {
        let mut effects = Vec::new();
        self.mesh.handle(event, clock::now(), &mut effects);
        for effect in effects {
            self.perform(effect).await;
        }
    }

    async fn perform(&mut self, effect: MeshEffect) {
        match effect {
            MeshEffect::Dial { peer, addresses } => {
                tokio::spawn(links::dial(peer, addresses, self.links.clone()));
            }
            MeshEffect::Close { link, why } => self.close(link, why),
            MeshEffect::Frame { link, bytes } => self.frame(link, bytes),
            MeshEffect::Datagram { link, bytes } => {
                if let Some(end) = self.links.fabric.link(link) {
                    // Lost where the connection has just ended, which is told on its own.
                    let _lost = end.connection.send_datagram(bytes.into());
                }
            }
            MeshEffect::FarRoutes(routes) => {
                self.links.fabric.route_far(&routes);
                self.peers.nudge();
            }
            MeshEffect::Routes(routes) => {
                self.links.fabric.route(&routes);
                self.peers.nudge();
            }
            MeshEffect::Admitted(keys) => self.admitted(&keys).await,
            MeshEffect::MainAddresses { node, addresses } => self.directory.set(&node, addresses),
            MeshEffect::Up(node) => self.tell(Peer::Up(node)).await,
            MeshEffect::Down(node) => self.tell(Peer::Down(node)).await,
            MeshEffect::Heard { node, vitals } => {
                let message = heard(&vitals);
                // Said again in a second: it does not wait for a loop that is behind.
                let _lost = self.to_loop.try_send(Peer::Heard { from: node, message });
            }
            MeshEffect::Save => self.save_at = Some(self.save_at.unwrap_or_else(|| Instant::now() + SAVE_AFTER)),
            MeshEffect::Note(note) => self.note(note),
            MeshEffect::WakeAt(at) => self.wake_at = at,
        }
    }

    async fn tell(&mut self, peer: Peer) {
        // Fails only when the loop has ended; then nobody wants to know.
        let _ended = self.to_loop.send(peer).await;
    }

    /// The admin key, from the disk: a staged one counts from the moment when the roll names it.
    pub(super) fn read_admin_key(&mut self) {
        match self.store.admin_key(self.mesh.roll()) {
            Ok(key) => self.admin = key,
            Err(error) => self.note(format!("the admin key of this machine cannot be read: {error}")),
        }
    }

    pub(super) fn note(&mut self, note: String) {
        tracing::warn!("{note}");
        if self.notes.len() >= NOTES_MAX {
            self.notes.remove(0);
        }
        self.notes.push(note);
    }

    /// Nothing passes over it from now on. Only who is sent away has a moment to hear why.
    fn close(&mut self, link: LinkId, why: CloseReason) {
        self.frames.remove(&link);
        let Some(end) = self.links.fabric.remove(link) else { return };
        let (code, reason) = links::code(why);
        if why == CloseReason::NotAMember {
            tokio::spawn(async move {
                tokio::time::sleep(links::LAST_WORDS).await;
                end.connection.close(code.into(), reason);
            });
        } else {
            end.connection.close(code.into(), reason);
        }
    }

    /// A neighbour that does not read its frames is as good as gone.
    fn frame(&mut self, link: LinkId, bytes: Vec<u8>) {
        let Some(frames) = self.frames.get(&link) else { return };
        if frames.try_send(bytes).is_err() {
            tracing::debug!(?link, "a link was closed: its frames are not read");
            self.close(link, CloseReason::Full);
        }
    }

    /// Where the configuration says that members are: whoever becomes one later is looked for there, too.
    fn tell_configured(&self, members: &[NodeId]) {
        for (peer, addresses) in self.addresses.iter().filter(|(peer, _)| members.contains(peer)) {
            let event = MeshEvent::Addresses { peer: *peer, addresses: addresses.clone() };
            let _full = self.links.to_actor.try_send(Said::Mesh(event));
        }
    }

    async fn admitted(&mut self, keys: &[NodeId]) {
        self.tell_configured(keys);
        let gone: Vec<NodeId> =
            self.peers.paths().into_iter().map(|(node, _)| node).filter(|node| !keys.contains(node)).collect();
        self.members.replace(keys);
        for node in gone {
            self.peers.forget(&node).await;
        }
    }

    /// Writes roll and addresses down; a failure is told and tried again with the next change.
    async fn save(&mut self) {
        self.begin_to_save().await;
        self.saved().await;
    }

    /// One write at a time, so that an older one never ends after a newer.
    async fn begin_to_save(&mut self) {
        self.saved().await;
        self.save_at = None;
        self.durable.roll = self.mesh.roll().clone();
        self.durable.addresses = self.mesh.known_addresses().collect();
        let (store, durable) = (self.store.clone(), self.durable.clone());
        self.saving = Some(tokio::task::spawn_blocking(move || store.save(&durable)));
    }

    /// Waits for the write that goes on, if one does.
    pub(super) async fn saved(&mut self) {
        let Some(saving) = self.saving.take() else { return };
        if let Ok(Err(error)) = saving.await {
            self.note(format!("what this node knows of its grid could not be written: {error}"));
        }
    }

    /// Another grid, or the same one anew: all links end, and the mesh begins from what the store says.
    pub(super) async fn enter(&mut self) {
        let gone: Vec<NodeId> =
            self.mesh.nodes().into_iter().filter(|node| node.up && !node.here).map(|it| it.node).collect();
        for node in gone {
            self.tell(Peer::Down(node)).await;
            self.peers.forget(&node).await;
        }
        for end in self.links.fabric.links() {
            self.close(end.id, CloseReason::NotAMember);
        }
        self.links.fabric.route(&[]);
        self.mesh = mesh(&self.secret, self.incarnation, &self.durable, self.here.clone());
        self.begin().await;
    }

    pub(super) fn fabric(&self) -> &Arc<Fabric> {
        &self.links.fabric
    }
}

fn mesh(secret: &SecretKey, incarnation: u64, grid: &durable::Grid, here: Here) -> Mesh {
    let signing = secret.clone();
    Mesh::new(MeshOptions {
        me: public(secret),
        incarnation,
        roll: grid.roll.clone(),
        verify,
        signer: Signer::new(move |text| sign(&signing, text)),
        here,
        flat_members: FLAT_MEMBERS_MAX,
    })
}

/// Vitals as the machine that shares work takes them.
fn heard(vitals: &Vitals) -> Message {
    Message::Vitals {
        trit: vitals.trit,
        queued: u32::from(vitals.queued),
        running: u32::from(vitals.running),
        slots: u32::from(vitals.slots),
        load_milli: vitals.rho_milli.map_or(0, u32::from),
    }
}
