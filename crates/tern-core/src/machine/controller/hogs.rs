//! The decision matrix at work: processes that take much are held back while this node is loaded, and let go when it is idle.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::decide::scum::control::{self, Around, HELD_MAX, Mark, Process, Reach, Step};
use crate::machine::effect::Effect;
use crate::machine::node::Machine;
use crate::observe::NodeTrit;
use crate::plan::{Did, Reason};
use crate::words::Now;

/// Processes that are remembered after they were let go.
const MARKS_MAX: usize = 4 * HELD_MAX;

/// With which processes something was done: number and start time.
#[derive(Debug, Default)]
pub(super) struct Hogs {
    pub reach: Reach,
    marks: BTreeMap<(i32, u64), Mark>,
}

impl Machine {
    /// On which processes the matrix acts.
    pub fn set_reach(&mut self, reach: Reach) {
        self.controller.hogs.reach = reach;
    }

    /// All processes of this machine were looked at.
    pub(in crate::machine) fn processes(&mut self, seen: &[Process], now: Now, out: &mut Vec<Effect>) {
        let key = |process: &Process| (process.pid, process.start_time);
        let alive: alloc::collections::BTreeSet<(i32, u64)> = seen.iter().map(key).collect();
        let hogs = &mut self.controller.hogs;
        let reach = hogs.reach;
        hogs.marks.retain(|key, _| alive.contains(key));
        for process in seen {
            if let Some(mark) = hogs.marks.get_mut(&key(process)) {
                // Nothing is really held in a dry run.
                *mark = mark.looked(process.throttled || reach == Reach::DryRun, now.boot);
            }
        }
        let around = Around { node: self.trit(), taker: self.has_taker(), reach, now: now.boot };
        let marks = &self.controller.hogs.marks;
        let held = marks.values().filter(|mark| mark.held).count();
        for (process, step) in control::steps(seen, |process| marks.get(&key(process)).copied(), &around, held) {
            self.act_on(&process, step, &around, now, out);
        }
    }

    /// An idle peer with a free slot.
    fn has_taker(&self) -> bool {
        let heard = |peer: &&crate::machine::share::Peer| peer.heard_at > 0 && peer.heard.trit == NodeTrit::Idle;
        self.sharing.peers.values().filter(heard).any(|peer| peer.heard.running < peer.heard.slots)
    }

    fn act_on(&mut self, process: &Process, step: Step, around: &Around, now: Now, out: &mut Vec<Effect>) {
        let Process { pid, start_time, score_milli, .. } = *process;
        let because = Reason::Matrix { score_milli, node: around.node, taker: around.taker };
        let marks = &mut self.controller.hogs.marks;
        let known = marks.contains_key(&(pid, start_time));
        if !known && marks.len() >= MARKS_MAX {
            return;
        }
        let dry = around.reach == Reach::DryRun;
        let goes =
            step == Step::Move && !dry && process.task.is_some_and(|(job, task)| self.relieve_of(job, task, now, out));
        let held = step != Step::Free && !goes;
        let marks = &mut self.controller.hogs.marks;
        marks.insert((pid, start_time), Mark { held, at: around.now, spared: false });
        if goes {
            return self.decided(Did::Relieve { pid }, because);
        }
        self.decided(if held { Did::Hold { pid, dry } } else { Did::Free { pid, dry } }, because);
        match step {
            _ if dry => {}
            Step::Move | Step::Hold => out.push(Effect::Hold { pid, start_time }),
            Step::Free => out.push(Effect::Free { pid, start_time }),
        }
    }

    /// What was to be held could not be.
    pub(in crate::machine) fn unheld(&mut self, pid: i32) {
        let marks = &mut self.controller.hogs.marks;
        marks.range_mut((pid, 0)..=(pid, u64::MAX)).for_each(|(_, mark)| mark.held = false);
    }
}
