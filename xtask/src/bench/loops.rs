//! The two bare loops that everything is measured against, and a process that burns a core.
//!
//! The loops are C (`bench/*.c`) where the machine has a C compiler; else the same loops run in this program through
//! the standard library, which also takes the kernel's fast path, and the table says so.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::pairs::seconds;
use crate::run::root;

/// The program that is run.
pub const TASK: &str = "/bin/true";

/// How the reference is run.
pub struct Loops {
    /// Compiled loops: one thread with two in flight, a thread a core; None where there is no C compiler.
    compiled: Option<[PathBuf; 2]>,
    own: PathBuf,
}

/// One of the two loops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// One thread, two tasks in flight.
    InFlight,
    /// One thread a core, one task each.
    Threads,
}

impl Kind {
    fn words(self) -> &'static str {
        match self {
            Self::InFlight => "one thread with two in flight",
            Self::Threads => "one thread a core",
        }
    }
}

impl Loops {
    /// Compiles the loops beside this program.
    pub fn prepare() -> Result<Self, String> {
        let own = std::env::current_exe().map_err(|error| format!("the path of this program: {error}"))?;
        let compile = |name: &str| -> Option<PathBuf> {
            let (source, target) = (root().join("bench").join(format!("{name}.c")), own.with_file_name(name));
            let mut cc = Command::new("cc");
            cc.args(["-O2", "-pthread", "-o"]).arg(&target).arg(&source).stdin(Stdio::null());
            cc.status().is_ok_and(|status| status.success()).then_some(target)
        };
        let compiled = compile("spawn_inflight").zip(compile("spawn_threads")).map(|(one, many)| [one, many]);
        Ok(Self { compiled, own })
    }

    /// What the table says of them.
    pub fn words(&self) -> &'static str {
        if self.compiled.is_some() { "C, posix_spawn" } else { "Rust's standard library; there is no C compiler here" }
    }

    /// Seconds of `tasks` runs of [`TASK`] by one of the loops.
    fn run(&self, kind: Kind, tasks: usize, cores: usize) -> Result<f64, String> {
        let width = if kind == Kind::InFlight { 2 } else { cores };
        let mut command = match &self.compiled {
            Some([one, many]) => Command::new(if kind == Kind::InFlight { one } else { many }),
            None => Command::new(&self.own),
        };
        if self.compiled.is_none() {
            command.args(["loop", kind.words()]);
        }
        command.arg(tasks.to_string()).arg(width.to_string()).arg(TASK).stdin(Stdio::null());
        seconds(command)
    }

    /// Seconds of both, one after the other.
    pub fn both(&self, tasks: usize, cores: usize) -> Result<[f64; 2], String> {
        Ok([self.run(Kind::InFlight, tasks, cores)?, self.run(Kind::Threads, tasks, cores)?])
    }
}

/// `xtask loop KIND N K PROGRAM`: the loops where there is no C compiler.
pub fn spin(arguments: &[&str]) -> Result<(), String> {
    let [kind, tasks, width, program] = arguments else { return Err("loop KIND N K PROGRAM".to_string()) };
    let count = |text: &str| text.parse::<usize>().map_err(|error| format!("{text}: {error}"));
    let (tasks, width) = (count(tasks)?, count(width)?.max(1));
    if *kind == Kind::InFlight.words() {
        return in_flight(tasks, width, Path::new(program));
    }
    let taken = AtomicUsize::new(0);
    let work = || -> Result<(), String> {
        while taken.fetch_add(1, Ordering::Relaxed) < tasks {
            Command::new(program).status().map_err(|error| format!("{program}: {error}"))?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..width).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a thread died".to_string())?)
    })
}

fn in_flight(tasks: usize, width: usize, program: &Path) -> Result<(), String> {
    let mut alive = std::collections::VecDeque::new();
    let mut started = 0;
    while started < tasks || !alive.is_empty() {
        if started < tasks && alive.len() < width {
            alive.push_back(Command::new(program).spawn().map_err(|error| error.to_string())?);
            started += 1;
        } else if let Some(mut child) = alive.pop_front() {
            child.wait().map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

/// `xtask burn`: one core, until it is killed or its parent is gone.
pub fn burn() {
    let parent = std::os::unix::process::parent_id();
    let mut value = 1u64;
    while std::os::unix::process::parent_id() == parent {
        for _ in 0..50_000_000 {
            value = std::hint::black_box(value.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        }
    }
}
