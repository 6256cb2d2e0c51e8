//! One machine of the network: a namespace that has a name, and goes away with its last handle.
//!
//! A socket belongs to the namespace in which it was made, whoever uses it later. So a test makes sockets
//! [`inside`](Node::inside) and speaks through them from where it is; programs are started there by `ip netns exec`.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::link::filter;
use super::run::{Out, Running, until};

/// A namespace with its loopback up, no forwarding and no routes but those of its own cables.
#[derive(Clone)]
pub struct Node(Arc<Space>);

struct Space {
    name: String,
    label: String,
}

impl Node {
    /// Makes the namespace `name`; tests call it `label`.
    pub(super) fn new(name: String, label: &str) -> Result<Self, String> {
        ip(&["netns", "add", &name])?;
        let node = Self(Arc::new(Space { name, label: label.to_owned() }));
        node.ip(&["link", "set", "lo", "up"])?;
        node.inside(|| {
            // A host that forwards passes that on to new namespaces.
            fs::write("/proc/sys/net/ipv4/ip_forward", "0")?;
            // A new address is usable at once; there is nobody who could have it already.
            fs::write("/proc/sys/net/ipv6/conf/default/accept_dad", "0").or_else(absent)?;
            fs::write("/proc/sys/net/ipv6/conf/all/forwarding", "0").or_else(absent)
        })
        .map_err(|error| format!("settings of a namespace cannot be written: {error}"))?;
        Ok(node)
    }

    /// What tests call it.
    pub fn label(&self) -> &str {
        &self.0.label
    }

    /// The name of its namespace, which no other has.
    pub fn space(&self) -> &str {
        &self.0.name
    }

    /// A program that will run here. It keeps its pid: `ip` becomes the program. It sees the interfaces of this
    /// machine under `/sys/class/net`, and therefore no control groups under `/sys/fs/cgroup`.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0.name]).arg(program);
        command
    }

    /// Starts a program here.
    pub fn start(&self, words: &[&str]) -> Running {
        let mut command = self.command(words[0]);
        command.args(&words[1..]);
        Running::start(command)
    }

    /// Runs a program here to its end.
    pub fn run(&self, words: &[&str]) -> Out {
        self.start(words).end()
    }

    /// Does something on a thread that lives in this namespace, such as making a socket.
    pub fn inside<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        let space = File::open(path(&self.0.name)).unwrap();
        let inside = || {
            setns(&space, CloneFlags::CLONE_NEWNET).unwrap();
            act()
        };
        std::thread::scope(|scope| scope.spawn(inside).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// `ip` on this machine's interfaces.
    pub(super) fn ip(&self, words: &[&str]) -> Result<String, String> {
        ip(&[&["-n", self.0.name.as_str()], words].concat())
    }

    /// From now on it accepts nothing from outside but answers to what it sent itself, as behind a home router.
    /// Needs [`Need::Filter`](super::Need::Filter).
    pub fn close(&self) {
        filter::close(self).unwrap();
    }

    /// Accepts everything again.
    pub fn open(&self) {
        filter::open(self).unwrap();
    }

    /// The processes that run here and were started with this variable.
    pub(super) fn pids_with(&self, variable: &str) -> Vec<i32> {
        let has = |pid: &i32| {
            let variables = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            variables.split(|byte| *byte == 0).any(|it| it == variable.as_bytes())
        };
        pids(&self.0.name).into_iter().filter(has).collect()
    }

    /// Every process that runs here ends without a chance to say anything, as when the power fails.
    pub fn power_off(&self) {
        end_all(&self.0.name);
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

/// Ends what runs in a namespace and removes it. Nothing here panics: it also cleans up after one that did.
pub(super) fn remove(name: &str) {
    end_all(name);
    let _gone = ip(&["netns", "del", name]);
}

/// More rounds than that would be a program that multiplies faster than it is ended.
const ROUNDS: usize = 200;

/// Ends all processes of a namespace; tasks that they start meanwhile come in the next round.
fn end_all(name: &str) {
    for _ in 0..ROUNDS {
        let pids: Vec<i32> = pids(name).into_iter().filter(|pid| !gone(*pid)).collect();
        if pids.is_empty() {
            return;
        }
        signal(&pids);
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Ends these processes, and waits until they are gone.
pub(super) fn end(pids: &[i32]) {
    signal(pids);
    until("the end of what was killed", || pids.iter().all(|pid| gone(*pid)).then_some(()));
}

/// All are stopped before one ends, or the warden would start the agent again.
fn signal(pids: &[i32]) {
    for signal in [Signal::SIGSTOP, Signal::SIGKILL] {
        for pid in pids {
            let _gone = kill(Pid::from_raw(*pid), signal);
        }
    }
}

fn pids(name: &str) -> Vec<i32> {
    let text = ip(&["netns", "pids", name]).unwrap_or_default();
    text.lines().filter_map(|line| line.trim().parse().ok()).collect()
}

/// It runs no more, though its parent may not have asked how it ended.
fn gone(pid: i32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return true };
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['Z', 'X']))
}

fn path(name: &str) -> String {
    format!("/run/netns/{name}")
}

/// A kernel without IPv6 has nothing to be set.
fn absent(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// `ip WORDS`, and what it said.
pub(super) fn ip(words: &[&str]) -> Result<String, String> {
    let output = Command::new("ip").args(words).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("ip: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("ip {}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
}
