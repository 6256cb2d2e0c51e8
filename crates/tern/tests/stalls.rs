//! One half of a node stands still for a while and goes on: neither loses its place in what the other says.

mod grid;

use std::time::Duration;

use grid::Tern;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Starts a node with that many slots; returns the pid of its agent and of its warden.
fn up(tern: &Tern, slots: u32) -> [Pid; 2] {
    std::fs::write(tern.path().join("config.toml"), format!("slots = {slots}\n")).expect("the settings");
    let agent = tern.up();
    let warden = tern.json(&["status", "--json"])["warden_pid"].as_u64().expect("it runs");
    [agent, warden].map(|pid| Pid::from_raw(i32::try_from(pid).expect("a pid")))
}

fn ends_well(tern: &Tern, job: &str) {
    let end = tern.run(&["wait", job, "--timeout", "60"]);
    assert_eq!(end.code, 0, "{}", end.stderr);
    tern.good(&["down"]);
}

#[test]
fn a_warden_that_did_not_read_for_a_while_is_given_everything_again() {
    let tern = Tern::new();
    let [_, warden] = up(&tern, 30);
    let list = tern.file("long", &format!("{}\n", "x".repeat(100_000)).repeat(40));
    kill(warden, Signal::SIGSTOP).expect("ours");
    let job = tern.submit(&["--each-line", &list, "--", "true"]);
    // Longer than the agent waits for a line that takes nothing.
    std::thread::sleep(Duration::from_secs(7));
    kill(warden, Signal::SIGCONT).expect("ours");
    ends_well(&tern, &job);
}

#[test]
fn an_agent_that_did_not_read_for_a_while_is_told_every_end() {
    let tern = Tern::new();
    let [agent, _] = up(&tern, 400);
    // Ends at instants of their own, so that each is said by itself and the line fills up.
    let job = tern.submit(&["--shell", "--array", "1-400", "--", "sleep $(( {} / 100 )).$(( {} % 100 + 100 ))"]);
    tern.until(|| tern.json(&["status", "--json"])["running"] == 400);
    kill(agent, Signal::SIGSTOP).expect("ours");
    // Each command says so instead of waiting, too.
    let stopped = format!("`kill -CONT {agent}` lets it go on");
    tern.until(|| std::fs::read_to_string(format!("/proc/{agent}/stat")).is_ok_and(|stat| stat.contains(") T ")));
    for words in [&["status"][..], &["submit", "--", "true"], &["down", "--now"]] {
        let out = tern.run(words);
        assert!(out.code == 75 && out.stderr.contains(&stopped), "{words:?}: {out:?}");
    }
    std::thread::sleep(Duration::from_secs(6));
    kill(agent, Signal::SIGCONT).expect("ours");
    ends_well(&tern, &job);
}
