//! Machines that come and go: drained by a person or by a battery, in use by their owner, new in the grid.

use crate::world::{World, spec};
use tern_core::machine::{Answer, Command, Deny, Effect, Event, WorkSettings};
use tern_core::observe::{Power, Reading};
use tern_core::words::{JobId, JobSpec, Needs, Span};

/// Loads are told as they are at the moment, so that a test need not wait a minute.
const SETTINGS: WorkSettings =
    WorkSettings { drain_below: 20, yield_to_owner: true, leave_one: false, load_average: Span(0) };

fn of(slots: &[u32]) -> World {
    World::prepared(slots, Box::new(|machine| machine.set_work(SETTINGS)))
}

/// A moment later the machine has this load.
fn load(world: &mut World, node: usize, load1: f64) {
    world.after_ms(100);
    let cpus = world.node(node).machine.slots();
    let at = world.now.boot;
    world.event(node, Event::Reading(Reading { at, load1, cpus, ..Reading::default() }));
}

/// The owner makes this load beside what runs.
fn owner(world: &mut World, node: usize, others: f64) {
    let ours = f64::from(world.node(node).machine.running());
    load(world, node, ours + others);
}

/// The warden gives back what it was asked for, except the first `running`.
fn give_back(world: &mut World, node: usize, running: usize) {
    let back: Vec<_> = world.nodes[node].hand.split_off(running).into();
    world.event(node, Event::Revoked(back));
    world.sync(node);
}

fn revokes(world: &World, node: usize) -> usize {
    world.node(node).log.iter().filter(|effect| matches!(effect, Effect::Revoke { .. })).count()
}

fn because(world: &World, node: usize, job: JobId) -> String {
    world.node(node).machine.job_view(job).and_then(|view| view.because).unwrap_or_default()
}

fn said(world: &World, node: usize) -> String {
    world.node(node).machine.standing().last().map(|it| format!("{:?}: {}", it.did, it.because)).unwrap_or_default()
}

fn count(world: &World, node: usize) -> usize {
    world.node(node).hand.len()
}

#[test]
fn a_drain_outlives_the_agent_and_is_durable_before_it_is_answered() {
    let mut world = of(&[2]);
    let waits = world.command(0, Command::Drain { wait: true });
    let returns = world.command(0, Command::Drain { wait: false });
    assert!(world.reply(0, waits).is_none() && world.reply(0, returns).is_none());
    world.sync(0);
    assert_eq!(world.reply(0, waits), Some(Ok(Answer::Done)));
    assert_eq!(world.reply(0, returns), Some(Ok(Answer::Done)));
    world.crash(0, 2);
    assert!(world.node(0).machine.is_draining());
    let job = world.submit(0, spec(3));
    assert_eq!(count(&world, 0), 0);
    assert!(because(&world, 0, job).contains("draining"));
    let undrain = world.command(0, Command::Undrain);
    assert_eq!(count(&world, 0), 0, "not before it is durable");
    world.sync(0);
    assert_eq!(world.reply(0, undrain), Some(Ok(Answer::Done)));
    world.crash(0, 2);
    world.run(0);
    assert!(world.node(0).machine.job_view(job).expect("known").state.is_over());
}

#[test]
fn a_drain_that_the_disk_does_not_take_is_none() {
    let mut world = of(&[2]);
    let job = world.submit(0, spec(9));
    let ticket = world.command(0, Command::Drain { wait: true });
    assert!(world.node(0).machine.is_draining());
    world.nodes[0].unsynced.clear();
    let after = world.node(0).journal.len() as u64;
    world.event(0, Event::PersistFailed { after: after.min(2), full: true });
    assert_eq!(world.reply(0, ticket), Some(Err(Deny::StorageFull)));
    assert!(!world.node(0).machine.is_draining());
    world.run(0);
    assert!(world.node(0).machine.job_view(job).expect("known").state.is_over());
}

#[test]
fn the_end_of_an_agent_is_no_drain_for_the_next() {
    let mut world = of(&[1]);
    let ticket = world.command(0, Command::Leave);
    assert_eq!(world.reply(0, ticket), Some(Ok(Answer::Done)));
    world.sync(0);
    world.crash(0, 1);
    assert!(!world.node(0).machine.is_draining());
}

#[test]
fn a_drain_and_a_low_battery_are_undone_each_by_its_own() {
    let mut world = of(&[2]);
    let job = world.submit(0, spec(9));
    world.event(0, Event::Power(Power::battery(Some(18))));
    give_back(&mut world, 0, 2);
    assert_eq!(because(&world, 0, job), "the battery is at 15 %, below 20 %: the node starts nothing more");
    world.finish(0, 2);
    assert_eq!(count(&world, 0), 0);
    world.ask(0, Command::Undrain).expect("undone");
    assert_eq!(count(&world, 0), 0, "nobody asked for it, so nobody undoes it");
    world.ask(0, Command::Drain { wait: false }).expect("drained");
    world.event(0, Event::Power(Power::battery(Some(25))));
    world.event(0, Event::Power(Power::Mains));
    assert_eq!(count(&world, 0), 0, "a plug undoes what the battery did and no more");
    assert_eq!(because(&world, 0, job), "the node is draining: it starts nothing more");
    world.ask(0, Command::Undrain).expect("undone");
    assert_eq!(count(&world, 0), 4);
    let shown = |did: &str| world.node(0).machine.standing().any(|it| format!("{:?}", it.did) == did);
    assert!(shown("Drain") && shown("Undrain"));
}

#[test]
fn a_low_battery_keeps_no_borrowed_work_and_lends_its_own() {
    let mut world = of(&[2, 2]);
    let job = world.submit(0, spec(40));
    world.connect(0, 1);
    world.calm();
    world.event(0, Event::Power(Power::battery(Some(5))));
    give_back(&mut world, 0, 0);
    for _ in 0..100 {
        world.calm();
        world.after_ms(1);
        world.finish(1, 2);
        world.calm();
        world.tick(60);
    }
    let view = world.node(0).machine.job_view(job).expect("known");
    assert!(view.state.is_over(), "{view:?}");
    assert!(world.counted(0).iter().all(|outcome| outcome.attempt.n > 0));
    // The other way round: what it holds of others goes back.
    let other = world.submit(1, spec(8));
    world.calm();
    assert_eq!(count(&world, 0), 0, "it asks for nothing: {:?}", world.node(1).machine.job_view(other));
}

#[test]
fn an_owner_who_uses_the_machine_gets_slots_and_gives_them_back() {
    let mut world = of(&[4]);
    let job = world.submit(0, spec(60));
    assert_eq!(count(&world, 0), 8, "four run, four are ahead");
    owner(&mut world, 0, 0.4);
    assert_eq!(revokes(&world, 0), 0, "a little is nothing");
    owner(&mut world, 0, 2.1);
    assert_eq!(world.node(0).machine.open_slots(), 2);
    let wanted =
        "Slots { from: 4, to: 2 }: the machine's load is 6.10, 4.00 of it by tasks: 2 of 4 slots are for tasks";
    assert_eq!(said(&world, 0), wanted);
    give_back(&mut world, 0, 4);
    assert_eq!(count(&world, 0), 4, "what runs goes on");
    world.finish(0, 1);
    world.finish(0, 1);
    assert_eq!(count(&world, 0), 2, "what ends is not replaced");
    world.finish(0, 1);
    assert_eq!(count(&world, 0), 2, "one place, one task, and none ahead");
    assert!(because(&world, 0, job).starts_with("the machine's load is 6.10"), "{}", because(&world, 0, job));
    owner(&mut world, 0, 9.0);
    world.finish(0, 2);
    assert_eq!(count(&world, 0), 0, "he takes all");
    owner(&mut world, 0, 0.2);
    assert_eq!(count(&world, 0), 8);
    world.run(0);
    assert!(world.node(0).machine.job_view(job).expect("known").state.is_over());
}

#[test]
fn a_machine_in_use_gives_back_what_it_borrowed_and_cannot_start() {
    let mut world = of(&[1, 4]);
    let job = world.submit(0, spec(60));
    world.connect(0, 1);
    world.calm();
    let lent = |world: &World| world.node(0).machine.state().lent().values().map(|loan| loan.open.len()).sum::<u32>();
    assert_eq!(lent(&world), 4);
    owner(&mut world, 1, 4.0);
    // Two of the four had started.
    give_back(&mut world, 1, 2);
    world.calm();
    assert_eq!(lent(&world), 2, "only what runs is still lent");
    let told = world.node(0).machine.peers().next().map(|(_, heard)| heard.slots);
    assert_eq!(told, Some(0), "and it says so");
    owner(&mut world, 1, 0.0);
    for _ in 0..30 {
        world.calm();
        world.tick(60);
    }
    assert_eq!(lent(&world), 4, "it asks again");
    let view = world.node(0).machine.job_view(job).expect("known");
    assert_eq!(view.tasks.failed, 0);
}

#[test]
fn a_task_too_large_for_what_is_left_goes_back_once_and_not_for_ever() {
    let mut world = of(&[1, 4]);
    for node in 0..2 {
        let fit = tern_core::observe::Fit { cores: 4, speed: 1000, ..Default::default() };
        world.event(node, Event::Fit(fit));
    }
    let needs = Needs { cpus: 2, ..Needs::default() };
    world.connect(0, 1);
    let (a, b) = (world.node(0).id, world.node(1).id);
    let fit = tern_core::observe::Fit { cores: 4, speed: 1000, ..Default::default() };
    world.event(0, Event::PeerFit(b, fit.clone()));
    world.event(1, Event::PeerFit(a, fit));
    owner(&mut world, 1, 3.0);
    assert_eq!(world.node(1).machine.open_slots(), 1);
    world.submit(0, JobSpec { needs, ..spec(6) });
    world.calm();
    world.tick(60);
    world.calm();
    let returns =
        |effect: &&Effect| matches!(effect, Effect::Send { message: tern_core::wire::Message::Return { .. }, .. });
    assert_eq!(world.node(1).log.iter().filter(returns).count(), 1);
}

#[test]
fn a_node_that_joins_or_returns_has_work_within_a_second() {
    let mut world = of(&[1, 2, 2]);
    world.submit(0, spec(500));
    world.connect(0, 1);
    world.calm();
    assert_eq!(count(&world, 1), 2, "the first message and its answers are enough");
    // It had asked an idle grid in vain for long, as one does that waits for work.
    let (first, second) = (world.node(0).id, world.node(2).id);
    world.event(2, Event::PeerUp(first));
    world.event(0, Event::PeerUp(second));
    world.calm();
    assert_eq!(count(&world, 2), 2);
    // Away for a while: its tasks are taken back, and it has others as soon as it is seen again.
    world.event(0, Event::PeerDown(second));
    world.event(2, Event::PeerDown(first));
    for _ in 0..30 {
        world.tick(100);
        world.reap(2);
        world.lose_messages();
    }
    assert_eq!(count(&world, 2), 0);
    let before = world.now.boot;
    world.connect(0, 2);
    while count(&world, 2) == 0 {
        world.calm();
        world.tick(10);
        assert!(world.now.boot - before < Span::secs(1).0, "it waits for a second");
    }
}

#[test]
fn a_job_is_explained_with_who_has_its_tasks_and_who_may_not() {
    let mut world = of(&[1, 2]);
    for node in 0..2 {
        let fit = tern_core::observe::Fit { cores: 2 + node as u16, speed: 1000, ..Default::default() };
        world.event(node, Event::Fit(fit));
    }
    world.connect(0, 1);
    let small = tern_core::observe::Fit { cores: 2, speed: 1000, ..Default::default() };
    let there = world.node(1).id;
    world.event(0, Event::PeerFit(there, small));
    let job = world.submit(0, JobSpec { tries: 2, ..spec(12) });
    world.calm();
    world.tick(60);
    world.calm();
    let explained = world.node(0).machine.explain(job, Some(11)).expect("known");
    let [here, other] = explained.nodes.as_slice() else { panic!("{explained:?}") };
    assert!(here.here && here.refused.is_none() && other.refused.is_none());
    assert!(other.heard_ms_ago.is_some_and(|ms| ms < 1_000));
    let [loan] = explained.flows.as_slice() else { panic!("{explained:?}") };
    assert_eq!((loan.from, loan.to, loan.tasks), (here.node, other.node, 2));
    assert!(loan.ends_in_ms.is_some_and(|ms| (1..=1_100).contains(&ms)), "{loan:?}");
    let task = explained.task.expect("asked for");
    assert_eq!((task.number, task.state, task.node), (12, "lent", Some(other.node)));
    let first = world.node(0).machine.explain(job, Some(0)).and_then(|it| it.task).expect("known");
    assert_eq!((first.state, first.node), ("running", Some(here.node)));
    let waits = world.node(0).machine.explain(job, Some(5)).and_then(|it| it.task).expect("known");
    assert!(waits.because.is_some_and(|why| why.starts_with("waits for a slot")), "{:?}", waits.state);
    assert!(world.node(0).machine.explain(job, Some(12)).is_none(), "there is no such task");
    // The other side knows its part.
    let there = world.node(1).machine.explain(job, Some(11)).expect("it has tasks of it");
    assert!(there.job.is_none());
    assert_eq!(there.task.map(|task| task.token), Some(task.token));
    let lent = explained.decisions.iter().find(|it| it.what == "lent").expect("decided");
    assert_eq!((lent.tasks, lent.peer), (2, Some(other.node)));
    // What no machine of this size can run is refused by name and number.
    let large = JobSpec { needs: Needs { cpus: 2, ..Needs::default() }, local_only: true, ..spec(1) };
    let large = world.submit(0, large);
    let refused = world.node(0).machine.explain(large, None).expect("known").nodes;
    assert_eq!(refused[1].refused.as_deref(), Some("the job may not leave this node"));
}

#[test]
fn a_job_that_may_not_run_here_says_who_else_may_and_what_came_back_says_from_whom() {
    let mut world = of(&[1, 2]);
    let fit = |cores| tern_core::observe::Fit { cores, speed: 1000, ..Default::default() };
    world.event(0, Event::Fit(fit(1)));
    world.event(1, Event::Fit(fit(2)));
    let (here, there) = (world.node(0).id, world.node(1).id);
    let bound = JobSpec { needs: Needs { on: vec![there], ..Needs::default() }, ..spec(3) };
    let job = world.submit(0, bound);
    let alone = "it may not run here: the job names other nodes; and no other node that is connected may run it now";
    assert_eq!(because(&world, 0, job), alone);
    world.connect(0, 1);
    world.event(0, Event::PeerFit(there, fit(2)));
    world.calm();
    world.tick(60);
    world.calm();
    let waits = "it may not run here: the job names other nodes; 1 other nodes may run it, with 0 slots free";
    assert_eq!(because(&world, 0, job), waits);
    // Gone without a word: its tasks are taken back, and the explanation says from whom and why.
    world.event(0, Event::PeerDown(there));
    world.event(1, Event::PeerDown(here));
    for _ in 0..30 {
        world.tick(100);
        world.lose_messages();
    }
    assert_eq!(because(&world, 0, job), alone);
    let decisions = world.node(0).machine.explain(job, None).expect("known").decisions;
    let back = decisions.iter().find(|it| it.what == "taken back").expect("decided");
    assert_eq!((back.tasks, back.peer), (2, Some(there)));
    assert!(back.because.starts_with("the lease ran out"), "{}", back.because);
}
