//! The mesh: who is in the grid, who lives, and the way to each of them.
//!
//! A state machine of its own beside the one of work: it must answer within milliseconds while the other waits for a disk,
//! and a node without a grid has none. The two meet in four words: this node's vitals go in, and who came, who went, and
//! how loaded the others are come out. Packets never pass here: routes are published, and the adapter forwards.

pub mod effect;
pub mod event;

mod areas;
mod entry;
mod links;
mod node;
mod pulse;
mod queries;
mod records;
mod topology;

pub use areas::ZoneView;
pub use effect::{CloseReason, FarRoute, LinkId, MeshEffect, Route};
pub use event::{Here, MeshEvent};
pub use node::{Mesh, MeshOptions, Signer};
pub use queries::{LinkView, NodeView, Reach};
