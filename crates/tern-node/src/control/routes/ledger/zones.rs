//! The ledger of each zone: what stayed within it, what it gave to others, and what it took.
//!
//! A zone looks like one large node. Of transfers within it both halves are its own and add up to nothing; the others are halves that
//! some other zone completes, so that over all innermost zones as much is given as taken. A zone that lies in another is counted in
//! that one, too: what crosses between `eu/berlin` and `eu/paris` stays within `eu`.

use std::collections::{BTreeMap, BTreeSet};

use tern_core::promise::ledger::{Half, Posting, Triad, Trits};
use tern_core::words::{GrantId, NodeId};

use super::Seen;
use crate::control::api::ledger::ZoneBookView;

/// The name of a zone and those of all in which it lies, the innermost first.
fn with_outer(zone: &str) -> impl Iterator<Item = &str> {
    let ends = zone.match_indices('/').map(|(at, _)| at).collect::<Vec<_>>();
    std::iter::once(zone).chain(ends.into_iter().rev().map(|end| &zone[..end])).filter(|name| !name.is_empty())
}

/// One row a zone, in the order of names. Transfers that were taken back are none. A half that is missing without anything being `wrong` is
/// on its way, or told by nobody any more: then the other says nothing about the sum.
pub(super) fn books(
    transfers: &BTreeMap<GrantId, Seen>,
    wrong: &BTreeSet<GrantId>,
    zone_of: &BTreeMap<NodeId, String>,
) -> Vec<ZoneBookView> {
    let mut books: BTreeMap<&str, (ZoneBookView, Trits)> = BTreeMap::new();
    let zone = |node: NodeId| zone_of.get(&node).map_or("", String::as_str);
    for (tx, seen) in transfers.iter().filter(|(_, seen)| !seen.aborted) {
        let Some(triad) = seen.triad else { continue };
        let counts = (seen.sender && seen.receiver) || wrong.contains(tx);
        for (half, there) in [(Half::Sender, counts && seen.sender), (Half::Receiver, counts && seen.receiver)] {
            let (own, other) = match half {
                Half::Sender => (triad.sender(), triad.receiver()),
                Half::Receiver => (triad.receiver(), triad.sender()),
            };
            for name in with_outer(zone(own)) {
                let (book, sum) = books.entry(name).or_default();
                let within = with_outer(zone(other)).any(|outer| outer == name);
                enter(book, sum, (triad, half), within, there);
            }
        }
    }
    let row = |(zone, (book, sum)): (&str, (ZoneBookView, Trits))| ZoneBookView {
        zone: zone.to_owned(),
        adds_up: sum.is_zero(),
        ..book
    };
    books.into_iter().map(row).collect()
}

fn enter(book: &mut ZoneBookView, sum: &mut Trits, (triad, half): (Triad, Half), within: bool, there: bool) {
    let tasks = u64::from(triad.tasks());
    match (within, half) {
        // Counted once, and posted by both.
        (true, Half::Sender) => (book.within, book.tasks_within) = (book.within + 1, book.tasks_within + tasks),
        (true, Half::Receiver) => {}
        (false, Half::Sender) => book.given += tasks,
        (false, Half::Receiver) => book.taken += tasks,
    }
    if within && there {
        *sum = sum.with(Posting { triad, half }.value());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_crosses_between_zones_of_one_zone_stays_within_that_one() {
        let id = |byte: u8| NodeId([byte; 32]);
        let zones = [(1, "eu/berlin"), (2, "eu/berlin"), (3, "eu/paris"), (4, "us")];
        let zone_of: BTreeMap<NodeId, String> =
            zones.iter().map(|(node, zone)| (id(*node), (*zone).to_owned())).collect();
        let tx = |n: u32| GrantId { incarnation: 7, n };
        let seen = |n: u32, from: u8, to: u8, receiver: bool| {
            let triad = Triad::new(tx(n), [id(from), id(9), id(to)], 10 * n);
            (tx(n), Seen { triad, sender: true, receiver, ..Seen::default() })
        };
        let all = [seen(1, 1, 2, true), seen(2, 1, 3, true), seen(3, 3, 4, true), seen(4, 2, 1, false)];
        let all = BTreeMap::from(all);
        assert!(books(&all, &BTreeSet::new(), &zone_of).iter().all(|book| book.adds_up), "it is on its way");
        let rows: Vec<_> = books(&all, &BTreeSet::from([tx(4)]), &zone_of)
            .into_iter()
            .map(|book| (book.zone, book.within, book.tasks_within, book.given, book.taken, book.adds_up))
            .collect();
        assert_eq!(
            rows,
            [
                ("eu".to_owned(), 3, 70, 30, 0, false),
                ("eu/berlin".to_owned(), 2, 50, 20, 0, false),
                ("eu/paris".to_owned(), 0, 0, 30, 20, true),
                ("us".to_owned(), 0, 0, 0, 30, true),
            ]
        );
    }
}
