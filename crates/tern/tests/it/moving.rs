//! Tasks that move while they run: by checkpoints of their own, from node to node and back.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::ground::{Machine, Net, until};
use crate::mesh::{admit, machines, until_all_reach_all};

/// Counts to 40 and adds up what it saw; asked to end, it writes down how far it has come. With a file to tell it in, it stands still at a
/// third and at two thirds of the way until it is asked. What it makes is the same wherever, and however often, it went on.
const PROGRAM: &str = r#"#!/bin/bash
set -e
state=$TERN_CHECKPOINT_DIR/state
at=0 sum=0
if [ -e "$state" ]; then read -r at sum <"$state"; fi
asked=
trap 'asked=yes' TERM
while [ $at -lt 40 ]; do
  at=$((at + 1)) sum=$((sum + at * at))
  echo "step $at: $sum"
  echo "note $at" >&2
  if [ -n "$TELL" ] && [ $((at % 13)) = 0 ] && [ $at -lt 39 ]; then
    echo "waits at $at" >>"$TELL"
    until [ -n "$asked" ]; do sleep 0.1 || true; done
  fi
  if [ -n "$asked" ]; then
    echo "$at $sum" >"$state"
    mkdir -p "$TERN_CHECKPOINT_DIR/deep"
    echo "$at" >>"$TERN_CHECKPOINT_DIR/deep/stops"
    exit 85
  fi
done
mkdir -p out
echo "$sum" >out/sum
[ ! -e "$TERN_CHECKPOINT_DIR/deep/stops" ] || [ "$(tr '\n' ' ' <"$TERN_CHECKPOINT_DIR/deep/stops")" = "13 26 " ]
"#;

fn prepare(machine: &Machine) {
    fs::write(machine.file("count.sh"), PROGRAM).unwrap();
    fs::set_permissions(machine.file("count.sh"), PermissionsExt::from_mode(0o755)).unwrap();
    fs::create_dir(machine.file("out")).unwrap();
}

/// How often the program said where it waits.
fn told(tell: &Path) -> usize {
    fs::read_to_string(tell).map_or(0, |text| text.lines().count())
}

/// Where the task runs now.
fn holder(machine: &Machine, job: &str) -> Option<String> {
    let explained = machine.tern_json(&["explain", &format!("{job}/1"), "--json"]);
    let task = &explained["task"];
    let runs = matches!(task["state"].as_str(), Some("running" | "lent"));
    runs.then(|| task["name"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn a_task_with_checkpoints_moves_twice_and_ends_as_one_that_never_moved() {
    let name = "a_task_with_checkpoints_moves_twice_and_ends_as_one_that_never_moved";
    let Some(net) = Net::new(name, &[]) else { return };
    let grid = net.lan(&["a", "b", "c"]);
    let all = machines(&grid, ["a", "b", "c"]);
    let [a, b, c] = &all;
    admit(a, b);
    admit(a, c);
    until_all_reach_all(&all);
    prepare(a);

    let unmoved = a.tern(&["run", "--checkpoint", "--", "./count.sh"]);
    let made = fs::read_to_string(a.file("out/sum")).unwrap();
    assert_eq!((unmoved.code, made.as_str()), (0, "22140\n"), "{unmoved:?}");
    assert_eq!(unmoved.stdout.lines().count(), 40);
    fs::remove_file(a.file("out/sum")).unwrap();

    let tell = a.file("tell");
    let words = ["submit", "--checkpoint", "--in", "count.sh", "--out", "out", "--env", "TELL", "--", "./count.sh"];
    let mut submit = a.node().command(env!("CARGO_BIN_EXE_tern"));
    submit.args(words).env("TERN_HOME", a.home()).env("TELL", &tell).current_dir(a.file("."));
    let submitted = submit.output().unwrap();
    let job = String::from_utf8(submitted.stdout).unwrap().trim().to_owned();
    assert!(submitted.status.success(), "{}", String::from_utf8_lossy(&submitted.stderr));
    let task = format!("{job}/1");

    // From its owner to b …
    until("it has come a third of its way", || (told(&tell) == 1).then_some(()));
    let moved = a.tern_json(&["migrate", &task, "--to", "b", "--json"]);
    assert_eq!(
        (moved["how"].as_str(), moved["to"].as_str()),
        (Some("checkpointed"), Some("b")),
        "{moved}\n{}",
        a.log()
    );
    // … and from there, asked in words, to c.
    until("it has come two thirds of it", || (told(&tell) == 2).then_some(()));
    let said = a.tern(&["migrate", &task, "--to", "c"]);
    assert_eq!(said.code, 0, "{said:?}\n{}\n{}", a.log(), b.log());
    assert!(said.stdout.starts_with("checkpointed on b and going on at c: "), "{said:?}");
    // Also why.
    let explained = a.good(&["explain", &task]);
    assert!(explained.contains("checkpointed 1 on b: it goes on from there"), "{explained}");
    assert!(explained.contains("moved 1 to c: somebody asked for it"), "{explained}");

    let ended = a.tern(&["wait", &job]);
    assert_eq!(ended.code, 0, "{ended:?}\n{}\n{}", a.good(&["explain", &task]), c.log());
    let results = a.tern_json(&["job", &job, "--tasks", "--json"]);
    let (ran_on, tag) = (&results["results"][0]["node"], &c.ask("/v1/status").unwrap()["node"]);
    assert_eq!(ran_on, tag, "{results}");
    // Standard output, error output and files are those of a run that never moved.
    assert_eq!(a.good(&["logs", &job]), unmoved.stdout);
    assert_eq!(fs::read_to_string(a.file("out/sum")).unwrap(), made);
    // The shell adds a word of its own where what it waited for was ended with it.
    let notes =
        |text: &str| text.lines().filter(|line| line.starts_with("note")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(notes(&a.tern(&["logs", &job]).stderr), notes(&unmoved.stderr));
    assert_eq!(notes(&unmoved.stderr).len(), 40);
    // Nothing of it is left anywhere.
    for machine in &all {
        let left = || fs::read_dir(machine.home().join("checkpoints")).map_or(0, Iterator::count);
        until("checkpoints go with their task", || (left() == 0).then_some(()));
    }
}

#[test]
fn what_cannot_move_says_why_and_what_may_run_again_is_stopped_and_started() {
    let name = "what_cannot_move_says_why_and_what_may_run_again_is_stopped_and_started";
    let Some(net) = Net::new(name, &[]) else { return };
    let grid = net.lan(&["a", "b"]);
    let all = machines(&grid, ["a", "b"]);
    let [a, b] = &all;
    admit(a, b);
    until_all_reach_all(&all);
    let tell = a.file("tell");
    let sleeps = format!("echo begins >>{}; exec sleep 1000", tell.display());
    let submit = |words: &[&str]| {
        let before = told(&tell);
        let words: Vec<&str> = ["submit"].iter().chain(words).copied().chain(["--", "sh", "-c", &sleeps]).collect();
        let job = a.good(&words).trim().to_owned();
        until("it runs", || (told(&tell) > before).then_some(()));
        job
    };
    // It may not leave, and is held back.
    let bound = submit(&[]);
    let held = a.tern(&["migrate", &format!("{bound}/1"), "--to", "b"]);
    assert_eq!(held.code, 1, "{held:?}");
    assert!(held.stdout.starts_with("throttled: process "), "{held:?}");
    let pid = held.stdout.split_whitespace().nth(2).unwrap().to_owned();
    assert!(a.good(&["throttle", "list"]).contains(&pid));
    a.good(&["throttle", "release", &pid]);
    // The same, by its process; and one that Tern did not start.
    let same = a.tern_json_of(&["migrate-scum", &pid, "--json"], 1);
    assert_eq!((same["how"].as_str(), same["job"].as_str()), (Some("throttled"), Some(&*bound)), "{same}");
    let foreign = a.tern(&["migrate-scum", &std::process::id().to_string()]);
    assert_eq!(foreign.code, 69, "{foreign:?}");
    assert!(foreign.stdout.contains("is no task of Tern's"), "{foreign:?}");
    a.good(&["cancel", &bound]);
    a.tern(&["wait", &bound]);

    let again = submit(&["--share", "--idempotent", "--not-on", "b"]);
    let unfit = a.tern(&["migrate", &format!("{again}/1"), "--to", "b"]);
    assert_eq!(unfit.code, 69, "{unfit:?}");
    assert!(unfit.stdout.starts_with("refused: "), "{unfit:?}");
    a.good(&["cancel", &again]);
    a.tern(&["wait", &again]);

    let again = submit(&["--share", "--idempotent"]);
    let from = holder(a, &again).unwrap();
    let to = if from == "b" { "a" } else { "b" };
    let moved = a.tern(&["migrate", &format!("{again}/1"), "--to", to]);
    assert_eq!(moved.code, 0, "{moved:?}\n{}\n{}", a.log(), b.log());
    assert!(moved.stdout.starts_with(&format!("stopped on {from} and started again at {to}: ")), "{moved:?}");
    a.good(&["cancel", &again]);
    a.tern(&["wait", &again]);
    let none = a.tern(&["migrate", &format!("{again}/1"), "--to", "b"]);
    assert_eq!((none.code, none.stdout.trim()), (69, "refused: it is over"));
}
