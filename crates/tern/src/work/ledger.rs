//! `tern ledger`: transfers of tasks, and whether what both sides posted adds up.

use std::process::ExitCode;

use tern_node::control::api::ledger::{BlockedView, BookView, LedgerView, TransferView, ZoneBookView};
use tern_node::control::{Door, Entry};

use super::args::{LedgerArgs, LedgerWhat};
use crate::cli::{Context, Outcome};

pub async fn ledger(context: &Context, args: LedgerArgs) -> Outcome {
    let door = Door::open(&context.home, Entry::Agent, None).await?;
    let shown = door.ledger().await?;
    door.close(true).await?;
    let audit = matches!(args.what, Some(LedgerWhat::Audit));
    if context.printer.json {
        context.printer.value(&shown)?;
    } else {
        let text = if audit { verdict(&shown) } else { format!("{}\n{}", table(&shown), verdict(&shown)) };
        context.printer.line(text.trim_end())?;
    }
    Ok(if audit && !shown.sound { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Transfers with their roles, and the books.
fn table(shown: &LedgerView) -> String {
    let width =
        |name: &dyn Fn(&TransferView) -> usize, least: usize| shown.transfers.iter().map(name).fold(least, usize::max);
    let (sender, broker) = (width(&|it| it.sender.len(), 9), width(&|it| it.broker.len(), 8));
    let receiver = width(&|it| it.receiver.len(), 11);
    let mut text =
        format!("{:<sender$}  {:<broker$}  {:<receiver$}  TASKS  POSTED\n", "+1 SENDER", "0 BROKER", "-1 RECEIVER");
    for it in &shown.transfers {
        let TransferView { sender: from, broker: by, receiver: to, tasks, posted, .. } = it;
        text += &format!("{from:<sender$}  {by:<broker$}  {to:<receiver$}  {tasks:>5}  {posted}\n");
    }
    if shown.transfers.is_empty() {
        text += "no task has changed its node yet\n";
    }
    if shown.looked > shown.transfers.len() as u64 {
        text += &format!("(the newest {} of {})\n", shown.transfers.len(), shown.looked);
    }
    if shown.books.iter().any(|book| book.committed + book.aborted > 0 || book.open > 0 || !book.refused.is_empty()) {
        text += "\n";
    }
    for book in
        shown.books.iter().filter(|book| book.committed + book.aborted > 0 || book.open > 0 || !book.refused.is_empty())
    {
        text += &line(book);
    }
    // One zone alone is the whole grid.
    for zone in shown.zones.iter().filter(|_| shown.zones.len() > 1) {
        text += &of_zone(zone);
    }
    text
}

fn of_zone(book: &ZoneBookView) -> String {
    let ZoneBookView { zone, within, tasks_within, given, taken, adds_up } = book;
    let sum = if *adds_up { "0" } else { "NOT 0" };
    format!(
        "zone {zone}: {within} transfers of {tasks_within} tasks within, sum {sum}; {given} tasks given to other zones, {taken} taken\n"
    )
}

fn line(book: &BookView) -> String {
    let BookView { name, epoch, committed, tasks, aborted, open, unresolved, refused, .. } = book;
    let sum = if book.adds_up { "0" } else { "NOT 0" };
    let mut text = format!(
        "book of {name}: epoch {epoch}, sum {sum}; {committed} transfers of {tasks} tasks, {aborted} taken back, {open} open"
    );
    if *unresolved > 0 {
        text += &format!(", {unresolved} never told by one side");
    }
    for (why, count) in refused {
        text += &format!(", {count} refused as {why}");
    }
    for BlockedView { sender, receiver, tx } in &book.blocked {
        text +=
            &format!("\n  no more from {sender} to {receiver} until both tell transfer {tx} alike; their work goes on");
    }
    text + "\n"
}

fn verdict(shown: &LedgerView) -> String {
    let mut text = String::new();
    for finding in &shown.findings {
        text += &format!("{}: {}\n", finding.wrong, finding.text);
    }
    for book in shown.books.iter().filter(|book| !book.adds_up) {
        text += &format!("an epoch of the book of {} does not add up to nothing\n", book.name);
    }
    for book in shown.books.iter().filter(|book| book.unread > 0) {
        text += &format!("{} lines of {} cannot be read: what they said is missing here\n", book.unread, book.name);
    }
    let seen = if shown.silent.is_empty() { "" } else { ", as far as can be seen" };
    if shown.sound {
        text += &format!("{} transfers looked at: all of it adds up{seen}\n", shown.looked);
    }
    if !shown.silent.is_empty() {
        text += &format!("no answer from {}: transfers with them count as open\n", shown.silent.join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use tern_node::control::api::ledger::FindingView;

    #[test]
    fn transfers_books_and_what_is_wrong() {
        let transfer = |tasks, posted: &str| TransferView {
            sender: "laptop".to_owned(),
            broker: "pi".to_owned(),
            receiver: "workstation".to_owned(),
            tasks,
            posted: posted.to_owned(),
            ..TransferView::default()
        };
        let book = BookView {
            name: "pi".to_owned(),
            epoch: 3,
            adds_up: true,
            committed: 2,
            tasks: 9,
            open: 1,
            blocked: vec![BlockedView {
                sender: "laptop".to_owned(),
                receiver: "nas".to_owned(),
                tx: "07-1".to_owned(),
            }],
            ..BookView::default()
        };
        let sound = LedgerView {
            sound: true,
            looked: 2,
            transfers: vec![transfer(4, "both"), transfer(5, "sender")],
            books: vec![book],
            ..LedgerView::default()
        };
        expect![[r"
            +1 SENDER  0 BROKER  -1 RECEIVER  TASKS  POSTED
            laptop     pi        workstation      4  both
            laptop     pi        workstation      5  sender

            book of pi: epoch 3, sum 0; 2 transfers of 9 tasks, 0 taken back, 1 open
              no more from laptop to nas until both tell transfer 07-1 alike; their work goes on
        "]]
        .assert_eq(&table(&sound));
        expect![[r"
            2 transfers looked at: all of it adds up
        "]]
        .assert_eq(&verdict(&sound));
        let finding = FindingView {
            wrong: "repeated".to_owned(),
            text: "transfer 07-1: pi posted its half more than once".to_owned(),
            ..FindingView::default()
        };
        let wrong = LedgerView { sound: false, findings: vec![finding], silent: vec!["nas".to_owned()], ..sound };
        expect![[r"
            repeated: transfer 07-1: pi posted its half more than once
            no answer from nas: transfers with them count as open
        "]]
        .assert_eq(&verdict(&wrong));
    }
}
