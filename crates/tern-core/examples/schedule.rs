//! What the core costs a task: one job of a million tasks, a warden that needs no time.
//!
//! Prints nanoseconds per task from submission to the end of the job, without disk and processes.

use std::time::Instant;
use tern_core::machine::{Command, Effect, Event, Machine};
use tern_core::promise::{Exit, Outcome, Output, State};
use tern_core::words::spec::Halt;
use tern_core::words::template::Template;
use tern_core::words::{Attempt, Bytes, Inputs, JobSpec, NodeId, Now};

const TASKS: u32 = 1_000_000;
/// Ends that the warden reports together.
const BATCH: usize = 64;

fn spec() -> JobSpec {
    JobSpec {
        name: String::new(),
        command: Template::parse(&[Bytes::from("true")], None, false).unwrap_or_default(),
        inputs: Inputs::None,
        tasks: TASKS,
        parallel: 0,
        tries: 1,
        timeout_ms: None,
        halt: Halt::default(),
        held: false,
        local_only: false,
        rlimits: Vec::new(),
        env: Vec::new(),
        ..JobSpec::default()
    }
}

fn ended(attempt: Attempt) -> Outcome {
    let none = Output::default();
    Outcome {
        attempt,
        exit: Exit::Code(0),
        started_ms: 0,
        ran_ns: 1_000_000,
        cpu_us: 0,
        rss_kib: 0,
        ran_on: 1,
        stdout: none,
        stderr: none,
    }
}

fn main() {
    let mut machine = Machine::new(State::new(NodeId([1; 32])));
    let (mut effects, mut hand, mut over) = (Vec::new(), Vec::new(), false);
    let mut now = Now::default();
    let begin = Instant::now();
    let mut events = vec![
        Event::Start { incarnation: 7, slots: 64 },
        Event::WardenUp { running: Vec::new(), queued: Vec::new() },
        Event::Command { ticket: 1, command: Command::Submit(Box::new(spec())) },
    ];
    while !over {
        for event in events.drain(..) {
            now.boot += 1_000_000;
            machine.handle(event, now, &mut effects);
        }
        for effect in effects.drain(..) {
            match effect {
                Effect::Persist { sequence, .. } => events.push(Event::Persisted(sequence)),
                Effect::Dispatch(dispatch) => {
                    let (job, round, epoch, n) = (dispatch.job, dispatch.round, dispatch.epoch, dispatch.n);
                    hand.extend(dispatch.tasks.0.iter().map(|task| Attempt { job, task, round, epoch, n }));
                }
                Effect::Changed { over: true, .. } => over = true,
                _ => {}
            }
        }
        let batch = hand.drain(..hand.len().min(BATCH)).map(ended).collect::<Vec<_>>();
        if !batch.is_empty() {
            events.push(Event::Finished(batch));
        }
    }
    let nanos = begin.elapsed().as_nanos() / u128::from(TASKS);
    println!("{nanos} ns per task");
}
