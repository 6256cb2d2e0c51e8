//! Ends of borrowed tasks on their way to their owner: what they wrote and made goes along, or waits here to be fetched.

use tern_core::promise::{Exit, Outcome, Output};
use tern_core::wire::Made;
use tern_core::words::{Bytes, GrantId, NodeId, limits};

use crate::node::run::Loop;
use crate::stage;
use crate::stage::leave::{Along, Left};
use crate::store;

/// Longer output waits here as a file.
const MAX: usize = limits::RESULT_OUTPUT_BYTES_MAX;

impl Loop {
    /// Adds to ends what the machine does not hold. Those whose files are still being looked for stay out; they follow.
    pub(super) fn fill_in(
        &mut self,
        (to, grant): (NodeId, GrantId),
        outcomes: &mut Vec<Outcome>,
        output: &mut Vec<(Bytes, Bytes)>,
        made: &mut Vec<Made>,
    ) {
        let mut ready = Vec::with_capacity(outcomes.len());
        for mut outcome in outcomes.drain(..) {
            let Some(along) = self.along((to, grant), &outcome) else { continue };
            let (said, files) = match along {
                Along::Here { made, refused } => match self.output_for(&outcome, &made) {
                    Some(mut said) => {
                        if let Some(trouble) = refused {
                            stage::take::fails(&mut outcome, &mut said, &trouble);
                        }
                        (said, made)
                    }
                    None => lost(&mut outcome),
                },
                Along::Lost => lost(&mut outcome),
                Along::Coming => continue,
            };
            output.push(said);
            made.push(files);
            ready.push(outcome);
        }
        *outcomes = ready;
        if made.iter().all(Made::is_nothing) {
            made.clear();
        }
    }

    /// What goes with this end; None: it was only asked for now.
    fn along(&mut self, (to, grant): (NodeId, GrantId), outcome: &Outcome) -> Option<Along> {
        if let Some(known) = self.orders.along(grant, outcome.attempt.task) {
            return Some(known.clone());
        }
        let Some(stager) = &self.stager else { return Some(Along::default()) };
        let long = [outcome.stdout, outcome.stderr].map(|range| self.files && range.len > MAX as u64);
        match self.orders.leaving(to, grant, outcome, long) {
            Some(leaving) => {
                stager.leave(leaving);
                None
            }
            None => Some(Along::default()),
        }
    }

    /// What goes with an end was looked for: it is told, if its loan goes on.
    pub(in crate::node) fn left(&mut self, left: Left) {
        let Left { to, grant, outcome, along } = left;
        if self.orders.left(grant, outcome.attempt.task, along) {
            let none = (Vec::new(), Vec::new());
            self.send(
                to,
                tern_core::wire::Message::Results { grant, outcomes: vec![outcome], output: none.0, made: none.1 },
            );
        }
    }

    /// What a lent task wrote, but for what waits as a file. None: it cannot be read.
    fn output_for(&self, outcome: &Outcome, made: &Made) -> Option<(Bytes, Bytes)> {
        let read = |which: usize, range: Output| {
            if made.long[which].is_some() {
                return Some(Vec::new());
            }
            let read = store::results::read_output(&self.home, range, which == 1, 0, MAX);
            read.inspect_err(|error| tracing::warn!(%error, "the output of a lent task cannot be read")).ok()
        };
        let (stdout, mut stderr) = (read(0, outcome.stdout)?, read(1, outcome.stderr)?);
        if made.long == [None, None] {
            say_cut(outcome, &mut stderr, MAX);
        }
        Some((Bytes(stdout), Bytes(stderr)))
    }
}

/// An end without its output does not count, and the owner runs the task again.
fn lost(outcome: &mut Outcome) -> ((Bytes, Bytes), Made) {
    tracing::warn!(task = outcome.attempt.task, "the output of a lent task is lost, and it runs again");
    let none = Output::default();
    *outcome = Outcome { exit: Exit::Void, stdout: none, stderr: none, ..*outcome };
    Default::default()
}

/// Says at the end of the error output what does not travel.
fn say_cut(outcome: &Outcome, stderr: &mut Vec<u8>, max: usize) {
    let mut said = String::new();
    for (name, len) in [("output", outcome.stdout.len), ("error output", outcome.stderr.len)] {
        if len > max as u64 {
            let node = outcome.ran_on;
            said += &format!("tern: of the {name} only {max} of {len} bytes came from node {node:08x}, which ran it\n");
        }
    }
    stderr.truncate(max - said.len());
    stderr.extend_from_slice(said.as_bytes());
}
