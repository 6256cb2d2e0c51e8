//! Tasks that leave checkpoints, and tasks that somebody wants elsewhere.

use crate::world::{World, ended, spec};
use tern_core::machine::{Answer, Command, Event};
use tern_core::promise::{Exit, Kept, Outcome, Output, Record, State, Verdict};
use tern_core::view::{How, JobState};
use tern_core::words::limits::CHECKPOINTS_MAX;
use tern_core::words::{Attempt, Checkpoint, Epoch, JobId, JobSpec, NodeId};

const NODE: NodeId = NodeId([7; 32]);

fn keeps(tasks: u32) -> JobSpec {
    JobSpec { checkpoint: Some(Checkpoint { grace_ms: 1_000 }), ..spec(tasks) }
}

/// A state with one job that was started under both incarnations.
fn state(spec: JobSpec) -> (State, JobId) {
    let mut state = State::new(NODE);
    let job = JobId::new(NODE.tag(), 1);
    for incarnation in [9, 5] {
        state.apply(&Record::Started { incarnation });
    }
    state.apply(&Record::Accepted { job, spec: Box::new(spec), at_ms: 1 });
    (state, job)
}

fn end(job: JobId, (incarnation, n): (u64, u32), exit: Exit) -> Outcome {
    let epoch = Epoch { counter: 0, keeper: NODE.tag(), incarnation };
    let said = Output { file: n, offset: 0, len: u64::from(n) };
    Outcome { stdout: said, ..ended(Attempt { job, task: 0, round: 0, epoch, n }, exit) }
}

fn kept(state: &State, job: JobId) -> Option<Kept> {
    state.job(job)?.kept.get(&0).copied()
}

#[test]
fn a_checkpoint_uses_up_no_try_and_ends_some_time() {
    let (mut state, job) = state(keeps(1));
    let mut take = |n, exit| state.apply_outcomes(None, &[end(job, (9, n), exit)])[0];
    for n in 1..=u32::from(CHECKPOINTS_MAX) {
        // Asked for it, or by itself.
        let exit = if n % 2 == 0 { Exit::Checkpointed } else { Exit::Code(85) };
        assert_eq!(take(n, exit), Verdict::Again, "{n}");
        assert_eq!(take(n, exit), Verdict::Duplicate, "{n} is told twice");
    }
    assert_eq!(take(u32::from(CHECKPOINTS_MAX) + 1, Exit::Code(85)), Verdict::Counted);
    assert!(state.job(job).is_some_and(|job| job.failed.contains(0) && job.is_settled()));
}

#[test]
fn the_newest_attempt_is_gone_on_from_in_whatever_order_ends_are_told() {
    let ends = |job| [(9, 3), (9, 8), (5, 2), (5, 4)].map(|token| end(job, token, Exit::Checkpointed));
    let orders: [[usize; 4]; 3] = [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]];
    let states = orders.map(|order| {
        let (mut state, job) = state(keeps(1));
        for at in order {
            state.apply_outcomes(None, &[ends(job)[at]]);
        }
        let kept = kept(&state, job).expect("it left one");
        assert_eq!((kept.epoch.incarnation, kept.n, kept.times, kept.stdout.len), (5, 4, 4, 4), "{order:?}");
        state.job(job).cloned()
    });
    assert!(states.windows(2).all(|two| two[0] == two[1]));
}

#[test]
fn a_checkpoint_goes_with_its_task_and_is_none_where_nothing_was_said_of_any() {
    let (mut said, job) = state(keeps(1));
    said.apply_outcomes(None, &[end(job, (9, 1), Exit::Code(85))]);
    assert!(kept(&said, job).is_some());
    let verdict = said.apply_outcomes(None, &[end(job, (9, 2), Exit::Code(0))]);
    assert_eq!((verdict, kept(&said, job)), (vec![Verdict::Counted], None));

    let (mut cancelled, job) = state(keeps(1));
    cancelled.apply_outcomes(None, &[end(job, (9, 1), Exit::Code(85))]);
    cancelled.apply(&Record::Cancelled { job });
    let verdict = cancelled.apply_outcomes(None, &[end(job, (9, 2), Exit::Checkpointed)]);
    assert_eq!((verdict, kept(&cancelled, job)), (vec![Verdict::Cancelled], None));

    let (mut plain, job) = state(spec(1));
    let asked = plain.apply_outcomes(None, &[end(job, (9, 1), Exit::Checkpointed)]);
    assert_eq!(asked, [Verdict::Again], "it was ended on request, and runs again");
    assert_eq!(plain.apply_outcomes(None, &[end(job, (9, 2), Exit::Code(85))]), [Verdict::Counted]);
    assert!(plain.job(job).is_some_and(|job| job.failed.contains(0)));
}

/// A task that may run again runs on node 0, and node 1 has nothing to do.
fn running() -> (World, JobId) {
    let mut world = World::of(&[1, 1]);
    let job = world.submit(0, JobSpec { idempotent: true, exclusive: true, ..spec(1) });
    assert_eq!(world.node(0).hand.len(), 1);
    world.connect(0, 1);
    world.calm();
    (world, job)
}

fn migrate(world: &mut World, job: JobId, to: usize) -> u64 {
    let to = Some(world.node(to).id);
    world.command(0, Command::Migrate { job, task: 0, to })
}

fn how(world: &World, ticket: u64) -> Option<How> {
    match world.reply(0, ticket)? {
        Ok(Answer::Migrated(migration)) => Some(migration.how),
        other => panic!("{other:?}"),
    }
}

/// Lets time pass and everybody speak until the question is answered.
fn until_answered(world: &mut World, ticket: u64) -> How {
    for _ in 0..100 {
        world.calm();
        world.tick(100);
        if let Some(how) = how(world, ticket) {
            return how;
        }
    }
    panic!("never answered");
}

#[test]
fn what_may_run_again_is_ended_goes_there_and_comes_home() {
    let (mut world, job) = running();
    let there = migrate(&mut world, job, 1);
    world.calm();
    assert!(how(&world, there).is_none() && world.node(1).hand.is_empty(), "it has not ended here");
    world.reap(0);
    assert_eq!(until_answered(&mut world, there), How::Rerun);
    assert_eq!((world.node(0).hand.len(), world.node(1).hand.len()), (0, 1));

    let home = migrate(&mut world, job, 0);
    world.calm();
    assert!(how(&world, home).is_none(), "it has not ended there");
    world.reap(1);
    assert_eq!(until_answered(&mut world, home), How::Rerun);
    assert_eq!((world.node(0).hand.len(), world.node(1).hand.len()), (1, 0));
    world.run(0);
    world.calm();
    assert_eq!(world.node(0).machine.job_view(job).map(|view| view.state), Some(JobState::Done));
    assert_eq!(world.counted(0).len(), 1);
}

#[test]
fn a_node_that_does_not_come_for_its_task_loses_its_claim() {
    let (mut world, job) = running();
    let ticket = migrate(&mut world, job, 1);
    let gone = world.node(1).id;
    world.event(0, Event::PeerDown(gone));
    world.lose_messages();
    world.reap(0);
    assert!(world.node(0).hand.is_empty(), "it is kept for the other");
    for _ in 0..110 {
        world.tick(100);
        world.lose_messages();
    }
    assert_eq!(how(&world, ticket), Some(How::Stayed));
    assert_eq!(world.node(0).hand.len(), 1, "it runs here again");
}

#[test]
fn a_task_that_ends_first_or_is_cancelled_is_on_no_move() {
    let (mut world, job) = running();
    let first = migrate(&mut world, job, 1);
    let again = migrate(&mut world, job, 1);
    assert_eq!(how(&world, again), Some(How::Refused), "it moves already");
    let denied = world.ask(0, Command::Migrate { job, task: 1, to: None });
    assert!(denied.is_err(), "it has one task: {denied:?}");
    world.ask(0, Command::Cancel(job)).expect("it runs");
    assert_eq!(how(&world, first), Some(How::Ended));
    world.reap(0);
    world.calm();
    let over = migrate(&mut world, job, 1);
    assert_eq!(how(&world, over), Some(How::Refused));
    assert_eq!(world.node(0).machine.job_view(job).map(|view| view.state), Some(JobState::Cancelled));
}
