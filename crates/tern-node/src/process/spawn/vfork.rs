//! A process from a program, as cheaply as the kernel can: what `posix_spawn` does inside, without what a warden does
//! not need.
//!
//! `posix_spawn` maps a stack, unmaps it (which interrupts the other cores), looks at each of 64 signals, and leaves the
//! pidfd for another call: about 70 system calls a task. Here the stack is kept, all signals have their default action
//! but the one that is reset, and the pidfd comes with the process. The child borrows our memory and we stand still
//! until its program begins, so nothing is copied.

#![expect(unsafe_code, reason = "the child runs in our memory until its program begins")]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};

use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, pthread_sigmask};

use crate::process::pidfd::Pidfd;

/// Stack of the child up to its program. It makes a dozen plain system calls.
const STACK_BYTES: usize = 32 << 10;
const WORD: usize = size_of::<u128>();

/// What the child is to become.
pub struct Program<'a> {
    pub file: &'a CStr,
    /// Ends with a null; so does `env`.
    pub argv: *const *const c_char,
    pub env: *const *const c_char,
    /// Empty: ours.
    pub cwd: &'a CStr,
    /// Standard input, output and error.
    pub streams: [c_int; 3],
}

struct Plan<'a> {
    program: &'a Program<'a>,
    error: AtomicI32,
}

/// A stack to start children on, one after the other.
pub struct Stack(Vec<u128>);

impl Default for Stack {
    fn default() -> Self {
        Self(vec![0; STACK_BYTES / WORD])
    }
}

impl Stack {
    /// Starts a program as the leader of its own process group, with no signal blocked or ignored.
    ///
    /// The calling thread must have all signals blocked ([`block_all_signals`]), or a handler might run in the child.
    ///
    /// # Safety
    /// `argv` and `env` are vectors of pointers to C strings, each ended by a null.
    ///
    /// # Errors
    /// What the kernel said to one of the steps; there is no process then.
    pub unsafe fn spawn(&mut self, program: &Program) -> Result<(i32, Pidfd), Errno> {
        let plan = Plan { program, error: AtomicI32::new(0) };
        let mut pidfd: c_int = -1;
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD;
        // SAFETY: the child uses the stack and the plan only until its program begins or it exits, and until then this
        // thread stands still inside the call.
        let pid = unsafe {
            let top = self.0.as_mut_ptr().add(self.0.len());
            libc::clone(begin, top.cast(), flags, (&raw const plan).cast_mut().cast(), &raw mut pidfd)
        };
        let pid = Errno::result(pid)?;
        // SAFETY: the kernel made the descriptor for us.
        let pidfd = (pidfd >= 0).then(|| Pidfd::from(unsafe { OwnedFd::from_raw_fd(pidfd) }));
        match plan.error.load(Ordering::Relaxed) {
            0 => Ok((pid, pidfd.map_or_else(|| Pidfd::open(pid), Ok).inspect_err(|_| end_at_once(pid))?)),
            error => {
                end_at_once(pid);
                Err(Errno::from_raw(error))
            }
        }
    }
}

/// Blocks all signals in this thread, for good: the process's other threads take them.
///
/// # Errors
/// None on a working kernel.
pub fn block_all_signals() -> Result<(), Errno> {
    pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), None)
}

/// Gives every signal that whoever started us ignored its default action, since a child inherits that. SIGPIPE stays
/// ignored here and is reset in each child.
pub fn reset_ignored_signals() {
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: both calls get structures of our own; the C library refuses the numbers that are its own.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            let known = libc::sigaction(signal, std::ptr::null(), &raw mut action) == 0;
            if known && action.sa_sigaction == libc::SIG_IGN && signal != libc::SIGPIPE {
                action.sa_sigaction = libc::SIG_DFL;
                libc::sigaction(signal, &raw const action, std::ptr::null_mut());
            }
        }
    }
}

/// It has exited already, or cannot be watched: the machine ran out of descriptors.
fn end_at_once(pid: i32) {
    use nix::sys::signal::{Signal, kill};
    let pid = nix::unistd::Pid::from_raw(pid);
    let _ = kill(pid, Signal::SIGKILL);
    while nix::sys::wait::waitpid(pid, None) == Err(Errno::EINTR) {}
}

/// The child. It may do nothing but plain system calls: no allocation, no lock, no panic.
extern "C" fn begin(plan: *mut c_void) -> c_int {
    // SAFETY: `spawn` passes its plan, which outlives the child's use of it.
    unsafe {
        let plan = &*plan.cast::<Plan>();
        if prepare(plan.program) {
            libc::execve(plan.program.file.as_ptr(), plan.program.argv, plan.program.env);
        }
        plan.error.store(*libc::__errno_location(), Ordering::Relaxed);
        libc::_exit(127)
    }
}

/// False: the reason stands in `errno`.
///
/// # Safety
/// To be called in the child alone.
unsafe fn prepare(program: &Program) -> bool {
    // SAFETY: plain system calls with our own structures.
    unsafe {
        if libc::setpgid(0, 0) != 0 {
            return false;
        }
        for (target, from) in program.streams.iter().enumerate() {
            if libc::dup2(*from, target as c_int) < 0 {
                return false;
            }
        }
        if !program.cwd.is_empty() && libc::chdir(program.cwd.as_ptr()) != 0 {
            return false;
        }
        let mut default: libc::sigaction = std::mem::zeroed();
        default.sa_sigaction = libc::SIG_DFL;
        libc::sigaction(libc::SIGPIPE, &raw const default, std::ptr::null_mut());
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut()) == 0
    }
}
