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
use crate::process::inflight;

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
                Ok(samples) => drop(newest.send_replace(seen(judge(samples, &settings, &listed), &tasks(&home)))),
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

/// The first process of each task that runs here.
fn tasks(home: &Home) -> BTreeMap<i32, (JobId, u32)> {
    let rows = inflight::read(home).unwrap_or_default();
    let runs = rows.into_iter().filter(|row| row.outcome.is_none());
    runs.filter_map(|row| Some((row.process?.0, (row.attempt.job, row.attempt.task)))).collect()
}

fn seen(judged: Vec<Judged>, tasks: &BTreeMap<i32, (JobId, u32)>) -> Vec<Process> {
    let parents: BTreeMap<i32, i32> = judged.iter().map(|it| (it.sample.pid, it.sample.parent)).collect();
    let of = |pid: i32| {
        let mut line = std::iter::successors(Some(pid), |pid| parents.get(pid).copied()).take(DEPTH_MAX);
        line.find_map(|pid| tasks.get(&pid).copied())
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
        let seen = seen(judged, &BTreeMap::from([(900_010, (job, 3))]));
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
}
