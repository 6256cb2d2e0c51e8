//! Postings, quarrels and epochs of one book.

use super::super::triad::sample;
use super::*;
use alloc::vec::Vec;
use proptest::prelude::*;

fn id(byte: u8) -> NodeId {
    NodeId([byte; 32])
}

#[test]
fn both_sides_commit_and_the_epoch_closes_at_nothing() {
    let mut book = Book::new(id(2), 0);
    let triad = sample(1, [1, 2, 3]);
    let [sender, receiver] = triad.halves();
    assert_eq!(book.post(id(1), &sender), Ok(false));
    assert_eq!(book.post(id(1), &sender), Err(Unposted::Repeated));
    assert_eq!(book.post(id(1), &receiver), Err(Unposted::Forged));
    assert_eq!(book.post(id(3), &receiver), Ok(true));
    assert_eq!(book.post(id(3), &receiver), Err(Unposted::Repeated));
    assert_eq!(book.close(), Some(Closed { sum: Trits::ZERO, unresolved: 0 }));
    assert_eq!(book.post(id(3), &receiver), Err(Unposted::Repeated), "the epoch before is remembered");
    assert_eq!((book.epoch(), book.close()), (1, None));
}

#[test]
fn a_transfer_that_is_told_two_ways_or_elsewhere_is_refused() {
    let mut book = Book::new(id(2), 0);
    let [one, _] = sample(1, [1, 2, 3]).halves();
    let [_, other] = Triad::new(one.triad.tx(), [1, 2, 3].map(id), 99).unwrap().halves();
    assert_eq!(book.post(id(1), &one), Ok(false));
    assert_eq!(book.post(id(3), &other), Err(Unposted::Unlike));
    assert_eq!(book.post(id(1), &sample(2, [1, 5, 3]).halves()[0]), Err(Unposted::NotHere));
    assert_eq!(book.abort(id(3), &sample(1, [1, 2, 3])), Err(Unposted::Forged));
    assert_eq!(book.abort(id(1), &sample(1, [1, 2, 3])), Ok(None));
    assert!(book.is_settled((id(1), sample(1, [1, 2, 3]).tx())));
    // Taken back before anybody posted it: what the receiver says late opens nothing.
    assert_eq!(book.abort(id(1), &sample(7, [1, 2, 3])), Ok(None));
    assert_eq!(book.post(id(3), &sample(7, [1, 2, 3]).halves()[1]), Err(Unposted::Repeated));
    assert_eq!(book.close(), Some(Closed { sum: Trits::ZERO, unresolved: 0 }));
}

#[test]
fn what_stays_open_goes_over_and_is_let_go_of_after_some_epochs() {
    let mut book = Book::new(id(2), 0);
    let [lonely, _] = sample(1, [1, 2, 3]).halves();
    assert_eq!(book.post(id(1), &lonely), Ok(false));
    for _ in 0..LEDGER_EPOCHS_OPEN {
        assert_eq!(book.close(), Some(Closed { sum: Trits::ZERO, unresolved: 0 }));
        assert!(book.open().count() == 1 && !book.sum().is_zero());
    }
    assert_eq!(book.close(), Some(Closed { sum: Trits::ZERO, unresolved: 1 }));
    assert!(book.open().count() == 0 && book.sum().is_zero());
}

#[test]
fn one_node_leaves_room_for_others() {
    let mut book = Book::new(id(2), 0);
    let half = |n, ids| sample(n, ids).halves()[0];
    for n in 0..LEDGER_OPEN_BY_ONE as u32 {
        assert_eq!(book.post(id(1), &half(n, [1, 2, 3])), Ok(false));
    }
    let more = LEDGER_OPEN_BY_ONE as u32;
    assert_eq!(book.post(id(1), &half(more, [1, 2, 3])), Err(Unposted::Full));
    assert_eq!(book.post(id(4), &half(more, [4, 2, 3])), Ok(false));
    // One that is settled, or let go of, makes room.
    assert_eq!(book.post(id(3), &sample(0, [1, 2, 3]).halves()[1]), Ok(true));
    assert_eq!(book.post(id(1), &half(more + 1, [1, 2, 3])), Ok(false));
    assert!((0..=LEDGER_EPOCHS_OPEN).all(|_| book.close().is_some()));
    assert_eq!(book.post(id(1), &half(more + 2, [1, 2, 3])), Ok(false));
}

#[test]
fn who_tells_a_transfer_in_two_ways_is_held_up_with_this_book_alone_and_until_they_agree() {
    let mut book = Book::new(id(2), 0);
    let half = |n, ids, at: usize| sample(n, ids).halves()[at];
    let other = Triad::new(sample(1, [1, 2, 3]).tx(), [1, 2, 3].map(id), 99).unwrap().halves()[1];
    assert_eq!(book.post(id(1), &half(1, [1, 2, 3], 0)), Ok(false));
    assert_eq!(book.post(id(3), &other), Err(Unposted::Unlike));
    assert_eq!(book.blocked().collect::<Vec<_>>(), [(id(1), id(3), other.triad.tx())]);
    // Nothing more of the two, from either side; others, and the same two the other way round, are entered.
    assert_eq!(book.post(id(1), &half(2, [1, 2, 3], 0)), Err(Unposted::Blocked));
    assert_eq!(book.post(id(3), &half(2, [1, 2, 3], 1)), Err(Unposted::Blocked));
    assert_eq!(book.post(id(1), &half(3, [1, 2, 4], 0)), Ok(false));
    assert_eq!(book.post(id(3), &half(4, [3, 2, 1], 0)), Ok(false));
    assert_eq!(book.close(), Some(Closed { sum: Trits::ZERO, unresolved: 0 }));
    // They agree.
    assert_eq!(book.post(id(3), &half(1, [1, 2, 3], 1)), Ok(true));
    assert_eq!((book.blocked().count(), book.post(id(1), &half(2, [1, 2, 3], 0))), (0, Ok(false)));
}

#[test]
fn a_quarrel_ends_when_the_transfer_is_taken_back_or_let_go_of() {
    for taken_back in [true, false] {
        let mut book = Book::new(id(2), 0);
        let triad = sample(1, [1, 2, 3]);
        let [mine, theirs] = triad.halves();
        let other = Triad::new(triad.tx(), [1, 2, 3].map(id), 99).unwrap().halves()[1];
        assert_eq!(book.post(id(3), &other), Ok(false));
        assert_eq!(book.post(id(1), &mine), Ok(false), "the sender's word stands");
        assert_eq!((book.blocked().count(), book.post(id(3), &other)), (1, Err(Unposted::Unlike)));
        if taken_back {
            assert_eq!(book.abort(id(1), &triad), Ok(None));
        } else {
            assert!((0..=LEDGER_EPOCHS_OPEN).all(|_| book.close().is_some()));
        }
        assert_eq!(book.blocked().count(), 0);
        assert_eq!(book.post(id(1), &sample(2, [1, 2, 3]).halves()[0]), Ok(false));
        assert_eq!(book.post(id(3), &theirs).is_err(), taken_back);
    }
}

#[test]
fn the_sender_takes_back_what_the_other_side_told_in_whatever_way() {
    let mut book = Book::new(id(2), 0);
    let other = Triad::new(sample(1, [1, 2, 3]).tx(), [1, 2, 3].map(id), 99).unwrap();
    assert_eq!(book.post(id(3), &other.halves()[1]), Ok(false));
    assert_eq!(book.abort(id(1), &sample(1, [1, 2, 3])), Ok(Some(id(3))));
    assert_eq!((book.blocked().count(), book.open().count(), book.sum()), (0, 0, Trits::ZERO));
}

#[test]
fn who_uses_the_number_of_others_holds_nobody_up() {
    let mut book = Book::new(id(2), 0);
    let [mine, theirs] = sample(1, [1, 2, 3]).halves();
    // As a sender of its own, which has the same number; and as the receiver of what another one gets.
    let squatter = |ids: [u8; 3]| Triad::new(mine.triad.tx(), ids.map(id), 1).unwrap();
    assert_eq!(book.post(id(5), &squatter([5, 2, 6]).halves()[0]), Ok(false));
    assert_eq!(book.post(id(5), &squatter([1, 2, 5]).halves()[1]), Ok(false));
    assert_eq!(book.post(id(3), &theirs), Err(Unposted::Unlike), "until the sender is heard");
    assert_eq!(book.post(id(1), &mine), Ok(false));
    assert_eq!(book.post(id(5), &squatter([1, 2, 5]).halves()[1]), Err(Unposted::Unlike));
    assert_eq!(book.post(id(3), &theirs), Ok(true));
    // Who contradicts itself speaks for itself only.
    assert_eq!(book.post(id(5), &sample(8, [1, 2, 5]).halves()[1]), Ok(false));
    let twice = Triad::new(sample(8, [1, 2, 5]).tx(), [1, 2, 5].map(id), 99).unwrap();
    assert_eq!(book.post(id(5), &twice.halves()[1]), Err(Unposted::Unlike));
    assert_eq!(book.blocked().count(), 0);
}

#[test]
fn who_takes_back_what_nobody_gave_leaves_room_for_others() {
    let mut book = Book::new(id(2), 0);
    for n in 0..LEDGER_OPEN_BY_ONE as u32 {
        assert_eq!(book.abort(id(1), &sample(n, [1, 2, 3])), Ok(None));
    }
    assert_eq!(book.abort(id(1), &sample(LEDGER_OPEN_BY_ONE as u32, [1, 2, 3])), Err(Unposted::Full));
    assert_eq!(book.post(id(4), &sample(1, [4, 2, 3]).halves()[0]), Ok(false));
    assert!(book.close().is_some());
    assert_eq!(book.abort(id(1), &sample(LEDGER_OPEN_BY_ONE as u32, [1, 2, 3])), Ok(None));
}

proptest! {
    /// However postings are lost, repeated, late or forged: what can be closed adds up to nothing, and the roles always do.
    #[test]
    fn closed_epochs_add_up_to_nothing(events in proptest::collection::vec((0u32..40, 0u8..8), 0..400)) {
        let mut book = Book::new(id(9), 0);
        for (n, what) in events {
            let triad = sample(n, [1 + (n % 3) as u8, 9, 4 + (n % 4) as u8]);
            let [sender, receiver] = triad.halves();
            let [_, unlike] = Triad::new(triad.tx(), [triad.sender(), id(9), triad.receiver()], 99).unwrap().halves();
            // What it answers depends on what came before; the sum must hold whatever it is.
            let _any = match what {
                0 | 1 => book.post(triad.sender(), &sender).map(drop),
                2 | 3 => book.post(triad.receiver(), &receiver).map(drop),
                4 => book.abort(triad.sender(), &triad).map(drop),
                5 => book.post(triad.receiver(), &unlike).map(drop),
                6 => book.abort(triad.sender(), &unlike.triad).map(drop),
                _ => book.post(id(77), &sender).map(drop),
            };
            let open: Trits = book.open().fold(Trits::ZERO, |sum, entry| {
                let [one, other] = entry.triad.halves();
                let sum = if entry.sender { sum.with(one.value()) } else { sum };
                if entry.receiver { sum.with(other.value()) } else { sum }
            });
            prop_assert_eq!(book.sum(), open, "what is settled adds up to nothing");
            for (sender, receiver, tx) in book.blocked() {
                let open = book.of(sender, tx).map(|triad| triad.receiver());
                prop_assert_eq!(open, Some(receiver), "only what is open is disputed, and between its two sides");
            }
            if let Some(closed) = (n % 5 == 0).then(|| book.close()).flatten() {
                prop_assert!(closed.sum.is_zero());
            }
        }
    }
}
