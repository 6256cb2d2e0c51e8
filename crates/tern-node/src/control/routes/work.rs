//! Standing back, the flow of work, and why a job waits.

pub mod migrate;

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use tern_core::machine::Command;
use tern_core::machine::mesh::NodeView;
use tern_core::view::{Estimate, Explanation, Lately, TaskState};
use tern_core::words::{JobId, NodeId};

use super::grid::view_and_node;
use super::{App, Asked};
use crate::control::api::grid::Names;
use crate::control::api::work::{
    CandidateView, DecisionView, DrainQuery, EstimateView, ExplainQuery, ExplainView, FlowEntry, FlowView, LatelyView,
    LoanView, QueueView, StandingView, TaskView,
};
use crate::control::api::{Done, Refusal};
use crate::control::words::Refused;
use crate::node::NodeError;
use crate::overlay::calls::{FlowRow, Standing, WorkAnswer, WorkAsk, rows};
use crate::overlay::grid::{Grid, GridError, GridView};
use crate::overlay::peers::CallError;

/// How often another node is asked whether something runs there still.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long the others have for the flow: it is asked for once a second.
const FLOW_WITHIN: Duration = Duration::from_millis(800);

/// Start nothing more on this node, also after a restart.
#[utoipa::path(post, path = "/v1/drain", tag = "node", params(DrainQuery), responses((status = 200, body = Done)))]
pub async fn drain(State(app): State<App>, Asked(query): Asked<DrainQuery>) -> Result<Json<Done>, Refused> {
    app.handle.command(Command::Drain { wait: query.wait }).await?;
    Ok(Json(Done::default()))
}

/// Start tasks on this node again, where nothing else keeps it from that.
#[utoipa::path(post, path = "/v1/undrain", tag = "node", responses((status = 200, body = StandingView)))]
pub async fn undrain(State(app): State<App>) -> Result<Json<StandingView>, Refused> {
    app.handle.command(Command::Undrain).await?;
    here(&app).await
}

/// Start nothing more on a node, also after a restart of it.
#[utoipa::path(post, path = "/v1/nodes/{node}/drain", tag = "grid", params(("node" = String, Path), DrainQuery),
    responses((status = 200, body = StandingView), (status = 404, body = Refusal), (status = 502, body = Refusal)))]
pub async fn drain_node(
    State(app): State<App>,
    Path(text): Path<String>,
    Asked(query): Asked<DrainQuery>,
) -> Result<Json<StandingView>, Refused> {
    let (_, node) = view_and_node(&app, &text).await?;
    if node.here {
        app.handle.command(Command::Drain { wait: query.wait }).await?;
        return here(&app).await;
    }
    let grid = &app.meshed()?.grid;
    let mut standing = standing(grid, &node, WorkAsk::Drain).await?;
    while query.wait && standing.running > 0 && standing.draining {
        tokio::time::sleep(LOOK_EVERY).await;
        standing = self::standing(grid, &node, WorkAsk::Standing).await?;
    }
    Ok(Json(shown(&node.name, &node.node, standing)))
}

/// Start tasks on a node again, where nothing else keeps it from that.
#[utoipa::path(post, path = "/v1/nodes/{node}/undrain", tag = "grid", params(("node" = String, Path)),
    responses((status = 200, body = StandingView), (status = 404, body = Refusal), (status = 502, body = Refusal)))]
pub async fn undrain_node(State(app): State<App>, Path(text): Path<String>) -> Result<Json<StandingView>, Refused> {
    let (_, node) = view_and_node(&app, &text).await?;
    if node.here {
        app.handle.command(Command::Undrain).await?;
        return here(&app).await;
    }
    let standing = standing(&app.meshed()?.grid, &node, WorkAsk::Undrain).await?;
    Ok(Json(shown(&node.name, &node.node, standing)))
}

async fn here(app: &App) -> Result<Json<StandingView>, Refused> {
    let status = app.handle.status().await?;
    let name = match &app.meshed {
        Some(meshed) => Names(&meshed.grid.view().await?).of(&app.handle.node()),
        None => status.node.clone(),
    };
    Ok(Json(shown(&name, &app.handle.node(), Standing::from(&status))))
}

async fn standing(grid: &Grid, node: &NodeView, ask: WorkAsk) -> Result<Standing, Refused> {
    match grid.work(&node.node, ask).await? {
        WorkAnswer::Standing(standing) => Ok(standing),
        WorkAnswer::Flow(_) | WorkAnswer::Ledger(_) => {
            let why = "it answered another question".to_owned();
            Err(GridError::Call(CallError::Broken { node: node.node, why }).into())
        }
    }
}

fn shown(name: &str, node: &NodeId, standing: Standing) -> StandingView {
    let Standing { draining, running, because, .. } = standing;
    StandingView { name: name.to_owned(), node: node.to_string(), draining, running, because }
}

/// What waits on this node, counted by why it waits.
#[utoipa::path(get, path = "/v1/queue", tag = "node", responses((status = 200, body = QueueView)))]
pub async fn queue(State(app): State<App>) -> Result<Json<QueueView>, Refused> {
    Ok(Json(QueueView::from(&app.handle.queue().await?)))
}

/// Who has tasks of whom, in the whole grid. A node that does not answer in time is named.
#[utoipa::path(get, path = "/v1/flow", tag = "grid", responses((status = 200, body = FlowView)))]
pub async fn flow(State(app): State<App>) -> Result<Json<FlowView>, Refused> {
    let mut found = rows(&app.handle.flows().await?);
    let Some(meshed) = &app.meshed else { return Ok(Json(FlowView::default())) };
    let view = meshed.grid.view().await?;
    let mut silent = Vec::new();
    for (node, answer) in others(&meshed.grid, &view).await {
        match answer {
            Some(rows) => found.extend(rows),
            None => silent.push(Names(&view).of(&node)),
        }
    }
    // Both sides of a loan tell of it: the owner's word counts, and the other's where the owner is silent.
    found.sort_by_key(|row| (row.from, row.to, row.job, std::cmp::Reverse(row.tasks)));
    found.dedup_by_key(|row| (row.from, row.to, row.job));
    found.sort_by_key(|row| std::cmp::Reverse(row.tasks));
    let entry = |row: &FlowRow| FlowEntry {
        from: Names(&view).of(&row.from),
        from_node: row.from.to_string(),
        to: Names(&view).of(&row.to),
        to_node: row.to.to_string(),
        job: row.job.to_string(),
        tasks: row.tasks,
    };
    Ok(Json(FlowView { flows: found.iter().map(entry).collect(), silent }))
}

/// All members that are up are asked at the same time.
async fn others(grid: &Grid, view: &GridView) -> Vec<(NodeId, Option<Vec<FlowRow>>)> {
    let mut asked = tokio::task::JoinSet::new();
    for node in view.nodes.iter().filter(|node| node.up && !node.here).map(|node| node.node) {
        let grid = grid.clone();
        asked.spawn(async move {
            let answer = tokio::time::timeout(FLOW_WITHIN, grid.work(&node, WorkAsk::Flow)).await;
            let rows = match answer {
                Ok(Ok(WorkAnswer::Flow(rows))) => Some(rows),
                _ => None,
            };
            (node, rows)
        });
    }
    let mut answers = asked.join_all().await;
    answers.sort_by_key(|(node, _)| *node);
    answers
}

/// What was decided lately about this node as a whole, oldest first: rules, wishes, slots, processes that are held back.
#[utoipa::path(get, path = "/v1/decisions", tag = "node", responses((status = 200, body = Vec<LatelyView>)))]
pub async fn decisions(State(app): State<App>) -> Result<Json<Vec<LatelyView>>, Refused> {
    let lately = app.handle.lately().await?.into_iter();
    Ok(Json(lately.map(|Lately { ms_ago, what, because }| LatelyView { ms_ago, what, because }).collect()))
}

/// Why a job stands where it stands, and one of its tasks.
#[utoipa::path(get, path = "/v1/jobs/{job}/explain", tag = "jobs", params(("job" = String, Path), ExplainQuery),
    responses((status = 200, body = ExplainView), (status = 404, body = Refusal)))]
pub async fn explain(
    State(app): State<App>,
    Path(text): Path<String>,
    Asked(query): Asked<ExplainQuery>,
) -> Result<Json<ExplainView>, Refused> {
    let job = app.job(&text)?;
    let task = match query.task {
        Some(0) => return Err(Refused::invalid("tasks count from 1")),
        Some(number) => Some(number - 1),
        None => None,
    };
    let explained = app.handle.explain(job, task).await?;
    let Some(explained) = explained else {
        let whole = app.handle.explain(job, None).await?.is_some();
        return Err(if whole { no_such_task(&text, query.task) } else { Refused::no_such_job(&text) });
    };
    let view = match &app.meshed {
        Some(meshed) => Some(meshed.grid.view().await?),
        None => None,
    };
    let name = |node: &NodeId| view.as_ref().map_or_else(|| node.to_string(), |view| Names(view).of(node));
    let of_tag = |tag: u32| {
        let known = view.as_ref().and_then(|view| view.nodes.iter().find(|node| node.node.tag() == tag));
        known.map_or_else(|| format!("{tag:08x}"), |node| node.name.clone())
    };
    let task = match &explained.task {
        Some(task) => Some(ended(&app, job, task_view(task, &name), of_tag).await?),
        None => None,
    };
    let mut shown = explain_view(explained, task, &name);
    if let Some(view) = &view {
        mark_drained(&mut shown, view);
        add_gone(&mut shown, view);
    }
    Ok(Json(shown))
}

/// What a node says of itself to all: one that starts nothing takes nothing.
fn mark_drained(shown: &mut ExplainView, view: &GridView) {
    for candidate in shown.nodes.iter_mut().filter(|candidate| !candidate.here && candidate.refused.is_none()) {
        let vitals =
            view.nodes.iter().find(|node| node.node.to_string() == candidate.node).and_then(|node| node.vitals);
        if vitals.is_some_and(|vitals| vitals.flags.draining) {
            candidate.refused = Some("it starts nothing more: it is drained, or its battery is low".to_owned());
            candidate.free = 0;
        }
    }
}

/// Members that are not connected: a job may wait for one of them.
fn add_gone(shown: &mut ExplainView, view: &GridView) {
    if shown.job.is_none() {
        return;
    }
    for member in view.nodes.iter().filter(|member| !member.here) {
        let node = member.node.to_string();
        if shown.nodes.iter().all(|known| known.node != node) {
            let why = if member.up { "it is up, and not connected for work yet" } else { "it is not there now" };
            let [name, refused] = [member.name.clone(), why.to_owned()];
            shown.nodes.push(CandidateView { name, node, refused: Some(refused), ..CandidateView::default() });
        }
    }
}

fn no_such_task(job: &str, task: Option<u32>) -> Refused {
    let message = format!("job {job} has no task {} that this node knows of", task.unwrap_or(0));
    Refused::new(axum::http::StatusCode::NOT_FOUND, "no_result", message, "Tasks count from 1.")
}

fn task_view(task: &TaskState, name: &impl Fn(&NodeId) -> String) -> TaskView {
    TaskView {
        number: task.number,
        state: task.state.to_owned(),
        name: task.node.as_ref().map(name),
        node: task.node.map(|node| node.to_string()),
        token: task.token.clone(),
        round: task.round,
        failures: task.failures,
        because: task.because.clone(),
        exit: None,
        ran_ms: None,
    }
}

/// Where a task ran that is over, from the results.
async fn ended(app: &App, job: JobId, mut task: TaskView, name: impl Fn(u32) -> String) -> Result<TaskView, NodeError> {
    if !matches!(task.state.as_str(), "done" | "failed" | "cancelled") {
        return Ok(task);
    }
    let Some(mut watch) = app.handle.watch(job, false).await? else { return Ok(task) };
    while let Some(update) = watch.next().await? {
        let counts =
            |end: &&tern_core::promise::Outcome| end.attempt.task + 1 == task.number && end.attempt.round >= task.round;
        if let Some(end) = update.outcomes.iter().find(counts).copied() {
            let epoch = end.attempt.epoch;
            let token = format!("{}.{:08x}.{:016x}/{}", epoch.counter, epoch.keeper, epoch.incarnation, end.attempt.n);
            task.name = Some(name(end.ran_on));
            task.node = Some(format!("{:08x}", end.ran_on));
            task.token = Some(token);
            task.exit = Some(end.exit);
            task.ran_ms = Some(end.ran_ns as f64 / 1e6);
        }
    }
    Ok(task)
}

fn estimate_view(estimate: &Estimate) -> EstimateView {
    EstimateView {
        least_ms: estimate.least_ms,
        most_ms: estimate.most_ms,
        within_factor: estimate.within,
        spread_factor: estimate.spread,
        runs: estimate.runs,
        of: if estimate.of_task { "task" } else { "command" }.to_owned(),
    }
}

fn explain_view(explained: Explanation, task: Option<TaskView>, name: &impl Fn(&NodeId) -> String) -> ExplainView {
    let candidates = explained.nodes.iter().map(|node| CandidateView {
        name: name(&node.node),
        node: node.node.to_string(),
        here: node.here,
        refused: node.refused.clone(),
        slots: node.slots,
        running: node.running,
        free: node.slots.saturating_sub(node.running),
        queued: node.queued,
        heard_ms_ago: node.heard_ms_ago,
    });
    let loans = explained.flows.iter().map(|flow| LoanView {
        from: name(&flow.from),
        to: name(&flow.to),
        to_node: flow.to.to_string(),
        grant: flow.n,
        tasks: flow.tasks,
        lease_ends_in_ms: flow.ends_in_ms,
    });
    let decisions = explained.decisions.iter().map(|decided| DecisionView {
        ms_ago: decided.ms_ago,
        what: decided.what.to_owned(),
        tasks: decided.tasks,
        node: decided.peer.as_ref().map(name),
        because: decided.because.clone(),
    });
    ExplainView {
        id: explained.id.to_string(),
        nodes: candidates.collect(),
        loans: loans.collect(),
        decisions: decisions.collect(),
        job: explained.job,
        because: explained.because,
        estimate: explained.estimate.map(|estimate| estimate_view(&estimate)),
        failed_and_run_again: explained.again,
        task,
    }
}
