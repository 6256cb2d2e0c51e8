//! Laws of the durable state: a record twice is a record once, late ends leave the same state, checkpoints lose nothing.

use proptest::prelude::*;
use tern_core::promise::winner::winner;
use tern_core::promise::{Applied, Exit, Job, Outcome, Output, Record, State, Verdict};
use tern_core::words::spec::Halt;
use tern_core::words::template::Template;
use tern_core::words::{Attempt, Bytes, Epoch, GrantId, Inputs, JobId, JobSpec, NodeId, TaskSet};

const NODE: NodeId = NodeId([3; 32]);
const TASKS: u32 = 6;

fn job() -> JobId {
    JobId::new(NODE.tag(), 1)
}

fn spec(tries: u8) -> JobSpec {
    JobSpec {
        name: String::new(),
        command: Template::parse(&[Bytes::from("true")], None, false).expect("a word"),
        inputs: Inputs::None,
        tasks: TASKS,
        parallel: 0,
        tries,
        timeout_ms: None,
        halt: Halt::default(),
        held: false,
        local_only: false,
        rlimits: Vec::new(),
        env: Vec::new(),
        ..JobSpec::default()
    }
}

fn outcome(task: u32, round: u16, n: u32, exit: Exit) -> Outcome {
    let epoch = Epoch { counter: 0, keeper: NODE.tag(), incarnation: 5 };
    let none = Output::default();
    Outcome {
        attempt: Attempt { job: job(), task, round, epoch, n },
        exit,
        started_ms: u64::from(n) * 10,
        ran_ns: 1_000_000,
        cpu_us: 0,
        rss_kib: 0,
        ran_on: 1,
        stdout: none,
        stderr: none,
    }
}

fn begun(tries: u8) -> State {
    let mut state = State::new(NODE);
    state.apply(&Record::Started { incarnation: 5 });
    state.apply(&Record::Accepted { job: job(), spec: Box::new(spec(tries)), at_ms: 1 });
    state
}

fn exits() -> impl Strategy<Value = Exit> {
    prop_oneof![
        Just(Exit::Code(0)),
        Just(Exit::Code(1)),
        Just(Exit::Signal(9)),
        Just(Exit::TimedOut),
        Just(Exit::Void),
        Just(Exit::Cancelled)
    ]
}

fn outcomes(round: u16) -> impl Strategy<Value = Outcome> {
    (0..TASKS, 0u32..6, exits()).prop_map(move |(task, n, exit)| {
        // One attempt has one end: what it was follows from its token.
        let exit = if (task + n) % 3 == 0 { Exit::Code(0) } else { exit };
        outcome(task, round, n * 8 + u32::from(round), exit)
    })
}

fn control(round: u16) -> impl Strategy<Value = Record> {
    prop_oneof![
        Just(Record::Held { job: job() }),
        Just(Record::Released { job: job() }),
        Just(Record::Cancelled { job: job() }),
        prop::collection::btree_set(0..TASKS, 0..4).prop_map(move |tasks| Record::Retried {
            job: job(),
            round,
            tasks: tasks.into_iter().collect()
        }),
    ]
}

fn dedup(outcomes: Vec<Outcome>) -> Vec<Outcome> {
    let mut seen = std::collections::BTreeSet::new();
    outcomes.into_iter().filter(|outcome| seen.insert(outcome.attempt)).collect()
}

fn same(one: &State, other: &State) -> bool {
    one.jobs() == other.jobs() && one.head() == other.head()
}

proptest! {
    #[test]
    fn a_record_twice_is_a_record_once(
        tries in 1u8..4,
        records in prop::collection::vec(prop_oneof![
            control(1), control(2),
            outcomes(0).prop_map(|it| Record::Outcomes { via: None, outcomes: vec![it] }),
            outcomes(1).prop_map(|it| Record::Outcomes { via: None, outcomes: vec![it] }),
        ], 0..40),
    ) {
        let mut state = begun(tries);
        for record in records {
            state.apply(&record);
            let once = state.clone();
            state.apply(&record);
            prop_assert!(same(&once, &state), "{record:?}");
        }
    }

    /// Ends may arrive late (after a crash they are read from segments), never before the round they belong to.
    #[test]
    fn ends_commute_with_the_other_records(
        tries in 1u8..4,
        early in prop::collection::vec(outcomes(0), 0..12),
        first in control(1),
        late in prop::collection::vec(outcomes(1), 0..12),
        second in control(2),
        order in any::<u64>(),
    ) {
        let (early, late) = (dedup(early), dedup(late));
        let mut plain = begun(tries);
        plain.apply_outcomes(None, &early);
        plain.apply(&first);
        plain.apply_outcomes(None, &late);
        plain.apply(&second);

        let mut mixed = begun(tries);
        mixed.apply(&first);
        let opened = matches!(first, Record::Retried { .. });
        mixed.apply(&second);
        let mut all: Vec<Outcome> = early.into_iter().chain(late).collect();
        if !opened {
            // Without the round the second half belongs to nothing before the second record.
            all.retain(|it| it.attempt.round == 0);
        }
        let mut shuffle = order;
        for at in (1..all.len()).rev() {
            shuffle = shuffle.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            all.swap(at, (shuffle >> 33) as usize % (at + 1));
        }
        mixed.apply_outcomes(None, &all);
        prop_assert_eq!(plain.jobs(), mixed.jobs());
    }

    #[test]
    fn a_task_counts_once_in_each_round(tries in 1u8..4, ends in prop::collection::vec(outcomes(0), 0..60)) {
        let mut state = begun(tries);
        let mut counted = TaskSet::new();
        for end in ends {
            if state.apply_outcomes(None, &[end]) == [Verdict::Counted] {
                prop_assert!(counted.insert(end.attempt.task));
            }
        }
        let job = state.job(job()).expect("there");
        prop_assert_eq!(job.done.len() + job.failed.len(), counted.len());
    }

    #[test]
    fn a_checkpoint_holds_everything(tries in 1u8..4, ends in prop::collection::vec(outcomes(0), 0..30)) {
        let mut state = begun(tries);
        state.apply_outcomes(None, &ends);
        let dirty = state.take_dirty();
        prop_assert!(dirty.jobs.contains(&job()));
        prop_assert!(state.take_dirty().jobs.is_empty());
        let head = postcard::from_bytes(&postcard::to_allocvec(state.head()).expect("bytes")).expect("read");
        let bytes = postcard::to_allocvec(state.job(job()).expect("there")).expect("bytes");
        let job_read: Job = postcard::from_bytes(&bytes).expect("read");
        prop_assert!(same(&State::from_parts(head, [(job(), job_read)]), &state));
    }

    #[test]
    fn all_orders_of_the_same_results_have_one_winner(mut ends in prop::collection::vec(outcomes(0), 1..10), turn in 0usize..10) {
        let one = winner(&ends).copied();
        let length = ends.len();
        ends.rotate_left(turn % length);
        prop_assert_eq!(one, winner(&ends).copied());
        let success = ends.iter().any(|end| end.exit.is_success());
        prop_assert_eq!(success, one.is_some_and(|end| end.exit.is_success()));
    }

    #[test]
    fn sets_of_tasks_keep_their_members_as_bytes(tasks in prop::collection::btree_set(0u32..100_000, 0..200)) {
        let set: TaskSet = tasks.iter().copied().collect();
        let bytes = postcard::to_allocvec(&set).expect("bytes");
        prop_assert_eq!(postcard::from_bytes::<TaskSet>(&bytes).expect("read"), set.clone());
        let (mut front, all) = (set.clone(), set.len());
        let mut back = front.clone();
        let first = front.take_first(all / 3);
        prop_assert_eq!(first.len(), all / 3);
        prop_assert!(first.0.max() < front.0.min() || first.is_empty());
        let last = back.take_last(all / 3);
        prop_assert_eq!(last.len(), all / 3);
        prop_assert!(back.0.max() < last.0.min() || last.is_empty() || back.is_empty());
    }
}

#[test]
fn a_task_beyond_the_limit_is_no_member_of_any_set() {
    for pairs in [vec![(1u32 << 24, 0u32)], vec![(0, 1 << 24)], vec![(5, 5), (u32::MAX, 1)], vec![(u32::MAX, u32::MAX)]]
    {
        let bytes = postcard::to_allocvec(&pairs).expect("bytes");
        assert!(postcard::from_bytes::<TaskSet>(&bytes).is_err(), "{pairs:?}");
    }
    let whole = postcard::to_allocvec(&vec![(0u32, (1u32 << 24) - 1)]).expect("bytes");
    assert_eq!(postcard::from_bytes::<TaskSet>(&whole).expect("read").len(), 1 << 24);
}

#[test]
fn a_million_tasks_half_done_take_little_room() {
    let mut state = State::new(NODE);
    state.apply(&Record::Started { incarnation: 5 });
    state.apply(&Record::Accepted { job: job(), spec: Box::new(JobSpec { tasks: 1_000_000, ..spec(3) }), at_ms: 1 });
    let ends: Vec<Outcome> = (0..500_000).map(|task| outcome(task, 0, task / 64, Exit::Code(0))).collect();
    state.apply_outcomes(None, &ends);
    let bytes = postcard::to_allocvec(state.job(job()).expect("there")).expect("bytes").len();
    assert!(bytes < 1_000, "{bytes} bytes");
}

#[test]
fn a_forgotten_job_stays_forgotten() {
    let mut state = begun(1);
    state.apply(&Record::Forgotten { job: job() });
    let again = Record::Accepted { job: job(), spec: Box::new(spec(1)), at_ms: 1 };
    assert_eq!(state.apply(&again), Applied::Nothing);
    let late = state.apply_outcomes(None, &[outcome(0, 0, 1, Exit::Code(0))]);
    assert!(matches!(late[..], [Verdict::Stale(_)]));
}

#[test]
fn an_epoch_that_was_never_this_nodes_is_not_believed() {
    let mut state = begun(1);
    let mut foreign = outcome(0, 0, 1, Exit::Code(0));
    foreign.attempt.epoch.incarnation = 6;
    assert!(matches!(state.apply_outcomes(None, &[foreign])[..], [Verdict::Stale(_)]));
    state.apply(&Record::Started { incarnation: 6 });
    assert_eq!(state.apply_outcomes(None, &[foreign]), [Verdict::Counted]);
}

#[test]
fn a_closed_grant_is_not_opened_by_its_record_again() {
    let mut state = begun(1);
    let grant = GrantId { incarnation: 5, n: 1 };
    let lent = Record::Lent { grant, job: job(), round: 0, n: 1, to: NodeId([4; 32]), tasks: TaskSet::first(2) };
    state.apply(&lent);
    let end = outcome(0, 0, 1, Exit::Code(0));
    assert_eq!(state.apply_outcomes(Some(grant), &[end]), [Verdict::Counted]);
    state.apply(&Record::Reclaimed { grant });
    assert_eq!(state.apply(&lent), Applied::Nothing);
    assert!(matches!(state.apply_outcomes(Some(grant), &[outcome(1, 0, 1, Exit::Code(0))])[..], [Verdict::Stale(_)]));
}
