//! One node with a disk and a warden that are played by the test.

use crate::world::{World, ended, spec};
use expect_test::expect;
use tern_core::machine::{Answer, Command, Deny, Effect, Event};
use tern_core::promise::{Exit, Record};
use tern_core::view::JobState;
use tern_core::words::spec::{Halt, HaltWhat, HaltWhen};
use tern_core::words::{JobId, JobSpec, TaskSet};

fn view(world: &World, job: JobId) -> String {
    let view = world.node(0).machine.job_view(job).expect("known");
    let tasks = view.tasks;
    format!(
        "{:?} {} done {} failed {} cancelled {} running {} queued; round {}; {}",
        view.state,
        tasks.done,
        tasks.failed,
        tasks.cancelled,
        tasks.running,
        tasks.queued,
        view.round,
        view.because.unwrap_or_default()
    )
}

fn over(world: &World, job: JobId) -> usize {
    let ends = |effect: &&Effect| **effect == Effect::Changed { job, over: true };
    world.node(0).log.iter().filter(ends).count()
}

#[test]
fn a_job_is_answered_after_the_disk_and_runs_to_its_end() {
    let mut world = World::one(2);
    let ticket = world.command(0, Command::Submit(Box::new(spec(5))));
    assert!(world.reply(0, ticket).is_none(), "answered before it was durable");
    assert!(world.node(0).hand.is_empty(), "started before it was durable");
    world.sync(0);
    let Some(Ok(Answer::Accepted(job))) = world.reply(0, ticket) else { panic!("not accepted") };
    expect![
        "Running 0 done 0 failed 0 cancelled 2 running 3 queued; round 0; waits for a slot: 4 of 4 places are taken"
    ]
    .assert_eq(&view(&world, job));
    world.run(0);
    expect!["Done 5 done 0 failed 0 cancelled 0 running 0 queued; round 0; "].assert_eq(&view(&world, job));
    assert_eq!(over(&world, job), 1);
    assert_eq!(world.counted(0).len(), 5);
}

#[test]
fn an_empty_job_is_over_when_it_is_accepted() {
    let mut world = World::one(2);
    let job = world.submit(0, spec(0));
    assert_eq!(over(&world, job), 1);
}

#[test]
fn nothing_starts_before_the_start_is_durable_and_the_warden_is_there() {
    let mut world = World::one(2);
    world.submit(0, spec(3));
    world.nodes[0].hand.clear();
    world.recover(0);
    world.event(0, Event::Start { incarnation: 99, slots: 2 });
    world.event(0, Event::WardenUp { running: Vec::new(), queued: Vec::new() });
    assert!(world.node(0).hand.is_empty());
    world.sync(0);
    assert_eq!(world.node(0).hand.len(), 3);
}

#[test]
fn jobs_share_the_slots_fairly() {
    let mut world = World::one(4);
    let first = world.submit(0, spec(100));
    let second = world.submit(0, spec(100));
    world.finish(0, 4);
    world.finish(0, 4);
    let of = |job| world.node(0).hand.iter().filter(|attempt| attempt.job == job).count();
    assert_eq!((of(first), of(second)), (4, 4));
}

#[test]
fn a_failed_task_runs_again_until_its_tries_are_used_up() {
    let mut world = World::one(1);
    world.exit = Box::new(|attempt| Exit::Code(u8::from(attempt.task == 1)));
    let job = world.submit(0, JobSpec { tries: 3, ..spec(3) });
    world.run(0);
    expect!["Failed 2 done 1 failed 0 cancelled 0 running 0 queued; round 0; "].assert_eq(&view(&world, job));
    let runs = world.node(0).journal.iter().filter_map(|record| match record {
        Record::Outcomes { outcomes, .. } => Some(outcomes.iter().filter(|it| it.attempt.task == 1).count()),
        _ => None,
    });
    assert_eq!(runs.sum::<usize>(), 3);
    assert_eq!(world.counted(0).len(), 3, "only the last failure counts");
    let retried = world.ask(0, Command::Retry { job, tasks: None });
    assert_eq!(retried, Ok(Answer::Tasks(1)));
    world.exit = Box::new(|_| Exit::Code(0));
    world.run(0);
    expect!["Done 3 done 0 failed 0 cancelled 0 running 0 queued; round 1; "].assert_eq(&view(&world, job));
    assert_eq!(over(&world, job), 2);
}

#[test]
fn void_attempts_use_up_no_try() {
    let mut world = World::one(1);
    let mut left = 5;
    world.exit = Box::new(move |_| {
        left -= 1;
        if left > 0 { Exit::Void } else { Exit::Code(0) }
    });
    let job = world.submit(0, spec(1));
    world.run(0);
    expect!["Done 1 done 0 failed 0 cancelled 0 running 0 queued; round 0; "].assert_eq(&view(&world, job));
}

#[test]
fn a_cancelled_job_ends_what_runs_and_starts_nothing_more() {
    let mut world = World::one(2);
    let job = world.submit(0, spec(10));
    world.finish(0, 1);
    let ticket = world.command(0, Command::Cancel(job));
    assert!(world.node(0).ending.is_empty(), "ended before the cancellation was durable");
    world.sync(0);
    assert_eq!(world.reply(0, ticket), Some(Ok(Answer::Tasks(9))));
    expect!["Running 1 done 0 failed 9 cancelled 0 running 0 queued; round 0; 4 of its tasks are being ended"]
        .assert_eq(&view(&world, job));
    world.reap(0);
    expect!["Cancelled 1 done 0 failed 9 cancelled 0 running 0 queued; round 0; "].assert_eq(&view(&world, job));
    assert_eq!(over(&world, job), 1);
    let again = world.ask(0, Command::Cancel(job));
    assert_eq!(again, Err(Deny::WrongState { job, state: JobState::Cancelled }));
    assert_eq!(world.ask(0, Command::Retry { job, tasks: None }), Ok(Answer::Tasks(9)));
    world.run(0);
    expect!["Done 10 done 0 failed 0 cancelled 0 running 0 queued; round 1; "].assert_eq(&view(&world, job));
}

fn halting(when: HaltWhen, what: HaltWhat, count: u32) -> JobSpec {
    JobSpec { halt: Halt { when, what, count, percent: false }, ..spec(20) }
}

#[test]
fn halt_soon_lets_the_running_ones_end() {
    let mut world = World::one(3);
    world.exit = Box::new(|attempt| Exit::Code(u8::from(attempt.task == 1)));
    let job = world.submit(0, halting(HaltWhen::Soon, HaltWhat::Fail, 1));
    assert_eq!(world.node(0).hand.len(), 3, "no queue ahead");
    world.run(0);
    expect!["Failed 2 done 1 failed 17 cancelled 0 running 0 queued; round 0; "].assert_eq(&view(&world, job));
    assert_eq!(over(&world, job), 1);
}

#[test]
fn halt_now_ends_the_running_ones() {
    let mut world = World::one(3);
    world.exit = Box::new(|attempt| Exit::Code(u8::from(attempt.task == 0)));
    let job = world.submit(0, halting(HaltWhen::Now, HaltWhat::Fail, 1));
    world.finish(0, 1);
    assert_eq!(world.node(0).ending.len(), 2);
    world.reap(0);
    expect!["Failed 0 done 1 failed 19 cancelled 0 running 0 queued; round 0; "].assert_eq(&view(&world, job));
}

#[test]
fn a_job_that_stops_at_its_first_success_is_done() {
    let mut world = World::one(3);
    let job = world.submit(0, halting(HaltWhen::Now, HaltWhat::Success, 1));
    world.finish(0, 1);
    world.reap(0);
    expect!["Done 1 done 0 failed 19 cancelled 0 running 0 queued; round 0; "].assert_eq(&view(&world, job));
}

#[test]
fn parallel_caps_what_is_in_hand() {
    let mut world = World::one(8);
    let job = world.submit(0, JobSpec { parallel: 2, ..spec(10) });
    assert_eq!(world.node(0).hand.len(), 2);
    assert!(view(&world, job).ends_with("2 of its tasks may run at once, and do"));
    world.run(0);
    assert_eq!(over(&world, job), 1);
}

#[test]
fn a_held_job_waits_for_release() {
    let mut world = World::one(2);
    let job = world.submit(0, JobSpec { held: true, ..spec(2) });
    expect!["Held 0 done 0 failed 0 cancelled 0 running 2 queued; round 0; held: waits for release"]
        .assert_eq(&view(&world, job));
    assert_eq!(world.ask(0, Command::Release(job)), Ok(Answer::Done));
    world.run(0);
    assert_eq!(over(&world, job), 1);
}

#[test]
fn a_full_disk_denies_and_takes_nothing_back_that_was_promised() {
    let mut world = World::one(2);
    let job = world.submit(0, spec(6));
    let denied = world.command(0, Command::Submit(Box::new(spec(1))));
    let waiting = world.nodes[0].unsynced.drain(..).next().expect("staged").0;
    world.event(0, Event::PersistFailed { after: waiting - 1, full: true });
    assert_eq!(world.reply(0, denied), Some(Err(Deny::StorageFull)));
    world.event(0, Event::WardenFull(true));
    assert_eq!(world.ask(0, Command::Submit(Box::new(spec(1)))), Err(Deny::StorageFull));
    world.finish(0, 4);
    assert!(world.node(0).hand.is_empty(), "started on a full disk");
    assert!(view(&world, job).ends_with("the disk is full"));
    world.event(0, Event::WardenFull(false));
    world.run(0);
    assert_eq!(over(&world, job), 1);
    assert_eq!(world.node(0).machine.jobs().len(), 1);
}

#[test]
fn what_a_dead_warden_held_runs_again_and_what_lives_is_adopted() {
    let mut world = World::one(2);
    let job = world.submit(0, spec(6));
    let held: Vec<_> = world.nodes[0].hand.drain(..).collect();
    world.event(0, Event::WardenDown);
    world.event(0, Event::Finished(vec![ended(held[0], Exit::Code(0))]));
    assert!(world.node(0).hand.is_empty(), "dispatched to a dead warden");
    world.nodes[0].hand.push_back(held[1]);
    world.event(0, Event::WardenUp { running: vec![held[1]], queued: Vec::new() });
    let tasks: TaskSet = world.node(0).hand.iter().map(|attempt| attempt.task).collect();
    assert_eq!(format!("{tasks:?}"), "{1-4}");
    world.run(0);
    expect!["Done 6 done 0 failed 0 cancelled 0 running 0 queued; round 0; "].assert_eq(&view(&world, job));
}

#[test]
fn a_late_end_of_a_lost_attempt_counts_once() {
    let mut world = World::one(1);
    let job = world.submit(0, spec(1));
    let lost = world.nodes[0].hand.pop_front().expect("started");
    world.event(0, Event::WardenDown);
    world.event(0, Event::WardenUp { running: Vec::new(), queued: Vec::new() });
    world.event(0, Event::Finished(vec![ended(lost, Exit::Code(0))]));
    world.run(0);
    assert_eq!(world.counted(0).len(), 1);
    expect!["Done 1 done 0 failed 0 cancelled 0 running 0 queued; round 0; "].assert_eq(&view(&world, job));
}

#[test]
fn a_crash_loses_nothing_that_was_answered() {
    let mut world = World::one(2);
    let job = world.submit(0, spec(9));
    world.finish(0, 2);
    world.command(0, Command::Submit(Box::new(spec(1))));
    world.crash(0, 2);
    assert_eq!(world.node(0).machine.jobs().len(), 1, "what was not answered may be gone");
    world.run(0);
    expect!["Done 9 done 0 failed 0 cancelled 0 running 0 queued; round 0; "].assert_eq(&view(&world, job));
}

#[test]
fn a_drain_is_answered_when_nothing_runs() {
    let mut world = World::one(1);
    let job = world.submit(0, spec(5));
    let ticket = world.command(0, Command::Drain { wait: true });
    let waiting = world.nodes[0].hand.pop_back().expect("one ahead");
    world.event(0, Event::Revoked(vec![waiting]));
    assert!(world.reply(0, ticket).is_none());
    world.finish(0, 1);
    assert_eq!(world.reply(0, ticket), Some(Ok(Answer::Done)));
    assert!(view(&world, job).ends_with("the node is draining: it starts nothing more"));
    let stays = JobSpec { local_only: true, ..spec(1) };
    assert_eq!(world.ask(0, Command::Submit(Box::new(stays))), Err(Deny::Drained), "it could run nowhere");
    let other = world.submit(0, spec(1));
    assert_eq!(world.ask(0, Command::Undrain), Ok(Answer::Done));
    world.run(0);
    assert_eq!((over(&world, job), over(&world, other)), (1, 1));
    world.command(0, Command::Leave);
    assert_eq!(world.ask(0, Command::Submit(Box::new(spec(1)))), Err(Deny::Draining), "the agent is about to end");
}

#[test]
fn only_a_job_that_is_over_is_forgotten() {
    let mut world = World::one(1);
    let job = world.submit(0, spec(1));
    assert_eq!(world.ask(0, Command::Forget(job)), Err(Deny::WrongState { job, state: JobState::Running }));
    world.run(0);
    assert_eq!(world.ask(0, Command::Forget(job)), Ok(Answer::Done));
    assert_eq!(world.ask(0, Command::Forget(job)), Err(Deny::NoSuchJob(job)));
    assert!(world.node(0).log.contains(&Effect::Discard { job }));
}

#[test]
fn specs_beyond_the_limits_are_denied_with_the_limit() {
    let mut world = World::one(1);
    let mut deny = |spec| format!("{:?}", world.ask(0, Command::Submit(Box::new(spec))).expect_err("denied"));
    expect![[r#"Limit { what: "tasks", limit: 16777216, got: 16777217 }"#]].assert_eq(&deny(spec((1 << 24) + 1)));
    let no_try = JobSpec { tries: 0, ..spec(1) };
    expect![[r#"Invalid("tries count from 1: one attempt at each task")"#]].assert_eq(&deny(no_try));
    let large = JobSpec { name: "x".repeat(2 << 20), ..spec(1) };
    assert!(deny(large).starts_with(r#"Limit { what: "bytes of the job's description", limit: 1048576"#));
}

#[test]
fn too_much_that_waits_for_the_disk_is_pushed_back() {
    let mut world = World::one(1);
    for _ in 0..tern_core::words::limits::STAGED_MAX {
        world.command(0, Command::Submit(Box::new(spec(0))));
    }
    let last = world.command(0, Command::Submit(Box::new(spec(0))));
    assert_eq!(world.reply(0, last), Some(Err(Deny::Backpressure)));
}

#[test]
fn a_person_may_end_what_a_soft_halt_lets_run() {
    let mut world = World::one(3);
    world.exit = Box::new(|attempt| Exit::Code(u8::from(attempt.task == 0)));
    let job = world.submit(0, halting(HaltWhen::Soon, HaltWhat::Fail, 1));
    world.finish(0, 1);
    assert!(world.node(0).ending.is_empty());
    world.crash(0, 3);
    assert_eq!(world.node(0).hand.len(), 2, "what may end is adopted");
    world.ask(0, Command::Cancel(job)).expect("still running");
    assert_eq!(world.node(0).ending.len(), 2);
    world.reap(0);
    expect!["Failed 0 done 1 failed 19 cancelled 0 running 0 queued; round 0; "].assert_eq(&view(&world, job));
}

#[test]
fn after_a_soft_halt_and_a_crash_what_had_not_started_is_ended() {
    let mut world = World::one(3);
    world.exit = Box::new(|attempt| Exit::Code(u8::from(attempt.task == 0)));
    let job = world.submit(0, halting(HaltWhen::Soon, HaltWhat::Fail, 1));
    world.finish(0, 1);
    world.crash(0, 3);
    let held: Vec<_> = world.nodes[0].hand.iter().copied().collect();
    world.event(0, Event::WardenUp { running: vec![held[0]], queued: vec![held[1]] });
    assert_eq!(world.node(0).ending, vec![held[1]]);
    world.reap(0);
    world.run(0);
    expect!["Failed 1 done 1 failed 18 cancelled 0 running 0 queued; round 0; "].assert_eq(&view(&world, job));
}

#[test]
fn a_retry_before_the_warden_has_told_waits_for_what_it_is_ending() {
    let mut world = World::one(2);
    let job = world.submit(0, spec(2));
    world.ask(0, Command::Cancel(job)).expect("running");
    let running = world.node(0).ending.clone();
    assert_eq!(running.len(), 2);
    world.recover(0);
    world.event(0, Event::Start { incarnation: 99, slots: 2 });
    world.sync(0);
    assert_eq!(world.ask(0, Command::Retry { job, tasks: None }), Ok(Answer::Tasks(2)));
    world.event(0, Event::WardenUp { running, queued: Vec::new() });
    assert!(world.node(0).hand.is_empty(), "two copies of a task");
    world.reap(0);
    assert_eq!(world.node(0).hand.len(), 2);
    world.run(0);
    expect!["Done 2 done 0 failed 0 cancelled 0 running 0 queued; round 1; "].assert_eq(&view(&world, job));
}

#[test]
fn a_failure_says_nothing_of_what_was_staged_before_it() {
    let mut world = World::one(1);
    let held = world.submit(0, JobSpec { held: true, ..spec(1) });
    let cancel = world.command(0, Command::Cancel(held));
    let submit = world.command(0, Command::Submit(Box::new(spec(1))));
    let (before, _) = world.nodes[0].unsynced[0];
    world.nodes[0].unsynced.truncate(1);
    world.event(0, Event::PersistFailed { after: before, full: false });
    assert_eq!(world.reply(0, submit), Some(Err(Deny::StorageFailed)));
    assert!(world.reply(0, cancel).is_none(), "answered before it was durable");
    world.sync(0);
    assert!(matches!(world.reply(0, cancel), Some(Ok(_))));
}

#[test]
fn the_oldest_finished_job_makes_room_for_a_new_one() {
    let mut world = World::one(1);
    // Ten thousand jobs, looked at after each of thirty thousand events, are a minute.
    world.checked = false;
    let first = world.submit(0, spec(0));
    for _ in 1..tern_core::words::limits::JOBS_MAX {
        world.submit(0, JobSpec { held: true, ..spec(1) });
    }
    let last = world.submit(0, spec(0));
    assert!(world.node(0).machine.job_view(first).is_none());
    assert!(world.node(0).machine.job_view(last).is_some());
    world.submit(0, JobSpec { held: true, ..spec(1) });
    let deny = world.ask(0, Command::Submit(Box::new(spec(1))));
    assert!(matches!(deny, Err(Deny::Limit { what: "jobs", .. })), "{deny:?}");
}
