//! What the journal promises, tested against real files.

use std::collections::BTreeMap;
use std::time::Instant;

use tern_core::promise::{Record, State};
use tern_core::words::template::{Piece, Template};
use tern_core::words::{Halt, Inputs, JobId, JobSpec, NodeId};

use super::*;
use crate::home::Home;

pub const NODE: NodeId = NodeId([7; 32]);

pub fn spec(tasks: u32) -> JobSpec {
    JobSpec {
        name: "a job".into(),
        command: Template { words: vec![vec![Piece::Literal("true".into())]], shell: None },
        inputs: Inputs::None,
        tasks,
        parallel: 0,
        tries: 1,
        timeout_ms: None,
        halt: Halt::default(),
        held: false,
        local_only: false,
        rlimits: Vec::new(),
        env: Vec::new(),
    }
}

pub fn job(number: u32) -> JobId {
    JobId::new(NODE.tag(), number)
}

pub fn accepted(number: u32) -> Record {
    Record::Accepted { job: job(number), spec: Box::new(spec(100)), at_ms: 5 }
}

fn open(home: &Home) -> (Journal, Recovery) {
    Journal::open(home, NODE, true).expect("opens")
}

#[test]
fn what_was_committed_is_there_after_opening_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = Home::new(folder.path());
    let (mut journal, recovery) = open(&home);
    assert!(recovery.state.jobs().is_empty() && recovery.notes.is_empty());
    journal.commit(1, &[Record::Started { incarnation: 9 }, accepted(1)]).expect("durable");
    journal.commit(2, &[accepted(2), Record::Cancelled { job: job(1) }]).expect("durable");
    drop(journal);
    let (mut journal, recovery) = open(&home);
    assert_eq!(recovery.state.jobs().len(), 2);
    assert_eq!(recovery.state.job(job(1)).map(|job| job.cancelled.len()), Some(100));
    let mut state = recovery.state;
    let more = accepted(3);
    journal.commit(1, std::slice::from_ref(&more)).expect("durable");
    state.apply(&more);
    journal.checkpoint(&mut state, &BTreeMap::new()).expect("durable");
    drop(journal);
    let (_, recovery) = open(&home);
    assert_eq!(recovery.state.jobs(), state.jobs());
    assert_eq!(recovery.state.head(), state.head());
    assert_eq!(recovery.replayed, 0, "the checkpoint covers all records");
}

#[test]
#[ignore = "prints times"]
fn times_of_opening_and_committing() {
    for root in ["/work/tmp/store", "/dev/shm"] {
        for _ in 0..5 {
            let folder = tempfile::tempdir_in(root).expect("a folder");
            let home = Home::new(folder.path());
            let begin = Instant::now();
            let (mut journal, _) = open(&home);
            let opened = begin.elapsed();
            journal.commit(1, &[Record::Started { incarnation: 9 }]).expect("durable");
            let first = begin.elapsed();
            for number in 1..=100 {
                journal.commit(1 + u64::from(number), &[accepted(number)]).expect("durable");
            }
            let hundred = begin.elapsed();
            let mut state = State::new(NODE);
            (1..=100).for_each(|number| drop(state.apply(&accepted(number))));
            journal.checkpoint(&mut state, &BTreeMap::new()).expect("durable");
            let point = begin.elapsed();
            drop(journal);
            let closed = begin.elapsed();
            let _again = open(&home);
            println!(
                "{root}: open {opened:?}, first commit {:?}, a commit {:?}, checkpoint {:?}, close {:?}, open again {:?}, {} bytes",
                first - opened,
                (hundred - first) / 100,
                point - hundred,
                closed - point,
                begin.elapsed() - closed,
                std::fs::metadata(home.journal()).expect("a file").len()
            );
        }
    }
}
