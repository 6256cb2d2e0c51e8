//! The loop's side of the warden: connect, catch up with its segments, notice its death, start the next.

mod begin;
pub mod devices;
pub mod orders;
mod throttles;

use std::ffi::OsString;
use std::sync::mpsc::SyncSender;

use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use tern_core::machine::{Effect, Event};
use tern_core::words::{Attempt, JobId, Now, Span};
use tokio::sync::oneshot;

use self::begin::{Beginning, Reply};
use self::throttles::Throttles;
use super::input::Input;
use super::run::Loop;
use crate::clock;
use crate::home::Home;
use crate::process::link::{LinkError, LinkEvent, WardenLink};
use crate::process::protocol::{FromWarden, Throttle, ThrottleState, ToWarden};
use crate::process::warden::Options;
use crate::store;

/// Between two tries to start a warden; doubled up to the second.
const RETRY_FIRST: Span = Span::ms(50);
const RETRY_MAX: Span = Span::secs(5);

/// How this node gets its warden.
pub struct WardenPlan {
    pub slots: u32,
    /// How the warden starts this process again should it die; empty: it does not.
    pub agent: Vec<OsString>,
    pub options: Options,
}

/// The warden as the loop knows it.
pub struct Wardens {
    home: Home,
    /// None: this node runs nothing (it only accepts and answers).
    plan: Option<WardenPlan>,
    to_loop: SyncSender<Input>,
    link: Option<WardenLink>,
    /// This node started the warden: nobody else counts on it.
    started: bool,
    generation: u32,
    pid: Option<u32>,
    /// The last that answered.
    last_pid: Option<u32>,
    deaths: u32,
    /// Wardens that this process started, to be reaped.
    children: Vec<Pid>,
    retry_at: Option<u64>,
    retry_after: Span,
    throttles: Throttles,
    beginning: Beginning,
}

impl Wardens {
    pub fn new(home: Home, plan: Option<WardenPlan>, to_loop: SyncSender<Input>) -> Self {
        let retry_at = plan.is_some().then_some(0);
        Self {
            home,
            plan,
            to_loop,
            link: None,
            started: false,
            generation: 0,
            pid: None,
            last_pid: None,
            deaths: 0,
            children: Vec::new(),
            retry_at,
            retry_after: RETRY_FIRST,
            throttles: Throttles::default(),
            beginning: Beginning::default(),
        }
    }

    pub fn pid(&self) -> Option<u32> {
        self.pid
    }
    pub fn deaths(&self) -> u32 {
        self.deaths
    }
    pub fn retry_at(&self) -> Option<u64> {
        self.retry_at
    }

    /// What is sent while no warden is there is lost on purpose: its next `Welcome` tells what it holds, and the machine
    /// gives the rest again. So a line that took a message only in part, or not at all, is given up: the next one begins
    /// with a `Welcome`.
    pub fn send(&mut self, message: &ToWarden) {
        if let Some(link) = &mut self.link
            && let Err(error) = link.send(std::slice::from_ref(message))
        {
            tracing::warn!(%error, "the warden does not take messages: connecting anew");
            self.link = None;
        }
    }

    /// Answered when a warden stands, or with the reason why none can be had.
    pub fn begun(&mut self, reply: Reply) {
        self.beginning.asked(reply);
    }

    /// Connects to the folder's warden, or starts one. Returns what people should know.
    fn connect(&mut self, now: Now) -> Option<String> {
        self.reap();
        let plan = self.plan.as_ref()?;
        self.retry_at = None;
        self.generation += 1;
        let (generation, to_loop) = (self.generation, self.to_loop.clone());
        let deliver = move |event: LinkEvent| {
            let input = match event {
                LinkEvent::Message(said) => Input::Warden { generation, said },
                LinkEvent::Down(error) => {
                    tracing::debug!(%error, "the line to the warden ended");
                    Input::WardenGone { generation }
                }
            };
            // Fails when the loop has ended: nobody is left to tell.
            let _ = to_loop.send(input);
        };
        let opened = std::env::current_exe().map_err(LinkError::NoProgram).and_then(|exe| {
            WardenLink::connect_or_start(&self.home, &exe, &plan.options, plan.slots, &plan.agent, deliver)
        });
        match opened {
            Ok((link, started)) => {
                self.link = Some(link);
                self.started |= started.is_some();
                self.children.extend(started.map(Pid::from_raw));
                self.beginning.stands();
                None
            }
            Err(error) => {
                if let LinkError::NotReady { pid } = error {
                    self.children.push(Pid::from_raw(pid));
                }
                tracing::error!(%error, "no warden could be started; trying again");
                self.retry_later(now);
                self.beginning.failed(error.to_string())
            }
        }
    }

    fn retry_later(&mut self, now: Now) {
        self.retry_at = Some(now.boot + self.retry_after);
        self.retry_after = Span((self.retry_after.0 * 2).min(RETRY_MAX.0));
    }

    pub fn throttle(&mut self, wish: Throttle, reply: oneshot::Sender<Result<ThrottleState, String>>) {
        if self.link.is_none() {
            let _ = reply.send(Err("no warden runs here to hold it".to_owned()));
            return;
        }
        self.throttles.asked(wish.pid, reply);
        self.send(&ToWarden::Throttle(wish));
    }

    /// Asked by the matrix: nobody waits for the answer.
    pub fn hold(&mut self, wish: Throttle) {
        self.send(&ToWarden::Throttle(wish));
    }

    /// Whether the warden said last that it holds this process back.
    pub fn holds(&self, pid: i32, start_time: u64) -> bool {
        self.throttles.holds(pid, start_time)
    }

    pub fn free(&mut self, pid: i32) {
        self.send(&ToWarden::ReleaseThrottle { pid });
    }

    /// Answered with the warden's word: it may hold what an earlier agent asked for.
    pub fn release_throttle(&mut self, pid: i32, reply: oneshot::Sender<Result<bool, String>>) {
        if self.link.is_none() {
            let _ = reply.send(Err("no warden runs here that could hold it".to_owned()));
            return;
        }
        self.throttles.release_asked(pid, reply);
        self.send(&ToWarden::ReleaseThrottle { pid });
    }

    pub fn list_throttles(&mut self, reply: oneshot::Sender<Vec<ThrottleState>>) {
        if self.link.is_none() {
            let _ = reply.send(Vec::new());
            return;
        }
        self.throttles.list_asked(reply);
        self.send(&ToWarden::ListThrottles);
    }

    /// A warden answers. It may be the same as before, on a new line.
    fn met(&mut self, pid: u32) {
        self.pid = Some(pid);
        self.deaths += u32::from(self.last_pid.is_some_and(|last| last != pid));
        self.last_pid = Some(pid);
        // What an earlier agent asked it to hold.
        self.send(&ToWarden::ListThrottles);
    }

    /// Takes note of the ends of wardens that this process started.
    fn reap(&mut self) {
        self.children.retain(|pid| matches!(waitpid(*pid, Some(WaitPidFlag::WNOHANG)), Ok(WaitStatus::StillAlive)));
    }

    /// The node stops: the warden keeps its tasks for the next agent, or ends them and goes.
    pub fn leave(&mut self, keep_tasks: bool, in_hand: u32) {
        let passing = self.plan.as_ref().is_some_and(|plan| plan.agent.is_empty());
        let idle = in_hand == 0 && self.throttles.is_empty();
        if passing && self.started && idle {
            // Nothing keeps it: it need not linger.
            self.send(&ToWarden::Quit { end_tasks: false });
        } else if !keep_tasks {
            self.send(&ToWarden::Quit { end_tasks: true });
        } else if self.plan.as_ref().is_some_and(|plan| !plan.agent.is_empty()) {
            self.send(&ToWarden::Dismiss);
        }
        // Hangs up.
        self.link = None;
    }
}

impl Loop {
    pub(super) fn revive_warden(&mut self, now: Now) {
        if self.wardens.retry_at.is_some_and(|at| at <= now.boot)
            && let Some(note) = self.wardens.connect(now)
        {
            self.note(vec![note]);
        }
    }

    pub(super) fn warden_gone(&mut self, generation: u32, effects: &mut Vec<Effect>) {
        if generation != self.wardens.generation {
            return;
        }
        self.wardens.link = None;
        self.wardens.pid = None;
        self.wardens.throttles.refuse_all("the warden died before it answered");
        self.wardens.reap();
        tracing::warn!("the warden is gone; the next one looks after what it left");
        self.handle(Event::WardenDown, effects);
        self.wardens.retry_later(clock::now());
    }

    pub(super) fn warden_said(&mut self, generation: u32, said: FromWarden, effects: &mut Vec<Effect>) {
        if generation != self.wardens.generation {
            return;
        }
        match said {
            FromWarden::Welcome { warden_pid, running, queued, .. } => {
                self.wardens.met(warden_pid);
                self.wardens.retry_after = RETRY_FIRST;
                self.catch_up(effects);
                // Only at the start: later, borrowed tasks may wait here that no warden has seen yet.
                if generation == 1 && running.is_empty() && queued.is_empty() {
                    self.sweep();
                }
                self.handle(Event::WardenUp { running, queued }, effects);
            }
            FromWarden::Finished { segment, end, outcomes } => {
                self.positions.insert(segment, end);
                self.handle(Event::Finished(outcomes), effects);
            }
            FromWarden::Revoked(attempts) => self.handle(Event::Revoked(attempts), effects),
            FromWarden::Full(full) => self.handle(Event::WardenFull(full), effects),
            FromWarden::Lost(attempts) => self.lost(&attempts),
            FromWarden::Throttles(held) => {
                self.wardens.throttles.are(held);
                self.handle(Event::Holds(self.wardens.throttles.holdings()), effects);
            }
            FromWarden::ThrottleRefused { pid, why } => {
                tracing::warn!(pid, why, "a process is not held back");
                self.wardens.throttles.refused(pid, &why);
                self.handle(Event::Unheld(pid), effects);
            }
        }
    }

    /// Removes what submissions left that died before they were accepted: no task can need it.
    fn sweep(&self) {
        let (jobs, tag) = (self.machine.state(), self.node.tag());
        // What was submitted since the start may be on its way into the journal.
        let new = |job: JobId| job.owner_tag() == tag && job.number() >= self.first_job;
        if let Err(error) = store::sweep_jobs(&self.home, |job| new(job) || jobs.job(job).is_some()) {
            tracing::warn!(%error, "files of jobs that were never accepted stay where they are");
        }
    }

    /// Reads what the warden wrote while nobody listened: everything it no longer holds stands there.
    fn catch_up(&mut self, effects: &mut Vec<Effect>) {
        match store::segments_after(&self.home, &self.positions) {
            Ok(tail) => {
                self.positions.extend(tail.positions);
                if !tail.outcomes.is_empty() {
                    self.handle(Event::Finished(tail.outcomes), effects);
                }
                self.note(tail.notes);
            }
            Err(error) => self.note(vec![format!("results could not be read and their tasks run again: {error}")]),
        }
    }

    fn lost(&mut self, attempts: &[Attempt]) {
        let own = self.node.tag();
        let (attempts, borrowed): (Vec<Attempt>, Vec<Attempt>) =
            attempts.iter().partition(|lost| lost.job.owner_tag() == own);
        if !borrowed.is_empty() {
            let count = borrowed.len();
            self.note(vec![format!("a warden died under {count} running task(s) of other nodes, which see to them")]);
        }
        if attempts.is_empty() {
            return;
        }
        let named: Vec<String> =
            attempts.iter().take(8).map(|lost| format!("{}.{}", lost.job, lost.task + 1)).collect();
        let more = if attempts.len() > named.len() { " …" } else { "" };
        self.note(vec![format!(
            "a warden died under {} running task(s), which run again: {}{more}",
            attempts.len(),
            named.join(" ")
        )]);
    }

    /// Keeps the newest notes for `tern status`, and says them on stderr.
    pub(super) fn note(&mut self, notes: Vec<String>) {
        const NOTES_MAX: usize = 64;
        for note in notes {
            tracing::warn!("{note}");
            if self.notes.len() >= NOTES_MAX {
                self.notes.remove(0);
            }
            self.notes.push(note);
        }
    }

    /// True: some files are still in use, and are to be named again.
    pub(super) fn collect_garbage(&mut self) -> bool {
        let jobs = self.machine.state();
        let knows = |job| jobs.job(job).is_some() || self.machine.borrows_of(job);
        match store::garbage(&self.home, knows, |file| self.journal.holds_output(file)) {
            Ok(garbage) if garbage.segments.is_empty() && garbage.outputs.is_empty() => garbage.more,
            Ok(garbage) => {
                self.wardens.send(&ToWarden::Drop { segments: garbage.segments, outputs: garbage.outputs });
                garbage.more || self.wardens.pid.is_some()
            }
            Err(error) => {
                tracing::warn!(%error, "old results could not be looked through; they stay");
                false
            }
        }
    }
}
