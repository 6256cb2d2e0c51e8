//! What a node gave to its warden ahead, expecting short tasks, is not kept from idle nodes when they turn out to be long.

use tern_sim::client::plain_job;
use tern_sim::{Plan, Story, World};

#[test]
fn long_tasks_after_short_ones_do_not_wait_beside_an_idle_node() {
    let mut world = World::new(Plan { slots_max: 2, ..Plan::quiet(2, 2) }, Story::default());
    assert!(world.run_for_ms(2_500));
    world.submit(0, plain_job(1, 300, 2));
    while !world.is_done() {
        assert!(world.run_for_ms(100), "{:?}", world.failure);
    }
    world.submit(0, plain_job(2, 4, 60_000));
    assert!(world.run_for_ms(3_000));
    let there = world.nodes[1].agent.as_ref().unwrap();
    assert_eq!(there.machine.running_slots(), 2, "two run where they were submitted, and two beside them");
    world.calm();
    assert!(world.live_out(), "{:?}", world.failure);
}

/// An older job has the slots; the task of a younger one waits behind it in the warden's hands.
#[test]
fn what_waits_behind_another_jobs_tasks_comes_back_too() {
    let mut world = World::new(Plan { slots_max: 2, ..Plan::quiet(2, 2) }, Story::default());
    assert!(world.run_for_ms(2_500));
    world.submit(0, plain_job(1, 300, 2));
    while !world.is_done() {
        assert!(world.run_for_ms(100), "{:?}", world.failure);
    }
    world.submit(0, plain_job(2, 2, 60_000));
    world.submit(0, plain_job(3, 1, 60_000));
    assert!(world.run_for_ms(3_000));
    assert_eq!(world.nodes[1].agent.as_ref().unwrap().machine.running_slots(), 1);
    world.calm();
    assert!(world.live_out(), "{:?}", world.failure);
}
