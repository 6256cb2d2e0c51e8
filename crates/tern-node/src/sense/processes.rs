//! What each process used over an interval.
//!
//! CPU is what was used *between two looks*, never the average over a process's life, which would hide a runaway that
//! was quiet for a day. Processes that come or go between the looks are left out: their share is not known.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use super::SenseError;
use super::stat::{Stat, process_ids, stat};
use crate::clock;

/// Below this the kernel's clock ticks (10 ms) would be a coarse measure.
const INTERVAL_MIN: Duration = Duration::from_millis(200);
const INTERVAL_MAX: Duration = Duration::from_secs(60);
/// Bytes of a command line that are kept.
const COMMAND_BYTES_MAX: usize = 4096;

/// One process over one interval.
#[derive(Clone, Debug, PartialEq)]
pub struct ProcessSample {
    pub pid: i32,
    pub parent: i32,
    /// Clock ticks since boot; with `pid` the process's identity.
    pub start_time: u64,
    /// Its effective user, by number.
    pub uid: u32,
    /// The kernel's name for it, cut to 15 bytes.
    pub name: String,
    /// Its arguments, joined by blanks; empty for kernel threads. Written by the process: escape before showing.
    pub command: String,
    pub kernel_thread: bool,
    /// CPU time over elapsed time, per cent of one core.
    pub cpu_percent: f64,
    pub rss_kib: u64,
    /// Resident memory, per cent of the machine's; absent where that is not known.
    pub memory_percent: Option<f64>,
    pub age: Duration,
    /// Whether it runs the same program file as this process.
    pub same_program: bool,
}

/// Looks at all processes, waits for `interval` (200 ms to a minute; other values are brought into it), and looks again.
/// Blocks its thread for that long. In the order of process numbers.
///
/// # Errors
/// If the process table cannot be listed at all.
pub fn sample_processes(interval: Duration) -> Result<Vec<ProcessSample>, SenseError> {
    let before = look()?;
    std::thread::sleep(interval.clamp(INTERVAL_MIN, INTERVAL_MAX));
    let machine = Machine::read();
    Ok(look()?.into_values().filter_map(|(at, now)| machine.sample(before.get(&now.pid)?, at, now)).collect())
}

/// Every process with the time of the look: a sweep over thousands takes long enough to matter.
fn look() -> Result<BTreeMap<i32, (Instant, Stat)>, SenseError> {
    let pids = process_ids().map_err(|source| SenseError::Read { path: "/proc".into(), source })?;
    Ok(pids
        .into_iter()
        .filter_map(|pid| Some((pid, (Instant::now(), stat(pid).ok()??))))
        .filter(|(_, (_, stat))| !stat.is_over())
        .collect())
}

/// What all samples of one sweep share.
struct Machine {
    ticks_per_second: f64,
    page_kib: u64,
    memory_kib: Option<u64>,
    boot_ns: u64,
    program: Option<(u64, u64)>,
}

impl Machine {
    fn read() -> Self {
        let value = |name| nix::unistd::sysconf(name).ok().flatten();
        let ticks_per_second = value(nix::unistd::SysconfVar::CLK_TCK).filter(|ticks| *ticks > 0).unwrap_or(100) as f64;
        let page_bytes = value(nix::unistd::SysconfVar::PAGE_SIZE).and_then(|bytes| u64::try_from(bytes).ok());
        Self {
            ticks_per_second,
            page_kib: page_bytes.unwrap_or(4096) / 1024,
            memory_kib: super::read().ok().and_then(|reading| reading.memory_total_kib),
            boot_ns: clock::now().boot,
            program: program(Path::new("/proc/self/exe")),
        }
    }

    /// None where the number was given to another process in between, or it has gone.
    fn sample(&self, before: &(Instant, Stat), at: Instant, now: Stat) -> Option<ProcessSample> {
        let (then, past) = before;
        let elapsed = at.saturating_duration_since(*then).as_secs_f64();
        if past.start_time != now.start_time || elapsed <= 0.0 {
            return None;
        }
        let folder = format!("/proc/{}", now.pid);
        let uid = std::fs::metadata(&folder).ok()?.uid();
        let rss_kib = now.rss_pages.saturating_mul(self.page_kib);
        let (used, rss, memory, started) = (
            now.cpu_ticks.saturating_sub(past.cpu_ticks) as f64 / self.ticks_per_second,
            rss_kib as f64,
            self.memory_kib.filter(|kib| *kib > 0).map(|kib| kib as f64),
            now.start_time as f64 / self.ticks_per_second,
        );
        let boot = Duration::from_nanos(self.boot_ns).as_secs_f64();
        Some(ProcessSample {
            pid: now.pid,
            parent: now.parent,
            start_time: now.start_time,
            uid,
            command: command(&folder),
            same_program: self.program.is_some() && program(Path::new(&folder).join("exe").as_path()) == self.program,
            kernel_thread: now.kernel_thread,
            cpu_percent: used / elapsed * 100.0,
            rss_kib,
            memory_percent: memory.map(|memory| rss / memory * 100.0),
            age: Duration::try_from_secs_f64((boot - started).max(0.0)).unwrap_or_default(),
            name: now.name,
        })
    }
}

/// Device and inode of the program file behind such a link.
fn program(link: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(link).ok().map(|meta| (meta.dev(), meta.ino()))
}

fn command(folder: &str) -> String {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let limit = COMMAND_BYTES_MAX as u64;
    // A process that goes away here leaves an empty command, which harms nobody.
    let _ = std::fs::File::open(format!("{folder}/cmdline")).and_then(|file| file.take(limit).read_to_end(&mut bytes));
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command, Stdio};

    struct Ends(Child);
    impl Drop for Ends {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    fn a_burner_shows_what_it_burns_and_a_sleeper_nothing() {
        let start = |program: &str, argument: &str| {
            Ends(Command::new(program).arg(argument).stdout(Stdio::null()).spawn().unwrap())
        };
        let (burner, sleeper) = (start("yes", "burn"), start("sleep", "600"));
        let find = |samples: &[ProcessSample], child: &Ends| {
            samples.iter().find(|sample| sample.pid == child.0.id() as i32).unwrap().clone()
        };
        // Other programs may keep this machine busy, so that a burner gets less than a core, and for a moment hardly any of it; never
        // more.
        let burns = || {
            let samples = sample_processes(Duration::from_millis(500)).unwrap();
            (find(&samples, &burner).cpu_percent > 10.0).then_some(samples)
        };
        let samples = (0..60).find_map(|_| burns()).expect("a burner gets something of a CPU within half a minute");
        let (burner, sleeper) = (find(&samples, &burner), find(&samples, &sleeper));
        assert!(burner.cpu_percent > 10.0 && burner.cpu_percent < 110.0, "{burner:?}");
        assert!(sleeper.cpu_percent < 5.0, "{sleeper:?}");
        assert_eq!((burner.name.as_str(), burner.command.as_str()), ("yes", "yes burn"));
        assert!(burner.age < Duration::from_secs(60) && burner.rss_kib > 0 && !burner.same_program, "{burner:?}");
        assert_eq!(burner.uid, nix::unistd::geteuid().as_raw());
        assert!(burner.memory_percent.is_some_and(|share| share > 0.0 && share < 100.0));
        let own = samples.iter().find(|s| s.pid == std::process::id() as i32).unwrap();
        assert!(own.same_program);
    }

    #[test]
    fn processes_that_come_and_go_do_not_disturb_a_sweep() {
        let stop = std::sync::atomic::AtomicBool::new(false);
        let samples = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    Command::new("true").status().unwrap();
                }
            });
            let samples = sample_processes(Duration::from_millis(300));
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
            samples
        });
        let samples = samples.unwrap();
        assert!(samples.windows(2).all(|pair| pair[0].pid < pair[1].pid));
        assert!(samples.iter().all(|s| s.cpu_percent.is_finite() && s.cpu_percent >= 0.0));
    }
}
