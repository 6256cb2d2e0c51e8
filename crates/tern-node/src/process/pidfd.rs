//! Holding on to a process: a pid may be given to another process the moment its owner is gone, a pidfd may not.
//!
//! A process is told from a later one with the same pid by the inode of its pidfd where the kernel has pidfs (6.9 and
//! later), else by its start time; both together with the boot they belong to.

#![expect(unsafe_code, reason = "pidfds are in no safe library")]

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::stat::fstat;
use nix::sys::statfs::{FsType, fstatfs};

/// `f_type` of the pid file system.
const PIDFS_MAGIC: FsType = FsType(0x5049_4446);

/// What tells a process from every other of the same boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Inode of its pidfd on pidfs.
    Inode(u64),
    /// Field 22 of `/proc/PID/stat`, in clock ticks since the boot.
    StartTime(u64),
}

/// An open pidfd.
#[derive(Debug)]
pub struct Pidfd(OwnedFd);

impl AsFd for Pidfd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<OwnedFd> for Pidfd {
    fn from(fd: OwnedFd) -> Self {
        Self(fd)
    }
}

impl Pidfd {
    /// # Errors
    /// `ESRCH` when there is no such process; `EMFILE` and the like.
    pub fn open(pid: i32) -> Result<Self, Errno> {
        // SAFETY: a plain system call; a non-negative result is a descriptor that nobody else owns.
        unsafe {
            let fd = Errno::result(libc::syscall(libc::SYS_pidfd_open, pid, 0))?;
            Ok(Self(OwnedFd::from_raw_fd(fd as i32)))
        }
    }

    /// Opens the process that has this identity. None: it is gone, and its number may be another's.
    #[must_use]
    pub fn reopen(pid: i32, identity: Identity) -> Option<Self> {
        let pidfd = Self::open(pid).ok()?;
        let same = match identity {
            Identity::Inode(inode) => pidfd.inode() == Some(inode),
            Identity::StartTime(ticks) => start_time(pid) == Some(ticks),
        };
        same.then_some(pidfd)
    }

    /// Sends a signal to this process and no other.
    ///
    /// # Errors
    /// `ESRCH` when it is gone.
    pub fn signal(&self, signal: i32) -> Result<(), Errno> {
        // SAFETY: a plain system call on our own descriptor; no siginfo is passed.
        Errno::result(unsafe {
            libc::syscall(libc::SYS_pidfd_send_signal, self.0.as_raw_fd(), signal, std::ptr::null::<u8>(), 0)
        })
        .map(drop)
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// Those of `poll`; `Ok(false)` when the time is over.
    pub fn wait(&self, timeout_ms: u16) -> Result<bool, Errno> {
        use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
        poll(&mut [PollFd::new(self.as_fd(), PollFlags::POLLIN)], PollTimeout::from(timeout_ms)).map(|ready| ready > 0)
    }

    /// The inode on pidfs; where there is none, the same for all.
    #[must_use]
    pub fn inode(&self) -> Option<u64> {
        fstat(&self.0).ok().map(|stat| stat.st_ino)
    }

    /// Whether this kernel has pidfs.
    #[must_use]
    pub fn on_pidfs(&self) -> bool {
        fstatfs(&self.0).is_ok_and(|stat| stat.filesystem_type() == PIDFS_MAGIC)
    }

    /// The wait status of an ended process that is not our child: from the pidfd when somebody has reaped it, from
    /// `/proc` while nobody has (some first processes take their time). None: not ended, or the kernel does not tell.
    #[must_use]
    pub fn wait_status(&self, pid: i32) -> Option<i32> {
        self.reaped_status().or_else(|| {
            let status = zombie_status(pid)?;
            // If it was reaped between the two looks, the pid may have been another's already.
            Some(self.reaped_status().unwrap_or(status))
        })
    }

    fn reaped_status(&self) -> Option<i32> {
        // SAFETY: the kernel fills at most the structure whose size the request carries.
        unsafe {
            let mut info: libc::pidfd_info = std::mem::zeroed();
            info.mask = u64::from(libc::PIDFD_INFO_EXIT);
            let done = libc::ioctl(self.0.as_raw_fd(), libc::PIDFD_GET_INFO, &raw mut info);
            (done == 0 && info.mask & u64::from(libc::PIDFD_INFO_EXIT) != 0).then_some(info.exit_code)
        }
    }
}

/// Whether this kernel tells the exit status of a reaped process through its pidfd (6.15 and later). Costs one fork, so
/// only a small process should ask.
#[must_use]
pub fn kernel_tells_status() -> bool {
    // SAFETY: the child calls nothing but `_exit`.
    unsafe {
        let pid = libc::fork();
        if pid == 0 {
            libc::_exit(37);
        }
        if pid < 0 {
            return false;
        }
        let pidfd = Pidfd::open(pid);
        let mut status = 0;
        while libc::waitpid(pid, &raw mut status, 0) < 0 && Errno::last() == Errno::EINTR {}
        pidfd.is_ok_and(|pidfd| pidfd.reaped_status() == Some(status))
    }
}

/// Start time of a process, in clock ticks since the boot.
#[must_use]
pub fn start_time(pid: i32) -> Option<u64> {
    stat_field(&read_stat(pid)?, 22)
}

/// Whether a signal has stopped a process, and no other has let it go on yet.
#[must_use]
pub fn is_stopped(pid: i32) -> bool {
    read_stat(pid).is_some_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T')))
}

fn zombie_status(pid: i32) -> Option<i32> {
    let stat = read_stat(pid)?;
    let state = stat.rsplit_once(") ")?.1.as_bytes().first().copied()?;
    if state == b'Z' { stat_field(&stat, 52) } else { None }
}

fn read_stat(pid: i32) -> Option<String> {
    fs::read(format!("/proc/{pid}/stat")).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// Field by its number in proc(5), from 3: the name before may hold spaces and brackets.
fn stat_field<T: std::str::FromStr>(stat: &str, number: usize) -> Option<T> {
    stat.rsplit_once(") ")?.1.split_ascii_whitespace().nth(number - 3)?.parse().ok()
}

/// The id of this boot.
///
/// # Errors
/// Where `/proc` is not mounted.
pub fn boot_id() -> io::Result<[u8; 16]> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    let digits: Vec<u8> =
        text.bytes().filter_map(|byte| (byte as char).to_digit(16)).map(|digit| digit as u8).collect();
    let mut id = [0; 16];
    for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = pair[0] << 4 | pair[1];
    }
    Ok(id)
}
