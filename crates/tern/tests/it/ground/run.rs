//! Programs that a test starts: their output lies in files, and each is ended by its own id.
//!
//! Files and not pipes, since an agent that outlives its command would hold a pipe open. Nothing is waited for longer
//! than [`PATIENCE`], and nothing sleeps in the hope that it was long enough.

use std::fs::{self, File};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use tempfile::TempDir;

/// What has not come by then will not come.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// What a program left behind. The code is 128 + the signal where one ended it.
#[derive(Debug)]
pub struct Out {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// A program in a process group of its own; dropped, the group is ended.
pub struct Running {
    child: Child,
    folder: TempDir,
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        let folder = tempfile::Builder::new().prefix("tern-it-").tempdir().unwrap();
        let file = |name: &str| File::create(folder.path().join(name)).unwrap();
        command.stdin(Stdio::null()).stdout(file("stdout")).stderr(file("stderr")).process_group(0);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self { child, folder }
    }

    pub fn stdout(&self) -> String {
        self.read("stdout")
    }

    pub fn stderr(&self) -> String {
        self.read("stderr")
    }

    /// Still there.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end.
    pub fn end(mut self) -> Out {
        let since = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Out { code: code(status), stdout: self.stdout(), stderr: self.stderr() };
            }
            assert!(since.elapsed() < PATIENCE, "it does not end: {} {}", self.stdout(), self.stderr());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Asks it to end as the interrupt key does, and waits for that.
    pub fn interrupt(self) -> Out {
        // It is not reaped yet, so that the id is its own.
        let _gone = kill(self.pid(), Signal::SIGINT);
        self.end()
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().unwrap())
    }

    fn read(&self, name: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.path().join(name)).unwrap_or_default()).into_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _gone = killpg(self.pid(), Signal::SIGKILL);
            let _reaped = self.child.wait();
        }
    }
}

fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// Waits until `so` gives something; `what` is said if that never comes.
pub fn until<T>(what: &str, mut so: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(it) = so() {
            return it;
        }
        assert!(since.elapsed() < PATIENCE, "{what}: it never came");
        std::thread::sleep(Duration::from_millis(5));
    }
}
