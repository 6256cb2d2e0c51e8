//! What a member may claim and is not believed, by the numbers of the list of attacks. Each is refused, counted where there is
//! somebody to blame, and leaves the durable state as it was.

use tern_core::machine::Event;
use tern_core::observe::{Fit, NodeTrit};
use tern_core::promise::{Exit, Refusal};
use tern_core::wire::Message;
use tern_core::words::{Attempt, GrantId, JobSpec, Needs, NodeId, TaskSet};

use super::two_nodes::lent;
use super::world::{World, ended, spec};

fn results(grant: GrantId, attempt: Attempt) -> Message {
    let outcomes = vec![ended(attempt, Exit::Code(0))];
    Message::Results { grant, outcomes, output: Vec::new(), made: Vec::new() }
}

/// Says it to node 0. Nothing durable may change, and the refusal is counted where one is named.
fn is_refused(world: &mut World, from: NodeId, message: Message, why: Option<Refusal>) {
    let before = format!("{:?}", world.node(0).machine.state());
    let count = |world: &World| why.map(|why| world.node(0).machine.refused().get(&why).copied().unwrap_or(0));
    let counted = count(world);
    world.event(0, Event::Message { from, message: message.clone() });
    world.sync(0);
    assert_eq!(format!("{:?}", world.node(0).machine.state()), before, "{message:?} was believed");
    assert_eq!(count(world), counted.map(|count| count + 1), "{message:?} was not refused as {why:?}");
}

#[test]
fn of_21_to_25_no_result_and_no_renewal_of_others_is_believed() {
    let (mut world, _) = lent();
    let (grant, _) = world.node(1).machine.borrowed().next().expect("held");
    let (borrower, stranger) = (world.node(1).id, NodeId([9; 32]));
    let attempt = world.node(1).hand[0];
    let never = GrantId { n: grant.n + 7, ..grant };
    is_refused(&mut world, borrower, results(never, attempt), Some(Refusal::ClosedGrant));
    let other = Attempt { task: 0, ..attempt };
    is_refused(&mut world, borrower, results(grant, other), Some(Refusal::NotInGrant));
    let mut stale = attempt;
    stale.epoch.incarnation ^= 1;
    is_refused(&mut world, borrower, results(grant, stale), Some(Refusal::NotInGrant));
    let old = GrantId { incarnation: grant.incarnation ^ 1, ..grant };
    is_refused(&mut world, borrower, results(old, stale), Some(Refusal::ClosedGrant));
    is_refused(&mut world, stranger, results(grant, attempt), Some(Refusal::NotHolder));

    // The true one counts, and its repetition does not.
    world.event(0, Event::Message { from: borrower, message: results(grant, attempt) });
    world.sync(0);
    is_refused(&mut world, borrower, results(grant, attempt), Some(Refusal::AlreadyCounted));

    // A renewal by somebody else: it is told that the grant is lost, and the lease ends as if nobody had asked.
    is_refused(&mut world, stranger, Message::Renew { grants: vec![grant], asked: 1 }, None);
    let lost = world.nodes[0].outbox.iter().any(|(to, message)| {
        *to == stranger
            && matches!(message, Message::Renewed { grants, lost, .. } if grants.is_empty() && lost == &[grant])
    });
    assert!(lost, "{:?}", world.nodes[0].outbox);
}

#[test]
fn of_26_a_node_without_what_a_job_needs_gets_none_of_it() {
    let mut world = World::of(&[1, 4]);
    let large = Fit { cores: 8, ..Fit::default() };
    world.event(0, Event::Fit(large));
    let needs = Needs { cpus: 8, ..Needs::default() };
    world.submit(0, JobSpec { needs, ..spec(4) });
    world.connect(0, 1);
    let thief = world.node(1).id;
    let asks = |asked| Message::Ask { tasks: 4, asked };
    // Before it has said what it has, and after.
    is_refused(&mut world, thief, asks(5), None);
    world.event(0, Event::PeerFit(thief, Fit { cores: 4, ..Fit::default() }));
    is_refused(&mut world, thief, asks(6), None);
    assert!(world.node(0).machine.state().lent().is_empty());
}

#[test]
fn of_27_a_running_exclusive_task_is_not_given_away() {
    let mut world = World::of(&[1, 4]);
    world.submit(0, JobSpec { exclusive: true, ..spec(1) });
    world.connect(0, 1);
    let thief = world.node(1).id;
    for second in 1..100 {
        world.after_ms(1_000);
        is_refused(&mut world, thief, Message::Ask { tasks: 4, asked: second }, None);
    }
    assert!(world.node(0).machine.state().lent().is_empty());
}

#[test]
fn of_30_and_31_absurd_loads_and_clocks_change_nothing() {
    let (mut world, _) = lent();
    let (grant, _) = world.node(1).machine.borrowed().next().expect("held");
    let borrower = world.node(1).id;
    let (queued, running, slots, load_milli) = (u32::MAX, u32::MAX, u32::MAX, u32::MAX);
    let absurd = Message::Vitals { trit: NodeTrit::Overloaded, queued, running, slots, load_milli };
    is_refused(&mut world, borrower, absurd, None);
    let year = 365 * 24 * 3_600 * 1_000_000_000_u64;
    is_refused(&mut world, borrower, Message::Renew { grants: vec![grant], asked: year }, None);
    let renewed = Message::Renewed { grants: vec![grant], lost: Vec::new(), asked: u64::MAX };
    is_refused(&mut world, borrower, renewed, Some(Refusal::NotAsked));
    let gone = TaskSet::first(3);
    is_refused(&mut world, borrower, Message::Received { grant, tasks: gone }, None);
}
