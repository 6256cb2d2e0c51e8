//! A state folder of the benchmark's own, an agent on it, and what the kernel says of its processes.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::command::Bench;
use crate::run::capture;

/// The kernel counts CPU time for user space in hundredths of a second on every platform.
const TICKS_A_SECOND: f64 = 100.0;

/// A folder that goes when the benchmark ends.
pub struct Folder(PathBuf);

impl Folder {
    /// Under `/var/tmp`, which is a disk where `/tmp` may be memory; short, since socket paths are bounded.
    pub fn new() -> Result<Self, String> {
        let base = if Path::new("/var/tmp").is_dir() { PathBuf::from("/var/tmp") } else { std::env::temp_dir() };
        let path = base.join(format!("tern-bench-{}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Type of the file system it lies on.
    pub fn file_system(&self) -> String {
        let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
        let lines = mounts.lines().filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            Some((fields.next()?, fields.next()?))
        });
        let holding = lines.filter(|(point, _)| self.0.starts_with(point)).max_by_key(|(point, _)| point.len());
        holding.map_or("unknown", |(_, kind)| kind).to_string()
    }

    /// A file of the numbers from 1 to `count`, a line each.
    pub fn lines(&self, count: usize) -> Result<PathBuf, String> {
        let path = self.0.join(format!("lines-{count}"));
        let mut text = (1..=count).map(|number| number.to_string()).collect::<Vec<_>>().join("\n");
        text.push('\n');
        std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A running agent; it is stopped when this goes.
pub struct Agent {
    tern: PathBuf,
    home: PathBuf,
    pub pid: u32,
    pub warden_pid: u32,
}

impl Agent {
    /// `tern up --detach` on a fresh state folder.
    pub fn start(bench: &Bench) -> Result<Self, String> {
        let home = bench.folder.path().join("agent");
        let _ = std::fs::remove_dir_all(&home);
        Self::on(bench.tern.clone(), home, None)
    }

    /// The same on this folder; `starter` is the program and its first words by which it is started, if not by its own.
    pub fn on(tern: PathBuf, home: PathBuf, starter: Option<Command>) -> Result<Self, String> {
        let mut up = starter.unwrap_or_else(|| Command::new(&tern));
        let mut agent = Self { tern, home, pid: 0, warden_pid: 0 };
        up.args(["up", "--detach"]).env("TERN_HOME", &agent.home).stdin(Stdio::null());
        // The detached agent inherits what it is given, so nothing of it may be a pipe that somebody waits on.
        let status = up.stdout(Stdio::null()).status().map_err(|error| format!("tern up: {error}"))?;
        if !status.success() {
            return Err(format!("tern up --detach: {status}"));
        }
        let status = agent.json(&["status", "--json"])?;
        let pid = |names: &[&str]| names.iter().find_map(|name| find(&status, name)?.as_u64()).unwrap_or(0) as u32;
        agent.pid = pid(&["agent_pid", "pid"]);
        agent.warden_pid = pid(&["warden_pid"]);
        if agent.pid == 0 || agent.warden_pid == 0 {
            return Err(format!("tern status --json names no agent_pid or warden_pid: {status}"));
        }
        Ok(agent)
    }

    pub fn socket(&self) -> PathBuf {
        self.home.join("control.sock")
    }

    /// As its folder is called.
    pub fn name(&self) -> String {
        self.home.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// `tern …` on this agent's folder.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.tern);
        command.args(arguments).env("TERN_HOME", &self.home).stdin(Stdio::null());
        command
    }

    /// Runs a command and reads the last JSON value that it printed.
    pub fn json(&self, arguments: &[&str]) -> Result<serde_json::Value, String> {
        let text = capture(self.command(arguments))?;
        let values = serde_json::Deserializer::from_str(&text).into_iter::<serde_json::Value>();
        let last = values.filter_map(Result::ok).last();
        last.ok_or_else(|| format!("tern {} printed no JSON: {text}", arguments.join(" ")))
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.command(&["down"]).stdout(Stdio::null()).status();
    }
}

/// The first value under `name` in a tree of objects.
pub fn find<'a>(value: &'a serde_json::Value, name: &str) -> Option<&'a serde_json::Value> {
    match value {
        serde_json::Value::Object(map) => map.get(name).or_else(|| map.values().find_map(|inner| find(inner, name))),
        serde_json::Value::Array(list) => list.iter().find_map(|inner| find(inner, name)),
        _ => None,
    }
}

/// A line such as `VmHWM` of `/proc/PID/status`, in MiB.
pub fn mebibytes(pid: u32, line: &str) -> Result<f64, String> {
    let path = format!("/proc/{pid}/status");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    let value = text.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(':')?.split_whitespace().next());
    let kibibytes: f64 = value.and_then(|value| value.parse().ok()).ok_or_else(|| format!("{path} has no {line}"))?;
    Ok(kibibytes / 1024.0)
}

/// CPU seconds that a process has used, user and system.
pub fn cpu_seconds(pid: u32) -> Result<f64, String> {
    let path = format!("/proc/{pid}/stat");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    // The name in parentheses may hold anything; the fields after it are counted from the last one.
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok());
    match (ticks(11), ticks(12)) {
        (Some(user), Some(system)) => Ok((user + system) / TICKS_A_SECOND),
        _ => Err(format!("{path} is not as expected: {text}")),
    }
}
