//! What wardens do: run what they were given, write down how it ended, die and be born.

use tern_core::promise::{Exit, Outcome, Output};
use tern_core::words::limits::KILL_GRACE;
use tern_core::words::{Attempt, GrantId};

use super::{What, World, say};
use crate::computer::{FromWarden, Link, Power, Run, ToWarden};

const MS: u64 = 1_000_000;

impl World {
    pub(super) fn warden_starts(&mut self, node: usize) {
        if self.nodes[node].warden.alive || self.nodes[node].power != Power::On {
            return;
        }
        let warden = &mut self.nodes[node].warden;
        warden.alive = true;
        let (mut killed, mut adopted) = (Vec::new(), Vec::new());
        for run in warden.orphans.drain(..) {
            let adopt = self.plan.faulty_ms > 0 && self.dice.work.u32(..4) == 0;
            if adopt { adopted.push(run) } else { killed.push(run) }
        }
        say!(self, Some(node), "warden", "starts: {} orphans killed, {} adopted", killed.len(), adopted.len());
        self.nodes[node].warden.running.extend(adopted);
        if self.dice.work.bool() {
            for run in killed {
                let lost = Run { exit: Exit::Void, ..run };
                self.write_end(node, &lost);
            }
        }
        let soon = self.now + self.dice.net.u64(100_000..2 * MS);
        self.queue.plan(soon, What::Connect(node));
    }

    /// kill -9, and the next one after `restart_ms`.
    pub fn kill_warden(&mut self, node: usize, restart_ms: u64) {
        if !self.nodes[node].warden.alive {
            return;
        }
        let warden = &mut self.nodes[node].warden;
        warden.crash();
        let orphans = warden.orphans.len();
        say!(self, Some(node), "warden", "DIES and leaves {orphans} orphans");
        let computer = &mut self.nodes[node];
        computer.to_warden.clear();
        let kept = self.dice.disk.usize(..=computer.to_agent.len());
        computer.to_agent.truncate(kept);
        self.tell_agent(node, FromWarden::Down);
        if let Some(agent) = self.nodes[node].agent.as_mut() {
            agent.connected = None;
        }
        self.queue.plan(self.now + (restart_ms + 1) * MS, What::WardenStarts(node));
    }

    /// The agent writes to the socket; what nobody can read is lost.
    pub(super) fn tell_warden(&mut self, node: usize, what: ToWarden) {
        let computer = &mut self.nodes[node];
        let generation = computer.warden.generation;
        let open = computer.agent.as_ref().is_some_and(|agent| agent.link == Link::Open(generation));
        if open && computer.warden.alive {
            computer.to_warden.push_back(what);
            let at = self.now + self.dice.net.u64(20_000..400_000);
            self.queue.plan(at, What::WardenReads { node, generation });
        } else {
            say!(self, Some(node), "agent", "… which nobody reads: there is no warden");
        }
    }

    pub(super) fn warden_reads(&mut self, node: usize, generation: u32) {
        let computer = &mut self.nodes[node];
        if computer.warden.generation != generation || !computer.warden.alive {
            return;
        }
        match computer.to_warden.pop_front() {
            None => {}
            Some(ToWarden::Grant(attempts, grant)) => {
                computer.warden.queue.extend(attempts.into_iter().map(|attempt| (attempt, grant)));
                self.check_warden_queue(node);
                self.start_tasks(node);
            }
            Some(ToWarden::Revoke { job, tasks }) => {
                let back = computer.warden.revoke(job, &tasks);
                self.tell_agent(node, FromWarden::Revoked(back));
            }
            Some(ToWarden::End { job, tasks }) => {
                self.end_tasks(node, |run| run.attempt.job == job && tasks.contains(run.attempt.task));
            }
        }
    }

    /// TERM now, KILL after the grace; a task may also end by itself first.
    fn end_tasks(&mut self, node: usize, named: impl Fn(&Run) -> bool) {
        let stubborn = self.plan.faulty_ms > 0 && self.dice.work.u32(..3) == 0;
        let by = self.now + if stubborn { KILL_GRACE.0 } else { self.dice.work.u64(1..30) * MS };
        let ledger = &self.ledger;
        let keeps = |run: &Run| ledger.spec(run.attempt.job).is_some_and(|spec| spec.checkpoint.is_some());
        for run in self.nodes[node].warden.running.iter_mut().filter(|run| named(run)) {
            run.ending = true;
            if run.ends <= by {
                continue;
            }
            run.ends = by;
            // Some end with 85 whose jobs said nothing of it.
            let keeps = !stubborn && (keeps(run) || run.id.is_multiple_of(7));
            run.exit = if keeps { Exit::Checkpointed } else { Exit::Cancelled };
            self.queue.plan(by, What::RunEnds { node, run: run.id });
        }
    }

    pub(super) fn start_tasks(&mut self, node: usize) {
        while let Some((attempt, grant)) = self.nodes[node].warden.next_start() {
            self.start_task(node, attempt, grant);
            if self.failure.is_some() {
                return;
            }
        }
    }

    fn start_task(&mut self, node: usize, attempt: Attempt, grant: Option<GrantId>) {
        self.check_run_starts(node, &attempt, grant);
        let nth = self.ledger.count_run(&attempt);
        let (mut lasts, mut exit) = self.client.fate(self.plan.seed, &self.ledger, &attempt, nth);
        let timeout = self.ledger.spec(attempt.job).and_then(|spec| spec.timeout_ms);
        if let Some(timeout) = timeout.map(|ms| ms * MS).filter(|timeout| *timeout < lasts) {
            (lasts, exit) = (timeout, Exit::TimedOut);
        }
        self.runs += 1;
        self.stats.runs += 1;
        say!(self, Some(node), "warden", "starts {}", crate::text::attempt(&attempt));
        let started_ms = self.nodes[node].clock.now(self.now).wall_ms;
        let ends = self.now + lasts;
        let run = Run { id: self.runs, attempt, grant, started: self.now, started_ms, ends, exit, ending: false };
        self.queue.plan(ends, What::RunEnds { node, run: run.id });
        self.nodes[node].warden.running.push(run);
    }

    pub(super) fn run_ends(&mut self, node: usize, run: u64) {
        let Some((mut run, orphan)) = self.nodes[node].warden.take_ended(run, self.now) else { return };
        if orphan {
            say!(self, Some(node), "orphan", "{} ends unseen", crate::text::attempt(&run.attempt));
            return;
        }
        if self.nodes[node].warden.full && !run.exit.is_success() {
            run.exit = Exit::Void;
        }
        self.write_end(node, &run);
        self.start_tasks(node);
    }

    /// Appends the end of an attempt to the segment; it counts when the fsync has returned.
    fn write_end(&mut self, node: usize, run: &Run) {
        say!(
            self,
            Some(node),
            "warden",
            "{} ends: {}",
            crate::text::attempt(&run.attempt),
            crate::text::exit(run.exit)
        );
        let computer = &mut self.nodes[node];
        let outcome = Outcome {
            attempt: run.attempt,
            exit: run.exit,
            started_ms: run.started_ms,
            ran_ns: self.now - run.started.min(self.now),
            cpu_us: 0,
            rss_kib: 0,
            ran_on: computer.id.tag(),
            stdout: Output::default(),
            stderr: Output::default(),
        };
        computer.warden.unsynced.push(outcome);
        if computer.warden.syncing == 0 {
            self.sync_segment(node);
        }
    }

    fn sync_segment(&mut self, node: usize) {
        let warden = &mut self.nodes[node].warden;
        warden.syncing = warden.unsynced.len();
        if warden.syncing > 0 {
            let generation = warden.generation;
            let (least, most) = self.plan.fsync_us;
            let at = self.now + self.dice.disk.u64(least..most) * 1_000;
            self.queue.plan(at, What::SegmentSynced { node, generation });
        }
    }

    pub(super) fn segment_synced(&mut self, node: usize, generation: u32) {
        let warden = &mut self.nodes[node].warden;
        if warden.generation != generation || warden.syncing == 0 {
            return;
        }
        let from = warden.segment.len();
        let synced = warden.syncing.min(warden.unsynced.len());
        warden.segment.extend(warden.unsynced.drain(..synced));
        let end = warden.segment.len();
        let new = warden.segment[from..].to_vec();
        self.ledger.note_durable(node, &new);
        self.tell_agent(node, FromWarden::Finished { end, again: 0 });
        self.sync_segment(node);
    }

    /// No room under the results for a while.
    pub fn results_full(&mut self, node: usize, for_ms: u64) {
        if self.nodes[node].warden.full || !self.nodes[node].warden.alive {
            return;
        }
        say!(self, Some(node), "disk", "no room for results for {for_ms} ms");
        self.nodes[node].warden.full = true;
        self.tell_agent(node, FromWarden::Full(true));
        self.queue.plan(self.now + for_ms * MS, What::Repair(super::faults::Repair::Results(node)));
    }

    pub(super) fn results_room(&mut self, node: usize) {
        if !self.nodes[node].warden.full {
            return;
        }
        say!(self, Some(node), "disk", "there is room for results again");
        self.nodes[node].warden.full = false;
        self.tell_agent(node, FromWarden::Full(false));
        self.start_tasks(node);
    }
}
