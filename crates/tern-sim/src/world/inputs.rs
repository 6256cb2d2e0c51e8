//! Files on their way to a borrower: they take their time, come for some tasks before others, and sometimes not at all.

use tern_core::machine::Event;
use tern_core::words::{GrantId, TaskSet, Unfit};

use super::{What, World};

const MS: u64 = 1_000_000;

impl World {
    pub(super) fn fetch_inputs(&mut self, node: usize, grant: GrantId, tasks: &TaskSet) {
        let generation = self.nodes[node].agent_generation;
        let mut rest = tasks.clone();
        let first = rest.take_first(self.dice.work.u32(..=tasks.len()));
        for tasks in [first, rest] {
            if !tasks.is_empty() {
                let at = self.now + self.dice.work.u64(1..400) * MS;
                self.queue.plan(at, What::InputsCome { node, generation, grant, tasks });
            }
        }
    }

    pub(super) fn inputs_come(&mut self, node: usize, generation: u32, grant: GrantId, tasks: TaskSet) {
        let computer = &mut self.nodes[node];
        let Some(agent) = computer.agent.as_mut().filter(|_| computer.agent_generation == generation) else { return };
        let fail = self.plan.faulty_ms > 0 && self.calm_since.is_none() && self.dice.work.u32(..8) == 0;
        if fail {
            let why = if self.dice.work.bool() { Unfit::Inputs } else { Unfit::Program };
            return self.feed(node, Event::Unstaged { grant, tasks, why });
        }
        agent.inputs.entry(grant).or_default().union(&tasks);
        self.feed(node, Event::Staged { grant, tasks });
    }
}
