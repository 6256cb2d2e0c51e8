//! The ledger of the grid: every node is asked for its postings, and these are held against each other.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use tern_core::promise::ledger::{Finding, Half, Line, Posting, Triad, Wrong, audit};
use tern_core::words::{GrantId, NodeId};

use super::App;
use crate::clock;
use crate::control::api::grid::Names;
use crate::control::api::ledger::{BookView, FindingView, LedgerView, TransferView};
use crate::control::words::Refused;
use crate::node::handle::LedgerPage;
use crate::overlay::Grid;
use crate::overlay::calls::{WorkAnswer, WorkAsk};
use crate::store::ledger::tx_words;

/// A node that has not answered for so long is silent.
const WITHIN: Duration = Duration::from_secs(5);
/// A transfer may have one half only for so long: the other one is on its way.
const ON_ITS_WAY_MS: u64 = 5_000;
/// An agent that dies may not say any more that it took a transfer back: of those so shortly before its next start nobody knows.
const CUT_SHORT_MS: u64 = 30_000;
/// Clocks of two machines may differ by this.
const CLOCKS_MS: u64 = 60_000;
/// Answers of one node.
const PAGES_MAX: usize = 128;
/// Transfers shown.
const SHOWN_MAX: usize = 50;

/// All that one node posted.
struct Postings {
    node: NodeId,
    page: LedgerPage,
}

/// What all nodes posted of transfers, and what is wrong with it.
#[utoipa::path(get, path = "/v1/ledger", tag = "grid", responses((status = 200, body = LedgerView)))]
pub async fn ledger(State(app): State<App>) -> Result<Json<LedgerView>, Refused> {
    let mut here = app.handle.ledger(0).await?;
    for _ in 0..PAGES_MAX {
        let Some(from) = here.next else { break };
        let more = app.handle.ledger(from).await?;
        here.next = more.next;
        here.lines.extend(more.lines);
    }
    let mut all = vec![Postings { node: app.handle.node(), page: here }];
    let (mut silent, mut names) = (Vec::new(), BTreeMap::new());
    if let Some(meshed) = &app.meshed {
        let view = meshed.grid.view().await?;
        let known = Names(&view);
        names = view.nodes.iter().map(|node| (node.node, known.of(&node.node))).collect();
        let mut asked = tokio::task::JoinSet::new();
        for node in view.nodes.iter().filter(|node| !node.here).map(|node| (node.node, node.up)) {
            let grid = meshed.grid.clone();
            asked.spawn(async move { (node.0, if node.1 { postings(&grid, node.0).await } else { None }) });
        }
        for (node, page) in asked.join_all().await {
            match page {
                Some(page) => all.push(Postings { node, page }),
                None => silent.push(node),
            }
        }
    }
    all.sort_by_key(|postings| postings.node);
    Ok(Json(view(&all, &silent, &|node| names.get(&node).cloned().unwrap_or_else(|| node.to_string()))))
}

async fn postings(grid: &Grid, node: NodeId) -> Option<LedgerPage> {
    let page = |from| async move {
        match tokio::time::timeout(WITHIN, grid.work(&node, WorkAsk::Ledger(from))).await {
            Ok(Ok(WorkAnswer::Ledger(page))) => Some(*page),
            _ => None,
        }
    };
    let mut all = page(0).await?;
    // One that sends us round in circles, or writes faster than we read, is not followed for ever.
    for _ in 0..PAGES_MAX {
        let Some(from) = all.next else { break };
        let more = page(from).await?;
        all.next = more.next;
        all.lines.extend(more.lines);
    }
    Some(all)
}

fn view(all: &[Postings], silent: &[NodeId], name: &dyn Fn(NodeId) -> String) -> LedgerView {
    let transfers = transfers(all);
    let findings = findings(all, &transfers);
    let newest = transfers.iter().map(|(tx, seen)| (seen.at_ms, *tx)).collect::<BTreeSet<_>>();
    let shown =
        newest.iter().rev().take(SHOWN_MAX).rev().filter_map(|(_, tx)| transfers.get(tx).map(|seen| (tx, seen)));
    LedgerView {
        sound: findings.is_empty() && all.iter().all(|postings| postings.page.adds_up),
        books: all.iter().map(|postings| book(postings, name)).collect(),
        transfers: shown.filter_map(|(tx, seen)| seen.show(*tx, name)).collect(),
        looked: transfers.len() as u64,
        findings: findings.iter().map(|finding| found(finding, name)).collect(),
        silent: silent.iter().map(|node| name(*node)).collect(),
    }
}

/// What is known of one transfer.
#[derive(Default)]
struct Seen {
    at_ms: u64,
    triad: Option<Triad>,
    sender: bool,
    receiver: bool,
    aborted: bool,
}

impl Seen {
    fn show(&self, tx: GrantId, name: &dyn Fn(NodeId) -> String) -> Option<TransferView> {
        let triad = self.triad?;
        let posted = match (self.aborted, self.sender, self.receiver) {
            (false, true, true) => "both",
            (true, ..) => "taken back",
            (false, true, false) => "sender",
            (false, false, _) => "receiver",
        };
        Some(TransferView {
            at_ms: self.at_ms,
            tx: tx_words(tx),
            sender: name(triad.sender()),
            broker: name(triad.broker()),
            receiver: name(triad.receiver()),
            tasks: triad.tasks(),
            posted: posted.to_owned(),
        })
    }
}

fn transfers(all: &[Postings]) -> BTreeMap<GrantId, Seen> {
    let mut seen: BTreeMap<GrantId, Seen> = BTreeMap::new();
    for written in all.iter().flat_map(|postings| &postings.page.lines) {
        match written.line {
            Line::Posted(Posting { triad, half }) => {
                let seen = seen.entry(triad.tx()).or_default();
                seen.at_ms = if seen.at_ms == 0 { written.at_ms } else { seen.at_ms.min(written.at_ms) };
                seen.triad.get_or_insert(triad);
                seen.sender |= half == Half::Sender;
                seen.receiver |= half == Half::Receiver;
            }
            Line::Aborted(tx) => seen.entry(tx).or_default().aborted = true,
            Line::Began => {}
        }
    }
    seen
}

/// A half may be missing where its node did not answer, has forgotten so old ones, or has only just been told.
fn findings(all: &[Postings], transfers: &BTreeMap<GrantId, Seen>) -> Vec<Finding> {
    let now_ms = clock::now().wall_ms;
    let knows = |node: NodeId, at_ms: u64| {
        all.iter().any(|it| it.node == node && (it.page.since_ms == 0 || it.page.since_ms + CLOCKS_MS < at_ms))
    };
    let lines = || all.iter().flat_map(|it| it.page.lines.iter().map(|written| (it.node, *written)));
    let began: Vec<(NodeId, u64)> = lines()
        .filter(|(_, written)| written.line == Line::Began)
        .map(|(node, written)| (node, written.at_ms))
        .collect();
    let open = |tx: GrantId| {
        transfers.get(&tx).is_none_or(|seen| {
            let Some(triad) = seen.triad else { return true };
            let fresh = seen.at_ms + ON_ITS_WAY_MS > now_ms;
            let cut_short = began.iter().any(|(node, at_ms)| {
                *node == triad.sender() && (seen.at_ms..seen.at_ms + CUT_SHORT_MS).contains(at_ms)
            });
            seen.aborted
                || fresh
                || cut_short
                || ![triad.sender(), triad.receiver()].iter().all(|node| knows(*node, seen.at_ms))
        })
    };
    let postings = lines().filter_map(|(node, written)| match written.line {
        Line::Posted(posting) => Some((node, posting)),
        Line::Aborted(_) | Line::Began => None,
    });
    audit(postings, open)
}

fn book(postings: &Postings, name: &dyn Fn(NodeId) -> String) -> BookView {
    let LedgerPage { epoch, adds_up, open, waiting, totals, refused, .. } = &postings.page;
    let word = |why: &_| serde_json::to_value(why).ok().and_then(|word| word.as_str().map(str::to_owned));
    BookView {
        name: name(postings.node),
        node: postings.node.to_string(),
        epoch: *epoch,
        adds_up: *adds_up,
        committed: totals.committed,
        aborted: totals.aborted,
        tasks: totals.tasks,
        open: *open,
        unresolved: totals.unresolved,
        waiting: *waiting,
        unbrokered: totals.unbrokered,
        refused: refused.iter().filter_map(|(why, count)| Some((word(why)?, *count))).collect(),
    }
}

fn found(finding: &Finding, name: &dyn Fn(NodeId) -> String) -> FindingView {
    let (tx, node) = (tx_words(finding.tx), name(finding.node));
    let (wrong, text) = match finding.wrong {
        Wrong::Forged => {
            ("forged", format!("transfer {tx}: what {node} posted is not its to post, or not what the other side told"))
        }
        Wrong::Lost => ("lost", format!("transfer {tx}: {node} took part and has not posted its half")),
        Wrong::Repeated => ("repeated", format!("transfer {tx}: {node} posted its half more than once")),
    };
    FindingView { tx, wrong: wrong.to_owned(), name: node, node: finding.node.to_string(), text }
}
