//! Whatever happens in whatever order: no task is lost, no result counts twice, and when it is over, it is over.

use crate::world::{World, spec};
use proptest::prelude::*;
use std::collections::BTreeSet;
use tern_core::machine::{Answer, Command, Effect, Event, Machine};
use tern_core::promise::Exit;
use tern_core::words::spec::{Halt, HaltWhat, HaltWhen};
use tern_core::words::{JobId, JobSpec};

/// One thing that happens, and a number that says to what.
type Step = (u8, u32);

fn a_spec(seed: u32) -> JobSpec {
    let halt = match seed % 7 {
        0 => Halt { when: HaltWhen::Soon, what: HaltWhat::Fail, count: 1, percent: false },
        1 => Halt { when: HaltWhen::Now, what: HaltWhat::Success, count: 40, percent: true },
        _ => Halt::default(),
    };
    JobSpec {
        tries: 1 + (seed % 3) as u8,
        parallel: seed % 4,
        held: seed.is_multiple_of(5),
        local_only: seed.is_multiple_of(6),
        halt,
        ..spec(1 + seed % 30)
    }
}

fn step(world: &mut World, jobs: &mut Vec<JobId>, (kind, number): Step) {
    let node = (number % 2) as usize;
    let other = 1 - node;
    let job = (!jobs.is_empty()).then(|| jobs[number as usize / 2 % jobs.len()]);
    match (kind, job) {
        (0, _) => {
            let ticket = world.command(node, Command::Submit(Box::new(a_spec(number / 2))));
            if number.is_multiple_of(3) {
                world.sync(node);
            }
            if let Some(Ok(Answer::Accepted(job))) = world.reply(node, ticket) {
                jobs.push(job);
            }
        }
        (1..=3, _) => world.finish(node, 1 + (number / 2 % 3) as usize),
        (4 | 5, _) => drop(world.deliver(node)),
        (6, _) => drop(world.nodes[node].outbox.pop_front()),
        (7, _) => {
            if let Some(message) = world.nodes[node].outbox.front().cloned() {
                world.nodes[node].outbox.push_back(message);
            }
        }
        (8, _) => world.crash(node, 2),
        (9, _) => {
            world.event(node, Event::WardenDown);
            let keep = (number / 2 % 3) as usize;
            world.nodes[node].hand.truncate(keep);
            world.nodes[node].ending.clear();
            world.warden_up(node);
        }
        (10, _) => world.tick(u64::from(number % 400)),
        (11, _) => world.reap(node),
        (12, _) => {
            let last = world.nodes[node].unsynced.front().map(|(sequence, _)| sequence - 1);
            world.nodes[node].unsynced.clear();
            if let Some(after) = last {
                world.event(node, Event::PersistFailed { after, full: number.is_multiple_of(4) });
            }
        }
        (13, _) => {
            let (a, b) = (world.nodes[node].id, world.nodes[other].id);
            world.event(node, Event::PeerDown(b));
            world.event(other, Event::PeerDown(a));
        }
        (14, _) => world.connect(node, other),
        (15, _) => world.sync(node),
        (16, _) => world.event(node, Event::WardenFull(number.is_multiple_of(4))),
        (17, Some(job)) => drop(world.command(owner(world, job), Command::Cancel(job))),
        (18, Some(job)) => drop(world.command(owner(world, job), Command::Retry { job, tasks: None })),
        (19, Some(job)) => drop(world.command(owner(world, job), Command::Hold(job))),
        (20, Some(job)) => drop(world.command(owner(world, job), Command::Release(job))),
        (21, Some(job)) => drop(world.command(owner(world, job), Command::Forget(job))),
        (22, _) => {
            world.command(node, Command::Drain { wait: true });
            let back: Vec<_> = world.nodes[node].hand.drain(..).collect();
            world.event(node, Event::Revoked(back));
            world.command(node, Command::Undrain);
        }
        (23, _) => {
            let repeated = world.nodes[node].reported.clone();
            world.event(node, Event::Finished(repeated));
        }
        _ => {}
    }
}

fn owner(world: &World, job: JobId) -> usize {
    world.nodes.iter().position(|node| node.id.tag() == job.owner_tag()).unwrap_or(0)
}

/// The sky clears: everything works from now on.
fn calm(world: &mut World) {
    for node in 0..2 {
        world.sync(node);
        world.event(node, Event::WardenFull(false));
        let held: Vec<JobId> = world.node(node).machine.state().jobs().keys().copied().collect();
        for job in held {
            world.command(node, Command::Release(job));
        }
    }
    world.connect(0, 1);
    for _ in 0..400 {
        world.calm();
        for node in 0..2 {
            world.reap(node);
            world.finish(node, 4);
        }
        world.tick(50);
        let over = |node: usize| world.node(node).machine.jobs().iter().all(|job| job.state.is_over());
        if over(0) && over(1) {
            return;
        }
    }
    for node in 0..2 {
        for job in world.node(node).machine.jobs() {
            assert!(job.state.is_over(), "never over: {job:?}");
        }
    }
}

fn storm(steps: Vec<Step>, prepare: Box<dyn Fn(&mut Machine)>) -> World {
    let mut world = World::prepared(&[2, 2], prepare);
    let mut tick = 0u32;
    world.exit = Box::new(move |_| {
        tick = tick.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        match tick >> 28 {
            0..3 => Exit::Code(1),
            3 => Exit::Void,
            _ => Exit::Code(0),
        }
    });
    world.connect(0, 1);
    let mut jobs = Vec::new();
    for one in steps {
        step(&mut world, &mut jobs, one);
    }
    calm(&mut world);
    world
}

/// What the node said holds: what it accepted is there, what it counted it counted once.
fn kept(world: &World) -> Result<(), TestCaseError> {
    for node in 0..2 {
        let mut seen = BTreeSet::new();
        for outcome in world.counted(node) {
            let attempt = outcome.attempt;
            prop_assert!(seen.insert((attempt.job, attempt.task, attempt.round)), "{attempt:?} was counted twice");
        }
        prop_assert_eq!(world.node(node).machine.in_hand(), 0);
        for reply in world.node(node).replies.values() {
            if let Ok(Answer::Accepted(job)) = reply {
                let forgotten = world.node(node).log.contains(&Effect::Discard { job: *job });
                prop_assert!(forgotten || world.node(node).machine.job_view(*job).is_some(), "{job} is gone");
            }
        }
    }
    Ok(())
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec((0u8..24, 0u32..10_000), 0..200)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_task_is_lost_and_no_result_counts_twice(steps in steps()) {
        kept(&storm(steps, Box::new(|_| {})))?;
    }
}

/// The storms are strong enough to find bugs of the kinds that they are for.
#[cfg(feature = "planted")]
mod planted {
    use super::*;
    use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
    use tern_core::machine::Plant;

    fn is_found(plant: Plant) -> bool {
        let config = ProptestConfig { failure_persistence: None, max_shrink_iters: 0, ..ProptestConfig::default() };
        let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
        let found = runner.run(&steps(), |steps| {
            std::panic::catch_unwind(|| {
                kept(&storm(steps, Box::new(move |machine| machine.plant(plant)))).expect("kept");
            })
            .map_err(|_| TestCaseError::fail("found"))
        });
        found.is_err()
    }

    #[test]
    fn every_bug_that_needs_no_clock_is_found() {
        let quiet = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let plants = [
            Plant::ForgetCancel,
            Plant::DoubleCount,
            Plant::LoseOnWardenDown,
            Plant::LoseOnPersistFailed,
            Plant::AckBeforeFsync,
        ];
        let missed: Vec<Plant> = plants.into_iter().filter(|plant| !is_found(*plant)).collect();
        std::panic::set_hook(quiet);
        assert!(missed.is_empty(), "not found: {missed:?}");
    }
}
