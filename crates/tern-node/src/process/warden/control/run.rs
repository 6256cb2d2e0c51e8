//! The control thread's loop.

use std::ffi::OsString;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::thread;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signalfd::SignalFd;
use tern_core::words::limits::SLOTS_MAX;
use tern_core::words::{Attempt, JobId, TaskSet};

use super::super::Options;
use super::super::hub::{Hub, Mail, mono};
use super::super::supervise::Supervisor;
use super::super::worker::{Running, Worker};
use super::client::Client;
use super::door;
use super::outbox::Outbox;
use crate::process::protocol::{FromWarden, PROTOCOL_VERSION, ToWarden};
use crate::process::throttle::{ThrottleError, Throttles, watchdog};
use crate::store::segment::Lane;

const LISTENER: u64 = 0;
const SIGNALS: u64 = 1;
const WAKE: u64 = 2;
const AGENT: u64 = 3;
/// Connections count from here.
const CLIENTS: u64 = 16;
/// Stack of a worker: it calls nothing deep.
const STACK_BYTES: usize = 96 << 10;
/// Descriptors that are needed beside those of the slots.
const DESCRIPTORS: u64 = 64;
/// A warden with nothing to do, nobody to talk to and no agent to restart goes after this.
const LINGER_NS: u64 = 60_000_000_000;
/// A warden that is to die with its client does not wait longer for it to come.
const FIRST_CLIENT_NS: u64 = 10_000_000_000;

/// See the top of this file.
pub struct Control {
    hub: Arc<Hub>,
    options: Options,
    epoll: Epoll,
    listener: UnixListener,
    signals: SignalFd,
    agent: Supervisor,
    throttles: Throttles,
    /// When a throttle has something to do.
    tick_at: Option<u64>,
    client: Option<Client>,
    /// Connected, but has not said Hello: the newest.
    candidate: Option<Client>,
    tokens: u64,
    lost: Vec<Attempt>,
    workers: u32,
    /// Some: about to exit; true: what runs is ended first.
    closing: Option<bool>,
    /// A client of another version came: exit when nothing is left.
    run_dry: bool,
    /// Since when there is nothing to do and nobody there.
    quiet_since: Option<u64>,
}

impl Control {
    /// # Errors
    /// Those of the kernel when it is short of descriptors.
    pub fn new(
        hub: Arc<Hub>,
        options: Options,
        listener: UnixListener,
        signals: SignalFd,
        lost: Vec<Attempt>,
    ) -> std::io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let readable = |token| EpollEvent::new(EpollFlags::EPOLLIN, token);
        epoll.add(&listener, readable(LISTENER))?;
        epoll.add(&signals, readable(SIGNALS))?;
        epoll.add(&hub.wake, readable(WAKE))?;
        let agent = Supervisor::new(options.agent.clone());
        let (throttles, remarks) =
            Throttles::open(&hub.home.throttles(), watchdog::Start::own_program()).map_err(std::io::Error::other)?;
        for remark in remarks {
            eprintln!("tern warden: {remark}");
        }
        Ok(Self {
            throttles,
            tick_at: None,
            hub,
            options,
            epoll,
            listener,
            signals,
            agent,
            client: None,
            candidate: None,
            tokens: CLIENTS,
            lost,
            workers: 0,
            closing: None,
            run_dry: false,
            quiet_since: Some(mono()),
        })
    }

    /// Starts a worker that goes on with these tasks.
    ///
    /// # Errors
    /// Those of the kernel when it is short of threads, memory or descriptors.
    pub fn add_worker(&mut self, adopted: Vec<Running>) -> std::io::Result<()> {
        let wake = Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?);
        let worker = Worker::new(Arc::clone(&self.hub), wake, adopted)?;
        thread::Builder::new().name("worker".into()).stack_size(STACK_BYTES).spawn(move || worker.run())?;
        self.workers += 1;
        Ok(())
    }

    /// Runs until the warden is to exit. Returns the exit status of an agent that could not start at all, else 0.
    pub fn run(mut self) -> u8 {
        while !self.is_over() {
            self.agent.revive(&self.epoll, AGENT);
            self.tick_at = self.throttles.tick(mono());
            let mut events = [EpollEvent::empty(); 16];
            let count = self.epoll.wait(&mut events, self.patience()).unwrap_or(0);
            for event in &events[..count] {
                match event.data() {
                    LISTENER => self.accept(),
                    SIGNALS => self.signalled(),
                    WAKE => {
                        let _ = self.hub.wake.read();
                        self.flush();
                    }
                    AGENT => self.agent.ended(&self.epoll),
                    token => self.client_ready(token, event.events()),
                }
            }
        }
        self.throttles.release_all().iter().for_each(|error| eprintln!("tern warden: {error}"));
        self.agent.leave();
        self.agent.hopeless().unwrap_or(0)
    }

    fn patience(&self) -> EpollTimeout {
        let linger = self.quiet_since.map(|since| since.saturating_add(self.quiet_max()));
        let Some(until) = [linger, self.agent.wake_at(), self.tick_at].into_iter().flatten().min() else {
            return EpollTimeout::NONE;
        };
        EpollTimeout::from(until.saturating_sub(mono()).div_ceil(1_000_000).min(60_000) as u16)
    }

    const fn quiet_max(&self) -> u64 {
        if self.options.die_with_client { FIRST_CLIENT_NS } else { LINGER_NS }
    }

    fn is_over(&mut self) -> bool {
        let (held, unsaved) = self.hub.holds();
        match self.closing {
            Some(true) => return held == 0 && !unsaved,
            Some(false) => return !unsaved,
            None => {}
        }
        if (self.run_dry || self.agent.hopeless().is_some()) && held == 0 {
            return true;
        }
        let quiet = held == 0 && self.client.is_none() && !self.agent.is_wanted() && self.tick_at.is_none();
        self.quiet_since = if quiet { self.quiet_since.or_else(|| Some(mono())) } else { None };
        self.quiet_since.is_some_and(|since| mono() >= since.saturating_add(self.quiet_max()))
    }

    fn signalled(&mut self) {
        while let Ok(Some(_)) = self.signals.read_signal() {
            // The agent drains and sends Quit. One that is asked twice, or is not there, is not waited for.
            if self.closing.is_some() || !self.agent.forward_term() {
                self.close(true);
            }
        }
    }

    fn close(&mut self, end_tasks: bool) {
        self.agent.dismiss();
        self.closing = Some(self.closing.unwrap_or(false) || end_tasks);
        self.hub.close();
        if end_tasks {
            self.hub.mail(&Mail::EndAll);
        }
    }

    // ---- connections ----

    fn accept(&mut self) {
        while let Ok((stream, _)) = self.listener.accept() {
            if !door::is_ours(&stream) || stream.set_nonblocking(true).is_err() {
                continue;
            }
            self.tokens += 1;
            let event = EpollEvent::new(EpollFlags::EPOLLIN, self.tokens);
            if self.epoll.add(&stream, event).is_ok() {
                self.candidate = Some(Client::new(stream, self.tokens));
            }
        }
    }

    fn client_ready(&mut self, token: u64, events: EpollFlags) {
        if self.candidate.as_ref().is_some_and(|candidate| candidate.token == token) {
            self.greet();
        }
        if self.client.as_ref().is_none_or(|client| client.token != token) {
            return;
        }
        if events.contains(EpollFlags::EPOLLOUT) {
            self.flush();
        }
        self.listen_to_client();
    }

    /// The candidate spoke: with Hello it takes the place of the client before, of whom nothing more is read. What that
    /// one sent and we did not read is not accepted, and the new one is told so by not finding it in the Welcome.
    fn greet(&mut self) {
        let Some(mut candidate) = self.candidate.take() else { return };
        candidate.read();
        match candidate.next_message() {
            Ok(Some(ToWarden::Hello { version, agent_pid, slots, agent })) => {
                if version != PROTOCOL_VERSION {
                    self.run_dry = true;
                }
                self.hub.welcome(Outbox::new(Arc::clone(&candidate.stream)), &mut self.lost);
                self.client = Some(candidate);
                if !agent.is_empty() {
                    let argv = agent.into_iter().map(|word| OsString::from_vec(word.0)).collect();
                    self.agent.watch(agent_pid as i32, argv, &self.epoll, AGENT);
                }
                self.set_slots(slots);
                self.flush();
            }
            Ok(None) if !candidate.is_over() => self.candidate = Some(candidate),
            // Not somebody to talk to: dropping it hangs up.
            _ => {}
        }
    }

    fn listen_to_client(&mut self) {
        let Some(mut client) = self.client.take() else { return };
        client.read();
        let over = loop {
            match client.next_message() {
                Ok(Some(message)) if !self.run_dry => self.obey(message),
                Ok(Some(_)) => {}
                Ok(None) => break client.is_over(),
                Err(error) => {
                    eprintln!("tern warden: hanging up on the agent: {error}");
                    break true;
                }
            }
        };
        if !over {
            self.client = Some(client);
            return self.flush();
        }
        self.hub.hang_up();
        if self.options.die_with_client {
            self.close(true);
        }
    }

    fn flush(&mut self) {
        let more = self.hub.flush();
        if let Some(client) = &self.client {
            let out = if more { EpollFlags::EPOLLOUT } else { EpollFlags::empty() };
            let mut event = EpollEvent::new(EpollFlags::EPOLLIN | out, client.token);
            // Fails only for a descriptor that is not registered, and this one is.
            let _: Result<(), Errno> = self.epoll.modify(client.stream.as_fd(), &mut event);
        }
    }

    // ---- orders ----

    fn obey(&mut self, message: ToWarden) {
        match message {
            ToWarden::Hello { slots, .. } | ToWarden::SetSlots(slots) => self.set_slots(slots),
            ToWarden::Grant(grant) => {
                let surplus = self.hub.grant(grant);
                if !surplus.is_empty() {
                    self.hub.send(&FromWarden::Revoked(surplus));
                }
            }
            ToWarden::Revoke { job, tasks } => self.revoke(job, &tasks),
            ToWarden::End { job, tasks } => {
                // What is queued goes back first, or it might start in between.
                self.revoke(job, &tasks);
                self.hub.mail(&Mail::End { job, tasks: Arc::new(tasks) });
            }
            ToWarden::Drop { segments, outputs } => self.drop_files(&segments, &outputs),
            ToWarden::Dismiss => self.agent.dismiss(),
            ToWarden::Quit { end_tasks } => self.close(end_tasks),
            ToWarden::Throttle(wish) => {
                let own: Vec<i32> = self.agent.pid().into_iter().collect();
                let refused = self.throttles.throttle(&wish, &own).err();
                self.answer_throttle(wish.pid, refused);
            }
            ToWarden::ReleaseThrottle { pid } => {
                let refused = self.throttles.release(pid).err();
                self.answer_throttle(pid, refused);
            }
            ToWarden::ListThrottles => self.answer_throttle(0, None),
        }
    }

    fn answer_throttle(&self, pid: i32, refused: Option<ThrottleError>) {
        self.hub.send(&match refused {
            Some(error) => FromWarden::ThrottleRefused { pid, why: error.to_string() },
            None => FromWarden::Throttles(self.throttles.list()),
        });
    }

    fn revoke(&self, job: JobId, tasks: &TaskSet) {
        let revoked = self.hub.revoke(job, tasks);
        if !revoked.is_empty() {
            self.hub.send(&FromWarden::Revoked(revoked));
        }
    }

    fn set_slots(&mut self, slots: u32) {
        let slots = slots.min(SLOTS_MAX);
        raise_descriptor_limit(slots);
        let cores = thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
        while self.workers < slots.min(cores) {
            if let Err(error) = self.add_worker(Vec::new()) {
                eprintln!("tern warden: going on with {} workers: {error}", self.workers);
                break;
            }
        }
        if self.workers > 0 {
            self.hub.share_out(slots);
        }
    }

    /// Removes what is not needed. A segment that is still written to stays; output files that a slot holds are let go
    /// of at its next task boundary, and removed when they are named again.
    fn drop_files(&self, segments: &[u32], outputs: &[u32]) {
        let current = self.hub.segment.load(std::sync::atomic::Ordering::Relaxed);
        for number in segments.iter().filter(|number| Lane::of(**number) == Lane::Warden && **number < current) {
            let _ = std::fs::remove_file(self.hub.home.segment(*number));
        }
        let needed = self.hub.numbers.remove(&self.hub.home, outputs);
        if !needed.is_empty() {
            self.hub.mail(&Mail::Retire(Arc::new(needed)));
        }
    }
}

/// A slot takes three descriptors. The limit is raised only where it is too low, since tasks inherit it, and programs
/// that use `select` break above 1024.
fn raise_descriptor_limit(slots: u32) {
    let wanted = 3 * u64::from(slots) + DESCRIPTORS;
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < wanted
    {
        // Where even the hard limit is too low, a spawn waits until a descriptor is free.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, wanted.min(hard), hard);
    }
}
