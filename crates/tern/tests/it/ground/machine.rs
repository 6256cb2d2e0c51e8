//! A machine of the grid: a namespace, a state folder and the real binary on both.
//!
//! It need not be told to end: what it runs is ended with it. A test that ends it tests how it ends.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::Value;
use tempfile::TempDir;

use super::node::{Node, end};
use super::run::{Out, Running, until};

pub struct Machine {
    node: Node,
    folder: TempDir,
    home: PathBuf,
    variables: Vec<(&'static str, String)>,
}

impl Machine {
    /// With a state folder that is still empty; nothing runs yet.
    pub fn new(node: &Node) -> Self {
        let folder = tempfile::Builder::new().prefix("tern-it-").tempdir().unwrap();
        let home = folder.path().join("home");
        fs::create_dir(&home).unwrap();
        fs::set_permissions(&home, PermissionsExt::from_mode(0o700)).unwrap();
        Self { node: node.clone(), folder, home, variables: Vec::new() }
    }

    /// Where it stands.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// The state folder.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// A file beside the state folder, in the folder where commands run.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Replaces the settings of this node; an agent reads them when it starts.
    pub fn configure(&self, text: &str) {
        fs::write(self.home.join("config.toml"), text).unwrap();
    }

    /// What is started from now on has this variable.
    pub fn set(&mut self, name: &'static str, value: &str) {
        self.variables.push((name, value.to_owned()));
    }

    /// Starts `tern WORDS` and goes on beside it.
    pub fn start(&self, words: &[&str]) -> Running {
        let mut command = self.node.command(env!("CARGO_BIN_EXE_tern"));
        command.args(words).env("TERN_HOME", &self.home).env_remove("NO_COLOR").current_dir(self.folder.path());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        Running::start(command)
    }

    /// `tern WORDS`, however it ended.
    pub fn tern(&self, words: &[&str]) -> Out {
        self.start(words).end()
    }

    /// What it printed; it must have gone well.
    pub fn good(&self, words: &[&str]) -> String {
        let out = self.tern(words);
        assert_eq!(out.code, 0, "{}: {words:?}: {out:?}\n{}", self.node.label(), self.log());
        out.stdout
    }

    /// The same for a command that prints JSON; `--json` is to be among its words.
    pub fn tern_json(&self, words: &[&str]) -> Value {
        serde_json::from_str(&self.good(words)).unwrap()
    }

    /// The same for one that ends with this code.
    pub fn tern_json_of(&self, words: &[&str], code: i32) -> Value {
        let out = self.tern(words);
        assert_eq!(out.code, code, "{}: {words:?}: {out:?}\n{}", self.node.label(), self.log());
        serde_json::from_str(&out.stdout).unwrap()
    }

    /// What the API answers to `GET PATH`: asked without a program in between, where time matters.
    pub fn ask(&self, path: &str) -> Option<Value> {
        let mut stream = UnixStream::connect(self.home.join("control.sock")).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: tern\r\nconnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
    }

    /// Starts the agent, and returns when it answers.
    pub fn up(&self) {
        self.good(&["up", "--detach"]);
    }

    /// Ends agent and warden in order.
    pub fn down(&self) {
        self.good(&["down", "--now"]);
    }

    /// Agent and warden, if there is an agent that knows both.
    pub fn pids(&self) -> Option<(i32, i32)> {
        let status: Value = serde_json::from_str(&self.tern(&["status", "--json"]).stdout).ok()?;
        let pid = |name: &str| i32::try_from(status[name].as_i64()?).ok().filter(|pid| *pid > 0);
        Some((pid("agent_pid")?, pid("warden_pid")?))
    }

    /// `kill -9` for agent and warden, neither of which gets to see that the other died. Their tasks live on.
    /// Returns the instant at which they stopped.
    pub fn kill9(&self) -> Instant {
        let (agent, warden) = until("agent and warden", || self.pids());
        let stopped = Instant::now();
        end(&[agent, warden]);
        stopped
    }

    /// What the agent has logged, for the message of a test that failed.
    pub fn log(&self) -> String {
        fs::read_to_string(self.home.join("agent.log")).unwrap_or_default()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // What it left must end before its folder does. Others on the same namespace go on.
        let ours = self.node.pids_with(&format!("TERN_HOME={}", self.home.display()));
        if !ours.is_empty() {
            end(&ours);
        }
    }
}
