//! Why a process was not held back, or not let go.

use std::io;
use std::path::PathBuf;

use tern_core::decide::scum::Protected;

use crate::process::protocol::ThrottleMethod;

/// A throttle that was refused or failed. Unless a variant says otherwise, the process is as it was before.
#[derive(Debug, thiserror::Error)]
pub enum ThrottleError {
    /// Never existed, has ended, or is a thread's number.
    #[error("there is no process {pid}; it may have ended: `tern scum` lists those that run")]
    NoProcess { pid: i32 },
    /// Nobody acts on this one.
    #[error("process {pid} ({name}) is protected: {why}{}", advice(*.why))]
    Protected { pid: i32, name: String, why: Protected },
    #[error("{percent} % is no share: give 1 to 100 per cent of one CPU")]
    Percent { percent: u8 },
    /// The list names something that no throttle ever changes.
    #[error("the list of throttles names process {pid} with something that is not a throttle's; it was left alone")]
    Foreign { pid: i32 },
    /// Somebody else stopped it; continuing it in turns would undo that.
    #[error("process {pid} is stopped; continue it first (kill -CONT {pid}) or choose another method")]
    Stopped { pid: i32 },
    /// Another holder has it.
    #[error("process {pid} is already held back, by the control group {}; release it there first", group.display())]
    AlreadyHeld { pid: i32, group: PathBuf },
    /// The method asked for does not work for this process on this machine.
    #[error("{method:?} does not work for process {pid}: {why}; leave the method out to take what works")]
    Unfit { pid: i32, method: ThrottleMethod, why: String },
    /// None of the methods that keep to a share works.
    #[error("process {pid} cannot be held back here: {why}")]
    NoMethod { pid: i32, why: String },
    #[error("{limit} processes are held back already; release one first")]
    TooMany { limit: usize },
    /// It was not let go, or not wholly: the file names what is left, and asking again is safe.
    #[error("process {pid} was not wholly released: {source}; release it again to repeat")]
    Release { pid: i32, source: io::Error },
    /// Without it a crash of the holder could leave a process stopped for ever.
    #[error("the watchdog that continues processes after a crash did not start: {source}")]
    Watchdog { source: io::Error },
    /// What was found must be on disk before anything is changed.
    #[error("the list of throttles {} cannot be written: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    /// It is left alone.
    #[error("the list of throttles {} cannot be used: {why}; move it away after looking at the processes it names", path.display())]
    Unreadable { path: PathBuf, why: String },
    #[error("process {pid} could not be looked at: {source}")]
    Look { pid: i32, source: io::Error },
}

const fn advice(why: Protected) -> &'static str {
    match why {
        Protected::OtherUser => ", and only they may throttle it (also for root: run as that user)",
        Protected::Own => "; end or limit the tasks instead",
        Protected::Init | Protected::KernelThread | Protected::Listed | Protected::Settings => "",
    }
}
