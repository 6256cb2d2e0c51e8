//! Does what the machine wants done, as an adapter does: in order, deciding nothing.

use tern_core::machine::{Dispatch, Effect, Event};
use tern_core::promise::Record;
use tern_core::wire::{Made, Message, TaskFiles};
use tern_core::words::{Attempt, GrantId, TaskSet};

use super::agents::Cause;
use super::{What, World, say};
use crate::computer::{Kind, ToWarden};
use crate::text;

const MS: u64 = 1_000_000;

impl World {
    pub(super) fn perform(&mut self, node: usize, effect: Effect, cause: &Cause) {
        if self.story.is_told()
            && let Some((who, what)) = text::effect(&effect)
        {
            self.story.tell(self.now, Some(node), who, &what);
        }
        match effect {
            Effect::Persist { sequence, records } => {
                self.check_records(node, &records, cause);
                self.check_copies(node, &records);
                self.ledger.note_written(node, &records);
                if self.nodes[node].journal.write(sequence, records) {
                    self.start_fsync(node);
                }
                self.check_staged(node);
            }
            Effect::Reply { ticket, outcome } => self.answered(node, ticket, &outcome),
            Effect::Dispatch(dispatch) => self.dispatch(node, dispatch),
            Effect::Stage { grant, tasks } => self.fetch_inputs(node, grant, &tasks),
            Effect::Revoke { job, tasks } => self.tell_warden(node, ToWarden::Revoke { job, tasks }),
            Effect::End { job, tasks } => self.tell_warden(node, ToWarden::End { job, tasks }),
            // No processes are looked at here.
            Effect::Hold { .. } | Effect::Free { .. } => {}
            Effect::Send { to, mut message } => {
                self.check_message(node, to, &message);
                self.shorten(node, &mut message);
                if let Some(to) = self.nodes.iter().position(|peer| peer.id == to) {
                    self.post(node, to, message);
                }
            }
            Effect::Tell(told) => {
                self.network.told[node] = Some(told);
                for to in self.neighbours(node) {
                    self.post(node, to, told.message());
                }
            }
            Effect::Log(line) => self.triads.note(self.nodes[node].id, line, self.now),
            Effect::WakeAt(boot) => self.set_alarm(node, boot),
            Effect::Counted { job, outcomes } => self.check_counted(node, job, &outcomes),
            Effect::Changed { job, over } => self.check_view(node, job, over),
            Effect::Discard { job } => self.check_discard(node, job),
            Effect::Kept { job, task } => self.check_kept(node, job, task),
        }
    }

    /// The commands of every fourth loan are too long for one message: half of it stays behind.
    fn shorten(&mut self, node: usize, message: &mut Message) {
        if let Message::Lend { grant, tasks, .. } = message
            && grant.n.is_multiple_of(4)
            && tasks.len() > 1
        {
            let carried = tasks.take_first(tasks.len() / 2);
            let (grant, rest) = (*grant, std::mem::replace(tasks, carried));
            let generation = self.nodes[node].agent_generation;
            self.queue.plan(self.now + MS, What::Uncarried { node, generation, grant, tasks: rest });
        }
    }

    pub(super) fn uncarried(&mut self, node: usize, generation: u32, grant: GrantId, tasks: TaskSet) {
        let computer = &self.nodes[node];
        if computer.agent.is_some() && computer.agent_generation == generation {
            self.feed(node, Event::Uncarried { grant, tasks });
        }
    }

    fn post(&mut self, node: usize, to: usize, message: Message) {
        match over_the_wire(&filled_in(message)) {
            Ok(message) => self.send(node, to, message),
            // An answer to a lie may be beyond what its reader reads.
            Err(_) if self.nodes[to].kind == Kind::Liar => {}
            Err(why) => self.fail("anytime_own_frames_are_read", format!("node {}: {why}", node + 1)),
        }
    }

    fn dispatch(&mut self, node: usize, dispatch: Dispatch) {
        self.check_dispatch(node, &dispatch);
        let Dispatch { job, round, epoch, n, tasks, grant } = dispatch;
        let attempts = tasks.0.iter().map(|task| Attempt { job, task, round, epoch, n }).collect();
        self.tell_warden(node, ToWarden::Grant(attempts, grant));
    }

    /// Records `from..` of the journal are safe now.
    pub(super) fn records_became_durable(&mut self, node: usize, from: usize) {
        for index in from..self.nodes[node].journal.durable.len() {
            let record = &self.nodes[node].journal.durable[index];
            match record {
                Record::Accepted { spec, .. } => {
                    self.stats.jobs += 1;
                    self.stats.tasks += u64::from(spec.tasks);
                }
                Record::Lent { .. } => self.stats.loans += 1,
                _ => {}
            }
            self.ledger.note_record(node, index, record, self.now);
        }
        let new = self.nodes[node].journal.durable.len() - from;
        if new > 0 {
            say!(self, Some(node), "journal", "{new} records are durable");
        }
    }
}

/// What the other side reads of it.
pub(super) fn over_the_wire(message: &Message) -> Result<Message, String> {
    let frame = tern_core::wire::encode(message);
    let read = tern_core::wire::decode(&frame).map_err(|why| format!("{why:?}: {message:?}"))?;
    if read == *message { Ok(read) } else { Err(format!("{message:?} is read as {read:?}")) }
}

/// What an adapter adds to a message: argument vectors, and output.
fn filled_in(mut message: Message) -> Message {
    match &mut message {
        Message::Lend { tasks, argv, travel, .. } => {
            *argv = (0..tasks.len()).map(|_| vec!["task".into()]).collect();
            if let Some(travel) = travel {
                travel.tasks = (0..tasks.len()).map(|_| TaskFiles::default()).collect();
            }
        }
        Message::Results { outcomes, output, made, .. } => {
            *made = outcomes.iter().map(|_| Made::default()).collect();
            *output = outcomes.iter().map(|_| Default::default()).collect();
        }
        _ => {}
    }
    message
}
