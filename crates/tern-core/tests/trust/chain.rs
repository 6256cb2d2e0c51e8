//! Attacks on the statements: the cases of identity and token, each refused with its reason and without a trace.

use crate::people::*;
use tern_core::trust::sign::{GridId, STATEMENT_TAG, signed_text};
use tern_core::trust::{Claim, FrameError, Refusal, Roll, Signature, Standing, Statement};
use tern_core::words::limits::ADMIN_DEPTH_MAX;

#[test]
fn case_01_an_unknown_key_makes_nobody_a_member() {
    refused(&founded(), &[member(101, 66, 1)], Refusal::UnknownIssuer);
    refused(&founded(), &[admin(66, 67)], Refusal::UnknownIssuer);
    refused(&founded(), &[revoke(DESK, 66, 1)], Refusal::UnknownIssuer);
    refused(&founded(), &[revoke(66, 66, 1)], Refusal::UnknownSubject);
    assert_eq!(founded().standing(key(66)), Standing::Unknown);
}

#[test]
fn case_02_a_revoked_key_neither_comes_back_by_its_old_statement_nor_admits() {
    let mut roll = founded();
    take(&mut roll, &[member(101, ADMIN, 1), admin(11, ADMIN), member(102, 11, 1)]);
    let changes = take(&mut roll, &[revoke(101, ADMIN, 1), revoke(11, ADMIN, u64::MAX)]);
    assert_eq!((changes.gone, changes.admins), (vec![key(101), key(102)], true));
    assert_eq!(roll.standing(key(101)), Standing::Revoked);
    assert_eq!(roll.standing(key(11)), Standing::Revoked);
    refused(&roll, &[member(101, ADMIN, 1)], Refusal::RevokedSubject);
    refused(&roll, &[member(103, 11, 1)], Refusal::RevokedIssuer);
    refused(&roll, &[member(103, ADMIN, 1), member(102, 11, 2)], Refusal::RevokedIssuer);
    // Its admin takes it back under a greater serial, and only so.
    take(&mut roll, &[member(101, ADMIN, 2)]);
    assert!(roll.is_member(key(101)));
}

#[test]
fn case_02_an_admin_that_the_root_revoked_says_nothing_any_more() {
    let mut roll = founded();
    take(&mut roll, &[admin(11, ROOT), revoke(ADMIN, ROOT, u64::MAX)]);
    refused(&roll, &[revoke(11, ADMIN, u64::MAX)], Refusal::RevokedIssuer);
    refused(&roll, &[admin(12, ADMIN)], Refusal::RevokedIssuer);
    refused(&roll, &[admin(ADMIN, 11)], Refusal::RevokedSubject);
}

#[test]
fn case_04_a_statement_whose_signer_is_not_its_issuer_is_refused() {
    let mut forged = member(101, ADMIN, 1);
    forged.signature = member(101, 66, 1).signature;
    refused(&founded(), &[forged], Refusal::BadSignature);
}

#[test]
fn case_08_a_statement_for_another_grid_is_refused() {
    let Statement { claim, .. } = member(101, ADMIN, 1);
    refused(&founded(), &[say_in(GridId(key(2)), claim)], Refusal::BadSignature);
}

#[test]
fn case_11_an_issuer_without_the_right_is_refused() {
    let mut roll = founded();
    take(&mut roll, &[member(101, ADMIN, 1)]);
    refused(&roll, &[member(102, 101, 1)], Refusal::UnknownIssuer);
    refused(&roll, &[revoke(DESK, 101, 1)], Refusal::UnknownIssuer);
    refused(&roll, &[member(102, ROOT, 1)], Refusal::Malformed);
}

#[test]
fn case_12_a_chain_with_a_gap_is_refused_until_the_gap_is_filled() {
    let mut roll = founded();
    refused(&roll, &[admin(12, 11), member(101, 12, 1)], Refusal::UnknownIssuer);
    take(&mut roll, &[admin(11, ADMIN), admin(12, 11), member(101, 12, 1)]);
    assert!(roll.is_member(key(101)));
}

#[test]
fn case_13_a_loop_of_admins_ends_and_lifts_nobody() {
    let mut roll = founded();
    refused(&roll, &[admin(11, 12), admin(12, 11)], Refusal::UnknownIssuer);
    refused(&roll, &[admin(11, 11)], Refusal::Malformed);
    refused(&roll, &[admin(ROOT, ADMIN)], Refusal::Malformed);
    take(&mut roll, &[admin(11, ADMIN), admin(12, 11), admin(11, 12), admin(ADMIN, 12)]);
    assert_eq!(roll.admins().iter().map(|admin| admin.depth).collect::<Vec<_>>(), [1, 2, 3]);
    // Without the way from the root the loop hangs in the air.
    take(&mut roll, &[revoke(ADMIN, ROOT, u64::MAX)]);
    assert_eq!((roll.admins().len(), roll.members().len()), (0, 0));
}

#[test]
fn case_14_a_chain_beyond_its_limit_is_refused() {
    let mut roll = founded();
    let deep: Vec<Statement> = (ADMIN..ADMIN + ADMIN_DEPTH_MAX - 1).map(|issuer| admin(issuer + 1, issuer)).collect();
    take(&mut roll, &deep);
    let last = ADMIN + ADMIN_DEPTH_MAX - 1;
    assert_eq!(roll.standing(key(last)), Standing::Admin { machine: key(last + 90), depth: ADMIN_DEPTH_MAX });
    refused(&roll, &[admin(last + 1, last)], Refusal::TooDeep);
}

#[test]
fn case_15_rights_are_not_widened_by_rewriting_a_claim() {
    let roll = founded();
    let given = member(101, ADMIN, 1);
    let claim = Claim::Admin { subject: key(101), issuer: key(ADMIN), machine: key(101) };
    refused(&roll, &[Statement { claim, signature: given.signature }], Refusal::BadSignature);
    let Claim::Member { subject, issuer, name, .. } = given.claim else { unreachable!() };
    let claim = Claim::Member { subject, issuer, serial: 9, name };
    refused(&roll, &[Statement { claim, signature: given.signature }], Refusal::BadSignature);
    // Only a key itself names who comes after it.
    let claim = Claim::Revoke { subject: key(11), issuer: key(ADMIN), upto: u64::MAX, successor: Some(key(12)) };
    refused(&roll, &[say(claim)], Refusal::Malformed);
    refused(&roll, &[succeed(DESK, 66)], Refusal::UnknownIssuer);
}

#[test]
fn case_16_a_flipped_bit_anywhere_is_refused() {
    let roll = founded();
    let bytes = member(101, ADMIN, 1).encode();
    for at in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[at / 8] ^= 1 << (at % 8);
        let Ok(statement) = Statement::decode(&flipped) else { continue };
        let mut after = roll.clone();
        assert!(after.apply(&[statement], VERIFY).is_err(), "bit {at}");
        assert_eq!(after.digest(), roll.digest());
    }
}

#[test]
fn case_17_a_truncated_statement_is_refused_at_every_length() {
    let bytes = member(101, ADMIN, 1).encode();
    for end in 0..bytes.len() {
        assert_eq!(Statement::decode(&bytes[..end]), Err(FrameError::Malformed), "cut at {end}");
    }
}

#[test]
fn case_18_a_signature_made_for_another_purpose_is_refused() {
    let Statement { claim, .. } = member(101, ADMIN, 1);
    let signature_under = |tag: &[u8]| with(ADMIN, |admin| (admin.sign)(&signed_text(tag, grid(), &claim)));
    for tag in [&b"tern join 1 by ticket"[..], b"tern join 1 by node", b"tern statement 2", b""] {
        let statement = Statement { claim: claim.clone(), signature: signature_under(tag) };
        refused(&founded(), &[statement], Refusal::BadSignature);
    }
    take(&mut founded(), &[Statement { signature: signature_under(STATEMENT_TAG), claim }]);
}

#[test]
fn case_19_nobody_stays_by_a_revoked_parent() {
    let mut roll = founded();
    take(&mut roll, &[admin(11, ADMIN), admin(12, 11), member(101, 12, 1)]);
    let changes = take(&mut roll, &[revoke(11, ADMIN, u64::MAX)]);
    assert_eq!(changes.gone, [key(101)]);
    refused(&roll, &[member(102, 12, 1)], Refusal::OrphanedIssuer);
    // What a revoked admin makes an admin is none, and it is not believed more than its parent.
    take(&mut roll, &[admin(13, 11)]);
    assert_eq!(roll.standing(key(13)), Standing::Unknown);
    refused(&roll, &[member(102, 13, 1)], Refusal::OrphanedIssuer);
    take(&mut roll, &[admin(12, ADMIN), member(101, 12, 1)]);
    assert!(roll.is_member(key(101)));
}

#[test]
fn case_20_a_replayed_statement_changes_nothing() {
    let mut roll = founded();
    take(&mut roll, &[member(101, ADMIN, 1), member(101, ADMIN, 2)]);
    let before = roll.clone();
    let changes = take(&mut roll, &[member(101, ADMIN, 2), member(101, ADMIN, 1)]);
    assert_eq!((changes.fresh, roll == before, roll.digest()), (0, true, before.digest()));
}

#[test]
fn two_admins_that_revoke_each_other_are_both_out_whoever_is_heard_first() {
    let (mut one, mut other) = (founded(), founded());
    let (first, second) = (revoke(11, ADMIN, u64::MAX), revoke(ADMIN, 11, u64::MAX));
    take(&mut one, &[admin(11, ROOT), first.clone(), second.clone()]);
    take(&mut other, &[admin(11, ROOT), second, first]);
    assert_eq!((one.admins().len(), one.digest()), (0, other.digest()));
    // The root decides, and whom the stolen one had driven out is back.
    let changes = take(&mut one, &[revoke(11, ROOT, u64::MAX)]);
    assert_eq!((one.admins().len(), changes.joined), (1, vec![key(DESK)]));
}

#[test]
fn an_empty_roll_has_no_statements_and_a_signature_of_zeros_is_none() {
    assert_eq!(Roll::new(grid()).statements(), []);
    let mut statement = admin(11, ADMIN);
    statement.signature = Signature([0; 64]);
    refused(&founded(), &[statement], Refusal::BadSignature);
}
