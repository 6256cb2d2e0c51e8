//! `kill -9` at random instants: whatever was acknowledged is there.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use super::*;

const FOLDER: &str = "TERN_TEST_JOURNAL_OF_CHILD";
const CHILD: &str = "store::journal::tests::kill::child_that_commits_until_it_is_killed";

/// Run by the test below in a process of its own: commits for ever and says what it was promised.
#[test]
#[ignore = "the child of another test"]
fn child_that_commits_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let home = Home::new(folder);
    let (mut journal, recovery) = open(&home);
    let mut state = recovery.state;
    let mut out = std::io::stdout().lock();
    let mut sequence = 0;
    loop {
        let number = state.head().next_job;
        let mut records = vec![accepted(number), lent(number), done_elsewhere(number, 5)];
        if number == 1 {
            records.insert(0, incarnation());
        }
        sequence += records.len() as u64;
        journal.commit(sequence, &records).expect("durable");
        writeln!(out, "acknowledged {number}").expect("the parent listens");
        out.flush().expect("the parent listens");
        apply_all(&mut state, &records);
        if number.is_multiple_of(7) {
            checkpoint(&mut journal, &mut state, &BTreeMap::new()).expect("durable");
        }
    }
}

/// Lets a child live for `lines` acknowledgements and a little more; returns the last that it spoke.
fn killed_child(folder: &std::path::Path, lines: u32, spins: u64) -> u32 {
    let this = std::env::current_exe().expect("this binary");
    let mut child = Command::new(this)
        .args(["--exact", CHILD, "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("spawned");
    let mut said = BufReader::new(child.stdout.take().expect("its output")).lines();
    let mut last = 0;
    let mut heard = 0;
    while heard < lines {
        let line = said.next().expect("it lives").expect("text");
        if let Some(number) = line.strip_prefix("acknowledged ") {
            last = number.parse().expect("a number");
            heard += 1;
        }
    }
    for _ in 0..spins {
        std::hint::spin_loop();
    }
    child.kill().expect("killed");
    // What it had said before it died was acknowledged, too.
    for line in said.map_while(Result::ok) {
        if let Some(number) = line.strip_prefix("acknowledged ") {
            // The last line may be cut in the middle of its number.
            last = number.parse().map_or(last, |number: u32| last.max(number));
        }
    }
    child.wait().expect("reaped");
    last
}

#[test]
fn whatever_was_acknowledged_before_a_kill_is_there_after_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = Home::new(folder.path());
    let mut random = fastrand_like(std::process::id());
    for round in 0..20 {
        let last = killed_child(folder.path(), 1 + (random() % 12) as u32, random() % 400_000);
        let (_, recovery) = open(&home);
        assert!(recovery.notes.is_empty(), "round {round}: {:?}", recovery.notes);
        let state = recovery.state;
        assert!(state.head().next_job > last, "round {round}: {last} was acknowledged");
        assert!(state.head().next_job <= last + 2, "round {round}: more than one commit came out of nothing");
        for number in 1..=last {
            let found = state.job(job(number)).unwrap_or_else(|| panic!("round {round}: job {number} is lost"));
            assert_eq!(found.done.len(), 5, "round {round}: results of job {number} are lost");
        }
    }
}

fn fastrand_like(seed: u32) -> impl FnMut() -> u64 {
    let mut state = u64::from(seed) | 1 << 40;
    println!("seed {seed}");
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state >> 3
    }
}
