//! A machine with a quarter of a core beside one with a whole: how close to an ideal queue from which both pull.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::command::{Bench, join};
use crate::bench::mesh::{Goal, Sheet};
use crate::bench::pairs::seconds;

const TASKS: usize = 200;
/// CPU time of a task, milliseconds.
const TASK_MS: &str = "50";
/// In so many microseconds the slow one has a quarter of them: short beside a task, so that it is slow and does not halt.
const PERIOD_US: u64 = 20_000;

/// A control group of the kernel that has a quarter of a core; it goes when this goes.
struct Quarter(PathBuf);

impl Quarter {
    fn new() -> Result<Self, String> {
        let (old, new) = (Path::new("/sys/fs/cgroup/cpu"), Path::new("/sys/fs/cgroup"));
        let name = format!("tern-bench-{}", std::process::id());
        let write = |path: PathBuf, text: String| {
            std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
        };
        let base = if old.join("cgroup.procs").exists() { old } else { new };
        let group = Self(base.join(name));
        std::fs::create_dir(&group.0).map_err(|error| format!("{}: {error}", group.0.display()))?;
        let quota = PERIOD_US / 4;
        if base == old {
            write(group.0.join("cpu.cfs_period_us"), PERIOD_US.to_string())?;
            write(group.0.join("cpu.cfs_quota_us"), quota.to_string())?;
        } else {
            write(group.0.join("cpu.max"), format!("{quota} {PERIOD_US}"))?;
        }
        Ok(group)
    }

    /// The command that runs a program in it.
    fn command(&self, own: &Path, program: &Path) -> Command {
        let mut command = Command::new(own);
        command.arg("in-group").arg(&self.0).arg(program);
        command
    }
}

impl Drop for Quarter {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

/// `xtask in-group FOLDER PROGRAM WORDS`: joins a control group and becomes that program.
pub fn in_group(arguments: &[&str]) -> Result<(), String> {
    let [group, program, words @ ..] = arguments else { return Err("in-group FOLDER PROGRAM WORDS".to_string()) };
    let procs = Path::new(group).join("cgroup.procs");
    std::fs::write(&procs, std::process::id().to_string()).map_err(|error| format!("{}: {error}", procs.display()))?;
    Err(format!("{program}: {}", Command::new(program).args(words).exec()))
}

/// `xtask spend MS`: computes until it has had so much of a core, however long that takes.
pub fn spend(arguments: &[&str]) -> Result<(), String> {
    let [ms] = arguments else { return Err("spend MS".to_string()) };
    let wanted = ms.parse::<u64>().map_err(|error| format!("{ms}: {error}"))? * 1_000_000;
    let mut value = 1_u64;
    loop {
        let path = "/proc/self/schedstat";
        let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
        let had = text.split(' ').next().and_then(|field| field.parse::<u64>().ok());
        if had.ok_or_else(|| format!("{path} is not as expected: {text}"))? >= wanted {
            return Ok(());
        }
        for _ in 0..100_000 {
            value = std::hint::black_box(value.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        }
    }
}

pub fn measure(bench: &Bench, sheet: &mut Sheet) -> Result<(), String> {
    let group = Quarter::new()?;
    let (tasks, mut own, mut ideal) = (TASKS / bench.divide, Vec::new(), Vec::new());
    let fast = bench.agent("fast", 1, None)?;
    let slow = bench.agent("slow", 1, Some(group.command(&bench.own, &bench.tern)))?;
    join(&fast, &[&slow])?;
    let list = bench.folder.lines(tasks)?;
    for _ in 0..bench.pairs {
        let mut map = fast.command(&["map", "--share", "-a"]);
        map.arg(&list).args(["-n0", "--"]).arg(&bench.own).args(["spend", TASK_MS]);
        own.push(seconds(map)?);
        ideal.push(pull(bench, &group, tasks)?);
    }
    let words =
        "200 tasks of 50 ms of CPU over two nodes, one with a quarter of a core, against two that pull from one queue";
    sheet.ratio(words, &own, &ideal, Goal::Most(1.05));
    Ok(())
}

/// Two workers, one of them in the group, that take the next task of one counter: nothing is sent, nothing is decided.
fn pull(bench: &Bench, group: &Quarter, tasks: usize) -> Result<f64, String> {
    let taken = AtomicUsize::new(0);
    let work = |slow: bool| -> Result<(), String> {
        while taken.fetch_add(1, Ordering::Relaxed) < tasks {
            let mut task = if slow { group.command(&bench.own, &bench.own) } else { Command::new(&bench.own) };
            let end = task.args(["spend", TASK_MS]).status().map_err(|error| format!("xtask spend: {error}"))?;
            if !end.success() {
                return Err(format!("xtask spend: {end}"));
            }
        }
        Ok(())
    };
    let began = Instant::now();
    std::thread::scope(|scope| {
        let workers = [scope.spawn(|| work(false)), scope.spawn(|| work(true))];
        workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| "a thread died".to_string())?)
    })?;
    Ok(began.elapsed().as_secs_f64())
}
