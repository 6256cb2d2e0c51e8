//! The life of a grid as a person lives it: machines come and go, admins are rotated and lost, names collide.

use crate::people::*;
use tern_core::trust::{
    Claim, Impossible, Name, Refusal, Roll, Standing, admit, leave, make_admin, recover, remove_machine, revoke_member,
    rotate,
};
use tern_core::words::NodeId;
use tern_core::words::limits::{ADMINS_MAX, NAME_BYTES_MAX};

fn shown(roll: &Roll) -> Vec<String> {
    roll.members().values().map(|member| member.shown.to_string()).collect()
}

fn enter(roll: &mut Roll, by: u8, node: u8, wished: &str) {
    let list = with(by, |admin| admit(roll, admin, key(node), &name(wished)).expect("admitted"));
    take(roll, &list);
}

/// The desk (100) has made the laptop (101) an admin with key 11; each has admitted one more machine.
fn two_admins() -> Roll {
    let mut roll = founded();
    enter(&mut roll, ADMIN, 101, "laptop");
    let list = with(ADMIN, |by| make_admin(&roll, by, key(11), key(101)).expect("made"));
    take(&mut roll, &list);
    enter(&mut roll, ADMIN, 102, "nas");
    enter(&mut roll, 11, 103, "phone");
    roll
}

#[test]
fn a_taken_name_gets_a_number_and_names_that_met_in_a_split_are_shown_apart() {
    let mut roll = founded();
    for node in 101..104 {
        enter(&mut roll, ADMIN, node, "desk");
    }
    assert_eq!(shown(&roll), ["desk", "desk-2", "desk-3", "desk-4"]);
    let claim = |node| Claim::Member { subject: key(node), issuer: key(ADMIN), serial: 1, name: name("desk-2") };
    take(&mut roll, &[say(claim(99)), say(claim(110))]);
    assert_eq!(shown(&roll), ["desk-2", "desk", "desk-2-2", "desk-3", "desk-4", "desk-2-3"]);
    let long = name(&"x".repeat(NAME_BYTES_MAX));
    let second = long.free(|other| *other == long);
    assert_eq!((second.as_str().len(), second.as_str().ends_with("x-2")), (NAME_BYTES_MAX, true));
}

#[test]
fn names_are_checked_and_made_of_any_host_name() {
    for good in ["a", "a-1", "7", &"x".repeat(63)] {
        assert!(Name::parse(good).is_some(), "{good}");
    }
    for bad in ["", "-a", "a-", "A", "a.b", "ä", "a b", "a/b", &"x".repeat(64)] {
        assert!(Name::parse(bad).is_none(), "{bad}");
    }
    for (host, near) in [("Anna's MacBook.local", "anna-s-macbook"), ("--", "node"), ("", "node"), ("ÄX.y", "x")] {
        assert_eq!(Name::near(host).as_str(), near);
    }
}

#[test]
fn a_removed_admin_machine_takes_nobody_with_it() {
    let mut roll = two_admins();
    let list = with(ADMIN, |by| remove_machine(&roll, by, key(101)).expect("removed"));
    let changes = take(&mut roll, &list);
    assert_eq!(changes.gone, [key(101)]);
    assert_eq!((roll.standing(key(101)), roll.standing(key(11))), (Standing::Revoked, Standing::Revoked));
    assert_eq!(shown(&roll), ["desk", "nas", "phone"]);
    refused(&roll, &[member(104, 11, 1)], Refusal::RevokedIssuer);
    let again = with(ADMIN, |by| remove_machine(&roll, by, key(120)));
    assert_eq!(again, Err(Impossible::NoSuchMember));
    assert_eq!(with(ADMIN, |by| remove_machine(&roll, by, key(DESK))), Err(Impossible::Itself));
}

#[test]
fn an_admin_rotates_its_key_and_everybody_stays() {
    let mut roll = two_admins();
    let list = with(ADMIN, |old| with(20, |new| rotate(&roll, old, new).expect("rotated")));
    let before = roll.members();
    let changes = take(&mut roll, &list);
    assert_eq!((changes.gone, changes.joined, changes.admins), (vec![], vec![], true));
    assert!(before.keys().eq(roll.members().keys()));
    assert_eq!(roll.standing(key(20)), Standing::Admin { machine: key(DESK), depth: 1 });
    assert_eq!(roll.standing(key(ADMIN)), Standing::Revoked);
    refused(&roll, &[member(104, ADMIN, 1)], Refusal::RevokedIssuer);
    enter(&mut roll, 20, 104, "new");
    // The laptop's key hung on the old one; it hangs on the new one now and still admits.
    enter(&mut roll, 11, 105, "watch");
    assert_eq!(roll.members().len(), 6);
}

#[test]
fn of_two_successors_the_smaller_key_stands_and_a_plain_revocation_ends_both() {
    let mut roll = founded();
    take(&mut roll, &[admin(11, ADMIN), succeed(11, 22)]);
    assert_eq!(roll.standing(key(22)), Standing::Admin { machine: key(101), depth: 2 });
    take(&mut roll, &[succeed(11, 21)]);
    assert!(roll.is_admin(key(21)) && !roll.is_admin(key(22)));
    take(&mut roll, &[revoke(11, ADMIN, u64::MAX)]);
    assert_eq!(roll.admins().len(), 1);
    refused(&roll, &[member(101, 21, 1)], Refusal::OrphanedIssuer);
}

#[test]
fn a_machine_leaves_and_comes_back_under_a_greater_serial() {
    let mut roll = two_admins();
    let list = with(102, |node| leave(&roll, node, None).expect("left"));
    assert_eq!(take(&mut roll, &list).gone, [key(102)]);
    assert_eq!(roll.standing(key(102)), Standing::Revoked);
    enter(&mut roll, ADMIN, 102, "nas");
    assert!(matches!(roll.standing(key(102)), Standing::Member { serial: 2, .. }));
    // A new roll learns all of it.
    let mut fresh = Roll::new(grid());
    take(&mut fresh, &roll.statements());
    assert_eq!(fresh, roll);
}

#[test]
fn an_admin_that_leaves_keeps_in_those_who_hang_on_its_key() {
    let mut roll = two_admins();
    let list = with(101, |node| with(11, |admin| leave(&roll, node, Some(admin)).expect("left")));
    assert_eq!(take(&mut roll, &list).gone, [key(101)]);
    assert!(roll.is_member(key(103)));
    let list = with(ADMIN, |by| remove_machine(&roll, by, key(101)).expect("tidied"));
    assert_eq!(take(&mut roll, &list).gone, []);
    assert!(roll.is_member(key(103)) && !roll.is_admin(key(11)));
}

#[test]
fn the_last_admin_machine_is_lost_and_the_recovery_key_makes_another() {
    let mut roll = two_admins();
    assert_eq!(with(11, |by| remove_machine(&roll, by, key(DESK))), Err(Impossible::NeedsRecovery));
    let lost = [key(DESK), key(101)];
    let list = with(ROOT, |root| with(30, |new| recover(&roll, root, new, key(102), &lost).expect("recovered")));
    let changes = take(&mut roll, &list);
    assert_eq!(changes.gone, lost);
    assert_eq!(shown(&roll), ["nas", "phone"]);
    assert_eq!(roll.admins().iter().map(|admin| admin.key).collect::<Vec<_>>(), [key(30)]);
    for stolen in [ADMIN, 11] {
        refused(&roll, &[revoke(30, stolen, u64::MAX)], Refusal::RevokedIssuer);
        refused(&roll, &[member(DESK, stolen, 9)], Refusal::RevokedIssuer);
    }
    assert_eq!(
        with(11, |not_root| with(30, |new| recover(&roll, not_root, new, key(102), &[]))),
        Err(Impossible::NotAdmin)
    );
}

#[test]
fn a_thief_who_drove_everybody_out_is_undone_by_the_recovery_key() {
    let mut roll = two_admins();
    // The desk has removed the phone for a reason, and then it is stolen.
    take(&mut roll, &[revoke(103, ADMIN, 1)]);
    let thief = [revoke(102, ADMIN, u64::MAX), revoke(11, ADMIN, u64::MAX), revoke(101, ADMIN, u64::MAX)];
    take(&mut roll, &thief);
    take(&mut roll, &[revoke(ADMIN, 11, u64::MAX)]);
    assert_eq!((roll.members().len(), roll.admins().len()), (0, 0));
    let list = with(ROOT, |root| with(30, |new| recover(&roll, root, new, key(101), &[key(DESK)]).expect("recovered")));
    take(&mut roll, &list);
    assert_eq!(shown(&roll), ["laptop", "nas"]);
    let mut fresh = Roll::new(grid());
    take(&mut fresh, &roll.statements());
    assert_eq!((fresh.digest(), fresh.members()), (roll.digest(), roll.members()));
}

#[test]
fn who_is_no_admin_makes_no_lists() {
    let roll = two_admins();
    let not = Err(Impossible::NotAdmin);
    with(66, |by| {
        assert_eq!(admit(&roll, by, key(104), &name("x")), not);
        assert_eq!(make_admin(&roll, by, key(12), key(104)), not);
        assert_eq!(revoke_member(&roll, by, key(103)), not);
        assert_eq!(remove_machine(&roll, by, key(103)), not);
        assert_eq!(with(67, |new| rotate(&roll, by, new)), not);
    });
}

#[test]
fn admins_beyond_the_limit_are_refused_and_nothing_is_changed() {
    let mut roll = founded();
    let numbered = |number: usize| NodeId([number as u8 + 128; 32]);
    let claim = |number| Claim::Admin { subject: numbered(number), issuer: key(ADMIN), machine: key(DESK) };
    let list: Vec<_> = (1..ADMINS_MAX).map(|number| say(claim(number))).collect();
    take(&mut roll, &list);
    assert_eq!(roll.admins().len(), ADMINS_MAX);
    refused(&roll, &[say(claim(ADMINS_MAX))], Refusal::Full);
    let one_more = with(ADMIN, |by| make_admin(&roll, by, numbered(ADMINS_MAX), key(DESK)));
    assert_eq!(one_more, Err(Impossible::Full));
    let (changes, refused) = roll.merge(&[say(claim(ADMINS_MAX))], VERIFY);
    assert_eq!((changes.fresh, refused), (0, vec![(0, Refusal::Full)]));
}
