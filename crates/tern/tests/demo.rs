//! The demo ends as it is described: idle nodes take their share of a flood, and one that is killed loses nothing.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

const TASKS: u64 = 90;

fn demo(folder: &Path, more: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_tern"))
        .args(["demo", "--json", "--tasks", &TASKS.to_string()])
        .args(more)
        .env("TMPDIR", folder)
        .stdin(Stdio::null())
        .output()
        .expect("tern starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
    let left: Vec<_> = std::fs::read_dir(folder).expect("the folder").collect();
    assert!(left.is_empty(), "the demo left something behind: {left:?}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"))
}

fn ran(summary: &Value, node: &str) -> u64 {
    summary["ran"][node].as_u64().expect("a number")
}

#[test]
fn idle_nodes_take_their_share_of_a_flood() {
    let folder = tempfile::tempdir().expect("a folder");
    let summary = demo(folder.path(), &[]);
    assert_eq!(summary["tasks"]["done"], TASKS, "{summary}");
    let shares = ["alice", "bob", "carol"].map(|node| ran(&summary, node));
    assert_eq!(shares.iter().sum::<u64>(), TASKS, "{summary}");
    assert!(shares.iter().all(|share| *share > 0), "somebody stayed idle: {summary}");
    assert!(shares[1] + shares[2] >= TASKS / 3, "the idle ones took little: {summary}");
}

#[test]
fn a_node_killed_in_the_middle_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let summary = demo(folder.path(), &["--kill"]);
    assert_eq!(summary["killed"], "carol", "{summary}");
    assert_eq!(summary["tasks"]["done"], TASKS, "{summary}");
    let shares = ["alice", "bob", "carol"].map(|node| ran(&summary, node));
    assert_eq!(shares.iter().sum::<u64>(), TASKS, "{summary}");
}
