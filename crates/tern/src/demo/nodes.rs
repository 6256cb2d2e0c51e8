//! Three agents with folders and keys of their own, that know each other and nobody else.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tern_node::control::api::StatusView;
use tern_node::control::api::entry::{InviteRequest, JoinRequest};
use tern_node::control::door::{Door, Entry};
use tern_node::home::Home;
use tern_node::store;

use super::DemoError;

/// People's names for the three; the first is flooded.
const NAMES: [&str; 3] = ["alice", "bob", "carol"];
/// Until an agent answers.
const START_PATIENCE: Duration = Duration::from_secs(20);
/// How long a ticket of the demo is good.
const TICKET_SECONDS: u64 = 60;
/// Slots of each node.
const SLOTS: u32 = 2;

struct DemoNode {
    name: &'static str,
    home: Home,
    tag: String,
    child: Child,
    door: Option<Door>,
    killed: bool,
}

/// The three nodes.
pub struct Trio {
    folder: PathBuf,
    keep: bool,
    nodes: Vec<DemoNode>,
}

impl Trio {
    /// Makes folders, keys and settings, starts the agents and waits until they answer.
    pub async fn start(keep: bool) -> Result<Self, DemoError> {
        let folder = std::env::temp_dir().join(format!("tern-demo-{}", std::process::id()));
        fs::create_dir(&folder)?;
        let mut trio = Self { folder, keep, nodes: Vec::new() };
        let made = trio.make().await;
        if let Err(error) = made {
            trio.stop().await;
            return Err(error);
        }
        Ok(trio)
    }

    async fn make(&mut self) -> Result<(), DemoError> {
        for name in NAMES {
            let home = Home::new(self.folder.join(name));
            fs::create_dir(home.path())?;
            let node = store::key::node_id(&home).map_err(|error| DemoError::Failed(error.to_string()))?;
            fs::write(home.config(), settings(name))?;
            self.nodes.push(spawn(name, home.clone(), node.to_string())?);
        }
        for node in &mut self.nodes {
            node.door = Some(wait_for(&node.home).await?);
        }
        // The first has founded a grid of its own, as any node does; the others come into it by a ticket each.
        let invite = InviteRequest { admin: false, lasts_seconds: TICKET_SECONDS };
        for index in 1..self.nodes.len() {
            let invited = self.door(0)?.invite(&invite).await?;
            self.door(index)?.join(&JoinRequest { ticket: invited.ticket, name: None }).await?;
        }
        Ok(())
    }

    pub fn door(&self, index: usize) -> Result<&Door, DemoError> {
        let node = &self.nodes[index];
        node.door.as_ref().ok_or_else(|| DemoError::Failed(format!("{} has no open door", node.name)))
    }

    /// Names and tags, in order.
    pub fn names(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.nodes.iter().map(|node| (node.name, node.tag.as_str()))
    }

    /// What each node says of itself; None: killed, or it does not answer.
    pub async fn statuses(&self) -> Vec<(&'static str, String, Option<StatusView>)> {
        let mut statuses = Vec::new();
        for node in &self.nodes {
            let status = match &node.door {
                Some(door) if !node.killed => door.status().await.ok(),
                _ => None,
            };
            statuses.push((node.name, node.tag.clone(), status));
        }
        statuses
    }

    /// Kills a node's agent and warden at once. Programs that they ran go on, as orphans whose results nobody takes.
    pub async fn kill(&mut self, index: usize) -> Result<String, DemoError> {
        let status = self.door(index)?.status().await?;
        let node = &mut self.nodes[index];
        node.killed = true;
        for pid in [Some(status.agent_pid), status.warden_pid].into_iter().flatten() {
            // One that has gone by itself needs no signal.
            let _ = kill(Pid::from_raw(i32::try_from(pid).unwrap_or(0)), Signal::SIGKILL);
        }
        Ok(format!("{} was killed: its agent and its warden, in the middle of its tasks", node.name))
    }

    /// Stops what runs and removes the folders, unless they are to be kept.
    pub async fn stop(mut self) {
        for node in &mut self.nodes {
            if let (Some(door), false) = (&node.door, node.killed) {
                // An agent that is gone already is what we want.
                let _ = door.stop(false, false).await;
            }
        }
        for node in &mut self.nodes {
            if node.killed {
                // Its warden was the child; wait only reaps it.
                let _ = node.child.wait();
            } else {
                end(node);
            }
        }
        if self.keep {
            println!("the nodes' folders: {}", self.folder.display());
        } else if let Err(error) = fs::remove_dir_all(&self.folder) {
            eprintln!("tern demo: {} could not be removed: {error}", self.folder.display());
        }
    }
}

/// Waits a moment for a node to end by itself, then ends it.
fn end(node: &mut DemoNode) {
    if node.door.is_none() {
        // It never answered, so it was not asked: its warden asks it.
        let _ = kill(Pid::from_raw(node.child.id().cast_signed()), Signal::SIGTERM);
    }
    for _ in 0..100 {
        if !matches!(node.child.try_wait(), Ok(None)) {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    // The warden first, or it would start the agent again.
    let _ = node.child.kill();
    let _ = node.child.wait();
    if let Some(agent) = store::lock::holder(&node.home).and_then(|pid| i32::try_from(pid).ok()) {
        let _ = kill(Pid::from_raw(agent), Signal::SIGKILL);
    }
}

fn spawn(name: &'static str, home: Home, tag: String) -> Result<DemoNode, DemoError> {
    let log = fs::File::create(home.path().join("log"))?;
    let child = Command::new(std::env::current_exe()?)
        .arg("--home")
        .arg(home.path())
        .arg("up")
        // An interrupt from the terminal is for the demo, which then stops them in order.
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    Ok(DemoNode { name, home, tag, child, door: None, killed: false })
}

async fn wait_for(home: &Home) -> Result<Door, DemoError> {
    let deadline = tokio::time::Instant::now() + START_PATIENCE;
    loop {
        match Door::open(home, Entry::Agent, None).await {
            Ok(door) if door.status().await.is_ok() => return Ok(door),
            Ok(_) | Err(_) if tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Ok(_) => return Err(DemoError::Failed("an agent does not answer".to_owned())),
            Err(error) => {
                let log = fs::read_to_string(home.path().join("log")).unwrap_or_default();
                return Err(DemoError::Failed(format!("an agent did not start: {error}\n{log}")));
            }
        }
    }
}

/// Only this machine, and nothing that is looked for on its networks. All three share one load average: what counts is their tasks.
fn settings(name: &str) -> String {
    format!(
        "slots = {SLOTS}\nlisten = \"127.0.0.1:0\"\n\n[mesh]\nname = \"{name}\"\nmdns = false\nport_mapping = false\n\n\
         [trit]\nload = \"tasks\"\nliteral = true\nsample_seconds = 0.2\n"
    )
}
