//! The balance of the grid: trits of all nodes, the rule that follows, and the plan.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use tern_core::decide::balance::even::{Seen, Shift, plan};
use tern_core::decide::balance::rules::{Mode, Picture, rule};
use tern_core::machine::mesh::NodeView;
use tern_core::observe::vitals::{Flags, rho_milli};
use tern_core::observe::{QueueTrit, Signs, Vitals};
use tern_core::words::NodeId;

use super::App;
use crate::control::api::balance::{BalanceView, HostView, MoveView};
use crate::control::api::{Refusal, trit};
use crate::control::words::Refused;
use crate::node::NodeStatus;
use crate::overlay::calls::{WorkAnswer, WorkAsk};
use crate::overlay::grid::GridView;

/// Nodes that are asked how many of their tasks may go, and how long each may take for its answer.
const ASKED_MAX: usize = 32;
const ASKED_WITHIN: Duration = Duration::from_secs(2);

/// How even the load is, and what would move.
#[utoipa::path(get, path = "/v1/balance", tag = "grid", responses((status = 200, body = BalanceView), (status = 409, body = Refusal)))]
pub async fn balance(State(app): State<App>) -> Result<Json<BalanceView>, Refused> {
    let (seen, here) = (seen(&app).await?, app.handle.status().await?);
    let movable = movable(&app, &seen, &here).await?;
    Ok(Json(view(&seen, &here, &movable).0))
}

/// Of nodes on which tasks wait, how many of these may go elsewhere; of who is not asked, or does not say so in time, all of them, unless
/// it says itself that they stay.
async fn movable(app: &App, seen: &GridView, here: &NodeStatus) -> Result<BTreeMap<NodeId, u64>, Refused> {
    let grid = &app.meshed()?.grid;
    let mut asked = tokio::task::JoinSet::new();
    let waits = seen.nodes.iter().filter(|node| node.up && node.vitals.is_some_and(|vitals| vitals.queued > 0));
    for node in waits.filter(|node| !node.here).map(|node| node.node).take(ASKED_MAX) {
        let grid = grid.clone();
        asked.spawn(async move {
            let answer = tokio::time::timeout(ASKED_WITHIN, grid.work(&node, WorkAsk::Standing)).await;
            if let Ok(Ok(WorkAnswer::Standing(standing))) = answer { Some((node, standing.movable)) } else { None }
        });
    }
    let mut movable: BTreeMap<NodeId, u64> = asked.join_all().await.into_iter().flatten().collect();
    movable.insert(app.handle.node(), here.movable);
    Ok(movable)
}

/// The grid, with what this node knows of itself now: others are told of it only where there are others.
async fn seen(app: &App) -> Result<GridView, Refused> {
    let mut view = app.meshed()?.grid.view().await?;
    let status = app.handle.status().await?;
    if let Some(here) = view.nodes.iter_mut().find(|node| node.here) {
        let count = |number: u64| u16::try_from(number).unwrap_or(u16::MAX);
        here.up = true;
        here.vitals = Some(Vitals {
            rho_milli: status.smoothed.and_then(rho_milli),
            trit: status.trit,
            queued: count(status.queued),
            running: count(status.running.into()),
            slots: count(status.open.into()),
            flags: Flags { draining: status.draining, disk_full: status.disk_full, ..Flags::default() },
            ..here.vitals.unwrap_or_default()
        });
    }
    Ok(view)
}

/// The same, carried out: receivers ask senders for the tasks. Those of which they find none stay where they are.
#[utoipa::path(post, path = "/v1/balance", tag = "grid", responses((status = 200, body = BalanceView), (status = 409, body = Refusal)))]
pub async fn apply(State(app): State<App>) -> Result<Json<BalanceView>, Refused> {
    let grid = &app.meshed()?.grid;
    let seen = seen(&app).await?;
    let here = app.handle.status().await?;
    let (mut shown, shifts) = view(&seen, &here, &movable(&app, &seen, &here).await?);
    let nodes = reached(&seen);
    for (shift, shown) in shifts.iter().zip(&mut shown.moves) {
        let (from, to) = (nodes[shift.from].0.node, nodes[shift.to].0.node);
        let take = WorkAsk::Take { from, tasks: shift.tasks };
        shown.applied = if to == app.handle.node() {
            app.handle.offered(from, shift.tasks).await.unwrap_or(false)
        } else {
            grid.work(&to, take).await.is_ok()
        };
    }
    Ok(Json(shown))
}

/// Those whose state is known, in the order of the plan.
fn reached(view: &GridView) -> Vec<(&NodeView, Vitals)> {
    let known = view.nodes.iter().filter(|node| node.up);
    known.filter_map(|node| Some((node, node.vitals?))).collect()
}

fn view(seen: &GridView, here: &NodeStatus, movable: &BTreeMap<NodeId, u64>) -> (BalanceView, Vec<Shift>) {
    let nodes = reached(seen);
    let signs = Signs::of(nodes.iter().map(|(_, vitals)| vitals.trit));
    let as_seen = |(node, vitals): &(&NodeView, Vitals)| {
        let speed = node.facts.as_ref().and_then(|facts| facts.speed).filter(|speed| *speed > 0);
        let queued = u32::from(vitals.queued);
        let said = if vitals.flags.stays { 0 } else { queued };
        let goes = movable.get(&node.node).map_or(said, |goes| u32::try_from(*goes).unwrap_or(u32::MAX).min(queued));
        let strict = here.mode == Mode::Strict;
        Seen {
            queued: if strict && trit(vitals.trit).0 != 1 { 0 } else { goes },
            // What may not go is done here before the free slots are anybody's.
            running: match u32::from(vitals.running) + (queued - goes) {
                running if strict && trit(vitals.trit).0 != -1 => running.max(vitals.slots.into()),
                running => running,
            },
            slots: if vitals.flags.draining { 0 } else { vitals.slots.into() },
            speed: speed.map_or(1.0, |speed| f64::from(speed) / 1000.0),
        }
    };
    let takes = |vitals: &Vitals| {
        let stands_back = vitals.flags.draining || vitals.flags.disk_full;
        trit(vitals.trit).0 == -1 && !stands_back && vitals.queued == 0 && vitals.running < vitals.slots
    };
    let takers = nodes.iter().any(|(_, vitals)| takes(vitals));
    let waiting = nodes.iter().map(|(_, vitals)| u64::from(vitals.queued)).sum();
    let spare = nodes.iter().any(|(_, vitals)| trit(vitals.trit).0 == -1 && vitals.running == 0);
    let rule = rule(&Picture { signs, takers, deferred: here.deferred, waiting, spare }, here.mode);
    // In the strict mode who has tasks gives none away while the sum is 0.
    let moves = rule.moves(here.mode);
    let shifts = if moves { plan(&nodes.iter().map(as_seen).collect::<Vec<_>>()) } else { Vec::new() };
    let mut idle: Vec<_> = nodes.iter().filter(|(_, vitals)| trit(vitals.trit).0 == -1).collect();
    idle.sort_by_key(|(node, vitals)| {
        (vitals.rho_milli, std::cmp::Reverse(node.facts.as_ref().map_or(0, |facts| facts.cores)), node.node)
    });
    let shown = BalanceView {
        plus: signs.plus,
        zero: signs.zero,
        minus: signs.minus,
        sum: signs.sum(),
        mod3: signs.residue(),
        conserved: signs.conserved(),
        parity: signs.parity(),
        rule: rule.name().to_owned(),
        because: rule.explain(&signs),
        mode: here.mode.name().to_owned(),
        deferred: here.deferred,
        wish: here.wish.map(|(wish, _)| wish.name().to_owned()),
        wish_seconds: here.wish.map(|(_, stands)| stands.as_ms() / 1_000),
        required: !shifts.is_empty(),
        moves: shifts.iter().map(|shift| moved(shift, &nodes)).collect(),
        nodes: seen.nodes.iter().map(host).collect(),
        idle: idle.iter().map(|(node, _)| node.name.clone()).collect(),
    };
    (shown, shifts)
}

fn moved(shift: &Shift, nodes: &[(&NodeView, Vitals)]) -> MoveView {
    let name = |place: usize| nodes[place].0.name.clone();
    MoveView { from: name(shift.from), to: name(shift.to), tasks: shift.tasks, falls: shift.falls, applied: false }
}

fn host(node: &NodeView) -> HostView {
    let (name, key, here) = (node.name.clone(), node.node.to_string(), node.here);
    let cores = node.facts.as_ref().map(|facts| facts.cores.into());
    let word = if node.up { "not heard yet".to_owned() } else { String::new() };
    let none = HostView { name, node: key, here, cores, word, ..HostView::default() };
    let Some(vitals) = node.vitals.filter(|_| node.up) else { return none };
    let (sign, word) = trit(vitals.trit);
    let rho = vitals.rho_milli.map(|rho| f64::from(rho) / 1000.0);
    let queue = QueueTrit::of(vitals.queued.into(), u32::from(vitals.slots).saturating_sub(vitals.running.into()));
    HostView {
        reached: true,
        trit: Some(sign),
        word: word.to_owned(),
        rho,
        load: rho.zip(cores).map(|(rho, cores)| rho * f64::from(cores)),
        queued: vitals.queued.into(),
        running: vitals.running.into(),
        slots: vitals.slots.into(),
        queue_trit: Some(match queue {
            QueueTrit::Hungry => -1,
            QueueTrit::Even => 0,
            QueueTrit::Waiting => 1,
        }),
        ..none
    }
}
