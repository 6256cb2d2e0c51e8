//! Oracles of second copies: only of what may run twice, one a task, out of the budget.

use tern_core::decide::balance::straggler::BUDGET;
use tern_core::plan::Did;
use tern_core::promise::Record;

use crate::world::World;

impl World {
    /// What goes to the disk: a loan of a task that somebody has already is a second copy, and was meant as one.
    pub(crate) fn check_copies(&mut self, node: usize, records: &[Record]) {
        for record in records {
            let Record::Lent { grant, job, to, tasks, .. } = record else { continue };
            let Some(agent) = &self.nodes[node].agent else { continue };
            let copies = |did: &Did| matches!(did, Did::Copy { job: of, to: there } if of == job && there == to);
            // In the same moment other things may be decided after it.
            let at = agent.machine.decisions().last().map(|decision| decision.at);
            let meant = agent.machine.decisions().any(|decision| Some(decision.at) == at && copies(&decision.did));
            let (counted, spent) = agent.machine.copied_ms();
            for task in &tasks.0 {
                let first = self.ledger.lent_to(*job, task);
                let here =
                    self.nodes[node].warden.live().any(|run| (run.attempt.job, run.attempt.task) == (*job, task));
                if !meant && first.is_none() && !here {
                    continue;
                }
                let twice = self.ledger.copies.iter().any(|(of, copied, first, second)| {
                    let open = |grant| {
                        self.ledger.grants.get(grant).is_some_and(|known| !known.closed && known.open.contains(task))
                    };
                    (*of, *copied) == (*job, task) && open(second) && first.as_ref().is_none_or(open)
                });
                let spec = self.ledger.spec(*job);
                let once = spec.is_none_or(|spec| spec.exclusive || spec.local_only || spec.stage.is_some());
                let wrong = match () {
                    () if !meant => Some("nobody meant to copy it"),
                    () if once => Some("it must not run twice"),
                    () if twice => Some("it has a copy"),
                    () if spent > BUDGET * counted + 1e-6 => Some("the budget is spent"),
                    () => None,
                };
                if let Some(wrong) = wrong {
                    let detail = format!(
                        "task {task} of {job} is lent to {to} while {first:?} or the warden ({here}) has it: {wrong}"
                    );
                    return self.fail("anytime_copies_are_allowed", detail);
                }
                self.ledger.copies.insert((*job, task, first, *grant));
                self.stats.copies += 1;
            }
        }
    }
}
