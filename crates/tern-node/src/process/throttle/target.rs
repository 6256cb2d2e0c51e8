//! The process that is held: its number, its start time, and an open descriptor that names it and no other.

use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;

use tern_core::decide::scum::{ProcessFacts, Protected, protection};

use super::ThrottleError;
use crate::sense::{Stat, own_and_ancestors, stat};

/// One process, for as long as it lives.
#[derive(Debug)]
pub struct Target {
    pub pid: i32,
    /// Clock ticks since boot.
    pub start_time: u64,
    pub name: String,
    descriptor: OwnedFd,
}

impl Target {
    /// Opens a process that one may act upon. `own` are further processes of the holder, such as its agent.
    pub fn open(pid: i32, own: &[i32]) -> Result<Self, ThrottleError> {
        let refused = |name: &str, why| ThrottleError::Protected { pid, name: name.into(), why };
        // Numbers below stand for groups of processes in some calls: never passed on.
        if pid <= 0 {
            return Err(ThrottleError::NoProcess { pid });
        }
        if pid == 1 {
            return Err(refused("init", Protected::Init));
        }
        let look = |source| ThrottleError::Look { pid, source };
        let before = stat(pid).map_err(look)?.filter(|stat| !stat.is_over()).ok_or(ThrottleError::NoProcess { pid })?;
        if let Some(why) = protected(&before, own).map_err(look)? {
            return Err(refused(&before.name, why));
        }
        Self::of(&before).map_err(look)?.ok_or(ThrottleError::NoProcess { pid })
    }

    /// Opens the process that had this identity, if it still lives.
    pub fn reopen(pid: i32, start_time: u64) -> io::Result<Option<Self>> {
        match stat(pid)? {
            Some(stat) if stat.start_time == start_time && !stat.is_over() => Self::of(&stat),
            _ => Ok(None),
        }
    }

    /// The descriptor is opened between two looks: if both show the same start time, it names that very process.
    fn of(before: &Stat) -> io::Result<Option<Self>> {
        let Some(descriptor) = open_descriptor(before.pid)? else { return Ok(None) };
        let after = stat(before.pid)?.filter(|after| after.start_time == before.start_time);
        Ok(after.map(|after| Self { pid: after.pid, start_time: after.start_time, name: after.name, descriptor }))
    }

    /// Sends a signal to this process and no other. False: it has ended.
    #[expect(unsafe_code, reason = "signals through a descriptor have no safe wrapper")]
    pub fn signal(&self, signal: libc::c_int) -> io::Result<bool> {
        // SAFETY: the descriptor is open for the length of the call; no information is passed beside the signal.
        let status = unsafe {
            libc::syscall(libc::SYS_pidfd_send_signal, self.descriptor.as_raw_fd(), signal, std::ptr::null::<()>(), 0)
        };
        let error = io::Error::last_os_error();
        match (status, error.raw_os_error()) {
            (0, _) => Ok(true),
            (_, Some(libc::ESRCH)) => Ok(false),
            _ => Err(error),
        }
    }

    /// Whether it has ended, collected by its parent or not.
    #[expect(unsafe_code, reason = "one poll of a descriptor that is ours")]
    pub fn is_over(&self) -> bool {
        let mut poll = libc::pollfd { fd: self.descriptor.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one entry, and it outlives the call, which does not wait.
        unsafe { libc::poll(&raw mut poll, 1, 0) > 0 }
    }

    /// Whether somebody stopped it.
    pub fn is_stopped(&self) -> bool {
        stat(self.pid).ok().flatten().is_some_and(|stat| matches!(stat.state, 'T' | 't'))
    }

    /// CPU time of all its threads so far, nanoseconds. None: it has ended.
    #[expect(unsafe_code, reason = "another process's CPU clock has no safe wrapper")]
    pub fn cpu_ns(&self) -> Option<u64> {
        let (mut clock, mut time) = (0, libc::timespec { tv_sec: 0, tv_nsec: 0 });
        // SAFETY: both calls write only to the variables given to them.
        let read = unsafe {
            libc::clock_getcpuclockid(self.pid, &raw mut clock) == 0 && libc::clock_gettime(clock, &raw mut time) == 0
        };
        let nanoseconds =
            time.tv_sec.unsigned_abs().saturating_mul(1_000_000_000).saturating_add(time.tv_nsec.unsigned_abs());
        (read && !self.is_over()).then_some(nanoseconds)
    }
}

/// None: there is no such process, or the number is that of a thread.
#[expect(unsafe_code, reason = "descriptors of processes have no safe wrapper")]
fn open_descriptor(pid: i32) -> io::Result<Option<OwnedFd>> {
    // SAFETY: the call takes a number and flags, and gives a new descriptor, closed on exec.
    let raw = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let error = io::Error::last_os_error();
    match (i32::try_from(raw), error.raw_os_error()) {
        // SAFETY: the kernel just gave this descriptor to us alone.
        (Ok(descriptor), _) if descriptor >= 0 => Ok(Some(unsafe { OwnedFd::from_raw_fd(descriptor) })),
        (_, Some(libc::ESRCH | libc::EINVAL | libc::ENOENT)) => Ok(None),
        _ => Err(error),
    }
}

fn protected(stat: &Stat, own: &[i32]) -> io::Result<Option<Protected>> {
    let folder = format!("/proc/{}", stat.pid);
    let program = |link: &str| std::fs::metadata(link).ok().map(|meta| (meta.dev(), meta.ino()));
    let ours = program("/proc/self/exe");
    let facts = ProcessFacts {
        pid: stat.pid,
        uid: std::fs::metadata(&folder)?.uid(),
        kernel_thread: stat.kernel_thread,
        same_program: ours.is_some() && program(&format!("{folder}/exe")) == ours,
        own: own.contains(&stat.pid) || own_and_ancestors().contains(&stat.pid),
        name: &stat.name,
    };
    Ok(protection(&facts, nix::unistd::geteuid().as_raw(), &[]))
}
