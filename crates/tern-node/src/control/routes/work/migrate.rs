//! Moving one task, named by its number or by its process, to another node.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use nix::unistd::{Pid, getpgid};
use tern_core::machine::{Answer, Command};
use tern_core::view::{How, Migration};
use tern_core::words::{JobId, NodeId};

use crate::control::api::Refusal;
use crate::control::api::grid::Names;
use crate::control::api::work::{MigrateRequest, MigrationView};
use crate::control::routes::grid::view_and_node;
use crate::control::routes::{App, read_json};
use crate::control::words::Refused;
use crate::node::NodeError;
use crate::process::inflight::{self, Row};
use crate::process::pidfd::Pidfd;
use crate::process::protocol::{Asker, Throttle};

/// What is left to a process that should be elsewhere and cannot go, in per cent of one CPU.
const THROTTLED_PERCENT: u8 = 50;

/// What is to move.
enum What {
    /// From 0.
    Task(JobId, u32),
    /// Nothing that Tern started here.
    Foreign(i32),
    /// A task of another node's job.
    Borrowed(JobId, u32),
}

/// Move a task of a job of this node: what waits as it is, what runs by a checkpoint or, where its job may run again, from its
/// beginning. What can do neither is throttled. Answered when it is clear what became of it.
#[utoipa::path(post, path = "/v1/migrate", tag = "jobs", request_body = MigrateRequest,
    responses((status = 200, body = MigrationView), (status = 400, body = Refusal), (status = 404, body = Refusal)))]
pub async fn migrate(State(app): State<App>, body: Bytes) -> Result<Json<MigrationView>, Refused> {
    let request: MigrateRequest = read_json(&body)?;
    let what = what(&app, &request)?;
    let to = match &request.to {
        Some(name) => Some(view_and_node(&app, name).await?.1.node),
        None => None,
    };
    let mut view = match what {
        What::Task(job, task) => of_task(&app, job, task, to).await?,
        What::Foreign(pid) => of_foreign(&app, pid, request.foreign).await?,
        What::Borrowed(job, task) => refused(format!(
            "it is task {} of job {job}, which belongs to another node: say `tern migrate {job}/{}` there",
            task + 1,
            task + 1
        )),
    };
    view.pid = view.pid.or(request.pid);
    Ok(Json(view))
}

fn what(app: &App, request: &MigrateRequest) -> Result<What, Refused> {
    match (&request.job, request.task, request.pid) {
        (Some(job), Some(number @ 1..), None) => Ok(What::Task(app.job(job)?, number - 1)),
        (None, None, Some(pid @ 1..)) => Ok(of_process(app, pid)),
        _ => Err(Refused::invalid("a migration is of a job and the number of its task, from 1, or of a process")),
    }
}

/// A task is known by its process, and by any other of its group.
fn of_process(app: &App, pid: i32) -> What {
    let group = getpgid(Some(Pid::from_raw(pid))).map_or(pid, Pid::as_raw);
    let is_it = |row: &Row| row.process.is_some_and(|(leader, _)| leader == group);
    let Some(row) = rows(app).into_iter().find(|row| is_it(row)) else { return What::Foreign(pid) };
    let attempt = row.attempt;
    if attempt.job.owner_tag() == app.handle.tag() {
        What::Task(attempt.job, attempt.task)
    } else {
        What::Borrowed(attempt.job, attempt.task)
    }
}

/// What runs here. Without the table nothing does. A row may name a process that ended long ago, where its warden died before its end was
/// noted; its number is somebody else's by now.
fn rows(app: &App) -> Vec<Row> {
    let rows = inflight::read(app.handle.home()).unwrap_or_default();
    let runs = |row: &Row| row.process.is_none_or(|(pid, identity)| Pidfd::reopen(pid, identity).is_some());
    rows.into_iter().filter(|row| row.outcome.is_none() && runs(row)).collect()
}

async fn of_task(app: &App, job: JobId, task: u32, to: Option<NodeId>) -> Result<MigrationView, Refused> {
    // A job that is not there either is the node's to refuse.
    if app.handle.job(job).await?.is_some_and(|known| task >= known.tasks.total) {
        return Err(super::no_such_task(&job.to_string(), Some(task.saturating_add(1))));
    }
    let Answer::Migrated(migration) = app.handle.command(Command::Migrate { job, task, to }).await? else {
        return Err(NodeError::Stopping.into());
    };
    let mut view = shown(app, &migration).await?;
    (view.job, view.task) = (Some(job.to_string()), Some(task + 1));
    if migration.how == How::Throttled {
        let runs = rows(app).into_iter().find(|row| row.attempt.job == job && row.attempt.task == task);
        match runs.and_then(|row| row.process) {
            Some((pid, _)) => throttle(app, pid, &mut view).await?,
            None => (view.how, view.because) = (How::Refused, format!("{}, and it runs no more", view.because)),
        }
    }
    Ok(view)
}

async fn of_foreign(app: &App, pid: i32, allowed: bool) -> Result<MigrationView, Refused> {
    let mut view =
        refused(format!("process {pid} is no task of Tern's on this node: --foreign throttles it where it is"));
    if allowed {
        "Tern did not start it, and cannot move it".clone_into(&mut view.because);
        throttle(app, pid, &mut view).await?;
    }
    Ok(view)
}

/// Holds a process back, or says why that was not possible either.
async fn throttle(app: &App, pid: i32, view: &mut MigrationView) -> Result<(), Refused> {
    view.pid = Some(pid);
    let wish = Throttle { pid, percent: THROTTLED_PERCENT, method: None, asked_by: Asker::Person };
    match app.handle.throttle(wish).await? {
        Ok(state) => (view.how, view.percent) = (How::Throttled, state.percent),
        Err(why) => (view.how, view.because) = (How::Refused, format!("{}; it was not throttled: {why}", view.because)),
    }
    Ok(())
}

fn refused(because: String) -> MigrationView {
    MigrationView { how: How::Refused, because, ..MigrationView::default() }
}

async fn shown(app: &App, migration: &Migration) -> Result<MigrationView, Refused> {
    let view = match &app.meshed {
        Some(meshed) => Some(meshed.grid.view().await?),
        None => None,
    };
    let name = |node: &NodeId| view.as_ref().map_or_else(|| node.to_string(), |view| Names(view).of(node));
    let Migration { how, from, to, because } = migration;
    Ok(MigrationView {
        how: *how,
        from: from.as_ref().map(name),
        from_node: from.map(|node| node.to_string()),
        to: to.as_ref().map(name),
        to_node: to.map(|node| node.to_string()),
        because: because.clone(),
        ..MigrationView::default()
    })
}
