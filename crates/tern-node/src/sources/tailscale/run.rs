//! Another program's answer: within a time, up to a length, and with the program gone afterwards, whatever it does.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::Silence;

/// Between two looks whether a program that closed its output has ended, too.
const END_LOOK: Duration = Duration::from_millis(5);

/// A program in a process group of its own, which is ended with everything it started.
struct Running {
    child: Child,
    /// Its number may be another's since.
    collected: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.collected {
            let _ = killpg(Pid::from_raw(self.child.id() as i32), Signal::SIGKILL);
            let _ = self.child.wait();
        }
    }
}

/// Runs the program and gives what it wrote.
pub(super) fn output(program: &Path, args: &[&str], limit: Duration, bytes_max: usize) -> Result<Vec<u8>, Silence> {
    let until = Instant::now() + limit;
    let mut command = Command::new(program);
    // Its complaints are for a terminal that is not there.
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
    let child = command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Silence::NotInstalled,
        _ => Silence::NotRun(error),
    })?;
    let mut running = Running { child, collected: false };
    let text = match running.child.stdout.take() {
        Some(stdout) => read(File::from(OwnedFd::from(stdout)), until, bytes_max)?,
        None => Vec::new(),
    };
    let how = ended(&mut running, until)?;
    if how.success() { Ok(text) } else { Err(Silence::Failed { how }) }
}

fn read(mut from: File, until: Instant, bytes_max: usize) -> Result<Vec<u8>, Silence> {
    let mut text = Vec::new();
    let mut piece = [0; 16 * 1024];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left.as_millis()).unwrap_or(PollTimeout::MAX);
        let ready = poll(&mut [PollFd::new(from.as_fd(), PollFlags::POLLIN)], timeout);
        match ready {
            Err(nix::errno::Errno::EINTR) => continue,
            Err(error) => return Err(Silence::NotRun(error.into())),
            Ok(0) => return Err(Silence::TooLate),
            Ok(_) => {}
        }
        match from.read(&mut piece).map_err(Silence::NotRun)? {
            0 => return Ok(text),
            more if text.len() + more > bytes_max => return Err(Silence::TooMuch),
            more => text.extend_from_slice(&piece[..more]),
        }
    }
}

/// Whoever closes its output ends at once, as a rule; one that does not is given the rest of the time.
fn ended(running: &mut Running, until: Instant) -> Result<ExitStatus, Silence> {
    loop {
        if let Some(how) = running.child.try_wait().map_err(Silence::NotRun)? {
            running.collected = true;
            return Ok(how);
        }
        if Instant::now() >= until {
            return Err(Silence::TooLate);
        }
        std::thread::sleep(END_LOOK);
    }
}
