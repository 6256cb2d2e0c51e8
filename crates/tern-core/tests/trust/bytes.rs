//! What arrives as bytes is read, or refused: every decoder takes mutated input without a panic.
//!
//! `TERN_MUTATIONS` says how many each is given.

use crate::mutated::storm;
use crate::people::*;
use tern_core::trust::frame::{TRUST_VERSION, decode_list, encode_list};
use tern_core::trust::{
    Answer, Challenge, FrameError, Hello, JoinRefusal, Proof, Roll, Signature, Statement, Talk, Ticket,
};
use tern_core::words::limits::{STATEMENT_BYTES_MAX, STATEMENT_LIST_BYTES_MAX};

#[test]
fn mutated_statements_never_panic_and_none_is_believed() {
    let samples = [admin(11, ADMIN), member(101, ADMIN, 1), revoke(DESK, ADMIN, 1), succeed(ADMIN, 12)];
    let known: Vec<Vec<u8>> = samples.iter().map(Statement::encode).collect();
    let roll = founded();
    storm(&known, |bytes| {
        let Ok(statement) = Statement::decode(bytes) else { return false };
        assert_eq!(Statement::decode(&statement.encode()), Ok(statement.clone()));
        if !samples.contains(&statement) {
            assert!(roll.clone().apply(&[statement], VERIFY).is_err());
        }
        true
    });
}

#[test]
fn mutated_lists_never_panic_and_leave_a_roll_that_a_new_one_takes() {
    let list = [admin(11, ADMIN), member(101, 11, 1), revoke(11, ADMIN, u64::MAX)];
    storm(&[encode_list(&list), encode_list(&[])], |bytes| {
        let Ok(list) = decode_list(bytes) else { return false };
        let mut roll = founded();
        roll.merge(&list, VERIFY);
        let mut fresh = Roll::new(grid());
        take(&mut fresh, &roll.statements());
        assert_eq!(fresh, roll);
        true
    });
}

#[test]
fn mutated_talk_never_panics_on_either_side() {
    let hello =
        Hello { grid: grid(), ticket: key(50), node: key(101), name: name("guest"), admin: key(102), wall_ms: 5 };
    let proof = Proof { by_ticket: Signature([1; 64]), by_node: Signature([2; 64]) };
    let joiner = [Talk::Hello(hello), Talk::Proof(proof)];
    let issuer = [
        Talk::Challenge(Challenge { nonce: [7; 32] }),
        Talk::Answer(Answer::Welcome { statements: founded().statements(), clock_ahead_ms: -5 }),
        Talk::Answer(Answer::Refused { reason: JoinRefusal::Expired }),
    ];
    for talk in &joiner {
        assert_eq!(Talk::decode_of_joiner(&talk.encode()), Ok(talk.clone()));
        assert_eq!(Talk::decode_of_issuer(&talk.encode()), Err(FrameError::Malformed));
    }
    for talk in &issuer {
        assert_eq!(Talk::decode_of_issuer(&talk.encode()), Ok(talk.clone()));
        assert!(Talk::decode_of_joiner(&talk.encode()).is_err());
    }
    storm(&joiner.map(|talk| talk.encode()), |bytes| Talk::decode_of_joiner(bytes).is_ok());
    storm(&issuer.map(|talk| talk.encode()), |bytes| Talk::decode_of_issuer(bytes).is_ok());
}

#[test]
fn mutated_tickets_never_panic_and_none_is_read_as_another() {
    let ticket = Ticket {
        grid: grid(),
        issuer: key(DESK),
        secret: [3; 32],
        admin: false,
        expires_ms: 1 << 40,
        addresses: vec!["10.0.0.1:1".parse().expect("v4")],
    };
    storm(&[ticket.to_text().into_bytes()], |bytes| {
        let read = Ticket::parse(&String::from_utf8_lossy(bytes));
        // The mutation may have been none.
        read.is_ok_and(|read| read == ticket || panic!("{read:?}"))
    });
}

#[test]
fn another_version_a_rest_and_too_many_bytes_are_told_apart() {
    let mut frame = member(101, ADMIN, 1).encode();
    frame.push(0);
    assert_eq!(Statement::decode(&frame), Err(FrameError::Trailing { bytes: 1 }));
    frame[0] = 99;
    assert_eq!(Statement::decode(&frame), Err(FrameError::Version { theirs: 99 }));
    let (bytes, most) = (STATEMENT_BYTES_MAX + 1, STATEMENT_BYTES_MAX);
    assert_eq!(Statement::decode(&vec![1; bytes]), Err(FrameError::TooLarge { bytes, most }));
    let (bytes, most) = (STATEMENT_LIST_BYTES_MAX + 1, STATEMENT_LIST_BYTES_MAX);
    assert_eq!(decode_list(&vec![1; bytes]), Err(FrameError::TooLarge { bytes, most }));
    // A claim of four thousand million statements with none behind it.
    let mut claim = TRUST_VERSION.to_le_bytes().to_vec();
    claim.extend([0xff, 0xff, 0xff, 0xff, 0x0f]);
    assert_eq!(decode_list(&claim), Err(FrameError::Malformed));
}
