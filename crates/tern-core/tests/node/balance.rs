//! How work is spread: the orders of jobs, the guard of slow nodes, second copies, equal shares.

use crate::world::{World, spec};
use tern_core::machine::{Effect, Event};
use tern_core::promise::Exit;
use tern_core::view::JobState;
use tern_core::wire::Message;
use tern_core::words::{Bytes, Discipline, JobId, JobSpec, TaskSet, work};

/// A job whose tasks are expected to run so many milliseconds.
fn job(discipline: Discipline, lengths: &[f64]) -> JobSpec {
    let work = Bytes(lengths.iter().map(|ms| work::class(*ms)).collect());
    JobSpec { discipline, work, ..spec(lengths.len() as u32) }
}

/// The tasks that a node gave to its warden, in order.
fn started(world: &World, node: usize) -> Vec<(JobId, u32)> {
    let log = world.node(node).log.iter().filter_map(|effect| match effect {
        Effect::Dispatch(dispatch) => Some(dispatch),
        _ => None,
    });
    log.flat_map(|dispatch| dispatch.tasks.0.iter().map(|task| (dispatch.job, task))).collect()
}

fn tasks(world: &World, node: usize) -> Vec<u32> {
    started(world, node).into_iter().map(|(_, task)| task).collect()
}

#[test]
fn a_batch_starts_its_longest_task_first() {
    let mut world = World::one(1);
    world.submit(0, job(Discipline::Batch, &[1e4, 4e4, 2e4, 8e4]));
    world.run(0);
    assert_eq!(tasks(&world, 0), [3, 1, 2, 0]);
}

#[test]
fn the_earliest_deadline_starts_first() {
    let mut world = World::one(1);
    let due = |at, lengths: &[f64]| JobSpec { deadline_ms: Some(at), ..job(Discipline::Deadline, lengths) };
    let first = world.submit(0, due(90_000, &[1e4, 1e4]));
    let second = world.submit(0, due(50_000, &[1e4]));
    world.run(0);
    assert_eq!(started(&world, 0), [(first, 0), (second, 0), (first, 1)]);
}

#[test]
fn short_jobs_pass_long_ones_until_those_have_waited() {
    let mut world = World::one(1);
    let running = world.submit(0, job(Discipline::Interactive, &[1e4]));
    let long = world.submit(0, job(Discipline::Interactive, &[6e4]));
    world.after_ms(1_000);
    let short = world.submit(0, job(Discipline::Interactive, &[1e3]));
    world.after_ms(5_000);
    world.run(0);
    assert_eq!(started(&world, 0), [(running, 0), (short, 0), (long, 0)]);
}

#[test]
fn orders_take_turns_and_none_starves() {
    let mut world = World::one(1);
    let batch = world.submit(0, job(Discipline::Batch, &[1e4; 6]));
    let fair = world.submit(0, spec(6));
    world.run(0);
    let order = started(&world, 0);
    let of = |job| order.iter().take(8).filter(|(of, _)| *of == job).count();
    assert!(of(batch) >= 3 && of(fair) >= 3, "{order:?}");
}

#[test]
fn a_slow_node_gets_no_long_task_while_a_fast_one_will_be_free() {
    let mut world = World::of(&[1, 1]);
    world.nodes[0].machine.set_speed(1_200);
    world.submit(0, job(Discipline::Batch, &[6e4, 5e4, 50.0]));
    world.connect(0, 1);
    let slow = world.node(1).id;
    world.nodes[0].machine.set_peer_speed(slow, 300);
    world.nodes[1].machine.set_speed(300);
    world.calm();
    assert_eq!(tasks(&world, 1), [2], "the short one, and neither of the long ones");
}

#[test]
fn two_loaded_nodes_and_two_idle_ones_end_with_equal_shares() {
    let mut world = World::of(&[5; 4]);
    for (one, other) in [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)] {
        world.connect(one, other);
    }
    for node in [0, 1] {
        world.submit(node, job(Discipline::Batch, &[2e4; 10]));
    }
    for _ in 0..40 {
        world.calm();
        world.tick(50);
    }
    let shares: Vec<usize> = world.nodes.iter().map(|node| node.hand.len()).collect();
    assert_eq!(shares, [5, 5, 5, 5]);
}

/// Node 0 is slow and has run a long task for far too long; node 1 is fast and idle.
fn straggling(exclusive: bool, prepare: fn(&mut tern_core::machine::Machine)) -> (World, JobId) {
    let mut world = World::prepared(&[1, 1], Box::new(prepare));
    world.nodes[0].machine.set_speed(1_000);
    // Copies are paid from work that has counted.
    world.submit(0, spec(8_000));
    world.run(0);
    world.nodes[0].machine.set_speed(300);
    let straggler = world.submit(0, JobSpec { exclusive, ..job(Discipline::Batch, &[2e3]) });
    world.connect(0, 1);
    let fast = world.node(1).id;
    world.nodes[0].machine.set_peer_speed(fast, 1_200);
    // Leases are renewed meanwhile.
    for _ in 0..300 {
        world.tick(200);
        world.calm();
    }
    (world, straggler)
}

fn counted_once(world: &World, job: JobId) {
    let mut seen = TaskSet::new();
    for outcome in world.counted(0).iter().filter(|outcome| outcome.attempt.job == job) {
        assert!(seen.insert(outcome.attempt.task), "task {} counted twice", outcome.attempt.task);
    }
    assert_eq!(seen.len(), 1);
}

#[test]
fn of_two_copies_the_first_to_end_counts_and_the_other_is_called_back() {
    for winner in [0, 1] {
        let (mut world, job) = straggling(false, |_| {});
        assert_eq!(started(&world, 1), [(job, 0)], "the idle node has a copy");
        world.finish(winner, 1);
        world.calm();
        let loser = 1 - winner;
        assert!(world.node(loser).hand.is_empty(), "the other was told to end");
        world.reap(loser);
        world.calm();
        counted_once(&world, job);
        assert_eq!(world.node(0).machine.job_view(job).expect("known").state, JobState::Done);
        assert!(world.node(0).machine.state().lent().is_empty());
    }
}

#[test]
fn a_copy_whose_other_is_lost_goes_on_alone() {
    let (mut world, job) = straggling(false, |_| {});
    // The own run ends by itself, without success that counts; the copy is still there.
    world.exit = Box::new(|_| Exit::Void);
    world.finish(0, 1);
    assert!(world.node(0).hand.is_empty(), "it does not run a third time");
    world.exit = Box::new(|_| Exit::Code(0));
    world.finish(1, 1);
    world.calm();
    counted_once(&world, job);
}

#[test]
fn an_exclusive_task_is_never_copied() {
    let (world, job) = straggling(true, |_| {});
    assert_eq!(started(&world, 1), []);
    assert!(world.node(0).hand.iter().any(|attempt| attempt.job == job));
}

#[cfg(feature = "planted")]
#[test]
fn that_an_exclusive_task_is_copied_would_be_seen() {
    let (world, job) = straggling(true, |machine| machine.plant(tern_core::machine::Plant::CopyExclusive));
    assert_eq!(started(&world, 1), [(job, 0)]);
}

#[test]
fn an_offer_starts_nothing_without_a_grant() {
    let mut world = World::of(&[1, 1]);
    world.connect(0, 1);
    world.calm();
    let from = world.node(0).id;
    world.event(1, Event::Message { from, message: Message::Offer { tasks: 9 } });
    assert_eq!(started(&world, 1), []);
    assert!(world.node(1).outbox.iter().any(|(to, message)| *to == from && matches!(message, Message::Ask { .. })));
    world.calm();
    assert_eq!(started(&world, 1), []);
    let stranger = tern_core::words::NodeId([9; 32]);
    world.event(1, Event::Message { from: stranger, message: Message::Offer { tasks: 9 } });
    assert!(world.node(1).outbox.is_empty(), "who is no peer is not asked");
}

/// The tasks that node 1 gets when it asks node 0 for one, and gives back at once.
fn asked_and_given_back(world: &mut World) -> TaskSet {
    let from = world.node(1).id;
    world.lose_messages();
    let asked = world.now.boot;
    world.event(0, Event::Message { from, message: Message::Ask { tasks: 1, asked } });
    world.sync(0);
    let lent = world.node(0).outbox.iter().find_map(|(_, message)| match message {
        Message::Lend { grant, tasks, .. } => Some((*grant, tasks.clone())),
        _ => None,
    });
    let Some((grant, tasks)) = lent else { return TaskSet::new() };
    world.event(0, Event::Message { from, message: Message::Return { grant, tasks: tasks.clone(), why: None } });
    world.sync(0);
    tasks
}

#[test]
fn a_task_that_comes_back_waits_before_it_goes_there_again_and_stays_after_six_moves() {
    let mut world = World::of(&[1, 1]);
    world.submit(0, job(Discipline::Batch, &[9e4, 4e4]));
    let peer = world.node(1).id;
    world.event(0, Event::PeerUp(peer));
    let mut moves = 0;
    for _ in 0..40 {
        let tasks = asked_and_given_back(&mut world);
        moves += tasks.len();
        if !tasks.is_empty() {
            assert!(asked_and_given_back(&mut world).is_empty(), "it goes back at once to where it came from");
        }
        world.tick(600);
    }
    assert_eq!(moves, u32::from(tern_core::words::limits::MOVES_MAX));
    world.finish(0, 1);
    assert_eq!(tasks(&world, 0), [0, 1], "its owner runs it");
}

#[test]
fn a_long_task_that_may_run_nowhere_else_does_not_wait_for_a_fast_node() {
    let mut world = World::of(&[1, 1]);
    world.nodes[0].machine.set_speed(300);
    world.connect(0, 1);
    let fast = world.node(1).id;
    world.nodes[0].machine.set_peer_speed(fast, 1_200);
    world.calm();
    world.tick(1_000);
    world.calm();
    world.submit(0, JobSpec { local_only: true, ..job(Discipline::Batch, &[2e4]) });
    assert_eq!(tasks(&world, 0), [0]);
}
