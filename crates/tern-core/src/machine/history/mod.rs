//! How long tasks are expected to run, from what earlier runs of the same command took.
//!
//! An estimate is made once, when a job is accepted, and is part of what is promised: a node that comes back orders its tasks
//! as before. What runs take is experience and no promise: it is no record of the journal, and losing some of it loses nothing.

mod estimate;
mod learn;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::observe::history::{self, History, Remembered};
use crate::words::limits::{HISTORY_JOB_TASKS_MAX, HISTORY_ROWS_HELD_MAX};
use crate::words::{Bytes, Inputs, JobId, JobSpec};

/// Experience, and the jobs that add to it.
#[derive(Debug, Default)]
pub(super) struct Runs {
    pub history: History,
    /// Jobs of this node that are not over, once something was asked of them.
    courses: BTreeMap<JobId, Course>,
    /// Names of rows in all courses.
    rows: usize,
    /// Something was learnt since the history was last taken.
    fresh: bool,
}

/// One job, as far as its tasks are told apart.
#[derive(Debug)]
struct Course {
    command: u64,
    names: Names,
    /// Tasks of it that were remembered by themselves.
    learnt: u32,
}

/// What tells one task of a job from another.
#[derive(Debug)]
enum Names {
    /// Nothing: all are the same, or too many, or their rows are not known any more.
    None,
    /// Task *i* has the input `first + i`.
    Numbers { first: i64 },
    /// One name a row.
    Rows(Vec<u64>),
}

impl Names {
    fn of(spec: &JobSpec, rows: Vec<u64>) -> Self {
        match spec.inputs {
            _ if spec.tasks > HISTORY_JOB_TASKS_MAX => Self::None,
            Inputs::Array { first } => Self::Numbers { first },
            Inputs::Rows if !rows.is_empty() && rows.len() == spec.tasks as usize => Self::Rows(rows),
            Inputs::Rows | Inputs::None => Self::None,
        }
    }

    const fn held(&self) -> usize {
        match self {
            Self::Rows(rows) => rows.len(),
            Self::None | Self::Numbers { .. } => 0,
        }
    }

    fn of_task(&self, command: u64, task: u32) -> Option<u64> {
        let row = match self {
            Self::None => return None,
            Self::Numbers { first } => {
                let number = first.checked_add(i64::from(task))?;
                history::row_key(&[Bytes::from(alloc::format!("{number}"))])
            }
            Self::Rows(rows) => *rows.get(task as usize)?,
        };
        Some(history::task_key(command, row))
    }
}

impl Runs {
    /// Begins with what an earlier life remembered.
    pub fn recall(&mut self, remembered: &Remembered) {
        self.history = History::recalled(remembered);
    }

    fn begin(&mut self, job: JobId, command: u64, names: Names) {
        let names = if self.rows + names.held() > HISTORY_ROWS_HELD_MAX { Names::None } else { names };
        self.rows += names.held();
        self.courses.insert(job, Course { command, names, learnt: 0 });
    }

    /// The job is over, or was never accepted.
    pub fn forget(&mut self, job: JobId) {
        if let Some(course) = self.courses.remove(&job) {
            self.rows -= course.names.held();
        }
    }
}
