//! What a first start says: that this machine founded a grid, and where the key lies that brings the grid back when its
//! admin machines are lost.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;
use tern_node::control::{Door, Entry};
use tern_node::home::Home;

/// A grid that was founded a moment ago.
#[derive(Clone, Debug, Serialize)]
pub struct Founded {
    pub grid: String,
    pub name: String,
    pub recovery_key: PathBuf,
}

/// Whether the node was in a grid before.
pub struct Before(bool);

impl Before {
    pub fn is_new(&self, home: &Home) -> bool {
        !self.0 && home.recovery().exists()
    }

    /// For an agent in the foreground, whose log is what its owner reads.
    pub fn log(&self, home: &Home) {
        if self.is_new(home) {
            tracing::info!(recovery_key = %home.recovery().display(), "a grid was founded");
        }
    }
}

impl Founded {
    pub fn look(home: &Home) -> Before {
        Before(home.roll().exists())
    }

    /// What the agent that has just started founded, if it did.
    pub async fn since(before: &Before, home: &Home) -> Option<Self> {
        if !before.is_new(home) {
            return None;
        }
        let door = Door::open(home, Entry::Agent, None).await.ok()?;
        let members = door.members().await.ok()?;
        Some(Self { grid: members.grid, name: members.here, recovery_key: home.recovery() })
    }
}

impl fmt::Display for Founded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { grid, name, recovery_key } = self;
        writeln!(f, "founded grid {grid}, in which this node is {name}; `tern invite` lets another machine in")?;
        write!(f, "its recovery key lies in {}: move it to a safe place off this machine", recovery_key.display())
    }
}
