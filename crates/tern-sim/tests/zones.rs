//! Work crosses between zones that know only each other's sums.

use tern_core::words::{JobSpec, Needs, NodeId};
use tern_sim::client::plain_job;
use tern_sim::{Plan, Story, World};

/// Two zones of two computers with one slot each; all tasks are submitted to the first computer, in the first zone.
fn crossing(tasks: u32, most_ms: u64) -> World {
    let mut world = World::new(Plan { areas: 2, ..Plan::quiet(4, 1) }, Story::default());
    world.run_for_ms(2_500);
    world.submit(0, plain_job(1, tasks, most_ms));
    world
}

/// Tasks that were lent to computers of the other zone.
fn lent_to_other_zone(world: &World) -> u32 {
    let far = |to: NodeId| world.nodes.iter().position(|node| node.id == to).is_some_and(|at| world.plan.area(at) == 1);
    world.ledger.grants.values().filter(|grant| far(grant.to)).map(|grant| grant.tasks.len()).sum()
}

#[test]
fn tasks_that_wait_in_one_zone_run_in_another_where_slots_are_free() {
    let mut world = crossing(60, 800);
    world.run_for_ms(6_000);
    assert!(lent_to_other_zone(&world) > 0, "both computers of the other zone are idle");
    let strangers = |world: &World| {
        let agents = world.nodes.iter().filter_map(|node| node.agent.as_ref());
        agents.map(|agent| agent.machine.far_peers().count()).sum::<usize>()
    };
    assert!(strangers(&world) > 0);
    world.calm();
    assert!(world.live_out(), "{:?}", world.failure);
    // Half of the slots are there: a third of the tasks is the least that a grid without zones would bring there.
    assert!(lent_to_other_zone(&world) >= 20, "{}", lent_to_other_zone(&world));
    assert_eq!(strangers(&world), 0, "they part when nothing is shared any more");
}

#[test]
fn a_zone_with_room_of_its_own_gives_nothing_away() {
    // One runs, one is given ahead, and the third waits until the neighbour asks for it; the other zone is as idle.
    let mut world = crossing(3, 1_500);
    world.run_for_ms(1_000);
    assert_eq!(world.stats.loans, 1);
    world.run_for_ms(5_000);
    assert_eq!((lent_to_other_zone(&world), world.stats.loans), (0, 1));
}

#[test]
fn what_may_not_leave_is_offered_to_nobody() {
    let mut world = World::new(Plan { areas: 2, ..Plan::quiet(4, 1) }, Story::default());
    world.run_for_ms(2_500);
    world.submit(0, JobSpec { local_only: true, ..plain_job(1, 20, 400) });
    world.run_for_ms(6_000);
    let agents = world.nodes.iter().filter_map(|node| node.agent.as_ref());
    assert_eq!((agents.map(|agent| agent.machine.far_peers().count()).sum::<usize>(), world.stats.loans), (0, 0));
}

/// Each gives and takes in its turn, however many tasks the largest of them has.
#[test]
fn a_large_queue_does_not_stand_before_all_others_of_its_zone() {
    // Three in the first zone, two in the other.
    let mut world = World::new(Plan { areas: 2, ..Plan::quiet(5, 1) }, Story::default());
    world.run_for_ms(2_500);
    world.submit(0, plain_job(1, 400, 900));
    world.submit(2, plain_job(2, 20, 900));
    world.run_for_ms(20_000);
    let far = |to: NodeId| world.nodes.iter().position(|node| node.id == to).is_some_and(|at| world.plan.area(at) == 1);
    for owner in [0, 2] {
        let lent = world.ledger.grants.values().filter(|grant| grant.owner == owner && far(grant.to)).count();
        assert!(lent > 0, "nothing of node {} went to the other zone", owner + 1);
    }
}

/// What machines of other zones have is not known before one of them takes it.
#[test]
fn what_nobody_of_the_own_zone_can_run_is_accepted_and_runs_in_another() {
    let mut world = World::new(Plan { areas: 2, ..Plan::quiet(4, 4) }, Story::default());
    assert!(world.run_for_ms(7_500));
    let stands =
        |zone: &str| JobSpec { needs: Needs { zone: zone.into(), ..Needs::default() }, ..plain_job(1, 3, 200) };
    let accepted = world.client.accepted.len();
    world.submit(0, stands("zone1"));
    world.submit(0, stands("zone2"));
    while !world.is_done() {
        assert!(world.run_for_ms(500), "{:?}", world.failure);
        assert!(world.now < 60_000_000_000, "it waits");
    }
    assert_eq!(world.client.accepted.len() - accepted, 1, "there is no such zone as the other");
    assert_eq!(lent_to_other_zone(&world), 3);
}
