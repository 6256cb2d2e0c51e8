//! Whatever happens in whatever order: no task is lost, no result counts twice, and when it is over, it is over.
mod world;

use proptest::prelude::*;
use std::collections::BTreeSet;
use tern_core::machine::{Command, Event};
use tern_core::promise::Exit;
use tern_core::words::spec::{Halt, HaltWhat, HaltWhen};
use tern_core::words::{JobId, JobSpec};
use world::{World, spec};

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
        held: seed % 5 == 0,
        local_only: seed % 6 == 0,
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
            if number % 3 == 0 {
                world.sync(node);
            }
            if let Some(Ok(tern_core::machine::Answer::Accepted(job))) = world.reply(node, ticket) {
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
                world.event(node, Event::PersistFailed { after, full: number % 4 == 0 });
            }
        }
        (13, _) => {
            let (a, b) = (world.nodes[node].id, world.nodes[other].id);
            world.event(node, Event::PeerDown(b));
            world.event(other, Event::PeerDown(a));
        }
        (14, _) => world.connect(node, other),
        (15, _) => world.sync(node),
        (16, _) => world.event(node, Event::WardenFull(number % 4 == 0)),
        (17, Some(job)) => drop(world.command(owner(world, job), Command::Cancel(job))),
        (18, Some(job)) => drop(world.command(owner(world, job), Command::Retry { job, tasks: None })),
        (19, Some(job)) => drop(world.command(owner(world, job), Command::Hold(job))),
        (20, Some(job)) => drop(world.command(owner(world, job), Command::Release(job))),
        (21, Some(job)) => drop(world.command(owner(world, job), Command::Forget(job))),
        (22, _) => {
            world.command(node, Command::Drain);
            let back: Vec<_> = world.nodes[node].hand.drain(..).collect();
            world.event(node, Event::Revoked(back));
            world.command(node, Command::Undrain);
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

fn storm(steps: Vec<Step>) -> World {
    let mut world = World::of(&[2, 2]);
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_task_is_lost_and_no_result_counts_twice(steps in prop::collection::vec((0u8..23, 0u32..10_000), 0..200)) {
        let world = storm(steps);
        for node in 0..2 {
            let mut seen = BTreeSet::new();
            for outcome in world.counted(node) {
                let attempt = outcome.attempt;
                prop_assert!(seen.insert((attempt.job, attempt.task, attempt.round)), "{attempt:?} was counted twice");
            }
            prop_assert_eq!(world.node(node).machine.in_hand(), 0);
        }
    }
}
