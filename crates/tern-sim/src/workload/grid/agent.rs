//! One node: its machine, and the least that an agent and a warden are.

use std::collections::{BTreeMap, VecDeque};

use tern_core::machine::Machine;
use tern_core::promise::{Exit, Outcome, Output, State};
use tern_core::words::{Attempt, GrantId, NodeId};

use crate::workload::dice::Dice;
use crate::workload::host::{Host, Run};
use crate::workload::model::NodeSpec;

/// What runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Job {
    pub attempt: Attempt,
    /// The task of the workload.
    pub task: usize,
}

/// What the warden was given and has not started.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub attempt: Attempt,
    pub grant: Option<GrantId>,
    pub cores: u32,
}

pub(super) struct Agent {
    pub id: NodeId,
    pub machine: Machine,
    pub host: Host<Job>,
    pub queue: VecDeque<Waiting>,
    /// When the inputs of what was borrowed are here, seconds.
    pub inputs: BTreeMap<GrantId, f64>,
    /// Ends that are not on the disk yet.
    pub ended: Vec<Outcome>,
    pub syncing: bool,
    /// The last sequence written, and the one that the running fsync covers.
    pub written: u64,
    pub covered: Option<u64>,
    pub alarm: Option<u64>,
}

impl Agent {
    pub(super) fn new(index: usize, spec: NodeSpec) -> Self {
        let mut dice = Dice(index as u64 ^ 0x6B65_7973);
        let mut key = [0; 32];
        for part in key.chunks_mut(8) {
            part.copy_from_slice(&dice.bits().to_be_bytes());
        }
        let id = NodeId(key);
        let host = Host::new(spec);
        Self {
            id,
            machine: Machine::new(State::new(id)),
            host,
            queue: VecDeque::new(),
            inputs: BTreeMap::new(),
            ended: Vec::new(),
            syncing: false,
            written: 0,
            covered: None,
            alarm: None,
        }
    }

    /// The first of what waits whose inputs are here.
    pub(super) fn next_start(&mut self, now: f64) -> Option<Attempt> {
        // The warden knows of its slots only; of its owner the machine.
        let free = self.host.spec.cores.saturating_sub(self.host.used());
        let inputs = &self.inputs;
        if free == 0 {
            return None;
        }
        let here = |one: &Waiting| one.grant.and_then(|grant| inputs.get(&grant)).is_none_or(|at| *at <= now);
        // Slots are fewer than a task takes where its owner came meanwhile: one that is alone runs slower.
        let fits = |one: &Waiting| one.cores <= free || self.host.running.is_empty();
        let place = self.queue.iter().position(|one| here(one) && fits(one))?;
        self.queue.remove(place).map(|one| one.attempt)
    }

    pub(super) fn outcome(&self, run: &Run<Job>, exit: Exit, now: f64) -> Outcome {
        Outcome {
            attempt: run.what.attempt,
            exit,
            started_ms: (run.began * 1e3) as u64,
            ran_ns: ((now - run.began) * 1e9) as u64,
            cpu_us: 0,
            rss_kib: 0,
            ran_on: self.id.tag(),
            stdout: Output::default(),
            stderr: Output::default(),
        }
    }
}
