//! Laws of the roll: whatever came in whatever order, what was told to all is known to all, and nothing else.

use crate::people::*;
use proptest::prelude::*;
use tern_core::trust::{Claim, Roll, Statement};

/// Few keys, so that they meet: the root, admin keys 10 to 15, nodes 100 to 103.
fn statements() -> impl Strategy<Value = Statement> {
    let admins = || prop_oneof![1 => Just(ROOT), 8 => 10u8..16];
    prop_oneof![
        6 => (10u8..16, admins()).prop_map(|(subject, issuer)| admin(subject, issuer)),
        4 => (100u8..104, 10u8..16, 1u64..4).prop_map(|(node, issuer, serial)| member(node, issuer, serial)),
        2 => (10u8..16, admins()).prop_map(|(subject, issuer)| revoke(subject, issuer, u64::MAX)),
        2 => (100u8..104, admins(), 1u64..4).prop_map(|(node, issuer, upto)| revoke(node, issuer, upto)),
        1 => (100u8..104, 1u64..4).prop_map(|(node, upto)| revoke(node, node, upto)),
        2 => (10u8..16, 10u8..16).prop_map(|(old, new)| succeed(old, new)),
    ]
}

fn shuffled() -> impl Strategy<Value = (Vec<Statement>, Vec<Statement>)> {
    prop::collection::vec(statements(), 1..40).prop_flat_map(|list| (Just(list.clone()), Just(list).prop_shuffle()))
}

/// One at a time, those that were refused again and again until nothing more fits.
fn told(list: &[Statement]) -> Roll {
    let mut roll = founded();
    loop {
        let before = roll.digest();
        for statement in list {
            let _ = roll.apply(std::slice::from_ref(statement), VERIFY);
        }
        if roll.digest() == before {
            return roll;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn two_rolls_that_were_told_the_same_in_any_order_are_equal((one, other) in shuffled()) {
        let (first, second) = (told(&one), told(&other));
        prop_assert_eq!(first.statements(), second.statements());
        prop_assert_eq!(first.digest(), second.digest());
        prop_assert_eq!((first.members(), first.admins()), (second.members(), second.admins()));
        let mut merged = founded();
        merged.merge(&other, VERIFY);
        merged.merge(&other, VERIFY);
        prop_assert_eq!(merged.statements(), first.statements());
    }

    #[test]
    fn a_new_roll_takes_all_statements_of_another_at_once((list, _) in shuffled()) {
        let roll = told(&list);
        let mut fresh = Roll::new(grid());
        prop_assert_eq!(fresh.apply(&roll.statements(), VERIFY).err(), None);
        prop_assert_eq!(&fresh, &roll);
        prop_assert_eq!(fresh.digest(), roll.digest());
    }

    #[test]
    fn two_halves_of_a_split_that_tell_each_other_everything_agree((list, _) in shuffled(), cut in 0usize..40) {
        let cut = cut.min(list.len());
        let (mut left, mut right) = (told(&list[..cut]), told(&list[cut..]));
        for _ in 0..8 {
            let (ours, theirs) = (left.statements(), right.statements());
            left.merge(&theirs, VERIFY);
            right.merge(&ours, VERIFY);
        }
        prop_assert_eq!(left.statements(), right.statements());
    }

    #[test]
    fn names_are_shown_once_and_every_member_has_an_admin_who_counts((list, _) in shuffled()) {
        let roll = told(&list);
        let members = roll.members();
        let shown: std::collections::BTreeSet<_> = members.values().map(|member| &member.shown).collect();
        prop_assert_eq!(shown.len(), members.len());
        prop_assert!(members.values().all(|member| roll.is_admin(member.issuer)));
        for statement in &list {
            if let Claim::Revoke { subject, issuer, upto, .. } = statement.claim
                && issuer == key(ROOT)
                && let Some(member) = members.get(&subject)
            {
                prop_assert!(member.serial > upto);
            }
        }
    }
}
