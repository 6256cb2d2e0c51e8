//! Machines that are not what they should be: two with one key, and those whose clocks are years off.

use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::Command;

use crate::ground::{Machine, Net, skip, until};
use crate::mesh::{QUIET, admit, machines, reached, until_all_reach_all};

/// Whether the mesh of this machine has said something that holds this.
fn noted(machine: &Machine, words: &str) -> bool {
    let nodes = machine.ask("/v1/nodes").unwrap_or_default();
    nodes["notes"].as_array().is_some_and(|notes| notes.iter().any(|note| note.as_str().unwrap().contains(words)))
}

/// Files of a state folder whose agent is down; sockets and folders that an agent makes are left out.
fn copy_folder(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (kind, to) = (entry.file_type().unwrap(), to.join(entry.file_name()));
        if kind.is_dir() {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&to).unwrap();
            copy_folder(&entry.path(), &to);
        } else if kind.is_file() {
            std::fs::copy(entry.path(), &to).unwrap();
        }
    }
}

#[test]
fn of_two_machines_with_one_key_both_are_told_and_the_newer_is_refused() {
    let name = "of_two_machines_with_one_key_both_are_told_and_the_newer_is_refused";
    let Some(net) = Net::new(name, &[]) else { return };
    let grid = net.lan(&["a", "b", "copy"]);
    let all = machines(&grid, ["a", "b"]);
    let [a, b] = &all;
    admit(a, b);
    until_all_reach_all(&all);
    b.down();
    let copy = Machine::new(grid.node("copy"));
    copy_folder(b.home(), copy.home());
    b.up();
    until_all_reach_all(&all);
    copy.up();
    until("the newer one is told", || noted(&copy, "another machine uses this node's key").then_some(()));
    until("the older one is told", || noted(b, "another machine uses this node's key").then_some(()));
    until("the others are told", || noted(a, "a second machine uses the key of b").then_some(()));
    let nodes = a.ask("/v1/nodes").unwrap();
    let count = nodes["refused"].as_array().unwrap().iter().find(|one| one["what"] == "duplicate_key");
    assert!(count.is_some_and(|one| one["count"].as_u64() > Some(0)), "{nodes}");
    assert_eq!(reached(&copy), ["b"], "the copy reaches itself and nobody else");
    assert_eq!(reached(a), ["a", "b"]);
    // It is still the older one that answers.
    let answered = a.tern_json(&["ping", "b", "-c", "1", "--json"]);
    assert_eq!(answered["rounds"].as_array().map(Vec::len), Some(1), "{answered}");
    assert_eq!(reached(b), ["a", "b"]);
}

/// Where the system's clock is asked for, it answers so many seconds more.
const CLOCK: &str = r#"
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t clock, struct timespec *now) {
    int end = syscall(SYS_clock_gettime, clock, now);
    const char *off = getenv("CLOCK_OFF");
    if (end == 0 && clock == CLOCK_REALTIME && off) now->tv_sec += atol(off);
    return end;
}
"#;
const YEARS: i64 = 365 * 24 * 3600;

/// A library that a program is started with, and its wall clock is off.
fn wrong_clock(folder: &Path) -> Option<String> {
    let (source, library) = (folder.join("clock.c"), folder.join("clock.so"));
    std::fs::write(&source, CLOCK).unwrap();
    let mut cc = Command::new("cc");
    let made = cc.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).output();
    made.is_ok_and(|made| made.status.success()).then(|| library.to_str().unwrap().to_owned())
}

#[test]
fn machines_whose_clocks_are_years_off_join_let_others_in_and_are_removed() {
    let name = "machines_whose_clocks_are_years_off_join_let_others_in_and_are_removed";
    let Some(net) = Net::new(name, &[]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let Some(library) = wrong_clock(folder.path()) else { return skip(name, "there is no C compiler") };
    let grid = net.lan(&["right", "ahead", "behind"]);
    let all = [("right", 0), ("ahead", 9 * YEARS), ("behind", -20 * YEARS)].map(|(label, off)| {
        let mut machine = Machine::new(grid.node(label));
        machine.configure(&format!("slots = 1\n{QUIET}name = \"{label}\"\n"));
        if off != 0 {
            machine.set("LD_PRELOAD", &library);
            machine.set("CLOCK_OFF", &off.to_string());
        }
        machine.up();
        machine
    });
    let [right, ahead, behind] = &all;
    let ticket = right.tern_json(&["invite", "--admin", "--json"])["ticket"].as_str().unwrap().to_owned();
    let joined = ahead.tern_json(&["join", &ticket, "--json"]);
    let off = joined["clock_ahead_ms"].as_i64().expect("it is told how far its clock is off");
    assert!((off / 1_000 - 9 * YEARS).abs() < YEARS, "{joined}");
    // Of two clocks that are thirty years apart neither decides.
    admit(ahead, behind);
    until_all_reach_all(&all);
    for from in &all {
        for to in ["right", "ahead", "behind"].into_iter().filter(|to| from.node().label() != *to) {
            from.good(&["ping", to, "-c", "1"]);
        }
    }
    ahead.good(&["remove", "behind"]);
    until("those who stay know", || {
        [right, ahead].iter().all(|machine| reached(machine) == ["ahead", "right"]).then_some(())
    });
    until("the one that was removed is alone", || {
        let members = behind.ask("/v1/members")?;
        let others = members["members"].as_array()?.iter().filter(|one| one["up"] == true && one["here"] != true);
        (others.count() == 0).then_some(())
    });
}
