//! From nothing to a warden that listens, in the order that makes it safe: the lock, what an earlier one left, the
//! segment, the threads, the socket.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::fd::FromRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::Options;
use super::commit;
use super::control::{Control, door};
use super::hub::Hub;
use super::recover;
use super::saves;
use crate::home::Home;
use crate::process::checkpoint;
use crate::process::spawn::vfork::reset_ignored_signals;
use crate::store::segment::{Lane, SegmentWriter};

/// EX_TEMPFAIL: another warden holds the folder.
const BUSY: u8 = 75;
/// EX_OSERR
const OS_ERROR: u8 = 71;
/// EX_USAGE
const USAGE: u8 = 64;
/// How long to wait for the lock. A child that a dead warden was just about to turn into a program holds it, too.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);
/// Stack of the committer, and of the thread that saves checkpoints.
const STACK_BYTES: usize = 96 << 10;

/// The warden, with the arguments after `warden` as [`Options::to_args`] made them.
pub fn main_from_args(args: impl Iterator<Item = OsString>) -> ExitCode {
    match Options::from_args(args) {
        Ok((home, options)) => main(&home, options),
        Err(what) => {
            let _ = writeln!(io::stderr(), "tern warden: {what}");
            ExitCode::from(USAGE)
        }
    }
}

/// The warden's life. To be called before anything else in the process has started a thread.
pub fn main(home: &Home, options: Options) -> ExitCode {
    thrift();
    match run(home, options) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(io::stderr(), "tern warden: {}: {error}; nothing was started", home.path().display());
            ExitCode::from(OS_ERROR)
        }
    }
}

/// Keeps the heap in one place and gives back what is large.
fn thrift() {
    #[cfg(target_env = "gnu")]
    #[expect(unsafe_code, reason = "the C library's allocator has no other switch")]
    // SAFETY: plain settings, made before any other thread exists.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_MMAP_THRESHOLD, 128 << 10);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 128 << 10);
    }
}

/// Gives back the text and the constants that only the start needed, the loader's list of relocations above all; what is
/// needed again is mapped again from the page cache. Nearly all of a warden's memory is such, mapped around every touched
/// page by the kernel.
fn forget_start_up() {
    let Ok(maps) = fs::read_to_string("/proc/self/maps") else { return };
    for line in maps.lines() {
        let mut words = line.split_ascii_whitespace();
        let (Some(range), Some(rights), Some(offset)) = (words.next(), words.next(), words.next()) else { continue };
        let Some(file) = words.nth(2) else { continue };
        // Constants at the beginning of a file are as they stand there. Those further back were relocated: they would
        // come back wrong.
        let as_in_file = rights == "r-xp" || (rights == "r--p" && offset.bytes().all(|digit| digit == b'0'));
        let ends =
            range.split_once('-').map(|(from, to)| (usize::from_str_radix(from, 16), usize::from_str_radix(to, 16)));
        if let Some((Ok(from), Ok(to))) = ends
            && as_in_file
            && file.starts_with('/')
        {
            #[expect(unsafe_code, reason = "the kernel is told by address")]
            // SAFETY: these pages were never written, so the kernel finds the same bytes in their file again.
            unsafe {
                libc::madvise(from as *mut libc::c_void, to - from, libc::MADV_DONTNEED)
            };
        }
    }
}

fn run(home: &Home, options: Options) -> io::Result<ExitCode> {
    let folder = home.path().join("warden");
    crate::home::make_folder(&folder)?;
    let Some(_lock) = lock(home, options.agent.is_some())? else { return Ok(ExitCode::from(BUSY)) };
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGTERM);
    signals.add(Signal::SIGINT);
    signals.thread_block()?;
    // Ends are heard through pidfds. Unblocked, one in ten would interrupt a thread that has nothing to do with it.
    SigSet::from(Signal::SIGCHLD).thread_block()?;
    let signals = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
    keep_descriptors_private();
    reset_ignored_signals();

    let (writer, torn) = SegmentWriter::open(home, Lane::Warden, options.node_tag).map_err(io::Error::other)?;
    if let Some(torn) = torn {
        eprintln!(
            "tern warden: {}: bytes {} to {} were cut off: a write that was not finished",
            torn.path.display(),
            torn.start,
            torn.end
        );
    }
    let left = recover::recover(home, !options.no_adopt)?;
    let running = left.adopted.iter().map(|adopted| (adopted.row, adopted.noted.attempt));
    let held: Vec<_> = running.chain(left.ended.iter().map(|(row, outcome)| (*row, outcome.attempt))).collect();
    let hub = Arc::new(Hub::new(home, options.node_tag, left.table, &held)?);
    hub.ended_before(left.ended)?;
    hub.segment.store(writer.position().segment, std::sync::atomic::Ordering::Relaxed);
    let listener = door::listen(&home.warden_socket())?;
    let ready_fd = options.ready_fd;
    let mut control = Control::new(Arc::clone(&hub), options, listener, signals, left.lost)?;
    if !left.adopted.is_empty() {
        let adopted = left.adopted.into_iter().map(|adopted| adopted.follow(&hub)).collect::<io::Result<_>>()?;
        control.add_worker(adopted)?;
    }
    let committer = Arc::clone(&hub);
    let committer = thread::Builder::new()
        .name("commit".into())
        .stack_size(STACK_BYTES)
        .spawn(move || commit::run(&committer, writer))?;
    let saver = Arc::clone(&hub);
    thread::Builder::new()
        .name("checkpoints".into())
        .stack_size(STACK_BYTES)
        .spawn(move || saves::run(&saver, checkpoint::sync))?;
    tell_ready(ready_fd);
    forget_start_up();

    let status = control.run();
    hub.stop();
    // It ends with what it is writing; a panic there was printed.
    let _ = committer.join();
    let _ = fs::remove_file(home.warden_socket());
    Ok(ExitCode::from(status))
}

/// The lock belongs to the open file, which a child shares until its program begins. So whoever gets it knows that every
/// task of the warden before either runs its program or never will.
///
/// `at_once`: it does not wait for a holder that lives. What `tern up` started must not take the folder over from another
/// `tern up` after that one was told to end.
fn lock(home: &Home, at_once: bool) -> io::Result<Option<Flock<fs::File>>> {
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(home.warden_lock())?;
    let since = Instant::now();
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(mut lock) => {
                lock.set_len(0)?;
                writeln!(lock, "{}", std::process::id())?;
                return Ok(Some(lock));
            }
            Err((back, Errno::EWOULDBLOCK)) if since.elapsed() < LOCK_PATIENCE => {
                if at_once && let Some(pid) = living(home) {
                    eprintln!("tern warden: process {pid} already holds {}", home.path().display());
                    return Ok(None);
                }
                file = back;
            }
            Err((_, Errno::EWOULDBLOCK)) => return Ok(None),
            Err((_, error)) => return Err(error.into()),
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// The pid that the lock names, if there is such a process.
#[must_use]
pub fn living(home: &Home) -> Option<i32> {
    let pid: i32 = fs::read_to_string(home.warden_lock()).ok()?.trim().parse().ok()?;
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None).is_ok().then_some(pid)
}

/// Descriptors that came along from whoever started us are not for the tasks.
#[expect(unsafe_code, reason = "no safe library has close_range")]
fn keep_descriptors_private() {
    // SAFETY: a plain system call; it closes nothing.
    unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) };
}

#[expect(unsafe_code, reason = "a descriptor came by number, as all do over an exec")]
fn tell_ready(fd: Option<i32>) {
    if let Some(fd) = fd {
        // SAFETY: whoever started us opened this descriptor for us and nobody else here knows it.
        let mut pipe = unsafe { fs::File::from_raw_fd(fd) };
        let _ = pipe.write_all(b"!");
    }
}
