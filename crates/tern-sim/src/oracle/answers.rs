//! Oracles that look at each answer to the client: what is acknowledged must be durable at that instant.

use tern_core::machine::{Answer, Command, Deny};
use tern_core::words::{JobId, JobSpec};

use super::Finding;
use super::facts::Job;
use crate::client::{Asked, says_unknown};
use crate::world::World;

impl World {
    pub(crate) fn answered(&mut self, node: usize, ticket: u64, outcome: &Result<Answer, Deny>) {
        let Some(asked) = self.client.pending.remove(&ticket).filter(|asked| asked.node == node) else {
            self.fail("anytime_one_answer_a_question", format!("node {} answers {ticket}", node + 1));
            return;
        };
        let found = match outcome {
            Ok(answer) => self.acknowledged(&asked, answer),
            Err(deny) => self.denied(&asked, deny, outcome),
        };
        if let Some((oracle, detail)) = found {
            self.fail(oracle, format!("ticket {ticket}: {detail}"));
        }
        match (&asked.command, outcome) {
            (Command::Submit(_) | Command::SubmitNamed { .. }, Ok(Answer::Accepted(job))) => {
                self.client.accepted.insert(*job, node);
            }
            (Command::Submit(spec) | Command::SubmitNamed { spec, .. }, Err(_)) => {
                self.client.refused.insert(spec.name.clone());
            }
            _ => {}
        }
    }

    fn acknowledged(&self, asked: &Asked, answer: &Answer) -> Finding {
        let job = |id: &JobId| self.ledger.jobs.get(id).filter(|job| job.durable && job.owner == asked.node);
        // A record of this kind is durable that no earlier one of the opposite kind follows.
        let stands =
            |id: &JobId, at: fn(&Job) -> Option<usize>, against: fn(&Job) -> Option<usize>, initially: bool| {
                job(id).is_some_and(|job| {
                    let against = against(job).filter(|index| *index < asked.since);
                    match (at(job), against) {
                        (Some(at), Some(against)) => at > against,
                        (Some(_), None) => true,
                        (None, against) => initially && against.is_none(),
                    }
                })
            };
        let durable = match (&asked.command, answer) {
            (Command::Submit(spec) | Command::SubmitNamed { spec, .. }, Answer::Accepted(id)) => {
                job(id).is_some_and(|job| is_as_asked(&job.spec, spec))
            }
            (Command::Submit(_) | Command::SubmitNamed { .. }, _) => false,
            (Command::Hold(id), _) => {
                let initially = job(id).is_some_and(|job| job.spec.held);
                stands(id, |job| job.held_at, |job| job.released_at, initially)
            }
            (Command::Release(id), _) => {
                let initially = job(id).is_some_and(|job| !job.spec.held);
                stands(id, |job| job.released_at, |job| job.held_at, initially)
            }
            (Command::Cancel(_), Answer::Tasks(0)) => true,
            (Command::Cancel(id), _) => stands(id, |job| job.cancelled_at, |job| job.retried_at, false),
            (Command::Retry { job: id, .. }, _) => {
                job(id).is_some_and(|job| job.retried_at.is_some_and(|at| at >= asked.since))
            }
            (Command::Forget(id), _) => job(id).is_some_and(|job| job.forgotten),
            (Command::Drain { wait: true } | Command::Leave, _) => return self.drained(asked.node),
            (Command::Drain { wait: false }, _) => {
                self.ledger.drained_at[asked.node].is_some_and(|at| at >= asked.since)
            }
            (Command::Undrain, _) | (Command::Migrate { .. }, Answer::Migrated(_)) => true,
            (Command::Migrate { .. }, _) => false,
        };
        (!durable).then(|| ("anytime_acknowledged_is_durable", format!("{asked:?} got {answer:?}")))
    }

    fn drained(&self, node: usize) -> Finding {
        let warden = &self.nodes[node].warden;
        let runs = warden.running.len() + warden.queue.len();
        (warden.alive && runs > 0)
            .then(|| ("anytime_drained_is_empty", format!("{runs} attempts on node {}", node + 1)))
    }

    fn denied(&self, asked: &Asked, deny: &Deny, outcome: &Result<Answer, Deny>) -> Finding {
        if let Some(job) = says_unknown(outcome)
            && self.client.accepted.contains_key(&job)
            && !self.client.forgotten.contains(&job)
        {
            return Some(("anytime_acknowledged_is_known", format!("{job} was accepted and is unknown")));
        }
        if let Command::Submit(spec) | Command::SubmitNamed { spec, .. } = &asked.command
            && self.ledger.jobs.values().any(|job| job.durable && job.spec.name == spec.name)
        {
            return Some(("anytime_denied_leaves_no_trace", format!("{} is durable and denied: {deny:?}", spec.name)));
        }
        None
    }
}

/// What was accepted is what was asked for; how long it may run the node may have added.
fn is_as_asked(accepted: &JobSpec, asked: &JobSpec) -> bool {
    let work = if asked.work.is_empty() { accepted.work.clone() } else { asked.work.clone() };
    *accepted == JobSpec { work, ..asked.clone() }
}
