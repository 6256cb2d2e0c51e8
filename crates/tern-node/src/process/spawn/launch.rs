//! One `posix_spawn`: the program, its folder, its environment, its output files, a process group of its own.
//!
//! What the caller of a program would see in a shell is what the task gets: 127 for a program that is not there, 126
//! for one that cannot be run, with a line on its standard error that says why. Nothing else of the warden is inherited:
//! no descriptor, no blocked or ignored signal.

#![expect(unsafe_code, reason = "no safe library spawns into a folder")]

use std::ffi::{CStr, CString, c_char};
use std::fs::File;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::PoisonError;

use nix::errno::Errno;
use tern_core::words::limits::{ARG_BYTES_MAX, ARGV_BYTES_MAX};
use tern_core::words::{Attempt, Bytes};

use super::context::Prepared;
use super::search::{Found, search};
use crate::process::outputs::Pair;

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

/// Spawns; keeps what is the same for every spawn. One for each worker.
pub struct Launcher {
    attributes: libc::posix_spawnattr_t,
    null: File,
    actions: Option<Actions>,
    strings: Vec<u8>,
    pointers: Vec<*const c_char>,
}

// SAFETY: the pointers point into `strings` and into a context, and are written anew for every spawn.
unsafe impl Send for Launcher {}

impl Launcher {
    /// # Errors
    /// Where `/dev/null` cannot be opened or memory is short.
    pub fn new() -> std::io::Result<Self> {
        let null = File::open("/dev/null")?;
        let mut attributes = MaybeUninit::uninit();
        // SAFETY: `attributes` and the signal sets are initialised by the calls before they are used.
        let attributes = unsafe {
            Errno::result_of(libc::posix_spawnattr_init(attributes.as_mut_ptr()))?;
            let mut attributes = attributes.assume_init();
            let mut signals = std::mem::zeroed();
            libc::sigemptyset(&raw mut signals);
            libc::posix_spawnattr_setsigmask(&raw mut attributes, &raw const signals);
            libc::sigfillset(&raw mut signals);
            libc::posix_spawnattr_setsigdefault(&raw mut attributes, &raw const signals);
            libc::posix_spawnattr_setpgroup(&raw mut attributes, 0);
            let flags = libc::POSIX_SPAWN_SETPGROUP | libc::POSIX_SPAWN_SETSIGMASK | libc::POSIX_SPAWN_SETSIGDEF;
            libc::posix_spawnattr_setflags(&raw mut attributes, flags as i16);
            attributes
        };
        Ok(Self { attributes, null, actions: None, strings: Vec::new(), pointers: Vec::new() })
    }

    /// Starts a task as the leader of its own process group and returns its pid.
    ///
    /// # Errors
    /// [`Refusal`]; nothing was started then.
    pub fn launch(
        &mut self,
        context: &Prepared,
        attempt: &Attempt,
        argv: &[Bytes],
        outputs: &Pair,
    ) -> Result<i32, Refusal> {
        check(argv)?;
        let file = locate(context, &argv[0])?;
        match self.spawn(context, attempt, &file, argv, outputs) {
            Ok(pid) => Ok(pid),
            Err(Errno::ENOENT) if !argv[0].contains(&b'/') && forget(context) => {
                // The program may have moved since it was looked up.
                let file = locate(context, &argv[0])?;
                self.spawn(context, attempt, &file, argv, outputs).map_err(|error| explain(error, context, &file, argv))
            }
            Err(error) => Err(explain(error, context, &file, argv)),
        }
    }

    fn spawn(
        &mut self,
        context: &Prepared,
        attempt: &Attempt,
        file: &CStr,
        argv: &[Bytes],
        outputs: &Pair,
    ) -> Result<i32, Errno> {
        let through_trampoline = !context.rlimits.is_empty();
        let ours = self.lay_out(context, attempt, file, argv, through_trampoline);
        // Usually the same as last time: checking three descriptors costs the C library six system calls.
        let (stdout, stderr) = outputs.descriptors();
        let actions = match &self.actions {
            Some(actions) if actions.serve(stdout, stderr, &context.cwd) => actions,
            _ => self.actions.insert(Actions::new(self.null.as_raw_fd(), stdout, stderr, &context.cwd)?),
        };
        // In the child this names the child's own program: ours, even if its file was replaced or removed.
        let file = if through_trampoline { c"/proc/self/exe" } else { file };
        let mut pid = 0;
        // SAFETY: both vectors of pointers end with a null and point to strings that live in `self` and `context`.
        let error = unsafe {
            libc::posix_spawn(
                &raw mut pid,
                file.as_ptr(),
                &raw const actions.list,
                &raw const self.attributes,
                self.pointers.as_ptr().cast::<*mut c_char>(),
                self.pointers.as_ptr().add(ours).cast::<*mut c_char>(),
            )
        };
        if error == 0 { Ok(pid) } else { Err(Errno::from_raw(error)) }
    }

    /// Fills `strings` and `pointers` with the argument vector and, from the returned index on, the environment.
    fn lay_out(
        &mut self,
        context: &Prepared,
        attempt: &Attempt,
        file: &CStr,
        argv: &[Bytes],
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
        if through_trampoline {
            push(&[b"tern"]);
            push(&[b"trampoline"]);
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
        let words = starts.len() - 3;
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

impl Drop for Launcher {
    fn drop(&mut self) {
        // SAFETY: initialised in `new` and not used again.
        unsafe { libc::posix_spawnattr_destroy(&raw mut self.attributes) };
    }
}

/// What the child does between the spawn and its program.
struct Actions {
    list: libc::posix_spawn_file_actions_t,
    stdout: i32,
    stderr: i32,
    cwd: CString,
}

impl Actions {
    fn new(stdin: i32, stdout: i32, stderr: i32, cwd: &CStr) -> Result<Self, Errno> {
        let mut list = MaybeUninit::uninit();
        // SAFETY: the first call initialises the list, which is dropped with `actions`; the folder's name is copied.
        unsafe {
            Errno::result_of(libc::posix_spawn_file_actions_init(list.as_mut_ptr()))?;
            let mut actions = Self { list: list.assume_init(), stdout, stderr, cwd: cwd.to_owned() };
            for (target, from) in [stdin, stdout, stderr].into_iter().enumerate() {
                let list = &raw mut actions.list;
                Errno::result_of(libc::posix_spawn_file_actions_adddup2(list, from, target as i32))?;
            }
            if !cwd.is_empty() {
                let list = &raw mut actions.list;
                Errno::result_of(libc::posix_spawn_file_actions_addchdir_np(list, cwd.as_ptr()))?;
            }
            Ok(actions)
        }
    }

    /// Numbers are enough: what stands behind them is looked at only at the spawn.
    fn serve(&self, stdout: i32, stderr: i32, cwd: &CStr) -> bool {
        (self.stdout, self.stderr, self.cwd.as_c_str()) == (stdout, stderr, cwd)
    }
}

impl Drop for Actions {
    fn drop(&mut self) {
        // SAFETY: initialised in `new` and not used again.
        unsafe { libc::posix_spawn_file_actions_destroy(&raw mut self.list) };
    }
}

/// The posix_spawn family returns the error instead of setting it.
trait ResultOf {
    fn result_of(code: i32) -> Result<(), Errno>;
}
impl ResultOf for Errno {
    fn result_of(code: i32) -> Result<(), Self> {
        if code == 0 { Ok(()) } else { Err(Self::from_raw(code)) }
    }
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

/// `posix_spawn` gives one number for a missing folder, a missing program and a missing interpreter.
fn explain(error: Errno, context: &Prepared, file: &CStr, argv: &[Bytes]) -> Refusal {
    use std::os::unix::ffi::OsStrExt;
    if matches!(error, Errno::EAGAIN | Errno::ENOMEM | Errno::ENFILE | Errno::EMFILE) {
        return Refusal::Later(error);
    }
    let os_path = |text: &CStr| Path::new(std::ffi::OsStr::from_bytes(text.to_bytes())).to_owned();
    let (folder, file) = (os_path(&context.cwd), os_path(file));
    let name = file.display();
    if !context.cwd.is_empty() && !folder.is_dir() {
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
