//! What the journal promises, tested against real files.

mod damage;
mod full;
mod kill;
mod peers;

use std::collections::BTreeMap;

use tern_core::promise::{Exit, Outcome, Output, Record, State};
use tern_core::words::template::{Piece, Template};
use tern_core::words::{Attempt, Epoch, GrantId, Halt, Inputs, JobId, JobSpec, NodeId, TaskSet};

use super::*;
use crate::home::Home;
use crate::store::StoreError;
use crate::store::segment::{Lane, SegmentWriter};

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
        ..JobSpec::default()
    }
}

pub fn job(number: u32) -> JobId {
    JobId::new(NODE.tag(), number)
}

pub fn accepted(number: u32) -> Record {
    Record::Accepted { job: job(number), spec: Box::new(spec(100)), at_ms: 5 }
}

pub fn open(home: &Home) -> (Journal, Recovery) {
    Journal::open(home, NODE, true).expect("opens")
}

pub fn checkpoint(journal: &mut Journal, state: &mut State, positions: &BTreeMap<u32, u64>) -> Result<(), StoreError> {
    let dirty = state.take_dirty();
    journal.checkpoint(state, dirty, positions)
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
    checkpoint(&mut journal, &mut state, &BTreeMap::new()).expect("durable");
    drop(journal);
    let (_, recovery) = open(&home);
    assert_eq!(recovery.state.jobs(), state.jobs());
    assert_eq!(recovery.state.head(), state.head());
    assert_eq!(recovery.replayed, 0, "the checkpoint covers all records");
}

pub fn incarnation() -> Record {
    Record::Started { incarnation: 9 }
}

/// Tasks 0 to 9 of a job, lent.
pub fn lent(number: u32) -> Record {
    Record::Lent {
        grant: GrantId { incarnation: 9, n: number },
        job: job(number),
        round: 0,
        n: number,
        to: NodeId([8; 32]),
        tasks: TaskSet::first(10),
    }
}

pub fn success(number: u32, task: u32) -> Outcome {
    let epoch = Epoch { counter: 0, keeper: NODE.tag(), incarnation: 9 };
    Outcome {
        attempt: Attempt { job: job(number), task, round: 0, epoch, n: number },
        exit: Exit::Code(0),
        started_ms: 1,
        ran_ns: 2,
        cpu_us: 3,
        rss_kib: 4,
        ran_on: 5,
        stdout: Output::default(),
        stderr: Output::default(),
    }
}

/// The first `count` lent tasks of a job, done elsewhere.
pub fn done_elsewhere(number: u32, count: u32) -> Record {
    let outcomes = (0..count).map(|task| success(number, task)).collect();
    Record::Outcomes { via: Some(GrantId { incarnation: 9, n: number }), outcomes }
}

pub fn apply_all(state: &mut State, records: &[Record]) {
    for record in records {
        state.apply(record);
    }
}

/// The same state, changes since the last checkpoint apart.
pub fn same(one: &State, other: &State) -> bool {
    one.head() == other.head() && one.jobs() == other.jobs()
}

#[test]
fn a_journal_that_is_not_there_is_made_only_when_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = Home::new(folder.path());
    assert!(matches!(Journal::open(&home, NODE, false), Err(StoreError::Missing { .. })));
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0, "nothing was made");
}

#[test]
fn a_sequence_that_does_not_grow_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = Home::new(folder.path());
    let (mut journal, _) = open(&home);
    journal.commit(5, &[incarnation()]).expect("durable");
    assert!(matches!(journal.commit(5, &[accepted(1)]), Err(StoreError::Order { last: 5, got: 5 })));
    journal.commit(6, &[accepted(1)]).expect("durable");
}

#[test]
fn a_second_opener_is_refused_while_the_first_lives() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = Home::new(folder.path());
    let (mut journal, _) = open(&home);
    journal.commit(1, &[incarnation()]).expect("durable");
    assert!(matches!(Journal::open(&home, NODE, true), Err(StoreError::InUse { .. })));
    drop(journal);
    open(&home);
}

#[test]
fn a_forgotten_job_leaves_the_checkpoint_and_its_number_is_not_given_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = Home::new(folder.path());
    let (mut journal, recovery) = open(&home);
    let mut state = recovery.state;
    for (sequence, record) in [incarnation(), accepted(1), accepted(2)].iter().enumerate() {
        journal.commit(sequence as u64 + 1, std::slice::from_ref(record)).expect("durable");
        state.apply(record);
    }
    checkpoint(&mut journal, &mut state, &BTreeMap::new()).expect("durable");
    let forgotten = Record::Forgotten { job: job(2) };
    journal.commit(9, std::slice::from_ref(&forgotten)).expect("durable");
    state.apply(&forgotten);
    checkpoint(&mut journal, &mut state, &BTreeMap::new()).expect("durable");
    drop(journal);
    let (_, recovery) = open(&home);
    assert!(same(&recovery.state, &state));
    assert_eq!((recovery.state.jobs().len(), recovery.state.head().next_job), (1, 3));
}

#[test]
fn a_checkpoint_with_nothing_new_writes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = Home::new(folder.path());
    let (mut journal, recovery) = open(&home);
    let mut state = recovery.state;
    journal.commit(1, &[incarnation()]).expect("durable");
    state.apply(&incarnation());
    let positions = BTreeMap::from([(0, 99)]);
    checkpoint(&mut journal, &mut state, &positions).expect("durable");
    let before = std::fs::read(home.journal()).expect("a file");
    checkpoint(&mut journal, &mut state, &positions).expect("nothing to do");
    assert!(std::fs::read(home.journal()).expect("a file") == before);
}

#[test]
fn a_new_journal_beside_old_jobs_counts_on_from_them_and_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = Home::new(folder.path());
    std::fs::create_dir_all(home.job(job(41))).expect("a folder");
    let (_, recovery) = open(&home);
    assert_eq!(recovery.state.head().next_job, 42);
    assert!(matches!(recovery.notes[..], [Note::Beside { next_job: 42, .. }]));
}

#[test]
fn a_journal_that_may_be_an_older_one_gives_no_number_twice_and_keeps_what_the_warden_wrote() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = Home::new(folder.path());
    let (mut journal, recovery) = open(&home);
    let mut state = recovery.state;
    let records = [incarnation(), accepted(1)];
    journal.commit(1, &records).expect("durable");
    apply_all(&mut state, &records);
    checkpoint(&mut journal, &mut state, &BTreeMap::new()).expect("durable");
    drop(journal);
    let (mut writer, _) = SegmentWriter::open(&home, Lane::Warden, NODE.tag()).expect("a writer");
    writer.append(&[success(1, 4), success(50, 0)]).expect("durable");
    std::fs::remove_file(commit::witness_path(&home)).expect("removed");
    let (mut journal, recovery) = open(&home);
    assert!(matches!(recovery.notes[..], [Note::Ahead { known: 1, found: 50, .. }]), "{:?}", recovery.notes);
    let mut state = recovery.state;
    assert_eq!((state.head().next_job, state.job(job(1)).map(|job| job.done.len())), (51, Some(1)));
    checkpoint(&mut journal, &mut state, &recovery.positions).expect("durable");
    drop(journal);
    let (_, recovery) = open(&home);
    assert!(recovery.notes.is_empty() && recovery.replayed == 0, "{:?}", recovery.notes);
    assert!(same(&recovery.state, &state));
}
