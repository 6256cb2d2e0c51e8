//! The mesh machine itself: its state, and the steps in which it handles an event.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::areas::Areas;
use super::effect::{LinkId, MeshEffect};
use super::event::{Here, MeshEvent};
use super::links::{Greeting, Link};
use super::pulse::Pulse;
use super::records::Flood;
use super::topology::{Known, Topology};
use crate::machine::plant::Plant;
use crate::promise::Refusal;
use crate::trust::{Roll, Signature, Verify};
use crate::words::limits::{BEAT_LATE, LINK_TEND};
use crate::words::{NodeId, Now};

/// Signs in this node's name; its `Debug` shows nothing.
pub struct Signer(Box<Sign>);

type Sign = dyn Fn(&[u8]) -> Signature + Send;

impl Signer {
    pub fn new(sign: impl Fn(&[u8]) -> Signature + Send + 'static) -> Self {
        Self(Box::new(sign))
    }

    pub(super) fn sign(&self) -> &dyn Fn(&[u8]) -> Signature {
        &*self.0
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer")
    }
}

/// What a mesh begins with.
#[derive(Debug)]
pub struct MeshOptions {
    pub me: NodeId,
    /// 64 random bits of this start.
    pub incarnation: u64,
    pub roll: Roll,
    pub verify: Verify,
    pub signer: Signer,
    pub here: Here,
    /// In a grid of more members than this only those of one zone know each other; see
    /// [`FLAT_MEMBERS_MAX`](crate::words::limits::FLAT_MEMBERS_MAX).
    pub flat_members: usize,
}

/// The decisions of one node about the mesh.
#[derive(Debug)]
pub struct Mesh {
    pub(super) me: NodeId,
    pub(super) incarnation: u64,
    pub(super) roll: Roll,
    /// Members, this node among them.
    pub(super) roll_size: usize,
    /// Of the roll as it is.
    pub(super) roll_digest: u64,
    pub(super) verify: Verify,
    pub(super) signer: Signer,
    pub(super) here: Here,
    /// Members but this node, and what is known of them: all of them, or those of its zone.
    pub(super) nodes: BTreeMap<NodeId, Known>,
    /// Links that count, one a peer.
    pub(super) links: BTreeMap<NodeId, Link>,
    /// Connections that have not introduced themselves, or whose key is contested.
    pub(super) greetings: BTreeMap<LinkId, Greeting>,
    pub(super) flood: Flood,
    pub(super) pulse: Pulse,
    pub(super) topology: Topology,
    pub(super) areas: Areas,
    pub(super) refused: BTreeMap<Refusal, u64>,
    /// Keys that a second machine claims, and until when that is told.
    pub(super) disputed: BTreeMap<NodeId, u64>,
    /// What was said to people once.
    pub(super) noted: BTreeSet<NodeId>,
    /// Names of members that are shown otherwise than they were given.
    pub(super) names: BTreeMap<NodeId, String>,
    pub(super) leaving: bool,
    /// Nobody was told yet who may connect.
    fresh: bool,
    pub(super) next_tend: u64,
    wake_at: u64,
    pub(super) now: Now,
    #[cfg(feature = "planted")]
    pub(in crate::machine) plants: BTreeSet<Plant>,
}

impl Mesh {
    /// A node that knows its grid and nothing else. The first event should come at once.
    #[must_use]
    pub fn new(options: MeshOptions) -> Self {
        let MeshOptions { me, incarnation, roll, verify, signer, here, flat_members } = options;
        let mut mesh = Self {
            me,
            incarnation,
            roll,
            roll_size: 0,
            roll_digest: 0,
            verify,
            signer,
            here,
            nodes: BTreeMap::new(),
            links: BTreeMap::new(),
            greetings: BTreeMap::new(),
            flood: Flood::new(incarnation),
            pulse: Pulse::default(),
            topology: Topology::default(),
            areas: Areas::new(flat_members),
            refused: BTreeMap::new(),
            disputed: BTreeMap::new(),
            noted: BTreeSet::new(),
            names: BTreeMap::new(),
            leaving: false,
            fresh: true,
            next_tend: 0,
            wake_at: u64::MAX,
            now: Now::default(),
            #[cfg(feature = "planted")]
            plants: BTreeSet::new(),
        };
        mesh.home_changed();
        mesh.follow_roll(&mut Vec::new());
        mesh
    }

    /// Handles one event and appends what is to be done to `out`, in order.
    pub fn handle(&mut self, event: MeshEvent, now: Now, out: &mut Vec<MeshEffect>) {
        self.now = now;
        self.forgive_own_stall();
        match event {
            MeshEvent::Here(here) => self.here_changed(*here),
            MeshEvent::Vitals { vitals, busy } => self.own_vitals(vitals, busy),
            MeshEvent::LinkUp { peer, link, outgoing } => self.link_up(peer, link, outgoing, out),
            MeshEvent::Refused { link, why } => self.refused_by_peer(link, why),
            MeshEvent::LinkClosed { link } => self.link_closed(link),
            MeshEvent::DialFailed { peer } => self.dial_failed(peer),
            MeshEvent::Frame { link, bytes } => self.frame(link, &bytes, out),
            MeshEvent::Datagram { link, bytes } => self.datagram(link, &bytes, out),
            MeshEvent::Traffic { link } => self.traffic(link),
            MeshEvent::Alive { link } => self.alive(link),
            MeshEvent::Stranded { link } => self.stranded(link),
            MeshEvent::Direct { peer, direct } => {
                if let Some(known) = self.nodes.get_mut(&peer) {
                    known.direct = direct;
                }
            }
            MeshEvent::Addresses { peer, addresses } => self.may_be_at(peer, addresses),
            MeshEvent::Statements(statements) => {
                let _forged = self.statements(statements, None, out);
            }
            MeshEvent::Leave => self.leave(out),
            MeshEvent::Tick => {}
        }
        self.settle(out);
    }

    /// A new profile is told at once, new addresses with the next adjacency, which comes soon.
    fn here_changed(&mut self, here: Here) {
        let profile = (&here.zone, &here.facts) != (&self.here.zone, &self.here.facts);
        let addresses =
            (&here.link_addresses, &here.main_addresses) != (&self.here.link_addresses, &self.here.main_addresses);
        self.here = here;
        self.home_changed();
        self.flood.profile_due |= profile;
        if addresses {
            self.gained();
        }
    }

    /// This machine has lost the address on which a link stands: another is dialled at once, and the silence of this one is
    /// not waited for. Nothing is said of it until then: it mostly takes a moment.
    fn stranded(&mut self, link: LinkId) {
        let now = self.now.boot;
        let Some(peer) = self.peer_of(link) else { return };
        if let Some(link) = self.links.get_mut(&peer) {
            link.stranded = true;
        }
        if let Some(known) = self.nodes.get_mut(&peer) {
            (known.failures, known.dial_at) = (0, now);
        }
        self.next_tend_now();
    }

    fn settle(&mut self, out: &mut Vec<MeshEffect>) {
        if core::mem::take(&mut self.fresh) {
            out.push(MeshEffect::Admitted(self.roll.members().into_keys().collect()));
        }
        self.judge_greetings(out);
        self.judge_links();
        self.follow_area(out);
        if self.now.boot >= self.next_tend && !self.leaving {
            self.next_tend = self.now.boot + LINK_TEND;
            self.age();
            self.age_spoken();
            self.speak(out);
            self.infer_zones();
            self.tend_links(out);
            self.ask_for_missed(out);
            if let Some(link) = self.digest_due() {
                out.push(MeshEffect::Frame { link, bytes: self.listening_frame() });
                self.send_digest(link, out);
            }
        }
        self.publish();
        self.follow_topology(out);
        self.beat(out);
        self.tell_vitals(out);
        self.send_flood(out);
        self.wake_at = self.next_wake();
        out.push(MeshEffect::WakeAt(self.wake_at));
    }

    /// A process that was stopped finds every neighbour silent. It was itself that did not listen: they get as much more
    /// time as it was late, so that a stalled machine does not call all others dead.
    fn forgive_own_stall(&mut self) {
        let late = self.now.boot.saturating_sub(self.wake_at);
        if late > BEAT_LATE.0 && !self.planted(Plant::MeshStallBlamed) {
            for link in self.links.values_mut() {
                link.forgive(late, self.now.boot);
            }
        }
        self.wake_at = u64::MAX;
    }

    fn next_wake(&self) -> u64 {
        // One that leaves thinks about links no more.
        let tend = if self.leaving { u64::MAX } else { self.next_tend };
        let links = self.links.values().map(Link::due);
        let greetings = self.greetings.values().filter_map(|greeting| greeting.judged_at);
        let flood = self.flood.due();
        let pulse = self.pulse.due();
        links.chain(greetings).chain(flood).chain(pulse).chain(self.draws_at()).fold(tend, u64::min)
    }

    /// The next settling thinks about links, too.
    pub(super) fn next_tend_now(&mut self) {
        self.next_tend = self.now.boot;
    }

    pub(super) fn refuse(&mut self, refusal: Refusal) {
        *self.refused.entry(refusal).or_insert(0) += 1;
    }

    /// Says good-bye with a last adjacency that has no neighbours: everybody drops this node at once.
    fn leave(&mut self, out: &mut Vec<MeshEffect>) {
        self.leaving = true;
        self.flood.adjacency_due = Some(self.now.boot);
        self.publish();
        self.send_flood(out);
    }
}
