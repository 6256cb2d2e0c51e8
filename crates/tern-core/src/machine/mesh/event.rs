//! What may happen to the mesh part of a node.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

use super::effect::{CloseReason, LinkId};
use crate::observe::{Facts, Vitals};
use crate::trust::Statement;
use crate::words::NodeId;

/// What this node says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Here {
    pub zone: String,
    pub facts: Facts,
    /// Where links are dialled, and where the main endpoint is reached without a hop.
    pub link_addresses: Vec<SocketAddr>,
    pub main_addresses: Vec<SocketAddr>,
    /// It saves power: heartbeats are rarer.
    pub on_battery: bool,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum MeshEvent {
    /// This node's own profile or addresses changed.
    Here(Box<Here>),
    /// How loaded this node is. `busy`: it holds work or leases, so its death must be noticed soon.
    Vitals {
        vitals: Vitals,
        busy: bool,
    },
    /// A connection to an admitted key stands; `outgoing`: this node dialled.
    LinkUp {
        peer: NodeId,
        link: LinkId,
        outgoing: bool,
    },
    /// The other end closed the link and said why; [`LinkClosed`](Self::LinkClosed) follows.
    Refused {
        link: LinkId,
        why: CloseReason,
    },
    /// It is gone, whoever closed it.
    LinkClosed {
        link: LinkId,
    },
    DialFailed {
        peer: NodeId,
    },
    /// Bytes of a frame, not decoded.
    Frame {
        link: LinkId,
        bytes: Vec<u8>,
    },
    /// Bytes of a datagram that is no packet, not decoded.
    Datagram {
        link: LinkId,
        bytes: Vec<u8>,
    },
    /// The link has carried packets lately: its death would be felt.
    Traffic {
        link: LinkId,
    },
    /// This machine has lost the address on which the link stands.
    Stranded {
        link: LinkId,
    },
    /// Packets came over the link: its other end lives, though its heartbeats wait behind them. Told a few times a second.
    Alive {
        link: LinkId,
    },
    /// The main endpoint reaches the peer without a hop, or does not any more.
    Direct {
        peer: NodeId,
        direct: bool,
    },
    /// Where a member may be, as said by a ticket, the configuration, mDNS or another network.
    Addresses {
        peer: NodeId,
        addresses: Vec<SocketAddr>,
    },
    /// Statements made here, or that came with a welcome.
    Statements(Vec<Statement>),
    /// Say good-bye: this node stops.
    Leave,
    /// Time passed; also checked on every other event.
    Tick,
}
