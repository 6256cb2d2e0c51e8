//! Agent, warden and both are killed at random instants of a running job: nothing is lost, nothing is told twice.
//!
//! Every task appends its number to a witness file with one write, so a task that ran twice is seen there. When the
//! agent dies no task may run twice, and who is attached goes on. When the warden dies, those that were running may, and
//! the node must say so.
//! `TERN_KILL_ROUNDS` sets the rounds a victim (10; the soak sets 100), `TERN_KILL_SEED` repeats a run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

const TASKS: usize = 300;
const SLOTS: usize = 4;
/// A node that cannot do 300 small tasks in this time has lost something.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Victim {
    Agent,
    Warden,
    Both,
}

struct Node {
    home: tempfile::TempDir,
    rng: fastrand::Rng,
}

impl Node {
    fn new(seed: u64) -> Self {
        let home = tempfile::tempdir().expect("a folder for the node");
        let node = Self { home, rng: fastrand::Rng::with_seed(seed) };
        node.up();
        node
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn tern(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_tern"))
            .arg("--home")
            .arg(self.path("home"))
            .args(args)
            .env("TERN_SLOTS", SLOTS.to_string())
            .stdin(Stdio::null())
            .output()
            .expect("tern starts")
    }

    fn json(&self, args: &[&str]) -> Option<Value> {
        let output = self.tern(args);
        serde_json::from_slice(&output.stdout).ok()
    }

    fn up(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let output = self.tern(&["up", "--detach"]);
            if output.status.success() {
                return;
            }
            // A half that still lives revives the other one; then there is nothing to start.
            if self.pids().is_some() {
                return;
            }
            assert!(Instant::now() < deadline, "up failed: {}", String::from_utf8_lossy(&output.stderr));
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn pids(&self) -> Option<(i32, i32)> {
        let status = self.json(&["status", "--json"])?;
        let pid = |name: &str| status[name].as_i64().and_then(|pid| i32::try_from(pid).ok()).filter(|pid| *pid > 0);
        Some((pid("agent_pid")?, pid("warden_pid")?))
    }

    fn submit(&self, witness: &Path) -> String {
        let text = format!("sleep 0.00$(({{}} % 7)); echo {{}} >> {}; echo out-{{}}", witness.display());
        let tasks = format!("1-{TASKS}");
        let answer =
            self.json(&["submit", "--json", "--shell", "--array", &tasks, "--", &text]).expect("the job is accepted");
        answer["job"].as_str().expect("an id").to_owned()
    }

    /// Agent and warden, at an instant that nobody chose.
    fn aim(&mut self) -> (i32, i32) {
        let deadline = Instant::now() + PATIENCE;
        let pids = loop {
            match self.pids() {
                Some(pids) => break pids,
                None => assert!(Instant::now() < deadline, "the node does not answer"),
            }
        };
        std::thread::sleep(Duration::from_micros(self.rng.u64(0..150_000)));
        pids
    }

    fn kill(&mut self, victim: Victim, (agent, warden): (i32, i32)) {
        match victim {
            Victim::Agent => kill(agent),
            Victim::Warden => kill(warden),
            Victim::Both => {
                // In either order, since the survivor of the first would revive it.
                let (first, second) = if self.rng.bool() { (agent, warden) } else { (warden, agent) };
                kill(first);
                kill(second);
                self.up();
            }
        }
    }

    fn wait(&self, job: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(end) = self.json(&["wait", job, "--json", "--timeout", "30"])
                && end["state"].as_str().is_some_and(|state| !matches!(state, "running" | "queued"))
            {
                return end;
            }
            assert!(Instant::now() < deadline, "the job does not end: {:?}", self.json(&["status", "--json"]));
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let down = self.tern(&["down", "--now"]);
        // A second panic would hide the first.
        assert!(down.status.success() || std::thread::panicking(), "{}", String::from_utf8_lossy(&down.stderr));
    }
}

fn kill(pid: i32) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL)
        .expect("a process of ours");
}

/// Tasks that have not written their line; the file is there with the first of them.
fn unwitnessed(witness: &Path) -> usize {
    TASKS.saturating_sub(std::fs::read_to_string(witness).map_or(0, |text| text.lines().count()))
}

/// How often each task wrote its line.
fn witnessed(witness: &Path) -> BTreeMap<usize, usize> {
    let mut seen = BTreeMap::new();
    for line in std::fs::read_to_string(witness).expect("the witness file").lines() {
        *seen.entry(line.parse().expect("a task's number")).or_default() += 1;
    }
    seen
}

/// Returns whether the job was running when the kill fell.
fn round(node: &mut Node, victim: Victim, number: usize) -> bool {
    let witness = node.path(&format!("witness-{victim:?}-{number}"));
    let job = node.submit(&witness);
    let pids = node.aim();
    let left = unwitnessed(&witness);
    node.kill(victim, pids);
    let end = node.wait(&job);
    assert_eq!(end["state"], "done", "{victim:?} {number}: {end}");
    assert_eq!(end["tasks"]["done"], TASKS, "{victim:?} {number}: {end}");
    let seen = witnessed(&witness);
    let lost: Vec<usize> = (1..=TASKS).filter(|task| !seen.contains_key(task)).collect();
    assert!(lost.is_empty(), "{victim:?} {number}: never ran: {lost:?}");
    let again: Vec<usize> = seen.iter().filter(|(_, times)| **times > 1).map(|(task, _)| *task).collect();
    if victim == Victim::Agent {
        assert!(again.is_empty(), "{victim:?} {number}: ran twice: {again:?}");
    } else {
        assert!(again.len() <= SLOTS, "{victim:?} {number}: more ran again than could have been running: {again:?}");
        assert!(seen.values().all(|times| *times <= 2), "{victim:?} {number}: ran three times");
    }
    if victim == Victim::Warden && !again.is_empty() {
        let status = node.json(&["status", "--json"]).expect("the agent lives");
        let notes = status["notes"].as_array().expect("notes");
        let said = notes.iter().filter_map(Value::as_str).any(|note| note.contains("which run again"));
        assert!(said, "{victim:?} {number}: {again:?} ran again, and nobody says so: {status}");
    }
    results_are_told_once(node, &job);
    left > 0
}

fn results_are_told_once(node: &Node, job: &str) {
    let logs = node.tern(&["logs", job]);
    let mut lines: Vec<&str> = std::str::from_utf8(&logs.stdout).expect("text").lines().collect();
    lines.sort_unstable();
    let mut expected: Vec<String> = (1..=TASKS).map(|task| format!("out-{task}")).collect();
    expected.sort_unstable();
    assert_eq!(lines, expected, "each task's output is kept, and told once");
}

fn rounds() -> usize {
    std::env::var("TERN_KILL_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(10)
}

fn seed() -> u64 {
    let seed =
        std::env::var("TERN_KILL_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("TERN_KILL_SEED={seed}");
    seed
}

fn matrix(victim: Victim) {
    let mut node = Node::new(seed());
    let rounds = rounds();
    let hit = (0..rounds).filter(|number| round(&mut node, victim, *number)).count();
    println!("{victim:?}: in {hit} of {rounds} rounds the job was running when the kill fell");
    // A kill that comes too late proves nothing.
    assert!(2 * hit >= rounds, "{victim:?}: the job was running in {hit} of {rounds} rounds only");
}

/// Commands that are attached go on with the agent that comes back, and print what they would have printed.
#[test]
fn who_is_attached_does_not_notice_that_the_agent_died() {
    let mut node = Node::new(seed());
    let attached = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tern"));
        command.arg("--home").arg(node.path("home")).args(args);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("tern starts")
    };
    let numbers: Vec<String> = (1..=60).map(|number| number.to_string()).collect();
    let batch = ["map", "-k", "-j4", "--shell", "sleep 0.05; echo {}", ":::"];
    let map = attached(&batch.iter().copied().chain(numbers.iter().map(String::as_str)).collect::<Vec<_>>());
    let run = attached(&["run", "--", "sh", "-c", "for i in 1 2 3 4 5 6; do echo $i; sleep 0.2; done"]);
    let job = node.json(&["submit", "--json", "--", "sleep", "1.5"]).expect("accepted")["job"].to_string();
    let wait = attached(&["wait", job.trim_matches('"')]);
    // An order that is on its way when the agent dies may be lost; what was accepted may not.
    let deadline = Instant::now() + PATIENCE;
    while node.json(&["jobs", "--json"]).is_none_or(|jobs| jobs.as_array().is_none_or(|jobs| jobs.len() < 3)) {
        assert!(Instant::now() < deadline, "the jobs are not accepted");
    }
    for _ in 0..2 {
        let pids = node.aim();
        node.kill(Victim::Agent, pids);
    }
    let ends = [map, run, wait].map(|child| child.wait_with_output().expect("it ends"));
    for end in &ends {
        assert!(end.status.success() && end.stderr.is_empty(), "{end:?}");
    }
    assert_eq!(String::from_utf8_lossy(&ends[0].stdout), numbers.join("\n") + "\n");
    assert_eq!(String::from_utf8_lossy(&ends[1].stdout), "1\n2\n3\n4\n5\n6\n");
}

#[test]
fn an_agent_killed_at_any_instant_loses_nothing_and_repeats_nothing() {
    matrix(Victim::Agent);
}

#[test]
fn a_warden_killed_at_any_instant_loses_nothing_and_repeats_only_what_ran() {
    matrix(Victim::Warden);
}

#[test]
fn both_killed_at_any_instant_lose_nothing_and_repeat_only_what_ran() {
    matrix(Victim::Both);
}
