//! The Standard Workload Format: eighteen numbers a line, −1 for what is not known, comments after a semicolon.
//!
//! Used are the submit time (2), the run time (4), the processors used (5) or else asked for (8), and the memory used (7) or asked
//! for (10), both in KiB a processor. Jobs that did not run are passed over.

use super::TASKS_MAX;
use super::lines::{NUMBER_MAX, Refused, SECONDS_MAX};
use crate::workload::model::TaskSpec;

/// The first fields, without which a line says nothing.
const FIELDS_LEAST: usize = 5;

pub(super) fn tasks(file: &str, text: &str) -> Result<Vec<TaskSpec>, Refused> {
    let mut tasks = Vec::new();
    for (line, at) in text.lines().zip(1..) {
        let line = line.split(';').next().unwrap_or_default();
        if line.trim().is_empty() {
            continue;
        }
        if tasks.len() >= TASKS_MAX {
            return Err(Refused::at(file, at, &format!("more than {TASKS_MAX} jobs")));
        }
        tasks.extend(task(file, at, line)?);
    }
    Ok(tasks)
}

/// None: it did not run.
fn task(file: &str, at: usize, line: &str) -> Result<Option<TaskSpec>, Refused> {
    let words: Vec<&str> = line.split_whitespace().collect();
    if words.len() < FIELDS_LEAST {
        let why = format!("{} fields; a job has eighteen, and the first {FIELDS_LEAST} are needed", words.len());
        return Err(Refused::at(file, at, &why));
    }
    let field = |place: usize, name: &str| match words.get(place - 1) {
        None => Ok(-1.0),
        Some(word) => word
            .parse::<f64>()
            .ok()
            .filter(|number| number.abs() <= NUMBER_MAX)
            .ok_or_else(|| Refused::at(file, at, &format!("{name}: {word} is not a number"))),
    };
    let arrival = field(2, "submit time")?;
    let work = field(4, "run time")?;
    let (used, asked) = (field(5, "processors used")?, field(8, "processors asked for")?);
    let (memory, memory_asked) = (field(7, "memory used")?, field(10, "memory asked for")?);
    for (long, name) in [(arrival, "submit time"), (work, "run time")] {
        if long > SECONDS_MAX {
            return Err(Refused::at(file, at, &format!("{name}: {long:e} is more than {SECONDS_MAX:e} seconds")));
        }
    }
    if arrival < 0.0 {
        return Err(Refused::at(file, at, "submit time: below zero"));
    }
    if work <= 0.0 {
        return Ok(None);
    }
    let known = |first: f64, second: f64| if first > 0.0 { first } else { second.max(0.0) };
    Ok(Some(TaskSpec {
        arrival,
        work,
        estimate: None,
        bytes: 0.0,
        origin: 0,
        cores: known(used, asked).clamp(1.0, f64::from(u32::MAX)) as u32,
        memory_mib: (known(memory, memory_asked) / 1024.0 * known(used, asked).max(1.0)).ceil() as u32,
        deadline: None,
        job: at,
        class: None,
        deferred: false,
    }))
}
