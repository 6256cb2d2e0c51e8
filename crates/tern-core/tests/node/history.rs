//! What a node learns of how long tasks run, and what it makes of it when the same command comes again.

use crate::world::{World, spec};
use tern_core::machine::{Answer, Command, Effect, Event};
use tern_core::observe::history::{command_key, row_key, task_key};
use tern_core::promise::Exit;
use tern_core::words::template::Template;
use tern_core::words::{Bytes, Discipline, Inputs, JobId, JobSpec, TaskSet, work};

/// `sim 0`, `sim 1` … in the order that is longest first.
fn sims(tasks: u32) -> JobSpec {
    job("sim", Discipline::Batch, tasks)
}

fn job(command: &str, discipline: Discipline, tasks: u32) -> JobSpec {
    let command = Template::parse(&[Bytes::from(command), Bytes::from("{}")], None, false).expect("two words");
    JobSpec { command, discipline, inputs: Inputs::Array { first: 0 }, ..spec(tasks) }
}

/// The tasks of a job that a node gave to its warden, in order.
fn started(world: &World, node: usize, job: JobId) -> Vec<u32> {
    let log = world.node(node).log.iter().filter_map(|effect| match effect {
        Effect::Dispatch(dispatch) if dispatch.job == job => Some(&dispatch.tasks),
        _ => None,
    });
    log.flat_map(|tasks| tasks.0.iter().collect::<Vec<_>>()).collect()
}

fn accepted(world: &World, job: JobId) -> &JobSpec {
    &world.node(0).machine.state().job(job).expect("known").spec
}

#[test]
fn the_second_run_of_a_batch_starts_its_longest_task_first() {
    let mut world = World::one(1);
    world.lasts = Box::new(|attempt| [1_000, 8_000, 2_000, 4_000][attempt.task as usize]);
    let first = world.submit(0, sims(4));
    world.run(0);
    assert_eq!(started(&world, 0, first), [0, 1, 2, 3], "nothing is known yet");
    assert!(world.node(0).machine.explain(first, None).expect("known").estimate.is_none());
    let second = world.submit(0, sims(4));
    world.run(0);
    assert_eq!(started(&world, 0, second), [1, 3, 2, 0]);
    // A task that never ran is expected to take what its command usually takes.
    let larger = world.submit(0, sims(5));
    let usual = work::ms(accepted(&world, larger).work_of(4)).expect("known");
    assert!((2_600.0..3_100.0).contains(&usual), "{usual}");
}

#[test]
fn rows_are_told_apart_by_what_stands_in_them() {
    let mut world = World::one(1);
    world.lasts = Box::new(|attempt| if attempt.task == 1 { 9_000 } else { 1_000 });
    let named = |names: &[&str]| {
        let spec = Box::new(JobSpec { inputs: Inputs::Rows, ..sims(names.len() as u32) });
        let rows = names.iter().map(|name| row_key(&[Bytes::from(*name)])).collect();
        Command::SubmitNamed { spec, rows, adaptive: false }
    };
    world.ask(0, named(&["a", "b", "c"])).expect("accepted");
    world.run(0);
    let Ok(Answer::Accepted(second)) = world.ask(0, named(&["x", "c", "a", "b"])) else { panic!("not accepted") };
    world.run(0);
    assert_eq!(started(&world, 0, second)[0], 3, "b, wherever it stands");
    let command = Command::SubmitNamed { spec: Box::new(sims(4)), rows: vec![1], adaptive: false };
    world.ask(0, command).expect("names that do not fit are no names");
}

#[test]
fn a_short_command_passes_a_long_one_once_both_are_known() {
    let mut world = World::one(1);
    let long = |world: &mut World, command| world.submit(0, job(command, Discipline::Interactive, 1));
    for (command, ms) in [("slow", 60_000), ("quick", 100)] {
        world.lasts = Box::new(move |_| ms);
        long(&mut world, command);
        world.run(0);
    }
    let running = long(&mut world, "slow");
    let slow = long(&mut world, "slow");
    world.after_ms(50);
    let quick = long(&mut world, "quick");
    world.after_ms(1_000);
    let order = |world: &World| {
        [running, slow, quick].map(|job| {
            let first = |effect: &Effect| matches!(effect, Effect::Dispatch(dispatch) if dispatch.job == job);
            world.node(0).log.iter().position(first)
        })
    };
    world.run(0);
    let [running, slow, quick] = order(&world);
    assert!(running < quick && quick < slow, "{running:?} {quick:?} {slow:?}");
}

#[test]
fn a_run_elsewhere_counts_with_the_speed_of_the_node_that_ran_it() {
    let mut world = World::of(&[0, 1]);
    let fast = world.node(1).id;
    world.connect(0, 1);
    world.nodes[0].machine.set_peer_speed(fast, 2_000);
    world.nodes[1].machine.set_speed(2_000);
    world.lasts = Box::new(|_| 3_000);
    world.submit(0, sims(1));
    for _ in 0..20 {
        world.calm();
        world.finish(1, 1);
        world.tick(100);
    }
    assert_eq!(world.counted(0).len(), 1, "the other ran it");
    let history = world.nodes[0].machine.take_history().expect("something was learnt");
    let [(key, known)] = history.commands[..] else { panic!("{history:?}") };
    assert_eq!((key, known.runs), (command_key(&sims(1).command), 1));
    assert!((known.ms() / 6_000.0 - 1.0).abs() < 0.01, "{known:?}");
    assert_eq!(history.tasks[0].0, task_key(key, row_key(&[Bytes::from("0")])));
    assert!(world.nodes[0].machine.take_history().is_none(), "nothing new");
    assert!(world.nodes[1].machine.take_history().is_none(), "who lends his machine learns nothing of others' work");
}

#[test]
fn what_fails_or_ends_a_second_time_teaches_nothing() {
    let mut world = World::one(1);
    world.exit = Box::new(|attempt| if attempt.task == 0 { Exit::Code(0) } else { Exit::Code(1) });
    world.submit(0, sims(3));
    world.run(0);
    let again = world.node(0).reported.clone();
    world.event(0, Event::Finished(again));
    let history = world.nodes[0].machine.take_history().expect("one was good");
    assert_eq!((history.commands[0].1.runs, history.tasks.len()), (1, 1));
}

#[test]
fn an_estimate_is_promised_and_experience_is_recalled() {
    let mut world = World::one(1);
    world.lasts = Box::new(|attempt| [1_000, 8_000][attempt.task as usize]);
    world.submit(0, sims(2));
    world.run(0);
    world.submit(0, JobSpec { held: true, ..sims(2) });
    let second = world.submit(0, JobSpec { held: true, ..sims(2) });
    let before = accepted(&world, second).work.clone();
    let history = world.nodes[0].machine.take_history().expect("something was learnt");
    world.crash(0, 1);
    assert_eq!(accepted(&world, second).work, before, "the journal says the same");
    world.event(0, Event::Recalled(Box::new(history)));
    world.ask(0, Command::Release(second)).expect("released");
    world.run(0);
    assert_eq!(started(&world, 0, second), [1, 0]);
    let estimate = world.node(0).machine.explain(second, Some(1)).expect("known").estimate.expect("known");
    assert!((7_500.0..8_500.0).contains(&estimate.least_ms) && estimate.runs >= 2, "{estimate:?}");
    assert!(estimate.within.is_some_and(|within| within < 1.1), "{estimate:?}");
}

#[test]
fn a_million_tasks_of_one_command_are_one_estimate_and_few_memories() {
    let mut world = World::one(1_000);
    world.checked = false;
    world.lasts = Box::new(|attempt| if attempt.task % 1_000 == 7 { 400 } else { 10 });
    let tasks = 200_000;
    world.submit(0, sims(tasks));
    while !world.node(0).hand.is_empty() {
        world.finish(0, 1_000);
    }
    let history = world.nodes[0].machine.take_history().expect("something was learnt");
    assert_eq!((history.commands[0].1.runs, history.tasks.len()), (tasks, 0), "too many to tell apart");
    let second = world.submit(0, sims(tasks));
    assert_eq!(accepted(&world, second).work.len(), 1);
    assert_eq!(world.node(0).machine.job_view(second).expect("known").tasks.total, tasks);
}

#[test]
fn of_a_large_job_the_long_tasks_are_remembered() {
    let mut world = World::one(1_000);
    world.checked = false;
    world.lasts = Box::new(|attempt| if attempt.task % 1_000 == 7 { 400 } else { 10 });
    world.submit(0, sims(20_000));
    while !world.node(0).hand.is_empty() {
        world.finish(0, 1_000);
    }
    let second = world.submit(0, sims(20_000));
    let spec = accepted(&world, second);
    let long: TaskSet = (0..20_000).filter(|task| work::ms(spec.work_of(*task)).is_some_and(|ms| ms > 300.0)).collect();
    assert_eq!(long, (0..20).map(|thousand| thousand * 1_000 + 7).collect());
}

#[test]
fn a_job_that_says_itself_how_long_it_runs_is_believed() {
    let mut world = World::one(1);
    world.submit(0, sims(2));
    world.run(0);
    let said = Bytes(vec![work::class(5.0), work::class(70.0)]);
    let second = world.submit(0, JobSpec { work: said.clone(), ..sims(2) });
    assert_eq!(accepted(&world, second).work, said);
}
