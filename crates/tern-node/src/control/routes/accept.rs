//! From a request to a job that the node can accept: everything that can be refused without asking it is refused here.

use axum::http::StatusCode;
use tern_core::words::limits::{
    ARG_BYTES_MAX, ARGV_BYTES_MAX, CHECKPOINT_GRACE, CHECKPOINT_GRACE_MOST, KILL_GRACE, SPEC_BYTES_MAX,
    TASKS_PER_JOB_MAX, TRIES_MAX,
};
use tern_core::words::spec::HaltWhen;
use tern_core::words::template::{Template, TemplateError};
use tern_core::words::{Bytes, Checkpoint, Inputs, JobSpec, Needs, NodeId};

use super::travel;
use crate::control::api::{NeedsRequest, SubmitRequest};
use crate::control::words::Refused;
use crate::node::Submission;
use crate::process::protocol::Context;
use tern_core::machine::Deny;

/// Turns a request into a submission. Blocks where files travel: their names are looked for.
pub fn submission(request: SubmitRequest, named: Named) -> Result<Submission, Refused> {
    check_words(&request)?;
    check_environment(&request)?;
    let (inputs, tasks) = inputs(&request)?;
    if request.tries > TRIES_MAX {
        return Err(limit("tries", TRIES_MAX.into(), request.tries.into()));
    }
    if !request.local_only && request.halt.when != HaltWhen::Never {
        let why = "a job that may stop early runs only where it was submitted, for it could not stop exactly: leave out --halt, or what shares it";
        return Err(Refused::invalid(why));
    }
    let command = Template::parse(&request.argv, request.shell.clone(), request.append).map_err(refused_template)?;
    let stage = travel::travelling(&request, &command)?;
    let checkpoint = checkpoint(&request)?;
    let context = Context {
        cwd: request.cwd,
        env: request.environment,
        timeout_ms: request.timeout_ms,
        grace_ms: checkpoint.map_or(KILL_GRACE.as_ms(), |checkpoint| checkpoint.grace_ms.into()),
        rlimits: request.rlimits.clone(),
    };
    let needs = needs(request.needs, named);
    let spec = JobSpec {
        name: request.name,
        command,
        inputs,
        tasks,
        parallel: request.parallel,
        tries: request.tries.max(1),
        timeout_ms: request.timeout_ms,
        halt: request.halt,
        held: request.held,
        local_only: request.local_only,
        rlimits: request.rlimits,
        env: request.env,
        discipline: request.lane,
        deadline_ms: request.deadline_ms,
        exclusive: request.exclusive,
        needs,
        stage,
        work: Bytes::default(),
        deferred: request.deferred,
        checkpoint,
        idempotent: request.idempotent,
    };
    Ok(Submission { spec, rows: request.rows.unwrap_or_default(), context, adaptive: request.adaptive })
}

/// Whether tasks leave checkpoints, and how long they have for it.
fn checkpoint(request: &SubmitRequest) -> Result<Option<Checkpoint>, Refused> {
    let named = match request.grace_ms {
        Some(_) if !request.checkpoint => {
            return Err(Refused::invalid("a grace is for tasks that leave checkpoints: it goes with --checkpoint"));
        }
        named => named.unwrap_or(CHECKPOINT_GRACE.as_ms()),
    };
    let most = CHECKPOINT_GRACE_MOST.as_ms();
    if named > most {
        return Err(limit("milliseconds between TERM and KILL", most, named));
    }
    let grace_ms = u32::try_from(named).unwrap_or(u32::MAX);
    Ok(request.checkpoint.then_some(Checkpoint { grace_ms }))
}

/// The nodes that a request names.
#[derive(Debug, Default)]
pub struct Named {
    pub on: Vec<NodeId>,
    pub not_on: Vec<NodeId>,
}

fn needs(request: NeedsRequest, named: Named) -> Needs {
    let NeedsRequest { zone, cpus, memory_mib, gpus, arch, .. } = request;
    Needs { on: named.on, not_on: named.not_on, zone, cpus, memory_mib, gpus, arch }
}

fn inputs(request: &SubmitRequest) -> Result<(Inputs, u32), Refused> {
    match (&request.rows, request.array) {
        (Some(_), Some(_)) => Err(Refused::invalid("a job has rows or an array, not both")),
        (Some(rows), None) => Ok((Inputs::Rows, bounded(rows.len() as u64)?)),
        (None, Some((first, last))) => {
            let count = last.checked_sub(first).and_then(|span| u64::try_from(span).ok()).map(|span| span + 1);
            let count = count.ok_or_else(|| Refused::invalid(format!("the array {first}-{last} runs backwards")))?;
            Ok((Inputs::Array { first }, bounded(count)?))
        }
        (None, None) => Ok((Inputs::None, 1)),
    }
}

fn bounded(count: u64) -> Result<u32, Refused> {
    u32::try_from(count)
        .ok()
        .filter(|count| *count <= TASKS_PER_JOB_MAX)
        .ok_or_else(|| limit("tasks in one job", TASKS_PER_JOB_MAX.into(), count))
}

/// No argument may hold a NUL or pass what the kernel takes.
fn check_words(request: &SubmitRequest) -> Result<(), Refused> {
    let spec_bytes = request.name.len() + request.argv.iter().map(|word| word.len()).sum::<usize>();
    if spec_bytes > SPEC_BYTES_MAX {
        return Err(limit("bytes of a command", SPEC_BYTES_MAX as u64, spec_bytes as u64));
    }
    for word in &request.argv {
        check_argument(word, "a word of the command")?;
    }
    for (index, row) in request.rows.iter().flatten().enumerate() {
        let mut bytes = 0;
        for column in row {
            check_argument(column, &format!("the argument of task {}", index + 1))?;
            bytes += column.len();
        }
        if bytes > ARGV_BYTES_MAX {
            return Err(limit("bytes of a task's arguments", ARGV_BYTES_MAX as u64, bytes as u64));
        }
    }
    Ok(())
}

pub(super) fn check_argument(word: &Bytes, what: &str) -> Result<(), Refused> {
    if word.contains(&0) {
        return Err(bad_argument(format!("{what} holds a NUL byte, which no program can be given")));
    }
    if word.len() >= ARG_BYTES_MAX {
        let message = format!("{what} has {} bytes; the kernel takes {} at most", word.len(), ARG_BYTES_MAX - 1);
        return Err(bad_argument(message));
    }
    Ok(())
}

fn bad_argument(message: String) -> Refused {
    let advice = "Nothing was accepted. Correct it, or pass the name of a file that holds it.";
    Refused::new(StatusCode::BAD_REQUEST, "bad_argument", message, advice)
}

fn check_environment(request: &SubmitRequest) -> Result<(), Refused> {
    if request.cwd.first() != Some(&b'/') || request.cwd.contains(&0) {
        return Err(Refused::invalid(format!("cwd must be an absolute path, and is {:?}", request.cwd)));
    }
    let mut bytes = 0;
    for (name, value) in request.environment.iter().chain(&request.env) {
        if name.is_empty() || name.contains(&b'=') || name.contains(&0) || value.contains(&0) {
            return Err(Refused::invalid(format!(
                "{name:?} is no name of an environment variable, or its value holds NUL"
            )));
        }
        bytes += name.len() + value.len() + 2;
    }
    if bytes > ARGV_BYTES_MAX {
        return Err(limit("bytes of the environment", ARGV_BYTES_MAX as u64, bytes as u64));
    }
    Ok(())
}

pub(super) fn limit(what: &'static str, limit: u64, got: u64) -> Refused {
    Deny::Limit { what, limit, got }.into()
}

pub(super) fn refused_template(error: TemplateError) -> Refused {
    match error {
        TemplateError::Empty => Refused::invalid("there is no command to run"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grace_belongs_to_checkpoints_and_has_a_limit() {
        let of =
            |keeps, grace_ms| checkpoint(&SubmitRequest { checkpoint: keeps, grace_ms, ..SubmitRequest::default() });
        assert_eq!(of(false, None).ok(), Some(None));
        assert_eq!(of(true, None).ok(), Some(Some(Checkpoint { grace_ms: 30_000 })));
        assert_eq!(of(true, Some(500)).ok(), Some(Some(Checkpoint { grace_ms: 500 })));
        assert!(of(false, Some(500)).is_err() && of(true, Some(3_600_001)).is_err());
    }
}
