//! The agent, restarted when it dies.
//!
//! It is started by the warden, or comes by itself (then the process that said Hello is watched). It is restarted
//! unless it ended well (with status 0, or after it said so), or cannot start whatever is tried. Restarts wait from 50 ms
//! up to 1 s, longer each time it dies young.

use std::ffi::{CString, OsString};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;

use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn};
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};
use nix::sys::signal::SigSet;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::hub::mono;
use crate::process::pidfd::Pidfd;

const BACKOFF_MIN_NS: u64 = 50_000_000;
const BACKOFF_MAX_NS: u64 = 1_000_000_000;
/// An agent that lived longer is restarted as if it were the first time.
const GROWN_NS: u64 = 10_000_000_000;
/// Statuses that the next start would have, too: usage, a journal that cannot be read, a file or socket that cannot be
/// made, no right to, a bad setting. A full disk (75) is none of them: there may be room the next time.
const HOPELESS: [i32; 5] = [64, 65, 73, 77, 78];

struct Agent {
    pid: i32,
    pidfd: Pidfd,
    child: bool,
    since: u64,
}

/// See the top of this file.
pub struct Supervisor {
    argv: Option<Vec<OsString>>,
    agent: Option<Agent>,
    /// When to start it, while there is none.
    start_at: Option<u64>,
    backoff: u64,
    hopeless: Option<u8>,
}

impl Supervisor {
    pub fn new(argv: Option<Vec<OsString>>) -> Self {
        let start_at = argv.as_ref().map(|_| 0);
        Self { argv, agent: None, start_at, backoff: BACKOFF_MIN_NS, hopeless: None }
    }

    /// Whether there is an agent, or will be again.
    pub const fn is_wanted(&self) -> bool {
        self.agent.is_some() || self.start_at.is_some()
    }

    /// The agent, while there is one.
    pub fn pid(&self) -> Option<i32> {
        self.agent.as_ref().map(|agent| agent.pid)
    }

    /// When [`Supervisor::revive`] has something to do.
    pub const fn wake_at(&self) -> Option<u64> {
        self.start_at
    }

    /// Starts the agent if it is time.
    pub fn revive(&mut self, epoll: &Epoll, token: u64) {
        if self.start_at.is_none_or(|at| mono() < at) {
            return;
        }
        let Some(argv) = &self.argv else { return };
        match spawn(argv) {
            Ok(pid) => {
                self.start_at = None;
                self.hold(pid, true, epoll, token);
            }
            Err(error) => {
                eprintln!("tern warden: cannot start the agent {}: {error}", argv[0].display());
                self.again_later();
            }
        }
    }

    /// The status of an agent that is not started again since it would fail again.
    pub const fn hopeless(&self) -> Option<u8> {
        self.hopeless
    }

    /// Another process is the agent now; it is watched in place of the one before.
    pub fn watch(&mut self, pid: i32, argv: Vec<OsString>, epoll: &Epoll, token: u64) {
        self.argv = Some(argv);
        self.hopeless = None;
        if pid <= 0 || self.agent.as_ref().is_some_and(|agent| agent.pid == pid) {
            return;
        }
        if let Some(before) = self.agent.take() {
            let _ = epoll.delete(before.pidfd.as_fd());
            if before.child {
                reap(before.pid, Some(WaitPidFlag::WNOHANG));
            }
        }
        self.start_at = None;
        self.hold(pid, false, epoll, token);
    }

    fn hold(&mut self, pid: i32, child: bool, epoll: &Epoll, token: u64) {
        let held = Pidfd::open(pid).and_then(|pidfd| {
            epoll.add(pidfd.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, token))?;
            Ok(pidfd)
        });
        match held {
            Ok(pidfd) => self.agent = Some(Agent { pid, pidfd, child, since: mono() }),
            // Dead already.
            Err(_) => self.again_later(),
        }
    }

    /// The agent's pidfd said that it ended.
    pub fn ended(&mut self, epoll: &Epoll) {
        let Some(agent) = self.agent.take() else { return };
        let _ = epoll.delete(agent.pidfd.as_fd());
        let status = if agent.child { reap(agent.pid, None) } else { agent.pidfd.wait_status(agent.pid) };
        // Where nobody tells how it ended it is taken for a crash: one agent too many finds the lock held and goes.
        match status.and_then(exit_code) {
            Some(0) => return,
            Some(code) if HOPELESS.contains(&code) => {
                eprintln!("tern warden: the agent ended with status {code} and is not started again");
                self.hopeless = u8::try_from(code).ok();
                return;
            }
            _ => {}
        }
        if mono().saturating_sub(agent.since) > GROWN_NS {
            self.backoff = BACKOFF_MIN_NS;
        }
        self.again_later();
    }

    fn again_later(&mut self) {
        if self.argv.is_some() {
            self.start_at = Some(mono() + self.backoff);
            self.backoff = (2 * self.backoff).min(BACKOFF_MAX_NS);
        }
    }

    /// Asks the agent to end. False: there is none.
    pub fn forward_term(&self) -> bool {
        self.agent.as_ref().is_some_and(|agent| agent.pidfd.signal(libc::SIGTERM).is_ok())
    }

    /// It is not to be restarted any more.
    pub fn dismiss(&mut self) {
        self.argv = None;
        self.start_at = None;
    }

    /// The warden exits: an agent that has ended is reaped, one that has not goes on by itself.
    pub fn leave(&mut self) {
        if let Some(agent) = self.agent.take()
            && agent.child
        {
            reap(agent.pid, Some(WaitPidFlag::WNOHANG));
        }
    }
}

/// How our own child ended, as `wait` gives it; none where it has not ended by itself.
fn reap(pid: i32, flags: Option<WaitPidFlag>) -> Option<i32> {
    match waitpid(Pid::from_raw(pid), flags) {
        Ok(WaitStatus::Exited(_, code)) => Some(code << 8),
        _ => None,
    }
}

/// None: a signal ended it.
const fn exit_code(status: i32) -> Option<i32> {
    if libc::WIFEXITED(status) { Some(libc::WEXITSTATUS(status)) } else { None }
}

fn spawn(argv: &[OsString]) -> Result<i32, String> {
    let words: Result<Vec<CString>, _> = argv.iter().map(|word| CString::new(word.clone().into_vec())).collect();
    let words = words.map_err(|error| error.to_string())?;
    let env: Vec<CString> = std::env::vars_os()
        .filter_map(|(name, value)| CString::new([name.into_vec(), value.into_vec()].join(&b'=')).ok())
        .collect();
    let spawned = (|| {
        let mut attributes = PosixSpawnAttr::init()?;
        attributes.set_flags(PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK | PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF)?;
        attributes.set_sigmask(&SigSet::empty())?;
        attributes.set_sigdefault(&SigSet::all())?;
        posix_spawn(words[0].as_c_str(), &PosixSpawnFileActions::init()?, &attributes, &words, &env)
    })();
    spawned.map(Pid::as_raw).map_err(|error: nix::errno::Errno| error.desc().to_owned())
}
