//! Machines of the user's Tailscale network that are online now, as `tailscale status --json` lists them.
//!
//! Most machines have no Tailscale, and that is no error: the list is empty then, with the reason beside it. Host names
//! are what their owners call them, and two machines may have the same; the id is Tailscale's own and names one.

mod run;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

/// For this long `tailscale` may take.
pub const TIME_LIMIT: Duration = Duration::from_secs(2);
/// Bytes of its answer that are read; a network of a thousand machines needs about one and a half million.
pub const OUTPUT_BYTES_MAX: usize = 4 << 20;
/// Machines that are listed; those with the greatest ids are left out.
pub const MACHINES_MAX: usize = 1024;
/// Addresses of one machine.
const ADDRESSES_MAX: usize = 8;
/// Bytes of an id or a host name.
const NAME_BYTES_MAX: usize = 255;

/// A machine of the user's Tailscale network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Tailscale's stable id of the node.
    pub id: String,
    /// What it calls itself. Written by the machine: escape before showing.
    pub host_name: String,
    /// In the order in which Tailscale names them; never empty.
    pub addresses: Vec<IpAddr>,
}

/// The machines that were found, in the order of their ids, or why there are none.
#[derive(Debug, Default)]
pub struct Found {
    pub machines: Vec<Machine>,
    /// Absent where Tailscale answered.
    pub silent: Option<Silence>,
}

/// Why Tailscale names no machine. Nothing is wrong with this node.
#[derive(Debug, thiserror::Error)]
pub enum Silence {
    #[error("there is no `tailscale` on this machine")]
    NotInstalled,
    #[error("`tailscale` cannot be run: {0}")]
    NotRun(std::io::Error),
    /// As it says itself: `Stopped`, `NeedsLogin` …
    #[error("Tailscale is not connected: it says {state:?}; `tailscale up` connects it")]
    NotConnected { state: String },
    #[error("`tailscale status` failed ({how}); is its daemon running?")]
    Failed { how: std::process::ExitStatus },
    #[error("`tailscale status` gave no answer within {} s; it was ended", TIME_LIMIT.as_secs())]
    TooLate,
    #[error("`tailscale status` said more than {OUTPUT_BYTES_MAX} bytes; it was ended")]
    TooMuch,
    #[error("`tailscale status` gave an answer of an unknown form: {0}")]
    Form(serde_json::Error),
}

/// Asks Tailscale which machines are online. Blocks for up to [`TIME_LIMIT`].
#[must_use]
pub fn online() -> Found {
    online_by(Path::new("tailscale"))
}

/// As [`online`], of the program of this name or path.
#[must_use]
pub fn online_by(program: &Path) -> Found {
    let machines =
        run::output(program, &["status", "--json"], TIME_LIMIT, OUTPUT_BYTES_MAX).and_then(|text| read(&text));
    match machines {
        Ok(machines) => Found { machines, silent: None },
        Err(silent) => Found { machines: Vec::new(), silent: Some(silent) },
    }
}

/// The part of the answer that is looked at. Lists may be `null`; an answer without the state is none.
#[derive(Deserialize)]
struct Status {
    #[serde(rename = "BackendState")]
    state: String,
    #[serde(rename = "Peer", default)]
    peers: Option<BTreeMap<String, Peer>>,
}

#[derive(Deserialize)]
struct Peer {
    #[serde(rename = "ID", default)]
    id: String,
    #[serde(rename = "HostName", default)]
    host_name: String,
    #[serde(rename = "TailscaleIPs", default)]
    addresses: Option<Vec<String>>,
    #[serde(rename = "Online", default)]
    online: bool,
}

/// The machines that are online in an answer.
fn read(text: &[u8]) -> Result<Vec<Machine>, Silence> {
    let status: Status = serde_json::from_slice(text).map_err(Silence::Form)?;
    if status.state != "Running" {
        // Cut: it is shown to people.
        return Err(Silence::NotConnected { state: status.state.chars().take(40).collect() });
    }
    let mut machines = BTreeMap::new();
    for peer in status.peers.unwrap_or_default().into_values().filter(|peer| peer.online) {
        let addresses = peer.addresses.unwrap_or_default();
        let addresses: Vec<IpAddr> = addresses.iter().filter_map(|a| a.parse().ok()).take(ADDRESSES_MAX).collect();
        let named = (1..=NAME_BYTES_MAX).contains(&peer.id.len()) && peer.host_name.len() <= NAME_BYTES_MAX;
        if named && !addresses.is_empty() {
            // Of two with one id the first stays.
            machines.entry(peer.id).or_insert((peer.host_name, addresses));
        }
    }
    let machine = |(id, (host_name, addresses))| Machine { id, host_name, addresses };
    Ok(machines.into_iter().take(MACHINES_MAX).map(machine).collect())
}

#[cfg(test)]
pub(crate) mod tests;
