//! The keys, their meaning and their defaults.

use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// All settings of a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Tasks that run at once; absent: one a CPU that this process may use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slots: Option<u32>,
    /// Jobs kept, finished ones included; the oldest finished go first.
    pub keep_jobs: u32,
    /// What the agent logs: `error`, `warn`, `info`, `debug`, `trace`, or `target=level` pairs.
    pub log: String,
    /// Where peers reach this node; absent: they do not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    pub trit: TritConfig,
    pub scum: ScumConfig,
    /// Nodes that share work with this one. A key that is not here is refused.
    pub peers: Vec<Peer>,
}

/// When a node is overloaded or idle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TritConfig {
    /// Overloaded above this load average over CPUs.
    pub above: f64,
    /// Idle below this.
    pub below: f64,
    /// How far the smoothed ratio must come back before the trit does.
    pub hysteresis: f64,
    /// The bare bounds on the raw ratio: no smoothing, no hysteresis.
    pub literal: bool,
    pub sample_seconds: f64,
}

/// How processes are scored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScumConfig {
    pub cpu_weight: f64,
    pub memory_weight: f64,
    pub age_weight: f64,
    /// CPUs that count as full use: 1 scores a process as `ps` does; 0: all CPUs that it may use.
    pub n: u32,
    /// Names of processes that are never throttled.
    pub protected: Vec<String>,
}

/// A node that is admitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// Its public key, 64 hexadecimal digits.
    pub key: String,
    /// Where it listens; absent: it connects to this node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<SocketAddr>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            slots: None,
            keep_jobs: 1_000,
            log: "info".to_owned(),
            listen: None,
            trit: TritConfig::default(),
            scum: ScumConfig::default(),
            peers: Vec::new(),
        }
    }
}

impl Default for TritConfig {
    fn default() -> Self {
        Self { above: 0.8, below: 0.3, hysteresis: 0.05, literal: false, sample_seconds: 1.0 }
    }
}

impl Default for ScumConfig {
    fn default() -> Self {
        let protected = ["init", "systemd", "dbus-daemon", "sshd", "Xorg", "Xwayland", "gnome-shell", "kwin_wayland"];
        Self {
            cpu_weight: 0.6,
            memory_weight: 0.3,
            age_weight: 0.1,
            n: 1,
            protected: protected.map(str::to_owned).to_vec(),
        }
    }
}
