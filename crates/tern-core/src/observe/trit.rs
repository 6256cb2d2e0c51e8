//! The node's trit: +1 overloaded, 0 balanced, −1 idle.
use serde::{Deserialize, Serialize};

/// The host's trit (RS-02). Not a number: its three kinds of relatives (queue, link, process) never mix with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum NodeTrit {
    /// −1
    Idle,
    /// 0
    #[default]
    Balanced,
    /// +1
    Overloaded,
}
