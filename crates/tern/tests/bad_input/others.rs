//! What belongs to somebody else: a folder with an agent, another user's socket, processes that must not be touched.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::grid::Tern;
use super::{said, skip};

#[test]
fn of_agents_that_start_at_the_same_time_one_holds_the_folder_and_the_others_name_it() {
    let tern = Tern::new();
    let starts: Vec<_> = (0..4)
        .map(|_| {
            let mut up = tern.command(&["up", "--detach", "--json"]);
            up.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let mut named = BTreeSet::new();
    for start in starts {
        let out = start.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&out.stderr);
        match out.status.code() {
            Some(0) => {
                let answer: Value = serde_json::from_slice(&out.stdout).unwrap();
                named.insert(answer["pid"].as_u64().unwrap());
            }
            other => assert!(other == Some(75) && stderr.contains("holds"), "{other:?}: {stderr}"),
        }
    }
    let pid = tern.json(&["status", "--json"])["agent_pid"].as_u64().unwrap();
    assert!(named.iter().eq([&pid]), "{named:?} of which {pid} answers");
    let job = tern.submit(&["--", "echo", "one"]);
    tern.good(&["wait", &job]);
    assert_eq!(tern.good(&["logs", &job]), "one\n");
    for words in [&["up"][..], &["up", "--detach"], &["agent"]] {
        said(&tern.run(words), 75, &[&format!("process {pid}"), "tern down", "--home"]);
    }
    assert_eq!(tern.json(&["status", "--json"])["agent_pid"], pid, "the first is not disturbed");
    tern.good(&["down"]);
}

#[test]
fn nothing_is_sent_to_a_socket_of_another_user() {
    if !nix::unistd::geteuid().is_root() {
        return skip("nothing_is_sent_to_a_socket_of_another_user", "only root can make a socket of another user");
    }
    let tern = Tern::new();
    let socket = tern.path().join("control.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    listener.set_nonblocking(true).unwrap();
    chown(&socket, Some(12_345), None).unwrap();
    let socket_named = socket.to_str().unwrap();
    for words in
        [&["map", "true", ":::", "a"][..], &["run", "--", "true"], &["submit", "--", "true"], &["up"], &["cancel", "1"]]
    {
        said(&tern.run(words), 77, &[socket_named, "12345"]);
    }
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "somebody connected");
    assert_eq!(super::left(&tern), ["control.sock"], "nothing was begun");
}

/// Ends with the test.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// All that a throttle could change of a process: its group, its session's weight, whether it is stopped.
fn look(pid: u32) -> [String; 3] {
    let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
    let stopped = read("status").lines().any(|line| line.starts_with("State:\tT"));
    [read("cgroup"), read("autogroup"), stopped.to_string()]
}

fn refused_with_and_without_an_agent(pid: u32, parts: &[&str]) {
    let tern = Tern::new();
    let (word, before) = (pid.to_string(), look(pid));
    let parts = [&[word.as_str(), "nothing was done"], parts].concat();
    for agent in [false, true] {
        if agent {
            tern.up();
        }
        for words in [&["throttle", &word][..], &["throttle", &word, "--percent", "1", "--method", "duty-cycle"]] {
            said(&tern.run(words), 77, &parts);
        }
    }
    assert_eq!(tern.json(&["throttle", "list", "--json"]), serde_json::json!([]));
    tern.good(&["down"]);
    assert_eq!(look(pid), before);
}

#[test]
fn process_1_is_not_throttled() {
    refused_with_and_without_an_agent(1, &["process 1"]);
}

#[test]
fn a_process_of_another_user_is_not_throttled() {
    if !nix::unistd::geteuid().is_root() {
        return skip("a_process_of_another_user_is_not_throttled", "only root can start a process of another user");
    }
    let mut sleep = Command::new("sleep");
    let other = Ends(sleep.arg("600").uid(65_534).gid(65_534).stdin(Stdio::null()).spawn().unwrap());
    refused_with_and_without_an_agent(other.0.id(), &["another user"]);
}

#[test]
fn the_agent_itself_is_not_throttled_nor_one_that_is_not_there() {
    let tern = Tern::new();
    let pid = tern.up();
    let status = tern.json(&["status", "--json"]);
    for own in [pid, status["warden_pid"].as_u64().unwrap()] {
        said(&tern.run(&["throttle", &own.to_string()]), 77, &["protected", "nothing was done"]);
    }
    said(&tern.run(&["throttle", "2147483647"]), 66, &["no process 2147483647", "tern scum"]);
    said(&tern.run(&["throttle", "release", "1"]), 66, &["1"]);
    tern.good(&["down"]);
}
