//! One spawn: the program, its folder, its environment, its output files, a process group of its own.
//!
//! What the caller of a program would see in a shell is what the task gets: 127 for a program that is not there, 126
//! for one that cannot be run, with a line on its standard error that says why. Nothing else of the warden is inherited:
//! no descriptor, no blocked or ignored signal.

#![expect(unsafe_code, reason = "the kernel takes vectors of pointers")]

use std::ffi::{CStr, CString, c_char};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::PoisonError;

use nix::errno::Errno;
use tern_core::words::limits::{ARG_BYTES_MAX, ARGV_BYTES_MAX};
use tern_core::words::{Attempt, Bytes};

use super::context::Prepared;
use super::search::{Found, search};
use super::vfork::{Program, Stack};
use crate::process::checkpoint;
use crate::process::outputs::Pair;
use crate::process::pidfd::Pidfd;
use crate::process::protocol::{Keep, Own, Said};

/// Why there is no process.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The task ends with this code, and its standard error gets this line.
    Task { code: u8, why: String },
    /// The machine has no room for a process now; the same launch may succeed later.
    Later(Errno),
}

impl Refusal {
    fn task(code: u8, why: impl Into<String>) -> Self {
        Self::Task { code, why: why.into() }
    }
}

/// The unique text of an attempt, as `TERN_ATTEMPT` has it: job, task number from 1, round, dispatch, incarnation.
#[must_use]
pub fn attempt_text(attempt: &Attempt) -> String {
    let Attempt { job, task, round, epoch, n } = attempt;
    format!("{job}.{}.{round}.{n}.{:016x}", u64::from(*task) + 1, epoch.incarnation)
}

/// Spawns; keeps what can be used again. One for each worker.
pub struct Launcher {
    stack: Stack,
    null: File,
    strings: Vec<u8>,
    pointers: Vec<*const c_char>,
}

// SAFETY: the pointers point into `strings` and into a context, and are written anew for every spawn.
unsafe impl Send for Launcher {}

impl Launcher {
    /// # Errors
    /// Where `/dev/null` cannot be opened.
    pub fn new() -> std::io::Result<Self> {
        let null = File::open("/dev/null")?;
        Ok(Self { stack: Stack::default(), null, strings: Vec::new(), pointers: Vec::new() })
    }

    /// Starts a task as the leader of its own process group. The calling thread has all signals blocked.
    ///
    /// # Errors
    /// [`Refusal`]; nothing was started then.
    pub fn launch(
        &mut self,
        context: &Prepared,
        attempt: &Attempt,
        (argv, own): (&[Bytes], Option<&Own>),
        outputs: &Pair,
    ) -> Result<(i32, Pidfd), Refusal> {
        check(argv)?;
        let folder = folder(context, own)?;
        let file = locate(context, &argv[0])?;
        match self.spawn((context, &folder), attempt, &file, (argv, own), outputs) {
            Ok(started) => Ok(started),
            Err(Errno::ENOENT) if !argv[0].contains(&b'/') && forget(context) => {
                // The program may have moved since it was looked up.
                let file = locate(context, &argv[0])?;
                let started = self.spawn((context, &folder), attempt, &file, (argv, own), outputs);
                started.map_err(|error| explain(error, (context, &folder), &file, argv))
            }
            Err(error) => Err(explain(error, (context, &folder), &file, argv)),
        }
    }

    fn spawn(
        &mut self,
        (context, folder): (&Prepared, &CStr),
        attempt: &Attempt,
        file: &CStr,
        (argv, own): (&[Bytes], Option<&Own>),
        outputs: &Pair,
    ) -> Result<(i32, Pidfd), Errno> {
        let through_trampoline = !context.rlimits.is_empty() || own.is_some_and(|own| own.keep.is_some());
        let ours = self.lay_out(context, attempt, file, (argv, own), through_trampoline);
        let (stdout, stderr) = outputs.descriptors();
        let program = Program {
            // In the child this names the child's own program: ours, even if its file was replaced or removed.
            file: if through_trampoline { c"/proc/self/exe" } else { file },
            argv: self.pointers.as_ptr(),
            env: self.pointers[ours..].as_ptr(),
            cwd: folder,
            streams: [self.null.as_raw_fd(), stdout, stderr],
        };
        // SAFETY: both vectors of pointers end with a null and point to strings that live in `self` and `context`.
        unsafe { self.stack.spawn(&program) }
    }

    /// Fills `strings` and `pointers` with the argument vector and, from the returned index on, the environment.
    fn lay_out(
        &mut self,
        context: &Prepared,
        attempt: &Attempt,
        file: &CStr,
        (argv, own): (&[Bytes], Option<&Own>),
        through_trampoline: bool,
    ) -> usize {
        let mut starts: Vec<usize> = Vec::with_capacity(argv.len() + 4);
        let strings = &mut self.strings;
        strings.clear();
        let mut push = |parts: &[&[u8]]| {
            starts.push(strings.len());
            for part in parts {
                strings.extend_from_slice(part);
            }
            strings.push(0);
        };
        let keep = own.and_then(|own| own.keep.as_deref());
        if through_trampoline {
            push(&[b"tern"]);
            push(&[b"trampoline"]);
            // First: a limit on the size of files is the program's.
            keep.iter().flat_map(|keep| laid_out(keep)).for_each(|word| push(&[&word]));
            for limit in &context.rlimits {
                push(&[b"--rlimit"]);
                push(&[limit.to_bytes()]);
            }
            push(&[b"--"]);
            push(&[file.to_bytes()]);
        }
        for word in argv {
            push(&[word]);
        }
        push(&[b"TERN_JOB=", attempt.job.to_string().as_bytes()]);
        push(&[b"TERN_TASK=", (u64::from(attempt.task) + 1).to_string().as_bytes()]);
        push(&[b"TERN_ATTEMPT=", attempt_text(attempt).as_bytes()]);
        if let Some(keep) = keep {
            push(&[checkpoint::VARIABLE, b"=", &keep.folder]);
        }
        let more = own.map_or(&[][..], |own| &own.env[..]);
        for (name, value) in more {
            push(&[name, b"=", value]);
        }
        let words = starts.len() - 3 - usize::from(keep.is_some()) - more.len();
        let pointer = |bytes: &[u8], at: usize| bytes[at..].as_ptr().cast::<c_char>();
        self.pointers.clear();
        self.pointers.extend(starts[..words].iter().map(|at| pointer(strings, *at)));
        self.pointers.push(std::ptr::null());
        self.pointers.extend(starts[words..].iter().map(|at| pointer(strings, *at)));
        self.pointers.extend(context.env_at.iter().map(|at| pointer(&context.env, *at as usize)));
        self.pointers.push(std::ptr::null());
        if strings.capacity() > 4 * ARG_BYTES_MAX {
            self.pointers.shrink_to(1024);
        }
        words + 1
    }
}

/// What the trampoline does before the program of a task that leaves checkpoints.
fn laid_out(keep: &Keep) -> Vec<Bytes> {
    let mut words = vec!["--checkpoint".into(), keep.from.clone(), keep.folder.clone()];
    for (which, said) in ["--stdout", "--stderr"].into_iter().zip(&keep.said) {
        if let Some(Said { file, offset, len }) = said {
            words.extend([which.into(), file.clone(), offset.to_string().into(), len.to_string().into()]);
        }
    }
    words
}

/// What the kernel would refuse without saying which argument it was.
fn check(argv: &[Bytes]) -> Result<(), Refusal> {
    if argv.first().is_none_or(|name| name.is_empty()) {
        return Err(Refusal::task(127, "the name of the program is empty"));
    }
    for (index, word) in argv.iter().enumerate() {
        if word.len() >= ARG_BYTES_MAX {
            return Err(Refusal::task(
                126,
                format!(
                    "argument {index} has {} bytes; the kernel takes up to {} in one argument",
                    word.len(),
                    ARG_BYTES_MAX - 1
                ),
            ));
        }
        if word.contains(&0) {
            return Err(Refusal::task(
                126,
                format!("argument {index} holds a NUL byte, which no program can be given"),
            ));
        }
    }
    Ok(())
}

/// The folder that a task runs in.
fn folder(context: &Prepared, own: Option<&Own>) -> Result<CString, Refusal> {
    match own.filter(|own| !own.folder.is_empty()) {
        None => Ok(context.cwd.clone()),
        Some(own) => CString::new(own.folder.0.clone())
            .map_err(|_| Refusal::task(126, "the name of the folder to run in holds a NUL byte")),
    }
}

fn locate(context: &Prepared, name: &Bytes) -> Result<CString, Refusal> {
    if name.contains(&b'/') {
        return CString::new(name.0.clone()).map_err(|_| Refusal::task(126, "the program's name holds a NUL byte"));
    }
    let mut known = context.found.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, path)) = known.as_ref().filter(|(known, _)| *known == name.0) {
        return Ok(path.clone());
    }
    match search(name, &context.path) {
        Found::At(path) => {
            *known = Some((name.0.clone(), path.clone()));
            Ok(path)
        }
        Found::NotExecutable(path) => Err(Refusal::task(126, format!("{}: permission denied", path.display()))),
        Found::Nowhere => Err(Refusal::task(127, format!("{name}: not found"))),
    }
}

/// Whether there was a remembered place to forget.
fn forget(context: &Prepared) -> bool {
    context.found.lock().unwrap_or_else(PoisonError::into_inner).take().is_some()
}

/// The kernel gives one number for a missing folder, a missing program and a missing interpreter.
fn explain(error: Errno, (context, cwd): (&Prepared, &CStr), file: &CStr, argv: &[Bytes]) -> Refusal {
    use std::os::unix::ffi::OsStrExt;
    if matches!(error, Errno::EAGAIN | Errno::ENOMEM | Errno::ENFILE | Errno::EMFILE) {
        return Refusal::Later(error);
    }
    let os_path = |text: &CStr| Path::new(std::ffi::OsStr::from_bytes(text.to_bytes())).to_owned();
    let (folder, file) = (os_path(cwd), os_path(file));
    let name = file.display();
    if !cwd.is_empty() && !folder.is_dir() {
        return Refusal::task(126, format!("{}: no such folder to run in", folder.display()));
    }
    let there = std::fs::metadata(folder.join(&file));
    match error {
        Errno::ENOENT if there.is_ok() => Refusal::task(126, format!("{name}: its interpreter is not there")),
        Errno::ENOENT | Errno::ENOTDIR => Refusal::task(127, format!("{name}: not found")),
        Errno::EACCES if there.as_ref().is_ok_and(std::fs::Metadata::is_dir) => {
            Refusal::task(126, format!("{name}: is a folder"))
        }
        Errno::EACCES => Refusal::task(126, format!("{name} (in {}): permission denied", folder.display())),
        Errno::ENOEXEC => {
            Refusal::task(126, format!("{name}: not a program for this machine, nor a script that begins with #!"))
        }
        Errno::E2BIG => {
            let bytes: usize = argv.iter().map(|word| word.len() + 9).sum::<usize>() + context.env.len();
            Refusal::task(
                126,
                format!(
                    "arguments and environment take {bytes} bytes; the kernel gives them a quarter of the stack limit (usually {ARGV_BYTES_MAX})"
                ),
            )
        }
        error => Refusal::task(126, format!("{name}: {}", error.desc())),
    }
}
