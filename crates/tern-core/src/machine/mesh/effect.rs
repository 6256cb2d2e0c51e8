//! What the mesh part of a node wants done.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

use crate::observe::{Area, Vitals};
use crate::words::{Bytes, NodeId};

/// One connection; the adapter numbers them and never uses a number twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// Why a link is closed; the other end is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CloseReason {
    /// The key is not, or not any more, that of a member.
    NotAMember,
    /// Another machine lives under this key.
    Duplicate,
    /// There is another link to the same node.
    Replaced,
    /// Neither end wants it.
    Surplus,
    /// It spoke nonsense.
    Malformed,
    /// It speaks another version.
    Version,
    /// There are as many links as there may be.
    Full,
}

/// The next hop on the way to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    pub to: NodeId,
    pub link: LinkId,
}

/// The next hop on the way to the nodes of another zone. Where a node has a [`Route`] of its own, that one counts; of several that
/// name it the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FarRoute {
    pub link: LinkId,
    /// [Marks](NodeId::mark) in ascending order, eight bytes each.
    pub members: Bytes,
}

/// An adapter performs these in order and decides nothing.
#[derive(Clone, Debug, PartialEq)]
pub enum MeshEffect {
    Dial {
        peer: NodeId,
        addresses: Vec<SocketAddr>,
    },
    Close {
        link: LinkId,
        why: CloseReason,
    },
    /// Reliable, in order.
    Frame {
        link: LinkId,
        bytes: Vec<u8>,
    },
    /// May be lost.
    Datagram {
        link: LinkId,
        bytes: Vec<u8>,
    },
    /// Replaces all routes.
    Routes(Vec<Route>),
    /// Replaces all routes to other zones.
    FarRoutes(Vec<FarRoute>),
    /// Replaces the keys that may connect.
    Admitted(Vec<NodeId>),
    /// Where the main endpoint of a member is reached without a hop.
    MainAddresses {
        node: NodeId,
        addresses: Vec<SocketAddr>,
    },
    /// The node can be reached, for the first time or again, or has started anew.
    Up(NodeId),
    Down(NodeId),
    Heard {
        node: NodeId,
        vitals: Vitals,
    },
    /// This node is the broker of its zone: how loaded all zones are, in the order of their names.
    Areas(Vec<Area>),
    /// Statements or addresses changed that must outlive this process.
    Save,
    /// For people: something that its owner should know of.
    Note(String),
    /// Call again with [`Tick`](super::MeshEvent::Tick) at this boot time, if nothing happens before.
    WakeAt(u64),
}
