//! The bounds of values.

use tern_core::observe::trit::{IDLE_BELOW, OVERLOADED_ABOVE};
use tern_core::words::limits::{FLAT_MEMBERS_MAX, JOBS_MAX, PEERS_MAX, SLOTS_MAX};

use super::settings::{Config, Peer};

/// With more hysteresis the two bounds would overlap, and a node could be both or neither.
const HALF_BAND: f64 = (OVERLOADED_ABOVE - IDLE_BELOW) / 2.0;

/// The first value out of its bounds: its key, as the path of names in the file, and what is wrong with it.
pub(super) fn first_wrong(config: &Config) -> Option<(Vec<&'static str>, String)> {
    let within = |path: &[&'static str], value: f64, low: f64, high: f64| {
        let wrong = !(low..=high).contains(&value);
        wrong.then(|| (path.to_vec(), format!("must be {low} to {high}, and is {value}")))
    };
    let slots = f64::from(config.slots.unwrap_or(1));
    within(&["slots"], slots, 1.0, f64::from(SLOTS_MAX))
        .or_else(|| within(&["keep_jobs"], f64::from(config.keep_jobs), 1.0, JOBS_MAX as f64))
        .or_else(|| {
            within(&["mesh", "flat_members"], f64::from(config.mesh.flat_members), 0.0, FLAT_MEMBERS_MAX as f64)
        })
        .or_else(|| within(&["trit", "hysteresis"], config.trit.hysteresis, 0.0, HALF_BAND))
        .or_else(|| within(&["trit", "sample_seconds"], config.trit.sample_seconds, 0.1, 60.0))
        .or_else(|| within(&["work", "drain_below"], f64::from(config.work.drain_below), 0.0, 100.0))
        .or_else(|| within(&["balance", "hold_percent"], f64::from(config.balance.hold_percent), 1.0, 100.0))
        .or_else(|| within(&["scum", "cpu_weight"], config.scum.cpu_weight, 0.0, 1.0))
        .or_else(|| within(&["scum", "memory_weight"], config.scum.memory_weight, 0.0, 1.0))
        .or_else(|| within(&["scum", "age_weight"], config.scum.age_weight, 0.0, 1.0))
        .or_else(|| within(&["scum", "cores"], f64::from(config.scum.cores), 0.0, 65_536.0))
        .or_else(|| within(&["peers"], config.peers.len() as f64, 0.0, PEERS_MAX as f64))
        .or_else(|| config.peers.iter().find_map(wrong_key))
}

fn wrong_key(peer: &Peer) -> Option<(Vec<&'static str>, String)> {
    let good = peer.key.len() == 64 && peer.key.bytes().all(|byte| byte.is_ascii_hexdigit());
    (!good).then(|| (vec!["peers"], format!("key {:?} is no public key: those have 64 hexadecimal digits", peer.key)))
}
