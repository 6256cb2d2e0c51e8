//! Whether this machine can make networks at all, and making their namespaces under names that nobody else uses.
//!
//! A name says which test program made it (`tern-it.PID.START.N.LABEL`), so that one that was killed can be told
//! from one that runs, and what it left is removed by the next.

use std::fs;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, OnceLock};

use super::link::{self, filter};
use super::node::{Node, ip, remove};

const PREFIX: &str = "tern-it.";

/// What a test needs beyond root, `ip` and namespaces.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Need {
    /// `nft` and a kernel that filters: silence, loss, closed machines.
    Filter,
    /// Interfaces that this program carries: slow links.
    Slow,
    /// `tcpdump`.
    Capture,
}

/// Leave to make networks: this machine can.
pub struct Net(());

impl Net {
    /// None, and said and logged as a skip of `test`, where this machine has not what the test needs.
    pub fn new(test: &str, needs: &[Need]) -> Option<Self> {
        static GROUND: OnceLock<Result<(), String>> = OnceLock::new();
        let ground = GROUND.get_or_init(|| {
            remove_stale();
            // The first namespace of all is not to be made by two at a time: it makes the folder of their names.
            probe()
        });
        if let Err(reason) = ground.clone().and_then(|()| needs.iter().try_for_each(|need| has(*need))) {
            skip(test, &reason);
            return None;
        }
        Some(Self(()))
    }

    /// A machine without any cable.
    #[expect(clippy::unused_self, reason = "a net is the leave to make one")]
    pub fn node(&self, label: &str) -> Node {
        Node::new(name(label), label).unwrap()
    }
}

/// Namespaces of this test program or any other one, by their names.
pub fn left() -> Vec<String> {
    let names = fs::read_dir("/run/netns").into_iter().flatten().flatten();
    names.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| name.starts_with(PREFIX)).collect()
}

/// Removes what test programs left that are no more.
pub fn remove_stale() {
    for name in left() {
        let mut parts = name.split('.').skip(1);
        let alive = parts.next().and_then(start_of).is_some_and(|start| parts.next() == Some(start.as_str()));
        if !alive {
            remove(&name);
        }
    }
}

/// A name in use nowhere else.
fn name(label: &str) -> String {
    static NUMBER: AtomicU16 = AtomicU16::new(0);
    let (pid, number) = (std::process::id().to_string(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let start = start_of(&pid).unwrap_or_default();
    format!("{PREFIX}{pid}.{start}.{number}.{label}")
}

/// When that process started, in ticks since boot: with the pid it names a process for good.
fn start_of(pid: &str) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(19).map(str::to_owned)
}

fn probe() -> Result<(), String> {
    if !nix::unistd::geteuid().is_root() {
        return Err("without root there are no namespaces".into());
    }
    ip(&["-V"]).map_err(|_| "iproute2 is not installed")?;
    Node::new(name("probe"), "probe").map(drop).map_err(|error| format!("no namespace can be made: {error}"))
}

/// Asked once of this machine.
fn has(need: Need) -> Result<(), String> {
    static KNOWN: Mutex<Vec<(Need, Result<(), String>)>> = Mutex::new(Vec::new());
    let mut known = KNOWN.lock().unwrap();
    if let Some((_, had)) = known.iter().find(|(it, _)| *it == need) {
        return had.clone();
    }
    let had = match need {
        Need::Filter => Node::new(name("filter"), "filter").and_then(|node| filter::probe(&node)),
        Need::Slow => Node::new(name("slow"), "slow").and_then(|node| link::probe(&node)),
        Need::Capture => {
            let mut command = Command::new("tcpdump");
            command.arg("--version").stdin(Stdio::null());
            command.output().map(drop).map_err(|_| "tcpdump is not installed".into())
        }
    };
    known.push((need, had.clone()));
    had
}

/// This test cannot run here; `cargo xtask test` counts it as skipped.
pub fn skip(name: &str, reason: &str) {
    use std::io::Write;
    eprintln!("SKIP {name}: {reason}");
    if let Some(path) = std::env::var_os("TERN_SKIP_LOG") {
        let mut log = fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
        // One write: tests of one program run at the same time.
        log.write_all(format!("{name}\t{reason}\n").as_bytes()).unwrap();
    }
}
