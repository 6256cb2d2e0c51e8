//! The processes of this machine as the decision matrix wants them: scored, judged, and each with the task that it belongs to.
//!
//! Looking at all processes takes some milliseconds and a second in between, so a thread of its own does it, and only where the
//! settings let the matrix act at all.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use tern_core::decide::scum::control::Process;
use tern_core::decide::scum::{ProcTrit, ProcessFacts, Protected, ScumSettings, Usage, band, protection, score};
use tern_core::words::JobId;
use tokio::sync::watch;

use super::{ProcessSample, own_and_ancestors, sample_processes};
use crate::home::Home;
use crate::process::inflight::{self, Row};
use crate::process::pidfd::{Identity, Pidfd, start_time};

/// CPU is measured over this time.
const MEASURED: Duration = Duration::from_secs(1);
/// Between two looks.
const PAUSE: Duration = Duration::from_secs(1);
/// Ancestors of a process that are looked at for a task.
const DEPTH_MAX: usize = 64;

/// The newest look; all copies see the same.
pub type Hogs = watch::Receiver<Vec<Process>>;

/// One process, judged.
#[derive(Clone, Debug)]
pub struct Judged {
    pub sample: ProcessSample,
    pub score: f64,
    pub band: ProcTrit,
    pub protected: Option<Protected>,
}

/// Scores processes, the highest first. `listed` names processes that are off limits beside the usual ones.
#[must_use]
pub fn judge(samples: Vec<ProcessSample>, settings: &ScumSettings, listed: &[&str]) -> Vec<Judged> {
    let (own, user) = (own_and_ancestors(), nix::unistd::geteuid().as_raw());
    let judged = samples.into_iter().map(|sample| {
        let score = score(&usage(&sample), settings);
        let facts = ProcessFacts {
            pid: sample.pid,
            uid: sample.uid,
            kernel_thread: sample.kernel_thread,
            same_program: sample.same_program,
            own: own.contains(&sample.pid),
            name: &sample.name,
        };
        let protected = protection(&facts, user, listed);
        Judged { score, band: band(score, settings), protected, sample }
    });
    let mut all: Vec<Judged> = judged.collect();
    all.sort_by(|one, other| other.score.total_cmp(&one.score).then(one.sample.pid.cmp(&other.sample.pid)));
    all
}

fn usage(sample: &ProcessSample) -> Usage {
    Usage {
        cpu_percent: sample.cpu_percent,
        memory_percent: sample.memory_percent.unwrap_or(0.0),
        age_hours: sample.age.as_secs_f64() / 3600.0,
    }
}

/// Nobody looks.
#[must_use]
pub fn never() -> Hogs {
    watch::channel(Vec::new()).1
}

/// Looks again and again until nobody holds what it returns.
///
/// # Errors
/// No thread could be had. Nothing is looked at then.
pub fn follow(home: Home, settings: ScumSettings, protected: Vec<String>) -> io::Result<Hogs> {
    let (newest, hogs) = watch::channel(Vec::new());
    let look = move || {
        let listed: Vec<&str> = protected.iter().map(String::as_str).collect();
        while !newest.is_closed() {
            match sample_processes(MEASURED) {
                Ok(samples) => drop(newest.send_replace(seen(judge(samples, &settings, &listed), &running(&home)))),
                Err(error) => {
                    tracing::warn!(%error, "the processes of this machine cannot be read: the matrix does nothing");
                }
            }
            std::thread::sleep(PAUSE);
        }
    };
    std::thread::Builder::new().name("tern-hogs".to_owned()).spawn(look)?;
    Ok(hogs)
}

/// A process by its number and its start time, and the task whose first process it is.
type Tasks = BTreeMap<i32, (u64, (JobId, u32))>;

fn running(home: &Home) -> Tasks {
    tasks(inflight::read(home).unwrap_or_default())
}

/// The first process of each task that runs. A row may name one that ended long ago, where its warden died before its end was noted.
fn tasks(rows: Vec<Row>) -> Tasks {
    let runs = rows.into_iter().filter(|row| row.outcome.is_none());
    let first = runs.filter_map(|row| {
        let (pid, identity) = row.process?;
        Some((pid, (started(pid, identity)?, (row.attempt.job, row.attempt.task))))
    });
    first.collect()
}

/// When the process with this identity began. None: there is none.
fn started(pid: i32, identity: Identity) -> Option<u64> {
    let pidfd = Pidfd::reopen(pid, identity)?;
    let ticks = start_time(pid)?;
    // It still runs, so that its number was nobody else's when the start time was read.
    (pidfd.wait(0) == Ok(false)).then_some(ticks)
}

fn seen(judged: Vec<Judged>, tasks: &Tasks) -> Vec<Process> {
    let found: BTreeMap<i32, (i32, u64)> =
        judged.iter().map(|it| (it.sample.pid, (it.sample.parent, it.sample.start_time))).collect();
    let task_of = |pid: i32| {
        let (begun, task) = tasks.get(&pid)?;
        found.get(&pid).is_some_and(|(_, start_time)| start_time == begun).then_some(*task)
    };
    let of = |pid: i32| {
        let parent = |pid: &i32| found.get(pid).map(|(parent, _)| *parent);
        std::iter::successors(Some(pid), parent).take(DEPTH_MAX).find_map(task_of)
    };
    let process = |it: Judged| Process {
        pid: it.sample.pid,
        start_time: it.sample.start_time,
        score_milli: (it.score * 1000.0) as u32,
        band: it.band,
        task: of(it.sample.pid),
        protected: it.protected.is_some(),
        throttled: false,
    };
    judged.into_iter().map(process).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tern_core::words::{Attempt, Epoch};

    fn sample(pid: i32, parent: i32, cpu_percent: f64) -> ProcessSample {
        ProcessSample {
            pid,
            parent,
            start_time: 1,
            uid: nix::unistd::geteuid().as_raw(),
            name: "work".to_owned(),
            command: String::new(),
            kernel_thread: false,
            cpu_percent,
            rss_kib: 0,
            memory_percent: None,
            age: Duration::from_secs(1),
            same_program: false,
        }
    }

    #[test]
    fn a_process_belongs_to_the_task_that_began_it_or_one_of_its_ancestors() {
        let job = JobId::new(1, 1);
        let samples =
            vec![sample(900_010, 900_001, 10.0), sample(900_011, 900_010, 90.0), sample(900_020, 900_001, 50.0)];
        let judged = judge(samples, &ScumSettings::default(), &[]);
        let seen = seen(judged, &BTreeMap::from([(900_010, (1, (job, 3)))]));
        let told: Vec<_> = seen.iter().map(|it| (it.pid, it.band, it.task, it.score_milli)).collect();
        assert_eq!(
            told,
            [
                (900_011, ProcTrit::Hog, Some((job, 3)), 540),
                (900_020, ProcTrit::Watch, None, 300),
                (900_010, ProcTrit::Quiet, Some((job, 3)), 60)
            ]
        );
    }

    #[test]
    fn a_process_that_was_given_the_number_of_one_that_ended_is_no_task() {
        let job = JobId::new(1, 1);
        let samples = vec![sample(900_010, 900_001, 90.0), sample(900_011, 900_010, 90.0)];
        let judged = judge(samples, &ScumSettings::default(), &[]);
        let seen = seen(judged, &BTreeMap::from([(900_010, (2, (job, 3)))]));
        let told: Vec<_> = seen.iter().map(|it| (it.pid, it.task)).collect();
        assert_eq!(told, [(900_010, None), (900_011, None)]);
    }

    /// Ends with the test.
    struct Sleeper(std::process::Child);

    impl Drop for Sleeper {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    fn a_row_counts_while_the_very_process_runs_that_it_names() {
        let mut sleeper = Sleeper(std::process::Command::new("sleep").arg("1000").spawn().expect("a process"));
        let pid = i32::try_from(sleeper.0.id()).expect("a number");
        let begun = start_time(pid).expect("it runs");
        let row = |identity| Row {
            attempt: Attempt {
                job: JobId::new(1, 1),
                task: 3,
                round: 0,
                epoch: Epoch { counter: 0, keeper: 1, incarnation: 9 },
                n: 1,
            },
            slot: 0,
            started_ms: 1,
            started_mono: 1,
            deadline: u64::MAX,
            grace_ms: 0,
            file: 0,
            stdout_at: 0,
            stderr_at: 0,
            process: Some((pid, identity)),
            outcome: None,
        };
        let task = |identity| tasks(vec![row(identity)]).get(&pid).copied();
        let itself = Some((begun, (JobId::new(1, 1), 3)));
        assert_eq!(task(Identity::StartTime(begun)), itself);
        assert_eq!(task(Identity::StartTime(begun + 1)), None);
        let pidfd = Pidfd::open(pid).expect("it runs");
        let inode = pidfd.inode().expect("known");
        assert_eq!(task(Identity::Inode(inode)), itself);
        assert_eq!(task(Identity::Inode(inode + 1)), None);
        sleeper.0.kill().expect("killed");
        assert_eq!(pidfd.wait(60_000), Ok(true));
        assert_eq!(task(Identity::StartTime(begun)), None, "it has ended, though nobody has collected it");
    }
}
