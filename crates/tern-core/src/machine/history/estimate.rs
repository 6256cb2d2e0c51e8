//! What is expected of a job's tasks before they run, and how far such words can be trusted.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use super::Names;
use crate::machine::balance::speed_of;
use crate::machine::commands::validate;
use crate::machine::node::Machine;
use crate::observe::history::command_key;
use crate::promise::Job;
use crate::view::Estimate;
use crate::words::work::{self, UNKNOWN};
use crate::words::{Bytes, JobId, JobSpec};

impl Machine {
    /// Says how long the tasks of a job that is about to be accepted may run, if it does not say so itself.
    pub(in crate::machine) fn estimate(&mut self, job: JobId, spec: &mut Box<JobSpec>, rows: Vec<u64>) {
        let command = command_key(&spec.command);
        let names = Names::of(spec, rows);
        if spec.work.is_empty() {
            spec.work = self.expected(command, &names, spec.tasks);
            if validate(spec).is_err() {
                // Its description fills all the room there is.
                spec.work = Bytes::default();
            }
        }
        self.runs.begin(job, command, names);
    }

    /// What is known of each task, and of the command where nothing is.
    fn expected(&self, command: u64, names: &Names, tasks: u32) -> Bytes {
        let history = &self.runs.history;
        let Some(usual) = history.command(command).map(|known| known.class()) else { return Bytes::default() };
        let of_each = |task| {
            let known = names.of_task(command, task).and_then(|key| history.task(key));
            known.map_or(usual, |known| known.class())
        };
        let all: Vec<u8> = match names {
            Names::None => vec![usual],
            Names::Numbers { .. } | Names::Rows(_) => (0..tasks).map(of_each).collect(),
        };
        match all.first() {
            None => Bytes::default(),
            Some(first) if all.iter().all(|class| class == first) => Bytes(vec![*first]),
            Some(_) => Bytes(all),
        }
    }

    /// What was expected of a job or of one of its tasks, on this machine. None where nothing was known when it was accepted.
    pub(in crate::machine) fn estimated(&self, id: JobId, job: &Job, task: Option<u32>) -> Option<Estimate> {
        let spec = &job.spec;
        let classes = match task {
            Some(task) => (spec.work_of(task), spec.work_of(task)),
            None => {
                let known = || spec.work.iter().copied().filter(|class| *class != UNKNOWN);
                (known().min()?, known().max()?)
            }
        };
        let speed = speed_of(self.here.speed);
        let (least_ms, most_ms) = (work::ms(classes.0)? / speed, work::ms(classes.1)? / speed);
        let runs = &self.runs;
        let course = runs.courses.get(&id);
        let command = course.map_or_else(|| command_key(&spec.command), |course| course.command);
        let of_task = course.zip(task).and_then(|(course, task)| course.names.of_task(command, task));
        let of_task = of_task.and_then(|key| runs.history.task(key));
        let known = of_task.or_else(|| runs.history.command(command)).copied().unwrap_or_default();
        Some(Estimate {
            least_ms,
            most_ms,
            within: known.within(),
            spread: known.spread(),
            runs: known.runs,
            of_task: of_task.is_some(),
        })
    }
}
