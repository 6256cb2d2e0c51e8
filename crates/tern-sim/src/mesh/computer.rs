//! A computer of the mesh world: what is durable on it, what lives, and what its adapter was told.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use tern_core::machine::mesh::{FarRoute, Here, LinkId, Mesh, MeshEvent};
use tern_core::observe::{Area, Facts, Vitals};
use tern_core::trust::Statement;
use tern_core::words::NodeId;

/// What a computer sent and handled; grows from its first start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub events: u64,
    pub wakes: u64,
    pub frames: u64,
    pub frame_bytes: u64,
    /// Of these the ones of digests and of records.
    pub digest_bytes: u64,
    pub record_bytes: u64,
    pub datagrams: u64,
    pub datagram_bytes: u64,
    pub vitals_bytes: u64,
    pub dials: u64,
    pub downs: u64,
}

/// How a computer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Off,
    Runs,
    /// The process does not run until then; what arrives waits.
    Stalled(u64),
    /// The machine sleeps; what arrives is lost.
    Suspended,
}

#[derive(Debug)]
pub struct Computer {
    pub key: NodeId,
    /// Speaks only when a script makes it.
    pub puppet: bool,
    pub state: State,
    pub mesh: Option<Mesh>,
    /// Counts starts: what was meant for an earlier life is lost.
    pub life: u32,
    pub incarnation: u64,
    pub here: Here,
    pub busy: bool,
    pub vitals: Vitals,
    /// Durable: statements and last known addresses.
    pub roll: Arc<Vec<Statement>>,
    pub addresses: BTreeMap<NodeId, Vec<SocketAddr>>,
    /// What the adapter was told.
    pub admitted: Arc<BTreeSet<NodeId>>,
    pub routes: BTreeMap<NodeId, LinkId>,
    pub far: Vec<FarRoute>,
    /// How loaded all zones are, as it was told last as the broker of its own.
    pub areas: Vec<Area>,
    /// Who is up, and the life in which it was when that was told.
    pub up: BTreeMap<NodeId, u32>,
    pub notes: Vec<String>,
    /// Open ends of links, by the number that this computer has for each.
    pub links: BTreeSet<u64>,
    pub count: Count,
    pub(super) inbox: Vec<MeshEvent>,
    pub(super) wake_at: u64,
    /// The earliest alarm in the queue.
    pub(super) alarm: u64,
    /// Boot time at true time 0.
    pub(super) booted: u64,
    /// What a puppet was sent.
    pub heard: Vec<Vec<u8>>,
}

impl Computer {
    pub(super) fn new(key: NodeId, number: usize, dice: &mut fastrand::Rng) -> Self {
        let address = address(number, 0);
        let facts =
            Facts { version: "0".into(), arch: "x86_64".into(), os: "linux".into(), cores: 4, ..Facts::default() };
        let here = Here { facts, link_addresses: vec![address], main_addresses: vec![address], ..Here::default() };
        Self {
            key,
            puppet: false,
            state: State::Off,
            mesh: None,
            life: 0,
            incarnation: 0,
            here,
            busy: false,
            vitals: Vitals { slots: 4, ..Vitals::default() },
            roll: Arc::default(),
            addresses: BTreeMap::new(),
            admitted: Arc::default(),
            routes: BTreeMap::new(),
            far: Vec::new(),
            areas: Vec::new(),
            up: BTreeMap::new(),
            notes: Vec::new(),
            links: BTreeSet::new(),
            count: Count::default(),
            inbox: Vec::new(),
            wake_at: u64::MAX,
            alarm: u64::MAX,
            booted: dice.u64(1_000_000_000..1_000_000_000_000),
            heard: Vec::new(),
        }
    }

    /// The link on which a packet for this key leaves.
    #[must_use]
    pub fn route(&self, to: &NodeId) -> Option<LinkId> {
        let names = |far: &&FarRoute| far.members.chunks(8).any(|mark| *mark == to.0[..8]);
        self.routes.get(to).copied().or_else(|| self.far.iter().find(names).map(|far| far.link))
    }

    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.mesh.is_some() && matches!(self.state, State::Runs | State::Stalled(_))
    }
}

/// The address of a computer after it moved so often.
#[must_use]
pub fn address(number: usize, moves: u16) -> SocketAddr {
    let [high, low] = (number as u16).to_be_bytes();
    SocketAddr::from(([10, 0, high, low], 7000 + moves))
}
