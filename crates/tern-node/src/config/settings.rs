//! The keys, their meaning and their defaults.

use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use tern_core::decide::balance::rules::Mode;
use tern_core::decide::scum::ScumSettings;
use tern_core::decide::scum::control::Reach;
use tern_core::observe::trit::LoadSource;
use tern_core::words::limits::FLAT_MEMBERS_MAX;

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
    /// Where other nodes reach this one (UDP); absent: port [`PORT`] of every address, or another one where that is taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    pub mesh: MeshConfig,
    pub work: WorkConfig,
    pub balance: BalanceConfig,
    pub trit: TritConfig,
    pub scum: ScumConfig,
    /// Where members of the grid may be found, beside where they were last seen. Nobody is let in by this.
    pub peers: Vec<Peer>,
}

/// The UDP port of a node that was not told another one.
pub const PORT: u16 = 41_737;

/// How this node takes part in a grid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MeshConfig {
    /// False: this node has no grid and talks to nobody.
    pub enabled: bool,
    /// What the others call this node when it founds or joins a grid; absent: its host name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where it stands: `home`, or `home/attic`.
    pub zone: String,
    /// In a grid of more members than this a node knows those of its own zone only. The same on all machines.
    pub flat_members: u32,
    /// Find members and newcomers on the local network.
    pub mdns: bool,
    /// Ask the router for a way in (UPnP, PCP, NAT-PMP).
    pub port_mapping: bool,
    /// Look for members that do not answer among the machines of this user's Tailscale network.
    pub tailscale: bool,
    /// Give files to members and take theirs. What merely passes through is carried in any case.
    pub files: bool,
}

impl Default for MeshConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            name: None,
            zone: String::new(),
            flat_members: FLAT_MEMBERS_MAX as u32,
            mdns: true,
            port_mapping: true,
            tailscale: true,
            files: true,
        }
    }
}

/// What this machine does for others' tasks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WorkConfig {
    /// MiB of inputs that are kept, so that they need not come again.
    pub cache_mib: u64,
    /// On battery below this charge, in per cent, the node starts nothing more; 0: it goes on.
    pub drain_below: u8,
    /// Give up slots while somebody uses this machine; absent: on laptops, desktops and phones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yield_to_owner: Option<bool>,
    /// Of those slots, keep one for tasks.
    pub leave_one: bool,
}

impl Default for WorkConfig {
    fn default() -> Self {
        Self { cache_mib: 10 * 1024, drain_below: 20, yield_to_owner: None, leave_one: true }
    }
}

/// What nodes do for each other by their trits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BalanceConfig {
    /// `paired`: nodes with work and nodes with free slots help each other at any time. `strict`: tasks that could run where they
    /// are move from overloaded nodes to idle ones only, and only while more are overloaded than idle.
    pub mode: Mode,
    /// On which processes the decision matrix acts: `off`, `dry-run`, `tasks`, or `all` of this user's.
    pub hogs: Reach,
    /// The share of one CPU, in per cent, that a process has while it is held back.
    pub hold_percent: u8,
}

impl Default for BalanceConfig {
    fn default() -> Self {
        Self { mode: Mode::Paired, hogs: Reach::Off, hold_percent: 50 }
    }
}

/// When a node is overloaded or idle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TritConfig {
    /// How far the smoothed load must come back over a bound (0.8 and 0.3) before the trit does.
    pub hysteresis: f64,
    /// The bare bounds on the raw load: no smoothing, no hysteresis.
    pub literal: bool,
    /// `system`: the machine's load average over its CPUs. `tasks`: tasks that run or wait here over the slots.
    pub load: LoadSource,
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

/// Where a member may be found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// Its public key, 64 hexadecimal digits.
    pub key: String,
    /// Where it listens; absent: it finds this node.
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
            mesh: MeshConfig::default(),
            work: WorkConfig::default(),
            balance: BalanceConfig::default(),
            trit: TritConfig::default(),
            scum: ScumConfig::default(),
            peers: Vec::new(),
        }
    }
}

impl Default for TritConfig {
    fn default() -> Self {
        Self { hysteresis: 0.1, literal: false, load: LoadSource::System, sample_seconds: 1.0 }
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
