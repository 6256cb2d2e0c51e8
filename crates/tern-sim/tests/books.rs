//! What nodes post of their transfers reaches a broker, is settled by it, and takes few messages.

use tern_core::machine::Totals;
use tern_core::words::limits::{LEDGER_GAP, LEDGER_PATIENCE, LEDGER_SEATS, LEDGER_TELL_AGAIN};
use tern_sim::client::plain_job;
use tern_sim::{Plan, Story, World};

/// Five computers with one slot each, and one of them has all the work.
fn worked(loss: u32) -> World {
    let mut world = World::new(Plan { loss, ..Plan::quiet(5, 1) }, Story::told());
    assert!(world.run_for_ms(2_500));
    world.submit(0, plain_job(1, 400, 900));
    while !world.is_done() {
        assert!(world.run_for_ms(500), "{:?}", world.failure);
    }
    assert!(world.stats.loans > 100, "{}", world.stats.loans);
    world
}

fn totals(world: &World) -> Vec<Totals> {
    let agents = world.nodes.iter().filter_map(|node| node.agent.as_ref());
    agents.map(|agent| *agent.machine.ledger_totals()).collect()
}

/// Own postings that no broker has settled.
fn unsettled(world: &World) -> usize {
    let agents = world.nodes.iter().filter_map(|node| node.agent.as_ref());
    agents.map(|agent| agent.machine.unsettled()).sum()
}

#[test]
fn all_that_is_posted_is_settled_in_few_messages() {
    let mut world = worked(0);
    // Each side may have waited for the gap, and so may the broker.
    assert!(world.run_for_ms(2 * LEDGER_GAP.as_ms() + 3_000));
    let totals = totals(&world);
    let committed: u64 = totals.iter().map(|it| it.committed).sum();
    assert_eq!((committed, unsettled(&world)), (world.stats.loans, 0));
    assert_eq!(totals.iter().map(|it| it.unbrokered + it.unresolved + it.unequal).sum::<u64>(), 0);
    // Each of five tells and is answered once a gap and a broker, and once more at the beginning and at the end.
    let most = 2 * 5 * usize::from(LEDGER_SEATS) * (world.now / LEDGER_GAP.0 + 2) as usize;
    let text = world.story.text();
    let told = text.lines().filter(|line| line.contains(" halves, take back ") || line.contains(" settled ")).count();
    assert!(told > 0 && told <= most && (told as u64) < committed, "{told} of {committed}, at most {most} messages");
}

#[test]
fn what_is_lost_on_the_way_is_told_again() {
    let mut world = worked(200);
    assert!(world.run_for_ms(2 * LEDGER_TELL_AGAIN.as_ms() + LEDGER_PATIENCE.as_ms()));
    let totals = totals(&world);
    let settled: u64 = totals.iter().map(|it| it.committed + it.aborted).sum();
    assert_eq!(unsettled(&world), 0, "nobody tells for ever");
    // A fifth of all messages is lost: told once only, a third of all transfers would miss a half.
    assert!(settled * 100 >= world.stats.loans * 90, "{settled} of {}: {totals:?}", world.stats.loans);
}

/// Of a neighbour's transfers with another zone a broker knows only what the two sides post.
#[test]
fn transfers_between_zones_are_settled_as_those_within() {
    let mut world = World::new(Plan { areas: 2, ..Plan::quiet(6, 1) }, Story::default());
    assert!(world.run_for_ms(2_500));
    for owner in [0, 2] {
        world.submit(owner, plain_job(1, 200, 900));
    }
    while !world.is_done() {
        assert!(world.run_for_ms(500), "{:?}", world.failure);
    }
    let far = |grant: &&tern_sim::oracle::Grant| {
        let to = world.nodes.iter().position(|node| node.id == grant.to);
        to.is_some_and(|to| world.plan.area(to) != world.plan.area(grant.owner))
    };
    assert!(world.ledger.grants.values().filter(far).count() > 10);
    assert!(world.run_for_ms(2 * LEDGER_GAP.as_ms() + 3_000));
    let totals = totals(&world);
    assert_eq!(totals.iter().map(|it| it.committed).sum::<u64>(), world.stats.loans);
    assert_eq!((unsettled(&world), totals.iter().map(|it| it.unbrokered).sum::<u64>()), (0, 0));
}
