//! The agent of one computer: the machine of the core, and the few words about its own wiring that die with it.

use std::collections::BTreeMap;

use tern_core::machine::Machine;
use tern_core::promise::{Head, Job, Outcome, Record, State};
use tern_core::words::{GrantId, JobId, NodeId, TaskSet};

/// The socket between agent and warden, as the agent sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    Closed,
    /// The warden of this generation has welcomed us, and the machine has been told. Only then may anything be sent to
    /// it: what was decided before the welcome was decided about another warden.
    Open(u32),
}

/// The state as it was written whole, so that recovery need not begin with the first record.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    head: Head,
    jobs: Vec<(JobId, Job)>,
    /// How much of the journal and of the segment is in it.
    records: usize,
    ends: usize,
}

/// One life of an agent.
pub struct Agent {
    pub machine: Machine,
    pub link: Link,
    /// The generation of the warden to whose socket we are connected.
    pub connected: Option<u32>,
    /// How much of the result segment the machine has been told.
    pub segment_read: usize,
    /// True time of the alarm that the machine asked for.
    pub alarm: Option<u64>,
    /// The earliest alarm in the queue; later ones are planned when it rings.
    pub alarm_planned: Option<u64>,
    /// Borrowed tasks whose inputs came.
    pub inputs: BTreeMap<GrantId, TaskSet>,
    /// Dies after that many more effects: a crash in the middle of acting.
    pub doomed: Option<u32>,
}

impl std::fmt::Debug for Agent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Agent").field("link", &self.link).field("segment_read", &self.segment_read).finish()
    }
}

impl Agent {
    /// Recovery: the last checkpoint, the journal's records after it, the durable ends after it, and nothing else.
    #[must_use]
    pub fn recover(node: NodeId, from: Option<&Checkpoint>, journal: &[Record], segment: &[Outcome]) -> Self {
        let (mut state, records, ends) = match from {
            Some(from) => (State::from_parts(from.head.clone(), from.jobs.clone()), from.records, from.ends),
            None => (State::new(node), 0, 0),
        };
        for record in &journal[records..] {
            state.apply(record);
        }
        state.apply_outcomes(None, &segment[ends..]);
        Self {
            machine: Machine::new(state),
            link: Link::Closed,
            connected: None,
            segment_read: segment.len(),
            alarm: None,
            alarm_planned: None,
            inputs: BTreeMap::new(),
            doomed: None,
        }
    }

    /// The state just after the first `records` of the journal were applied to it.
    #[must_use]
    pub fn checkpoint(&self, records: usize) -> Checkpoint {
        let state = self.machine.state();
        let jobs = state.jobs().iter().map(|(id, job)| (*id, job.clone())).collect();
        Checkpoint { head: state.head().clone(), jobs, records, ends: self.segment_read }
    }

    /// With a bug on purpose.
    #[cfg(feature = "planted")]
    #[must_use]
    pub fn planted(mut self, plant: Option<tern_core::machine::Plant>) -> Self {
        if let Some(plant) = plant {
            self.machine.plant(plant);
        }
        self
    }
}
