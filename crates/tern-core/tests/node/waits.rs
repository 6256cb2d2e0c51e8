//! What waits on a node, counted by why it waits.

use crate::world::{World, spec};
use tern_core::decide::bottleneck::Cause;
use tern_core::machine::{Command, Event};
use tern_core::words::JobSpec;

/// Cause, tasks and jobs of each wait, a while after the world began.
fn waits(world: &World) -> Vec<(Cause, u64, u32)> {
    let queue = world.node(0).machine.waits(world.now.wall_ms);
    queue.waits.iter().map(|wait| (wait.cause, wait.tasks, wait.jobs)).collect()
}

#[test]
fn each_task_waits_for_the_cause_of_its_job() {
    let mut world = World::one(2);
    assert_eq!(waits(&world), []);
    world.submit(0, spec(2));
    assert_eq!(waits(&world), [], "what runs does not wait");
    world.submit(0, spec(10));
    world.submit(0, JobSpec { held: true, ..spec(3) });
    world.submit(0, JobSpec { held: true, ..spec(4) });
    // All that has not ended and does not run waits, also what the warden has ahead of a free slot.
    assert_eq!(waits(&world), [(Cause::Slots, 10, 1), (Cause::Held, 7, 2)]);
    let queue = world.node(0).machine.waits(world.now.wall_ms + 5_000);
    assert_eq!((queue.slots, queue.open, queue.running), (2, 2, 2));
    assert!(queue.waits.iter().all(|wait| wait.oldest_ms.is_some_and(|ms| ms >= 5_000)), "{queue:?}");
    world.run(0);
    assert_eq!(waits(&world), [(Cause::Held, 7, 2)]);
}

#[test]
fn a_drained_node_says_so_of_all_that_waits() {
    let mut world = World::one(1);
    world.submit(0, spec(5));
    world.command(0, Command::Drain { wait: false });
    world.sync(0);
    let found = waits(&world);
    assert!(found.iter().any(|(cause, tasks, jobs)| (*cause, *jobs) == (Cause::Drained, 1) && *tasks > 0), "{found:?}");
    assert!(found.iter().map(|(_, tasks, _)| tasks).sum::<u64>() <= 4);
}

#[test]
fn a_job_that_has_as_many_running_as_it_wished_waits_for_itself() {
    let mut world = World::one(4);
    world.submit(0, JobSpec { parallel: 1, ..spec(6) });
    assert_eq!(waits(&world), [(Cause::AtParallel, 5, 1)]);
}

#[test]
fn a_full_disk_is_said_also_where_nothing_waits_for_it() {
    let mut world = World::one(2);
    world.event(0, Event::WardenFull(true));
    assert_eq!(waits(&world), [(Cause::DiskFull, 0, 0)]);
    world.event(0, Event::WardenFull(false));
    assert_eq!(waits(&world), []);
}
