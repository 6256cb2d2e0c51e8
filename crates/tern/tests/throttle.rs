//! A throttle belongs to the warden: it outlives the agent that asked for it, and ends when it is let go or the node stops.

#[expect(dead_code, reason = "other tests need more of it")]
mod grid;

use std::process::{Child, Command, Stdio};

use grid::Tern;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A process that takes all that it gets. Ends with the test.
struct Burner(Child);

impl Burner {
    fn start() -> Self {
        let mut yes = Command::new("yes");
        Self(yes.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }

    /// Its state as the kernel names it: `T` where it is stopped.
    fn state(&self) -> char {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("State:"));
        line.and_then(|line| line.trim_start().chars().next()).unwrap()
    }
}

impl Drop for Burner {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The processes that are held back, as `tern throttle list` has them.
fn listed(tern: &Tern) -> Vec<u64> {
    let list = tern.json(&["throttle", "list", "--json"]);
    list.as_array().unwrap().iter().map(|held| held["pid"].as_u64().unwrap()).collect()
}

/// What the warden wrote down, for the watchdog and for the next warden.
fn written(tern: &Tern) -> String {
    std::fs::read_to_string(tern.path().join("warden/throttles")).unwrap_or_default()
}

fn agent(tern: &Tern) -> Option<u64> {
    let status = tern.run(&["status", "--json"]);
    serde_json::from_str::<serde_json::Value>(&status.stdout).ok()?["agent_pid"].as_u64()
}

/// Kills the agent and waits until the warden has started the next.
fn kill_agent(tern: &Tern) {
    let before = agent(tern).unwrap();
    kill(Pid::from_raw(i32::try_from(before).unwrap()), Signal::SIGKILL).unwrap();
    tern.until(|| agent(tern).is_some_and(|now| now != before));
}

#[test]
fn a_process_that_the_settings_name_is_not_held_and_it_is_said_why_once() {
    let tern = Tern::new();
    let burner = Burner::start();
    std::fs::write(tern.path().join("config.toml"), "[scum]\nprotected = [\"yes\"]\n").unwrap();
    let seen = tern.json(&["scum", "--all", "--top", "65535", "--interval", "200", "--json"]);
    let row = seen.as_array().unwrap().iter().find(|row| row["pid"] == burner.0.id()).unwrap().clone();
    assert_eq!(row["protected"], "settings", "{row}");
    tern.up();
    let refused = tern.run(&["throttle", &burner.pid()]);
    assert_eq!(refused.code, 77, "{refused:?}");
    assert!(refused.stderr.contains("scum.protected"), "{refused:?}");
    assert_eq!(refused.stderr.to_lowercase().matches("nothing was").count(), 1, "{refused:?}");
    tern.good(&["down"]);
}

#[test]
fn what_a_dry_run_says_of_a_process_that_is_held_is_what_is_done() {
    let tern = Tern::new();
    let burner = Burner::start();
    let pid = burner.pid();
    tern.up();
    tern.good(&["throttle", &pid, "--percent", "20"]);
    let would = tern.json(&["throttle", &pid, "--percent", "30", "--dry-run", "--json"]);
    assert_eq!((&would["would"]["percent"], &would["instead_of"]["percent"]), (&30.into(), &20.into()), "{would}");
    assert_eq!(tern.json(&["throttle", "list", "--json"])[0]["percent"], 20, "nothing was changed");
    assert!(tern.good(&["throttle", &pid, "--percent", "30"]).contains("to 30 % of one CPU"));
    assert_eq!(tern.json(&["throttle", "list", "--json"])[0]["percent"], 30);
    tern.good(&["down"]);
}

#[test]
fn a_throttle_outlives_the_agent_and_is_let_go_on_request_and_with_the_node() {
    let tern = Tern::new();
    let burner = Burner::start();
    let pid = burner.pid();
    tern.up();
    tern.good(&["throttle", &pid, "--percent", "20"]);
    assert_eq!(listed(&tern), [u64::from(burner.0.id())]);
    kill_agent(&tern);
    assert!(written(&tern).contains(&pid), "the warden still holds it: {}", written(&tern));
    assert_eq!(listed(&tern), [u64::from(burner.0.id())], "the next agent knows what the warden holds");
    // Also where that is the first thing that it is asked.
    kill_agent(&tern);
    tern.good(&["throttle", "release", &pid]);
    assert_eq!(listed(&tern), [0; 0]);
    assert!(!written(&tern).contains(&pid), "{}", written(&tern));

    // One per cent by stopping: it is nearly always found stopped, which must not be the end of it.
    tern.good(&["throttle", &pid, "--percent", "1", "--method", "duty-cycle"]);
    tern.until(|| burner.state() == 'T');
    tern.good(&["down"]);
    assert_ne!(burner.state(), 'T', "it goes on");
    assert!(!written(&tern).contains(&pid), "{}", written(&tern));
}
