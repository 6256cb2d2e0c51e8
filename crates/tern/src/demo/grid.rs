//! What the three nodes are together: the sum of their trits, the flow of tasks, and the ledger of what went from whom to whom.

use std::time::{Duration, Instant};

use tern_node::control::api::balance::BalanceView;
use tern_node::control::api::ledger::{LedgerView, TransferView};
use tern_node::control::api::work::FlowView;
use tern_node::control::door::Door;

use crate::grid::table::sign;

/// Triads that are shown.
const SHOWN: usize = 3;
/// Turns of the sum that are kept.
const TURNS_MAX: usize = 40;
/// Between two looks at the ledger, for which all nodes are asked.
const LEDGER_EVERY: Duration = Duration::from_secs(1);

/// The newest look at all three, and how their sum went.
#[derive(Default)]
pub struct Grid {
    balance: Option<BalanceView>,
    flow: Option<FlowView>,
    ledger: Option<LedgerView>,
    looked: Option<Instant>,
    /// When the signs became what, since the start.
    turns: Vec<(Duration, i64, String)>,
}

impl Grid {
    /// Looks through the door of the first node. What does not answer stays as it was.
    pub async fn look(&mut self, door: &Door, since: Instant) {
        if let Ok(balance) = door.balance().await {
            let signs = format!("{} overloaded, {} balanced, {} idle", balance.plus, balance.zero, balance.minus);
            let turned = self.turns.last().is_none_or(|(_, _, before)| *before != signs);
            if turned && self.turns.len() < TURNS_MAX {
                self.turns.push((since.elapsed(), balance.sum, signs));
            }
            self.balance = Some(balance);
        }
        self.flow = door.flow().await.ok().or(self.flow.take());
        if self.looked.is_none_or(|looked| looked.elapsed() >= LEDGER_EVERY) {
            self.looked = Some(Instant::now());
            self.look_at_ledger(door).await;
        }
    }

    pub async fn look_at_ledger(&mut self, door: &Door) {
        self.ledger = door.ledger().await.ok().or(self.ledger.take());
    }

    /// Lines below the table.
    pub fn text(&self) -> String {
        let mut text = String::new();
        if let Some(BalanceView { sum, because, rule, .. }) = &self.balance {
            text += &format!("sum     S = {}: {rule}; {because}\n", signed(*sum));
        }
        if let Some(flow) = self.flow.as_ref().filter(|flow| !flow.flows.is_empty()) {
            let ways: Vec<String> =
                flow.flows.iter().take(6).map(|it| format!("{} -> {} {}", it.from, it.to, it.tasks)).collect();
            text += &format!("flow    {}\n", ways.join(", "));
        }
        text + &self.triads()
    }

    /// Triads of which one half is still to come.
    pub fn open_triads(&self) -> u32 {
        self.ledger.iter().flat_map(|ledger| &ledger.books).map(|book| book.open + book.waiting).sum()
    }

    /// The newest triads and what they add up to.
    pub fn triads(&self) -> String {
        let Some(ledger) = &self.ledger else { return String::new() };
        let committed: u64 = ledger.books.iter().map(|book| book.committed).sum();
        let open: u32 = ledger.books.iter().map(|book| book.open).sum();
        let sound = if ledger.sound { "all adds up to 0" } else { "something does not add up: tern ledger audit" };
        let mut text = format!("ledger  {committed} triads committed, {open} open: {sound}\n");
        for transfer in ledger.transfers.iter().rev().take(SHOWN) {
            text += &triad(transfer);
        }
        text
    }

    /// How the sum went.
    pub fn course(&self) -> String {
        let mut text = String::new();
        for (at, sum, signs) in &self.turns {
            text += &format!("  {:>6.1} s  S = {:<2}  {signs}\n", at.as_secs_f64(), signed(*sum));
        }
        text
    }

    /// For programs.
    pub fn json(&self) -> serde_json::Value {
        let turns = self
            .turns
            .iter()
            .map(|(at, sum, signs)| serde_json::json!({"seconds": at.as_secs_f64(), "sum": sum, "signs": signs}));
        let ledger = self.ledger.as_ref();
        serde_json::json!({
            "turns": turns.collect::<Vec<_>>(),
            "ledger_sound": ledger.map(|ledger| ledger.sound),
            "triads": ledger.map(|ledger| ledger.books.iter().map(|book| book.committed).sum::<u64>()),
        })
    }
}

fn triad(it: &TransferView) -> String {
    let TransferView { sender, broker, receiver, tasks, posted, .. } = it;
    format!("        +1 {sender}  0 {broker}  -1 {receiver}: {tasks} tasks, posted: {posted}\n")
}

fn signed(sum: i64) -> String {
    i8::try_from(sum).map_or_else(|_| sum.to_string(), sign)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use tern_node::control::api::ledger::BookView;
    use tern_node::control::api::work::FlowEntry;

    #[test]
    fn sum_flow_and_triads_are_shown() {
        let [alice, bob, carol] = ["alice", "bob", "carol"].map(str::to_owned);
        let because = "1 overloaded and 2 idle: they help each other".to_owned();
        let balance = BalanceView { sum: -1, rule: "pairs".to_owned(), because, ..BalanceView::default() };
        let entry = FlowEntry { from: alice.clone(), to: bob.clone(), tasks: 2, ..FlowEntry::default() };
        let transfer = TransferView {
            sender: alice,
            broker: carol,
            receiver: bob,
            tasks: 2,
            posted: "both".to_owned(),
            ..TransferView::default()
        };
        let book = BookView { committed: 12, open: 1, ..BookView::default() };
        let grid = Grid {
            balance: Some(balance),
            flow: Some(FlowView { flows: vec![entry], silent: Vec::new() }),
            ledger: Some(LedgerView {
                sound: true,
                books: vec![book],
                transfers: vec![transfer],
                ..LedgerView::default()
            }),
            turns: vec![(Duration::from_millis(400), -1, "1 overloaded, 0 balanced, 2 idle".to_owned())],
            ..Grid::default()
        };
        expect![[r"
            sum     S = -1: pairs; 1 overloaded and 2 idle: they help each other
            flow    alice -> bob 2
            ledger  12 triads committed, 1 open: all adds up to 0
                    +1 alice  0 carol  -1 bob: 2 tasks, posted: both
        "]]
        .assert_eq(&grid.text());
        assert_eq!(grid.course(), "     0.4 s  S = -1  1 overloaded, 0 balanced, 2 idle\n");
    }
}
