//! Tasks as a list: `arrival_s,work_s,cores,memory_mib,bytes,class,deadline_s`; only the first two are needed.

use tern_core::words::spec::Discipline;

use super::TASKS_MAX;
use super::lines::{Refused, Row, rows};
use crate::workload::model::TaskSpec;

const COLUMNS: [&str; 7] = ["arrival_s", "work_s", "cores", "memory_mib", "bytes", "class", "deadline_s"];

pub(super) fn tasks(file: &str, text: &str) -> Result<Vec<TaskSpec>, Refused> {
    let mut tasks = Vec::new();
    rows(file, text, &COLUMNS, |row| {
        if tasks.len() >= TASKS_MAX {
            return Err(Refused::at(file, row.line, &format!("more than {TASKS_MAX} tasks")));
        }
        tasks.push(task(row)?);
        Ok(())
    })?;
    Ok(tasks)
}

fn task(row: &Row<'_>) -> Result<TaskSpec, Refused> {
    let deferred = row.text("class") == "deferred";
    let class = match row.text("class") {
        "" | "deferred" => None,
        "fifo" => Some(Discipline::Fifo),
        "interactive" => Some(Discipline::Interactive),
        "batch" => Some(Discipline::Batch),
        "deadline" => Some(Discipline::Deadline),
        other => {
            return Err(
                row.refuse("class", &format!("{other:?} is none of fifo, interactive, batch, deadline, deferred"))
            );
        }
    };
    let missing = |name: &str| row.refuse(name, "is missing");
    let work = row.seconds("work_s")?.ok_or_else(|| missing("work_s"))?;
    if work <= 0.0 {
        return Err(row.refuse("work_s", "a task takes some time"));
    }
    let cores = row.whole("cores")?.unwrap_or(1);
    if cores == 0 {
        return Err(row.refuse("cores", "a task takes one at least"));
    }
    Ok(TaskSpec {
        arrival: row.seconds("arrival_s")?.ok_or_else(|| missing("arrival_s"))?,
        work,
        estimate: None,
        bytes: row.number("bytes")?.unwrap_or(0.0),
        origin: 0,
        cores,
        memory_mib: row.whole("memory_mib")?.unwrap_or(0),
        deadline: row.seconds("deadline_s")?,
        // Its line, until tasks are numbered: what is wrong with it later can still be said.
        job: row.line,
        class,
        deferred,
    })
}
