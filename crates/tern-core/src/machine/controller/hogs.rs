//! The decision matrix at work: processes that take much are held back while this node is loaded, and let go when it is idle.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::decide::balance::rules::{Mode, Rule};
use crate::decide::scum::control::{self, Around, HELD_MAX, Holding, Mark, Process, Reach, Stage, Step};
use crate::machine::effect::Effect;
use crate::machine::node::Machine;
use crate::plan::{Did, Reason};
use crate::words::{JobId, Now, Span};

/// Processes that are remembered after they were let go.
const MARKS_MAX: usize = 4 * HELD_MAX;

/// A task that was sent away and came back is held, and not sent away again, for so long.
const RELIEVED_AGAIN: Span = Span::secs(300);

/// With which processes something was done: number and start time.
#[derive(Debug, Default)]
pub(super) struct Hogs {
    pub reach: Reach,
    marks: BTreeMap<(i32, u64), Mark>,
    /// Tasks that were sent away, with the boot time from which on they may be again. At most [`MARKS_MAX`].
    relieved: BTreeMap<(JobId, u32), u64>,
}

impl Machine {
    /// On which processes the matrix acts.
    pub fn set_reach(&mut self, reach: Reach) {
        self.controller.hogs.reach = reach;
    }

    /// All processes of this machine were looked at.
    pub(in crate::machine) fn processes(&mut self, seen: &[Process], now: Now, out: &mut Vec<Effect>) {
        let key = |process: &Process| (process.pid, process.start_time);
        let alive: BTreeSet<(i32, u64)> = seen.iter().map(key).collect();
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
        // To the letter nothing is done while the sum is 0.
        let rests = self.controller.mode == Mode::Strict && self.controller.rule == Some(Rule::Rest);
        for (process, step) in control::steps(seen, |process| marks.get(&key(process)).copied(), &around) {
            if step == Step::Free || !rests {
                self.act_on(&process, step, &around, now, out);
            }
        }
    }

    /// An idle peer with a free slot.
    fn has_taker(&self) -> bool {
        self.idle_peers().any(|(_, peer)| peer.heard.running < peer.heard.slots)
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
        // One that is leaving a checkpoint must not be held meanwhile.
        if step != Step::Free && process.task.is_some_and(|(job, task)| self.is_moving(job, task)) {
            return;
        }
        let goes = step == Step::Move && !dry && process.task.is_some_and(|task| self.relieve(task, now, out));
        let held = step != Step::Free && !goes;
        // Counted here, since what was to go may have to stay.
        if held && self.held() >= HELD_MAX {
            return;
        }
        let stage = match step {
            _ if goes => Stage::Loose,
            Step::Move | Step::Hold => Stage::Asked,
            Step::Free if dry => Stage::Loose,
            Step::Free => Stage::Freeing,
        };
        let marks = &mut self.controller.hogs.marks;
        marks.insert((pid, start_time), Mark { stage, at: around.now });
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

    /// How many processes the matrix has a hand on.
    fn held(&self) -> usize {
        self.controller.hogs.marks.values().filter(|mark| mark.is_held()).count()
    }

    /// Sends the task away, unless it was lately. Returns whether it goes.
    fn relieve(&mut self, task: (JobId, u32), now: Now, out: &mut Vec<Effect>) -> bool {
        let relieved = &mut self.controller.hogs.relieved;
        relieved.retain(|_, again| *again > now.boot);
        if relieved.len() >= MARKS_MAX || relieved.contains_key(&task) || !self.relieve_of(task.0, task.1, now, out) {
            return false;
        }
        self.controller.hogs.relieved.insert(task, now.boot + RELIEVED_AGAIN);
        true
    }

    /// What the warden holds. Where the matrix may hold nothing any more, what it had held goes at once: nobody looks at processes
    /// then, who could let it go later.
    pub(in crate::machine) fn holds(&mut self, held: &[Holding], now: Now, out: &mut Vec<Effect>) {
        let hogs = &mut self.controller.hogs;
        let over = matches!(hogs.reach, Reach::Off | Reach::DryRun);
        for &Holding { pid, start_time, by_matrix } in held {
            if over && by_matrix {
                out.push(Effect::Free { pid, start_time });
                continue;
            }
            let known = hogs.marks.get(&(pid, start_time)).copied();
            if let Some(mark) = control::told(known, by_matrix, now.boot)
                && (known.is_some() || hogs.marks.len() < MARKS_MAX)
            {
                hogs.marks.insert((pid, start_time), mark);
            }
        }
    }

    /// What was to be held could not be.
    pub(in crate::machine) fn unheld(&mut self, pid: i32) {
        let marks = &mut self.controller.hogs.marks;
        marks.range_mut((pid, 0)..=(pid, u64::MAX)).for_each(|(_, mark)| mark.stage = Stage::Loose);
    }
}
