//! Two nodes that share work, over a network that the test moves message by message.

use crate::world::{World, ended, spec};
use tern_core::machine::{Command, Effect, Event};
use tern_core::promise::{Exit, Refusal};
use tern_core::view::JobState;
use tern_core::wire::Message;
use tern_core::words::{JobId, JobSpec, TaskSet};

/// A loaded node 0 with one slot, an idle node 1 with two that has borrowed.
pub fn lent() -> (World, JobId) {
    let mut world = World::of(&[1, 2]);
    let job = world.submit(0, spec(12));
    world.connect(0, 1);
    world.calm();
    assert_eq!(borrowed(&world), 2, "the idle node has work");
    (world, job)
}

fn borrowed(world: &World) -> usize {
    let owner = world.node(0).id.tag();
    world.node(1).hand.iter().filter(|attempt| attempt.epoch.keeper == owner).count()
}

fn done(world: &World, job: JobId) -> u32 {
    world.node(0).machine.job_view(job).expect("known").tasks.done
}

fn finish_all(world: &mut World, job: JobId) {
    for _ in 0..200 {
        world.finish(0, 1);
        world.finish(1, 2);
        world.reap(0);
        world.reap(1);
        world.calm();
        world.tick(60);
        world.calm();
        if world.node(0).machine.job_view(job).is_some_and(|view| view.state.is_over()) {
            return;
        }
    }
    panic!("not over: {:?}", world.node(0).machine.job_view(job));
}

fn counted_once(world: &World) {
    let mut seen = TaskSet::new();
    for outcome in world.counted(0) {
        assert!(seen.insert(outcome.attempt.task), "task {} was counted twice", outcome.attempt.task);
    }
}

#[test]
fn an_idle_node_borrows_and_its_results_count_at_the_owner() {
    let (mut world, job) = lent();
    finish_all(&mut world, job);
    assert_eq!(done(&world, job), 12);
    assert_eq!(world.counted(0).len(), 12);
    counted_once(&world);
    assert_eq!(world.node(1).machine.borrowed().count(), 0, "nothing is held when all is acknowledged");
    assert!(world.node(0).machine.state().lent().is_empty());
    assert!(world.node(0).machine.refused().is_empty(), "{:?}", world.node(0).machine.refused());
    assert!(world.node(1).machine.refused().is_empty(), "{:?}", world.node(1).machine.refused());
}

#[test]
fn a_loan_leaves_only_when_it_is_durable() {
    let mut world = World::of(&[1, 2]);
    world.submit(0, spec(12));
    world.connect(0, 1);
    while world.deliver(0) {}
    while world.deliver(1) {}
    let sends = |world: &World| world.node(0).outbox.iter().any(|(_, message)| matches!(message, Message::Lend { .. }));
    assert!(!sends(&world));
    world.sync(0);
    assert!(sends(&world));
}

#[test]
fn the_echo_of_a_loan_gives_nothing_back_that_still_runs_here() {
    let (mut world, _) = lent();
    let owner = world.node(0).id;
    let loan = |effect: &Effect| match effect {
        Effect::Send { message: message @ Message::Lend { .. }, .. } => Some(World::fill(message.clone())),
        _ => None,
    };
    let echo = world.node(0).log.iter().rev().find_map(loan).expect("a loan");
    let returns = |world: &World| world.node(1).outbox.iter().any(|(_, it)| matches!(it, Message::Return { .. }));
    world.crash(1, 2);
    assert!(!world.node(1).ending.is_empty(), "what the warden runs is unknown to the new agent");
    world.event(1, Event::Message { from: owner, message: echo.clone() });
    assert!(!returns(&world), "it still runs here, under a lease that the owner counts on");
    world.reap(1);
    world.event(1, Event::Message { from: owner, message: echo });
    assert!(returns(&world), "it does not run here any more");
}

#[test]
fn results_are_sent_until_they_are_acknowledged_and_count_once() {
    let (mut world, job) = lent();
    world.finish(1, 2);
    world.lose_messages();
    world.tick(260);
    world.calm();
    let before = done(&world, job);
    world.tick(260);
    world.calm();
    assert_eq!(done(&world, job), before + 2, "sent again after half a second");
    finish_all(&mut world, job);
    counted_once(&world);
}

#[test]
fn a_lost_borrower_stops_first_and_the_owner_takes_the_work_back_after() {
    let (mut world, job) = lent();
    for _ in 0..4 {
        world.tick(240);
        world.lose_messages();
    }
    assert_eq!(borrowed(&world), 2, "the lease still holds");
    world.tick(50);
    assert_eq!(borrowed(&world), 0, "the borrower stopped");
    assert!(!world.node(0).machine.state().lent().is_empty(), "the owner waits for the margin");
    world.tick(120);
    assert!(world.node(0).machine.state().lent().is_empty());
    let late = world.nodes[1].ending.clone();
    world.reap(1);
    assert!(!late.is_empty());
    finish_all(&mut world, job);
    assert_eq!(done(&world, job), 12);
    counted_once(&world);
}

#[test]
fn a_lost_connection_alone_reclaims_nothing() {
    let (mut world, _) = lent();
    let borrower = world.node(1).id;
    world.event(0, Event::PeerDown(borrower));
    world.tick(500);
    assert!(!world.node(0).machine.state().lent().is_empty());
}

#[test]
fn a_renewed_lease_holds_as_long_as_the_task_runs() {
    let (mut world, job) = lent();
    for _ in 0..50 {
        world.tick(100);
        world.calm();
    }
    assert_eq!(borrowed(&world), 2);
    finish_all(&mut world, job);
    assert!(world.node(0).machine.refused().is_empty());
}

#[test]
fn results_for_a_reclaimed_grant_are_refused_and_acknowledged() {
    let (mut world, job) = lent();
    let attempt = world.node(1).hand[0];
    let (grant, _) = world.node(1).machine.borrowed().next().expect("held");
    for _ in 0..5 {
        world.tick(250);
        world.lose_messages();
    }
    let before = done(&world, job);
    let from = world.node(1).id;
    let message =
        Message::Results { grant, outcomes: vec![ended(attempt, Exit::Code(0))], output: Vec::new(), made: Vec::new() };
    world.event(0, Event::Message { from, message });
    world.sync(0);
    assert_eq!(done(&world, job), before);
    assert_eq!(world.node(0).machine.refused().get(&Refusal::ClosedGrant), Some(&1));
    let acknowledged = |(_, message): &(_, Message)| matches!(message, Message::Received { .. });
    assert!(world.node(0).outbox.iter().any(acknowledged));
}

#[test]
fn a_cancelled_job_is_ended_on_the_borrower_too() {
    let (mut world, job) = lent();
    world.ask(0, Command::Cancel(job)).expect("cancelled");
    world.calm();
    world.reap(0);
    world.reap(1);
    world.calm();
    assert_eq!(world.node(0).machine.job_view(job).expect("known").state, JobState::Cancelled);
    assert_eq!(world.node(1).machine.in_hand(), 0);
    assert!(world.node(0).machine.state().lent().is_empty());
}

#[test]
fn a_cancellation_whose_message_is_lost_reaches_the_borrower_with_its_renewal() {
    let (mut world, job) = lent();
    world.ask(0, Command::Cancel(job)).expect("cancelled");
    world.reap(0);
    world.lose_messages();
    world.tick(260);
    world.calm();
    assert_eq!(borrowed(&world), 0);
    world.reap(1);
    for _ in 0..5 {
        world.tick(250);
        world.calm();
    }
    assert_eq!(world.node(0).machine.job_view(job).expect("known").state, JobState::Cancelled);
}

#[test]
fn the_owner_crashes_and_the_borrower_goes_on() {
    let (mut world, job) = lent();
    world.crash(0, 1);
    world.connect(0, 1);
    world.finish(1, 2);
    world.calm();
    assert_eq!(done(&world, job), 2, "results of the earlier start are believed while its grant is open");
    finish_all(&mut world, job);
    counted_once(&world);
}

#[test]
fn a_borrower_that_restarts_ends_what_it_does_not_know() {
    let (mut world, job) = lent();
    let owner = world.node(0).id.tag();
    world.crash(1, 2);
    let ended_foreign = |effect: &Effect| matches!(effect, Effect::End { job, .. } if job.owner_tag() == owner);
    assert!(world.node(1).log.iter().any(ended_foreign));
    world.connect(0, 1);
    for _ in 0..5 {
        world.tick(250);
        world.calm();
    }
    finish_all(&mut world, job);
    counted_once(&world);
}

#[test]
fn failures_of_lent_tasks_use_up_tries_at_the_owner() {
    let mut world = World::of(&[1, 2]);
    world.exit = Box::new(|attempt| Exit::Code(u8::from(attempt.task >= 6)));
    let job = world.submit(0, JobSpec { tries: 2, ..spec(8) });
    world.connect(0, 1);
    world.calm();
    finish_all(&mut world, job);
    let tasks = world.node(0).machine.job_view(job).expect("known").tasks;
    assert_eq!((tasks.done, tasks.failed), (6, 2));
}

#[test]
fn a_job_that_may_not_travel_stays() {
    let mut world = World::of(&[1, 2]);
    world.submit(0, JobSpec { local_only: true, ..spec(12) });
    world.connect(0, 1);
    world.calm();
    assert!(world.node(1).hand.is_empty());
}

#[test]
fn a_draining_borrower_gives_back_what_has_not_started() {
    let mut world = World::of(&[1, 2]);
    let job = world.submit(0, JobSpec { parallel: 1, ..spec(12) });
    world.connect(0, 1);
    world.calm();
    assert_eq!(world.node(1).hand.len(), 1, "one at once on each node");
    let ticket = world.command(1, Command::Drain { wait: true });
    world.calm();
    assert!(world.reply(1, ticket).is_none());
    let open: u32 = world.node(0).machine.state().lent().values().map(|loan| loan.open.len()).sum();
    assert_eq!(open, 1, "only what runs is still lent");
    finish_all(&mut world, job);
    assert!(world.reply(1, ticket).is_some());
}

#[test]
fn lies_change_nothing() {
    let (mut world, job) = lent();
    let liar = tern_core::words::NodeId([9; 32]);
    let (grant, _) = world.node(1).machine.borrowed().next().expect("held");
    let borrower = world.node(1).id;
    let attempt = world.node(1).hand[0];
    let before = done(&world, job);
    let mut say = |from, message| {
        world.event(0, Event::Message { from, message });
        world.sync(0);
        assert_eq!(done(&world, job), before);
    };
    let results = |attempt| Message::Results {
        grant,
        outcomes: vec![ended(attempt, Exit::Code(0))],
        output: Vec::new(),
        made: Vec::new(),
    };
    say(liar, results(attempt));
    say(borrower, results(tern_core::words::Attempt { task: u32::MAX, ..attempt }));
    say(borrower, results(tern_core::words::Attempt { task: 0, ..attempt }));
    say(borrower, results(tern_core::words::Attempt { round: 3, ..attempt }));
    say(borrower, results(tern_core::words::Attempt { job: JobId(1), ..attempt }));
    say(liar, Message::Return { grant, tasks: TaskSet::first(12), why: None });
    say(liar, Message::Renew { grants: vec![grant], asked: u64::MAX });
    say(liar, Message::Renewed { grants: vec![grant], lost: vec![grant], asked: u64::MAX });
    say(liar, Message::Ask { tasks: 0, asked: 0 });
    say(liar, Message::Revoke { grant });
    say(liar, Message::Received { grant, tasks: TaskSet::first(12) });
    assert_eq!(world.node(0).machine.refused().get(&Refusal::NotHolder), Some(&2));
    assert_eq!(world.node(0).machine.refused().get(&Refusal::NotInGrant), Some(&4));
    finish_all(&mut world, job);
    counted_once(&world);
}

#[test]
fn a_repeated_return_is_acknowledged_again() {
    let (mut world, _) = lent();
    let (grant, _) = world.node(1).machine.borrowed().next().expect("held");
    let from = world.node(1).id;
    let one: TaskSet = world.node(1).hand.iter().take(1).map(|attempt| attempt.task).collect();
    for _ in 0..2 {
        world.event(0, Event::Message { from, message: Message::Return { grant, tasks: one.clone(), why: None } });
        world.sync(0);
        let acknowledged =
            world.nodes[0].outbox.drain(..).any(|(_, it)| it == Message::Received { grant, tasks: one.clone() });
        assert!(acknowledged);
    }
}

#[test]
fn what_was_decided_can_be_read_with_its_reason() {
    let (world, _) = lent();
    let said = |node: usize| world.node(node).machine.decisions().map(|it| it.because.to_string()).collect::<Vec<_>>();
    assert_eq!(
        said(0),
        ["0 of 2 places are taken", "slots are free there, 10 tasks wait here", "10 tasks wait here, 2 were asked for"]
    );
    assert_eq!(said(1), ["2 free slots here, 10 tasks wait there for 1 slots", "0 of 4 places are taken"]);
}
