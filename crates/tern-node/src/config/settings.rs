//! The keys, their meaning and their defaults.

use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use tern_core::decide::scum::ScumSettings;

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
    /// How far the smoothed load must come back over a bound (0.8 and 0.3) before the trit does.
    pub hysteresis: f64,
    /// The bare bounds on the raw load: no smoothing, no hysteresis.
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
    /// CPUs that count as full use: 1 scores a process as `ps` does; 0: all CPUs of the machine.
    pub cores: u32,
    /// Names of processes that are never throttled, beside those that a machine or a session needs. A trailing `*`
    /// stands for any ending.
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
        Self { hysteresis: 0.1, literal: false, sample_seconds: 1.0 }
    }
}

impl Default for ScumConfig {
    fn default() -> Self {
        Self { cpu_weight: 0.6, memory_weight: 0.3, age_weight: 0.1, cores: 1, protected: Vec::new() }
    }
}

impl ScumConfig {
    /// As the core takes them.
    #[must_use]
    pub fn settings(&self) -> ScumSettings {
        let all = || std::thread::available_parallelism().map_or(1.0, |cpus| cpus.get() as f64);
        ScumSettings {
            cpu_weight: self.cpu_weight,
            memory_weight: self.memory_weight,
            age_weight: self.age_weight,
            cores: if self.cores == 0 { all() } else { f64::from(self.cores) },
            ..ScumSettings::default()
        }
    }
}
