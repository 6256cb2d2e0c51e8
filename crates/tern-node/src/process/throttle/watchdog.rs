//! The process that continues what a dead holder had stopped.
//!
//! It is this program again, with [`ARGUMENT`] as its first word. It holds the reading end of a pipe whose other end the
//! holder keeps open for its life, and sleeps. When the holder ends, however it ends, the pipe closes; then the watchdog
//! reads the list of throttles, puts everything back, empties the list, and ends. A list that names another holder by then
//! is left alone: the next one was faster and has taken over. The watchdog is started with the first throttle and ends
//! with the last.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};

use super::ThrottleError;
use super::held::Held;
use super::record::{Holder, ListFile};

/// The first word after the program's name that makes it a watchdog.
pub const ARGUMENT: &str = "watchdog";

/// What it says once it watches (the ASCII code for it).
const READY: u8 = 6;
/// Bytes that are read in search of that: a program that says something else is no watchdog.
const GREETING_BYTES_MAX: u64 = 4096;

/// How to start one.
#[derive(Clone, Debug)]
pub struct Start {
    pub program: PathBuf,
    /// Come before the list's path and the holder's identity.
    pub arguments: Vec<OsString>,
}

impl Start {
    /// This very program, also when its file was replaced meanwhile.
    #[must_use]
    pub fn own_program() -> Self {
        Self { program: "/proc/self/exe".into(), arguments: vec![ARGUMENT.into()] }
    }
}

/// A running watchdog, from its holder's side. Dropping it tells it to look, and to end.
#[derive(Debug)]
pub(super) struct Watchdog {
    child: Child,
    /// Closed by the kernel when this process ends, whatever ended it.
    line: Option<ChildStdin>,
    /// Kept open, so that nothing that it may still say ends it.
    says: Option<ChildStdout>,
}

impl Watchdog {
    pub fn start(how: &Start, list: &Path, holder: Holder) -> io::Result<Self> {
        let mut child = Command::new(&how.program)
            .args(&how.arguments)
            .arg(list)
            .args([holder.pid.to_string(), holder.start_time.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .current_dir("/")
            .spawn()?;
        let (line, says) = (child.stdin.take(), child.stdout.take());
        // From here on dropping it collects it, also where it turns out to be none.
        let mut started = Self { child, line, says };
        let greeting = started.says.iter_mut().flat_map(|says| says.take(GREETING_BYTES_MAX).bytes());
        if greeting.map_while(Result::ok).any(|byte| byte == READY) {
            return Ok(started);
        }
        Err(io::Error::other("it ended before it watched"))
    }

    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.line.take());
        // It has only a list to read. A holder that collects all its children may have collected this one: no matter.
        let _ = self.child.wait();
    }
}

/// The watchdog's life. `arguments` are the words after [`ARGUMENT`]: the list's path, and the holder's pid and start time.
#[must_use]
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    // Its own session: an interrupt from the holder's terminal must not reach it. It fails where it leads one already.
    let _ = nix::unistd::setsid();
    let Some((list, holder)) = parse(arguments) else {
        eprintln!(
            "tern: {ARGUMENT} is started by tern itself, with a list of throttles and the identity of their holder"
        );
        return ExitCode::from(64);
    };
    // Without an ear there is no holder any more, and the list is looked at at once.
    if io::stdout().write_all(&[READY]).and_then(|()| io::stdout().flush()).is_ok() {
        wait_for_the_end();
    }
    match release_all_of(&list, holder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tern: {error}");
            ExitCode::from(74)
        }
    }
}

fn parse(arguments: impl IntoIterator<Item = OsString>) -> Option<(ListFile, Holder)> {
    let mut words = arguments.into_iter();
    let (path, pid, start_time) = (words.next()?, words.next()?, words.next()?);
    let number = |word: &OsStr| word.to_str()?.parse::<u64>().ok();
    let holder = Holder { pid: i32::try_from(number(&pid)?).ok()?, start_time: number(&start_time)? };
    Some((ListFile::new(Path::new(&path)), holder))
}

/// Nothing is ever written to the pipe; it ends when its last writer has.
fn wait_for_the_end() {
    let mut byte = [0];
    loop {
        match io::stdin().read(&mut byte) {
            Ok(1..) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => return,
        }
    }
}

/// Puts back what this holder's list names. All of it is tried; the first failure is told, and stays on the list.
fn release_all_of(list: &ListFile, holder: Holder) -> Result<(), ThrottleError> {
    let _lock = list.lock()?;
    let found = list.read()?;
    if found.holder != holder || found.throttles.is_empty() {
        return Ok(());
    }
    let (mut left, mut first) = (Vec::new(), Ok(()));
    for record in found.throttles {
        if let Err(error) = Held::abandoned(record.clone()).and_then(Held::release) {
            left.push(record);
            first = first.and(Err(error));
        }
    }
    list.write(holder, left)?;
    first
}
