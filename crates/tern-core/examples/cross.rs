//! What the core costs a task that crosses: an owner whose own places are taken, a borrower whose warden needs no time, and every
//! message between them written and read as on the wire.
//!
//! Prints nanoseconds per task, of both nodes together, from submission to the last counted result, without disk and processes.

use std::collections::VecDeque;
use std::time::Instant;

use tern_core::machine::{Command, Effect, Event, Machine};
use tern_core::promise::{Exit, Outcome, Output, State};
use tern_core::wire;
use tern_core::words::template::Template;
use tern_core::words::{Attempt, Bytes, Inputs, JobSpec, NodeId, Now};

const TASKS: u32 = 200_000;
/// Ends that the warden reports together.
const BATCH: usize = 64;
/// What a task runs, nanoseconds: the clock goes on by so much with each report.
const RUN: u64 = 1_000_000;

struct Node {
    id: NodeId,
    machine: Machine,
    events: VecDeque<Event>,
    hand: Vec<Attempt>,
    wake: u64,
    counted: usize,
}

impl Node {
    fn new(byte: u8, slots: u32) -> Self {
        let id = NodeId([byte; 32]);
        let start = Event::Start { incarnation: byte.into(), slots };
        let events = [start, Event::WardenUp { running: Vec::new(), queued: Vec::new() }].into();
        Self { id, machine: Machine::new(State::new(id)), events, hand: Vec::new(), wake: u64::MAX, counted: 0 }
    }

    fn ended(&self, attempt: Attempt) -> Outcome {
        let none = Output::default();
        let ran_on = self.id.tag();
        let exit = Exit::Code(0);
        Outcome { attempt, exit, started_ms: 0, ran_ns: RUN, cpu_us: 0, rss_kib: 0, ran_on, stdout: none, stderr: none }
    }

    /// Handles what is there; returns what goes to the other node.
    fn step(&mut self, now: Now, effects: &mut Vec<Effect>) -> Vec<Vec<u8>> {
        let mut sent = Vec::new();
        while let Some(event) = self.events.pop_front() {
            self.machine.handle(event, now, effects);
            for effect in effects.drain(..) {
                match effect {
                    Effect::Persist { sequence, .. } => self.events.push_back(Event::Persisted(sequence)),
                    Effect::Dispatch(dispatch) => {
                        let (job, round, epoch, n) = (dispatch.job, dispatch.round, dispatch.epoch, dispatch.n);
                        self.hand.extend(dispatch.tasks.0.iter().map(|task| Attempt { job, task, round, epoch, n }));
                    }
                    Effect::Send { mut message, .. } => {
                        if let wire::Message::Lend { tasks, argv, .. } = &mut message {
                            *argv = vec![Vec::new(); tasks.len() as usize];
                        }
                        sent.push(wire::encode(&message));
                    }
                    Effect::Tell(told) => sent.push(wire::encode(&told.message())),
                    Effect::WakeAt(at) => self.wake = at,
                    Effect::Counted { outcomes, .. } => self.counted += outcomes.len(),
                    _ => {}
                }
            }
        }
        sent
    }
}

fn main() {
    // The owner's warden never ends anything: all but what it was given first must cross.
    let (mut owner, mut borrower) = (Node::new(1, 1), Node::new(2, 64));
    owner.events.push_back(Event::PeerUp(borrower.id));
    borrower.events.push_back(Event::PeerUp(owner.id));
    let command = Template::parse(&[Bytes::from("true")], None, false).expect("one word is a command");
    let spec = JobSpec { command, inputs: Inputs::None, tasks: TASKS, tries: 1, ..JobSpec::default() };
    owner.events.push_back(Event::Command { ticket: 1, command: Command::Submit(Box::new(spec)) });
    let (mut now, mut effects, begin) = (Now::default(), Vec::new(), Instant::now());
    while owner.counted + owner.hand.len() < TASKS as usize || owner.counted == 0 {
        for bytes in owner.step(now, &mut effects) {
            let message = wire::decode(&bytes).expect("a machine's own message");
            borrower.events.push_back(Event::Message { from: owner.id, message });
        }
        for bytes in borrower.step(now, &mut effects) {
            let message = wire::decode(&bytes).expect("a machine's own message");
            owner.events.push_back(Event::Message { from: borrower.id, message });
        }
        let some = borrower.hand.len().min(BATCH);
        let ended: Vec<Outcome> =
            borrower.hand.split_off(borrower.hand.len() - some).into_iter().map(|one| borrower.ended(one)).collect();
        if !ended.is_empty() {
            borrower.events.push_back(Event::Finished(ended));
            now.boot += RUN;
        } else if owner.events.is_empty() && borrower.events.is_empty() {
            now.boot = now.boot.max(owner.wake.min(borrower.wake)) + 1;
            owner.events.push_back(Event::Tick);
            borrower.events.push_back(Event::Tick);
        }
        now.mono = now.boot;
        now.wall_ms = now.boot / 1_000_000;
    }
    println!("{} ns per task", begin.elapsed().as_nanos() / u128::from(TASKS));
}
