//! The ledger of the grid: every node is asked for its postings, and these are held against each other.

mod zones;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use tern_core::promise::ledger::{Finding, Half, Line, Posting, Triad, Wrong, audit};
use tern_core::words::{GrantId, NodeId};

use super::App;
use crate::clock;
use crate::control::api::grid::Names;
use crate::control::api::ledger::{BlockedView, BookView, FindingView, LedgerView, TransferView};
use crate::control::words::Refused;
use crate::node::handle::LedgerPage;
use crate::overlay::Grid;
use crate::overlay::calls::{WorkAnswer, WorkAsk};
use crate::store::ledger::{LINES_MAX, tx_words};

/// A node that has not told all of it by then is silent.
const WITHIN: Duration = Duration::from_secs(5);
/// A transfer may have one half only for so long: the other one is on its way.
const ON_ITS_WAY_MS: u64 = 5_000;
/// An agent that dies may not say any more that it took a transfer back, and a machine without power loses its last lines: of those
/// between so long before the last line that is there and the next start nobody knows.
const CUT_SHORT_MS: u64 = 30_000;
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
    // What is written down while the others are asked is not judged.
    let asked_ms = clock::now().wall_ms;
    let mut here = app.handle.ledger(0).await?;
    for _ in 0..PAGES_MAX {
        let Some(from) = here.next else { break };
        let more = app.handle.ledger(from).await?;
        here.next = more.next;
        here.lines.extend(more.lines);
    }
    let mut all = vec![Postings { node: app.handle.node(), page: here }];
    let (mut silent, mut names, mut zone_of) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
    if let Some(meshed) = &app.meshed {
        let view = meshed.grid.view().await?;
        let known = Names(&view);
        names = view.nodes.iter().map(|node| (node.node, known.of(&node.node))).collect();
        zone_of = view.nodes.iter().map(|node| (node.node, node.zone.clone())).collect();
        let mut asked = tokio::task::JoinSet::new();
        for node in view.nodes.iter().filter(|node| !node.here).map(|node| (node.node, node.up)) {
            let grid = meshed.grid.clone();
            asked.spawn(async move {
                let page = async { if node.1 { postings(&grid, node.0).await } else { None } };
                (node.0, tokio::time::timeout(WITHIN, page).await.ok().flatten())
            });
        }
        for (node, page) in asked.join_all().await {
            match page {
                Some(page) => all.push(Postings { node, page }),
                None => silent.push(node),
            }
        }
    }
    all.sort_by_key(|postings| postings.node);
    let name = |node: NodeId| names.get(&node).cloned().unwrap_or_else(|| node.to_string());
    Ok(Json(view(&all, &silent, asked_ms, &zone_of, &name)))
}

async fn postings(grid: &Grid, node: NodeId) -> Option<LedgerPage> {
    let page = |from| async move {
        match grid.work(&node, WorkAsk::Ledger(from)).await {
            Ok(WorkAnswer::Ledger(page)) => Some(*page),
            _ => None,
        }
    };
    let mut all = page(0).await?;
    // By this node's clock: theirs may say anything.
    let (ours, theirs) = (clock::now().wall_ms, all.now_ms);
    let as_ours = |at_ms: u64| if at_ms == 0 { 0 } else { ours.saturating_sub(theirs.saturating_sub(at_ms)).max(1) };
    // One that sends us round in circles, or more than it can remember, is not followed.
    while let Some(from) = all.next {
        let more = page(from).await?;
        all.next = more.next;
        all.lines.extend(more.lines);
        if all.lines.len() > LINES_MAX {
            return None;
        }
    }
    all.since_ms = as_ours(all.since_ms);
    all.lines.iter_mut().for_each(|written| written.at_ms = as_ours(written.at_ms));
    Some(all)
}

fn view(
    all: &[Postings],
    silent: &[NodeId],
    asked_ms: u64,
    zone_of: &BTreeMap<NodeId, String>,
    name: &dyn Fn(NodeId) -> String,
) -> LedgerView {
    let transfers = transfers(all);
    let findings = findings(all, &transfers, asked_ms);
    let newest = transfers.iter().map(|(tx, seen)| (seen.at_ms, *tx)).collect::<BTreeSet<_>>();
    let shown =
        newest.iter().rev().take(SHOWN_MAX).rev().filter_map(|(_, tx)| transfers.get(tx).map(|seen| (tx, seen)));
    LedgerView {
        sound: findings.is_empty() && all.iter().all(|postings| postings.page.adds_up),
        books: all.iter().map(|postings| book(postings, name)).collect(),
        zones: zones::books(&transfers, &findings.iter().map(|finding| finding.tx).collect(), zone_of),
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
    let mut aborted = Vec::new();
    for (node, written) in all.iter().flat_map(|it| it.page.lines.iter().map(|written| (it.node, written))) {
        match written.line {
            Line::Posted(Posting { triad, half }) => {
                let seen = seen.entry(triad.tx()).or_default();
                seen.at_ms = if seen.at_ms == 0 { written.at_ms } else { seen.at_ms.min(written.at_ms) };
                seen.triad.get_or_insert(triad);
                seen.sender |= half == Half::Sender;
                seen.receiver |= half == Half::Receiver;
            }
            Line::Aborted(tx) => aborted.push((node, tx)),
            Line::Began | Line::Ended => {}
        }
    }
    // Only its sender can take a transfer back.
    for (node, tx) in aborted {
        if let Some(seen) = seen.get_mut(&tx) {
            seen.aborted |= seen.triad.is_some_and(|triad| triad.sender() == node);
        }
    }
    seen
}

/// A half may be missing where its node did not answer, has forgotten so old ones, died just then, or has only just been told.
fn findings(all: &[Postings], transfers: &BTreeMap<GrantId, Seen>, asked_ms: u64) -> Vec<Finding> {
    let gaps: Vec<(NodeId, u64, u64)> = all.iter().flat_map(gaps).map(|gap| narrowed(gap, transfers)).collect();
    let knows = |node: NodeId, at_ms: u64| {
        let told = |it: &&Postings| it.node == node && it.page.since_ms < at_ms;
        let lost = |gap: &&(NodeId, u64, u64)| gap.0 == node && (gap.1..=gap.2).contains(&at_ms);
        all.iter().any(|it| told(&it)) && !gaps.iter().any(|gap| lost(&gap))
    };
    let open = |tx: GrantId| {
        transfers.get(&tx).is_none_or(|seen| {
            let Some(triad) = seen.triad else { return true };
            let fresh = seen.at_ms.saturating_add(ON_ITS_WAY_MS) > asked_ms;
            // Of a sender that posted it counts, too, whether it could have said that it took it back.
            let missing = if seen.sender { &[triad.sender(), triad.receiver()][..] } else { &[triad.sender()][..] };
            seen.aborted || fresh || !missing.iter().all(|node| knows(*node, seen.at_ms))
        })
    };
    let lines = all.iter().flat_map(|it| it.page.lines.iter().map(|written| (it.node, written.line)));
    let postings = lines.filter_map(|(node, line)| match line {
        Line::Posted(posting) => Some((node, posting)),
        Line::Aborted(_) | Line::Began | Line::Ended => None,
    });
    let mut findings = audit(postings, open);
    // Where lines cannot be read one of them may be the start that is missing.
    findings.extend(all.iter().filter(|it| it.page.unread == 0).flat_map(posted_by_nobody));
    findings.sort_unstable();
    findings.dedup();
    findings
}

/// What is lost with an agent or a machine was posted in its last moments. Halves that are missing long before others are missing
/// for another reason.
fn narrowed((node, from, to): (NodeId, u64, u64), transfers: &BTreeMap<GrantId, Seen>) -> (NodeId, u64, u64) {
    let misses = |seen: &&Seen| {
        let of = |side: fn(&Triad) -> NodeId| seen.triad.as_ref().is_some_and(|triad| side(triad) == node);
        (of(Triad::sender) && !seen.sender) || (of(Triad::receiver) && !seen.receiver && !seen.aborted)
    };
    let missed = transfers.values().filter(misses).map(|seen| seen.at_ms).filter(|at_ms| (from..=to).contains(at_ms));
    (node, missed.max().map_or(from, |last| from.max(last.saturating_sub(CUT_SHORT_MS))), to)
}

/// Lines that no agent wrote: between the end of one in order and the start of the next there was none.
fn posted_by_nobody(it: &Postings) -> Vec<Finding> {
    let mut ended = false;
    let mut findings = Vec::new();
    for written in &it.page.lines {
        match written.line {
            Line::Began => ended = false,
            Line::Ended => ended = true,
            Line::Posted(posting) if ended => {
                findings.push(Finding { tx: posting.triad.tx(), wrong: Wrong::Forged, node: it.node });
            }
            Line::Posted(_) | Line::Aborted(_) => {}
        }
    }
    findings
}

/// Times of which a node may have lines no more: before each start of its agent that followed no end in order.
fn gaps(it: &Postings) -> Vec<(NodeId, u64, u64)> {
    let lines = it.page.lines.iter().zip(it.page.lines.iter().skip(1));
    let starts = lines.filter(|(last, next)| next.line == Line::Began && last.line != Line::Ended);
    starts.map(|(last, began)| (it.node, last.at_ms.saturating_sub(CUT_SHORT_MS), began.at_ms)).collect()
}

fn book(postings: &Postings, name: &dyn Fn(NodeId) -> String) -> BookView {
    let LedgerPage { epoch, adds_up, open, waiting, totals, refused, blocked, unread, .. } = &postings.page;
    let word = |why: &_| serde_json::to_value(why).ok().and_then(|word| word.as_str().map(str::to_owned));
    let pair = |(sender, receiver, tx): &(NodeId, NodeId, GrantId)| BlockedView {
        sender: name(*sender),
        receiver: name(*receiver),
        tx: tx_words(*tx),
    };
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
        unread: *unread,
        refused: refused.iter().filter_map(|(why, count)| Some((word(why)?, *count))).collect(),
        blocked: blocked.iter().map(pair).collect(),
    }
}

fn found(finding: &Finding, name: &dyn Fn(NodeId) -> String) -> FindingView {
    let (tx, node) = (tx_words(finding.tx), name(finding.node));
    let (wrong, text) = match finding.wrong {
        Wrong::Forged => ("forged", format!("transfer {tx}: what {node} posted is not its to post")),
        Wrong::Unlike => {
            ("unlike", format!("transfer {tx}: {node} and the other side tell it in two ways: one of them is wrong"))
        }
        Wrong::Lost => {
            ("lost", format!("transfer {tx}: {node} has not posted its half; the other side says that it took part"))
        }
        Wrong::Repeated => ("repeated", format!("transfer {tx}: {node} posted its half more than once")),
    };
    FindingView { tx, wrong: wrong.to_owned(), name: node, node: finding.node.to_string(), text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::ledger::Written;

    const END: u64 = 10_000_000;

    fn id(byte: u8) -> NodeId {
        NodeId([byte; 32])
    }

    fn posted(n: u32, half: usize, at_ms: u64) -> Written {
        let tx = GrantId { incarnation: 7, n };
        let triad = Triad::new(tx, [id(1), id(2), id(3)], 1).expect("a transfer");
        Written { at_ms, line: Line::Posted(triad.halves()[half]) }
    }

    /// What is found where the sender and the receiver have these lines.
    fn found_in(sender: Vec<Written>, receiver: Vec<Written>) -> Vec<(u32, Wrong, u8)> {
        let page = |node, lines| Postings {
            node: id(node),
            page: LedgerPage { adds_up: true, lines, ..LedgerPage::default() },
        };
        let all = [page(1, sender), page(3, receiver)];
        let found = findings(&all, &transfers(&all), END);
        found.into_iter().map(|finding| (finding.tx.n, finding.wrong, finding.node.0[0])).collect()
    }

    fn line(at_ms: u64, line: Line) -> Written {
        Written { at_ms, line }
    }

    #[test]
    fn what_an_agent_took_with_it_is_open_and_what_was_cut_off_before_is_lost() {
        let all = |half| (0..60).map(|n| posted(n, half, 1_000 * u64::from(n))).collect::<Vec<_>>();
        assert!(found_in(all(0), all(1)).is_empty());
        // It died with its last three lines unwritten.
        let cut = |keep: usize| {
            let mut lines = all(0);
            lines.truncate(keep);
            lines.push(line(70_000, Line::Began));
            lines
        };
        assert!(found_in(cut(57), all(1)).is_empty());
        // Of a whole minute only the last half of it may have gone so.
        let lost = found_in(cut(10), all(1));
        assert_eq!(lost.first(), Some(&(10, Wrong::Lost, 1)));
        assert_eq!(lost.len(), 19, "{lost:?}");
    }

    #[test]
    fn a_line_behind_the_end_of_an_agent_is_nobodys() {
        let ended = vec![posted(1, 0, 5), line(9, Line::Ended), posted(2, 0, 10), line(11, Line::Began)];
        assert_eq!(found_in(ended, vec![posted(1, 1, 6), posted(2, 1, 10)]), [(2, Wrong::Forged, 1)]);
    }
}
