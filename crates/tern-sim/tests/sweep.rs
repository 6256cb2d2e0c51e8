//! The death of each party of a transfer after each single step of it: everything ends, once, and the ledger adds up.

use tern_sim::client::plain_job;
use tern_sim::{Plan, Story, World};

/// One slot each: the first has the work, the others borrow, and each transfer has a third node that keeps its book. In two zones
/// every second computer stands in the other.
fn begun(areas: u8) -> World {
    let mut world = World::new(Plan { areas, calm_ms: 300_000, ..Plan::quiet(4, 1) }, Story::default());
    assert!(world.run_for_ms(2_500));
    world.submit(0, plain_job(1, 8, 600));
    world
}

#[derive(Clone, Copy, Debug)]
enum Death {
    /// kill -9 of the agent, of its warden, of both.
    Agent,
    Warden,
    Both,
    /// The machine loses its power, and what was not fsynced.
    Power,
    /// It sleeps longer than any lease.
    Sleep,
}

const DEATHS: [Death; 5] = [Death::Agent, Death::Warden, Death::Both, Death::Power, Death::Sleep];

fn strike(world: &mut World, node: usize, death: Death) {
    match death {
        Death::Agent => world.kill_agent(node, 40),
        Death::Warden => world.kill_warden(node, 40),
        Death::Both => {
            world.kill_agent(node, 40);
            world.kill_warden(node, 40);
        }
        Death::Power => world.power_fails(node, 2_000),
        Death::Sleep => world.sleep(node, 4_000),
    }
}

/// Strikes each node in each way after each step until the work is over. Returns how many lives that took.
fn sweep(areas: u8) -> u64 {
    let mut whole = begun(areas);
    let mut steps = 0;
    while !whole.is_done() {
        assert!(whole.step(u64::MAX) && whole.failure.is_none(), "{:?}", whole.failure);
        steps += 1;
    }
    let index = |grant: &tern_sim::oracle::Grant| whole.nodes.iter().position(|node| node.id == grant.to);
    let there =
        |grant: &&tern_sim::oracle::Grant| index(grant).is_some_and(|to| whole.plan.area(to) + 1 == areas.into());
    assert!(whole.ledger.grants.values().filter(there).count() > 0, "no transfer of the kind that is looked at");
    let mut lives = 0;
    for after in 0..steps {
        for node in 0..4 {
            for death in DEATHS {
                let mut world = begun(areas);
                for _ in 0..after {
                    assert!(world.step(u64::MAX));
                }
                strike(&mut world, node, death);
                world.run_for_ms(6_000);
                world.calm();
                assert!(world.live_out(), "{death:?} of node {} after step {after}: {:?}", node + 1, world.failure);
                lives += 1;
            }
        }
    }
    lives
}

#[test]
fn any_death_after_any_step_of_a_transfer_loses_nothing() {
    assert!(sweep(1) > 2_000);
}

#[test]
fn any_death_after_any_step_of_a_transfer_between_zones_loses_nothing() {
    assert!(sweep(2) > 2_000);
}
