//! A worker: spawns into its slots, waits for ends, reaps, and enforces time-outs. There is one a core.
//!
//! One thread does everything for a task, since a task handed from thread to thread waits for each of them; a
//! spawn blocks its caller until the program has begun, which is why there is more than one.

use std::os::fd::AsFd;
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::EventFd;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use tern_core::promise::{Exit, Outcome, Output};
use tern_core::words::Attempt;
use tern_core::words::limits::CHECKPOINT_EXIT;

use super::commit;
use super::hub::{Assigned, Ended, Hub, Mail, mono};
use crate::process::inflight::Row;
use crate::process::outputs::Pair;
use crate::process::pidfd::{Identity, Pidfd, start_time};
use crate::process::spawn::launch::{Launcher, Refusal};
use crate::process::spawn::vfork::block_all_signals;
use crate::process::usage::{Floor, Usage};

/// With this a task says that it left a checkpoint.
const CHECKPOINT: Exit = Exit::Code(CHECKPOINT_EXIT);
const WAKE: u64 = u64::MAX;
const NEVER: u64 = u64::MAX;
/// How long to wait when the machine has no room for another process.
const STALL_NS: u64 = 50_000_000;
const EVENTS: usize = 32;

/// How far the ending of a task has gone.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Runs,
    /// TERM was sent; the deadline is when KILL follows.
    Asked(Exit),
    Killed(Exit),
}

/// A task in a slot.
pub struct Running {
    pub row: usize,
    pub noted: Row,
    pub pid: i32,
    pub pidfd: Pidfd,
    /// Started by an earlier warden: not our child.
    pub adopted: bool,
    pub outputs: Arc<Pair>,
    deadline: u64,
    stage: Stage,
    full_times: u32,
}

impl Running {
    pub fn new(row: usize, noted: Row, pidfd: Pidfd, adopted: bool, outputs: Arc<Pair>, full_times: u32) -> Self {
        let (deadline, pid) = (noted.deadline, noted.process.map_or(0, |(pid, _)| pid));
        Self { row, noted, pid, pidfd, adopted, outputs, deadline, stage: Stage::Runs, full_times }
    }
}

/// Place for one task at a time, and the files its tasks write to.
#[derive(Default)]
struct Slot {
    files: Option<Files>,
    running: Option<Running>,
}

/// The ends are remembered, since only this slot's tasks make the files longer.
struct Files {
    pair: Arc<Pair>,
    stdout_end: u64,
    stderr_end: u64,
    retired: bool,
}

/// See the top of this file.
pub struct Worker {
    hub: Arc<Hub>,
    me: usize,
    wake: Arc<EventFd>,
    epoll: Epoll,
    launcher: Launcher,
    slots: Vec<Slot>,
    free: Vec<usize>,
    busy: u32,
    ended: Vec<Ended>,
    /// No deadline is before this.
    soonest: u64,
    /// Taken, but the machine had no room for it.
    stalled: Option<Assigned>,
    stall_told: bool,
    floor: Floor,
}

impl Worker {
    /// # Errors
    /// Those of the kernel when it is short of descriptors.
    pub fn new(hub: Arc<Hub>, wake: Arc<EventFd>, adopted: Vec<Running>) -> std::io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&*wake, EpollEvent::new(EpollFlags::EPOLLIN, WAKE))?;
        let me = hub.add_desk(Arc::clone(&wake), adopted.len() as u32);
        let mut worker = Self {
            hub,
            me,
            wake,
            epoll,
            launcher: Launcher::new()?,
            slots: Vec::new(),
            free: Vec::new(),
            busy: 0,
            ended: Vec::new(),
            soonest: NEVER,
            stalled: None,
            stall_told: false,
            floor: Floor::default(),
        };
        for running in adopted {
            let slot = worker.free_slot();
            worker.occupy(slot, running)?;
        }
        Ok(worker)
    }

    /// The worker's life; it ends with the process.
    pub fn run(mut self) -> ! {
        if let Err(error) = block_all_signals() {
            // Then a child might run a handler of ours; there is none that matters.
            eprintln!("tern warden: signals cannot be blocked: {}", error.desc());
        }
        loop {
            self.fill();
            self.wait();
            self.enforce();
        }
    }

    fn fill(&mut self) {
        loop {
            let next = match self.stalled.take() {
                Some(stalled) => {
                    if !self.ended.is_empty() {
                        self.hub.exchange(self.me, &mut self.ended, self.busy, false);
                    }
                    stalled
                }
                None => match self.hub.exchange(self.me, &mut self.ended, self.busy, true) {
                    Some(next) => next,
                    None => return,
                },
            };
            if !self.start(next) {
                return;
            }
        }
    }

    fn wait(&mut self) {
        let mut events = [EpollEvent::empty(); EVENTS];
        let until = if self.stalled.is_some() { self.soonest.min(mono() + STALL_NS) } else { self.soonest };
        let timeout = match until {
            NEVER => EpollTimeout::NONE,
            until => {
                let ms = until.saturating_sub(mono()).div_ceil(1_000_000).min(60_000);
                EpollTimeout::from(ms as u16)
            }
        };
        // An interrupted wait is an empty one.
        let count = self.epoll.wait(&mut events, timeout).unwrap_or(0);
        for event in &events[..count] {
            match event.data() {
                WAKE => {
                    let _ = self.wake.read();
                    self.read_mail();
                }
                slot => self.reap(slot as usize),
            }
        }
    }

    // ---- beginnings ----

    fn free_slot(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() - 1
        })
    }

    /// False: not now; the order is kept.
    fn start(&mut self, order: Assigned) -> bool {
        let slot = self.free_slot();
        match self.try_start(slot, &order) {
            Ok(()) => true,
            Err(error) => {
                if !std::mem::replace(&mut self.stall_told, true) {
                    eprintln!("tern warden: cannot start a task now, trying again: {}", error.desc());
                }
                self.hub.table.clear(order.row);
                self.free.push(slot);
                self.stalled = Some(order);
                false
            }
        }
    }

    fn try_start(&mut self, slot: usize, order: &Assigned) -> Result<(), Errno> {
        let files = self.files(slot)?;
        let (pair, stdout_at, stderr_at) = (Arc::clone(&files.pair), files.stdout_end, files.stderr_end);
        let now = crate::clock::now();
        let context = self.hub.contexts.get(&order.head.grant.context);
        let timeout_ms = context.as_ref().ok().and_then(|context| context.timeout_ms);
        let mut noted = Row {
            attempt: order.attempt,
            slot: slot as u32,
            started_ms: now.wall_ms,
            started_mono: now.mono,
            deadline: timeout_ms.map_or(NEVER, |ms| now.mono.saturating_add(ms.saturating_mul(1_000_000))),
            grace_ms: context.as_ref().map_or(0, |context| context.grace_ms.min(u64::from(u32::MAX)) as u32),
            file: pair.number,
            stdout_at,
            stderr_at,
            process: None,
            outcome: None,
        };
        self.hub.table.starting(order.row, &noted);
        let launched = match &context {
            Ok(context) => self.launcher.launch(context, &order.attempt, (&order.argv, order.own.as_deref()), &pair),
            Err(error) => {
                Err(Refusal::Task { code: 126, why: format!("{}: {error}", order.head.grant.context.display()) })
            }
        };
        let (pid, pidfd) = match launched {
            Ok(started) => started,
            Err(Refusal::Later(error)) => return Err(error),
            Err(Refusal::Task { code, why }) => {
                pair.complain(&why);
                self.refused(slot, order.row, &noted, pair, Exit::Code(code));
                return Ok(());
            }
        };
        let identity = match pidfd.inode() {
            Some(inode) if self.hub.pidfs => Identity::Inode(inode),
            _ => Identity::StartTime(start_time(pid).unwrap_or(0)),
        };
        noted.process = Some((pid, identity));
        self.hub.table.started(order.row, pid, identity);
        let running = Running::new(order.row, noted, pidfd, false, pair, self.hub.full_times());
        self.occupy(slot, running)
    }

    /// Puts a task that runs into a slot.
    fn occupy(&mut self, slot: usize, running: Running) -> Result<(), Errno> {
        let event = EpollEvent::new(EpollFlags::EPOLLIN, slot as u64);
        let added = self.epoll.add(running.pidfd.as_fd(), event);
        if added.is_err() && !running.adopted {
            end_at_once(running.pid);
        }
        added?;
        self.soonest = self.soonest.min(running.deadline);
        self.slots[slot].running = Some(running);
        self.busy += 1;
        Ok(())
    }

    /// The slot's files, new ones where it has none or the old ones may not be used any more.
    fn files(&mut self, slot: usize) -> Result<&mut Files, Errno> {
        let place = &mut self.slots[slot].files;
        if let Some(files) = place
            && (files.retired || files.pair.is_long(files.stdout_end, files.stderr_end))
        {
            *place = None;
        }
        match place {
            Some(files) => Ok(files),
            None => {
                let pair = self.hub.numbers.new_pair(&self.hub.home, &self.hub.table);
                let pair = pair.map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)))?;
                Ok(place.insert(Files { pair, stdout_end: 0, stderr_end: 0, retired: false }))
            }
        }
    }

    fn refused(&mut self, slot: usize, row: usize, noted: &Row, pair: Arc<Pair>, exit: Exit) {
        let (stdout, stderr) = self.ranges(slot, noted, &pair);
        let ran_ns = mono().saturating_sub(noted.started_mono);
        self.finish(row, noted, exit, Usage { ran_ns, ..Usage::default() }, (stdout, stderr), pair);
        self.free.push(slot);
    }

    // ---- ends ----

    fn reap(&mut self, slot: usize) {
        let Some(running) = self.slots.get_mut(slot).and_then(|slot| slot.running.take()) else { return };
        let status = if running.adopted {
            running.pidfd.wait_status(running.pid).map(|status| (status, Usage::default()))
        } else {
            self.floor.reap(running.pid)
        };
        let Some((status, usage)) = status else {
            self.slots[slot].running = Some(running);
            return;
        };
        // Removed by hand: another worker's child may hold a copy of the descriptor until its program begins.
        let _ = self.epoll.delete(running.pidfd.as_fd());
        self.busy -= 1;
        let outlived = group_lives(running.pid);
        if outlived && !matches!(running.stage, Stage::Runs) {
            signal_group(running.pid, Signal::SIGKILL);
        }
        let ranges = self.ranges(slot, &running.noted, &running.outputs);
        let exit = match running.stage {
            Stage::Runs => self.verdict(&running, exit_of(status), ranges.0.len + ranges.1.len > 0),
            // Asked to end, it says that it left a checkpoint; whether it has one the agent knows.
            Stage::Asked(Exit::Cancelled) | Stage::Killed(Exit::Cancelled) if exit_of(status) == CHECKPOINT => {
                match self.verdict(&running, CHECKPOINT, true) {
                    CHECKPOINT => Exit::Checkpointed,
                    void => void,
                }
            }
            Stage::Asked(exit) | Stage::Killed(exit) => exit,
        };
        let ran_ns = mono().saturating_sub(running.noted.started_mono);
        if outlived && let Some(files) = self.slots[slot].files.take() {
            // What was left behind may still write.
            files.pair.discard_if_empty(&self.hub.home);
        }
        self.finish(running.row, &running.noted, exit, Usage { ran_ns, ..usage }, ranges, running.outputs);
        self.free.push(slot);
    }

    /// Whoever fails while the disk is full may have failed for that reason, and whoever succeeds may have lost what it wrote, all of it
    /// even: neither counts. Where it was full for a while only, a silent success is believed: a task that fills the disk itself for a
    /// moment would else run again for ever. The look at the disk is a system call a task, beside those that starting one takes.
    fn verdict(&self, running: &Running, exit: Exit, wrote: bool) -> Exit {
        if commit::is_full(&self.hub.home) {
            // At once, or the next task would start into the same wall before the committer looks.
            self.hub.set_full(true);
        }
        let silent = exit.is_success() && !wrote;
        let was_full = self.hub.full_times() != running.full_times && !silent;
        if self.hub.is_full() || was_full { Exit::Void } else { exit }
    }

    fn ranges(&mut self, slot: usize, noted: &Row, pair: &Pair) -> (Output, Output) {
        let stdout = pair.stdout.range_since(pair.number, noted.stdout_at);
        let stderr = pair.stderr.range_since(pair.number, noted.stderr_at);
        if let Some(files) = self.slots[slot].files.as_mut().filter(|files| files.pair.number == pair.number) {
            files.stdout_end = noted.stdout_at + stdout.len;
            files.stderr_end = noted.stderr_at + stderr.len;
        }
        (stdout, stderr)
    }

    fn finish(
        &mut self,
        row: usize,
        noted: &Row,
        exit: Exit,
        usage: Usage,
        (stdout, stderr): (Output, Output),
        pair: Arc<Pair>,
    ) {
        let outcome = Outcome {
            attempt: noted.attempt,
            exit,
            started_ms: noted.started_ms,
            ran_ns: usage.ran_ns,
            cpu_us: usage.cpu_us,
            rss_kib: usage.rss_kib,
            ran_on: self.hub.tag,
            stdout,
            stderr,
        };
        self.hub.table.ended(row, &outcome);
        let outputs = (stdout.len > 0 || stderr.len > 0).then_some(pair);
        self.ended.push(Ended { row, outcome, outputs });
    }

    // ---- time-outs and requests ----

    fn read_mail(&mut self) {
        for mail in self.hub.take_mail(self.me) {
            match mail {
                Mail::End { job, tasks } => self.ask_to_end(|it| it.job == job && tasks.contains(it.task)),
                Mail::EndAll => self.ask_to_end(|_| true),
                Mail::Retire(numbers) => {
                    for slot in &mut self.slots {
                        let named = |files: &mut Files| numbers.contains(&files.pair.number);
                        if slot.running.is_none() {
                            slot.files.take_if(named);
                        } else if let Some(files) = &mut slot.files {
                            files.retired |= named(files);
                        }
                    }
                }
            }
        }
    }

    fn ask_to_end(&mut self, whom: impl Fn(&Attempt) -> bool) {
        let now = mono();
        let mut soonest = self.soonest;
        for running in self.slots.iter_mut().filter_map(|slot| slot.running.as_mut()) {
            if running.stage == Stage::Runs && whom(&running.noted.attempt) {
                ask(running, Exit::Cancelled, now);
                soonest = soonest.min(running.deadline);
            }
        }
        self.soonest = soonest;
        if let Some(order) = self.stalled.take_if(|order| whom(&order.attempt)) {
            let outcome = Outcome {
                attempt: order.attempt,
                exit: Exit::Cancelled,
                started_ms: crate::clock::now().wall_ms,
                ran_ns: 0,
                cpu_us: 0,
                rss_kib: 0,
                ran_on: self.hub.tag,
                stdout: Output::default(),
                stderr: Output::default(),
            };
            self.ended.push(Ended { row: order.row, outcome, outputs: None });
        }
    }

    fn enforce(&mut self) {
        if self.soonest == NEVER {
            return;
        }
        let now = mono();
        if now < self.soonest {
            return;
        }
        self.soonest = NEVER;
        for running in self.slots.iter_mut().filter_map(|slot| slot.running.as_mut()) {
            if now >= running.deadline {
                match running.stage {
                    Stage::Runs => ask(running, Exit::TimedOut, now),
                    Stage::Asked(exit) => {
                        signal_group(running.pid, Signal::SIGKILL);
                        running.stage = Stage::Killed(exit);
                        running.deadline = NEVER;
                    }
                    Stage::Killed(_) => running.deadline = NEVER,
                }
            }
            self.soonest = self.soonest.min(running.deadline);
        }
    }
}

/// TERM, and CONT for those that are stopped: a stopped process takes no notice.
fn ask(running: &mut Running, exit: Exit, now: u64) {
    signal_group(running.pid, Signal::SIGTERM);
    signal_group(running.pid, Signal::SIGCONT);
    running.stage = Stage::Asked(exit);
    running.deadline = now.saturating_add(u64::from(running.noted.grace_ms) * 1_000_000);
}

/// The group's leader has not been reaped, or was a moment ago: its number is not another's, since the kernel keeps it while
/// somebody is left in the group, and gives out all others before it gives it out again.
fn signal_group(pid: i32, signal: Signal) {
    // Fails only when nobody is left.
    let _ = killpg(Pid::from_raw(pid), signal);
}

fn group_lives(pid: i32) -> bool {
    killpg(Pid::from_raw(pid), None).is_ok()
}

/// For a child that cannot be watched: the machine ran out of descriptors between its spawn and now.
fn end_at_once(pid: i32) {
    signal_group(pid, Signal::SIGKILL);
    let _ = waitpid(Pid::from_raw(pid), None);
}

fn exit_of(status: i32) -> Exit {
    if libc::WIFSIGNALED(status) {
        Exit::Signal(libc::WTERMSIG(status) as u8)
    } else {
        Exit::Code(libc::WEXITSTATUS(status) as u8)
    }
}
