//! Entering: tickets, proofs, and how an issuer judges them by its own clock.

use crate::people::*;
use tern_core::trust::sign::GridId;
use tern_core::trust::{
    Admission, Arrival, Challenge, Hello, Invitation, Invitations, JoinRefusal, Proof, Roll, Signature, Ticket,
    TicketError, admit, leave, remove_machine,
};
use tern_core::words::limits::{INVITATION_SLACK, INVITATIONS_KEPT_MAX, INVITATIONS_OPEN_MAX};

const TICKET: u8 = 50;
const GUEST: u8 = 101;
const MADE: u64 = 1_000_000;
const EXPIRES: u64 = MADE + 600_000;
const NONCE: Challenge = Challenge { nonce: [7; 32] };

/// An issuer with one open ticket.
fn issuer() -> (Roll, Invitations) {
    let mut invitations = Invitations::default();
    let (ticket, made_ms, expires_ms) = (key(TICKET), MADE, EXPIRES);
    assert!(invitations.add(Invitation { ticket, made_ms, expires_ms, admin: false, used_by: None }));
    (founded(), invitations)
}

fn hello(node: u8) -> Hello {
    Hello { grid: grid(), ticket: key(TICKET), node: key(node), name: name("guest"), admin: key(102), wall_ms: 0 }
}

fn prove(hello: &Hello, issuer: u8, challenge: &Challenge) -> Proof {
    with(hello.ticket.0[0], |ticket| with(hello.node.0[0], |node| hello.prove(key(issuer), challenge, ticket, node)))
}

/// The verdict on this hello and proof; that nothing changes is in the types.
fn judged(at: &(Roll, Invitations), hello: &Hello, proof: &Proof, now_ms: u64) -> Result<Admission, JoinRefusal> {
    let arrival = Arrival { hello, challenge: &NONCE, proof, issuer: key(DESK) };
    at.1.judge(&at.0, &arrival, now_ms, VERIFY)
}

fn arrives(at: &(Roll, Invitations), node: u8, now_ms: u64) -> Result<Admission, JoinRefusal> {
    let hello = hello(node);
    judged(at, &hello, &prove(&hello, DESK, &NONCE), now_ms)
}

/// The issuer does what the verdict says.
fn let_in(at: &mut (Roll, Invitations), node: u8) {
    assert_eq!(arrives(at, node, MADE), Ok(Admission::Admit { admin: false }));
    let list = with(ADMIN, |admin| admit_as(&at.0, admin, node));
    take(&mut at.0, &list);
    assert!(at.1.mark_used(key(TICKET), key(node)));
}

fn admit_as(roll: &Roll, by: &tern_core::trust::Signer<'_>, node: u8) -> Vec<tern_core::trust::Statement> {
    admit(roll, by, key(node), &name("guest")).expect("admitted")
}

#[test]
fn a_joiner_whose_clock_is_years_off_comes_in_and_is_told_by_how_much() {
    let at = issuer();
    for (wall_ms, ahead) in [(0, -(MADE as i64)), (MADE, 0), (u64::MAX, i64::MAX)] {
        assert_eq!(Hello { wall_ms, ..hello(GUEST) }.clock_ahead_ms(MADE), ahead);
        let hello = Hello { wall_ms, ..hello(GUEST) };
        let verdict = judged(&at, &hello, &prove(&hello, DESK, &NONCE), MADE);
        assert_eq!(verdict, Ok(Admission::Admit { admin: false }));
    }
}

#[test]
fn case_01_an_unknown_ticket_is_refused() {
    let hello = Hello { ticket: key(51), ..hello(GUEST) };
    let verdict = judged(&issuer(), &hello, &prove(&hello, DESK, &NONCE), MADE);
    assert_eq!(verdict, Err(JoinRefusal::UnknownTicket));
}

#[test]
fn case_02_a_removed_node_does_not_come_back_by_a_ticket_and_one_that_left_does() {
    let mut at = issuer();
    take(&mut at.0, &[member(GUEST, ADMIN, 1), member(102, ADMIN, 1)]);
    let list = with(ADMIN, |admin| remove_machine(&at.0, admin, key(GUEST)).expect("removed"));
    take(&mut at.0, &list);
    assert_eq!(arrives(&at, GUEST, MADE), Err(JoinRefusal::RevokedKey));
    let list = with(102, |node| leave(&at.0, node, None).expect("left"));
    take(&mut at.0, &list);
    let_in(&mut at, 102);
    assert!(at.0.is_member(key(102)));
}

#[test]
fn case_08_a_proof_for_another_issuer_or_grid_is_refused() {
    let at = issuer();
    let proof = prove(&hello(GUEST), 103, &NONCE);
    assert_eq!(judged(&at, &hello(GUEST), &proof, MADE), Err(JoinRefusal::BadProof));
    let foreign = Hello { grid: GridId(key(2)), ..hello(GUEST) };
    let proof = prove(&foreign, DESK, &NONCE);
    assert_eq!(judged(&at, &foreign, &proof, MADE), Err(JoinRefusal::ForeignGrid));
    assert_eq!(judged(&at, &hello(GUEST), &proof, MADE), Err(JoinRefusal::BadProof));
}

#[test]
fn case_09_an_expired_ticket_is_refused() {
    assert_eq!(arrives(&issuer(), GUEST, EXPIRES), Err(JoinRefusal::Expired));
    assert!(arrives(&issuer(), GUEST, EXPIRES - 1).is_ok());
}

#[test]
fn case_10_a_ticket_from_the_issuers_future_is_refused() {
    let slack = INVITATION_SLACK.as_ms();
    assert_eq!(arrives(&issuer(), GUEST, MADE - slack - 1), Err(JoinRefusal::NotYetValid));
    assert!(arrives(&issuer(), GUEST, MADE - slack).is_ok());
}

#[test]
fn case_15_a_proof_is_good_for_the_name_and_the_node_it_was_made_for() {
    let at = issuer();
    let proof = prove(&hello(GUEST), DESK, &NONCE);
    let other = Hello { name: name("other"), ..hello(GUEST) };
    assert_eq!(judged(&at, &other, &proof, MADE), Err(JoinRefusal::BadProof));
    assert_eq!(judged(&at, &hello(102), &proof, MADE), Err(JoinRefusal::BadProof));
    // Whoever saw the ticket's public key has no ticket.
    let proof = Proof { by_ticket: proof.by_node, ..proof };
    assert_eq!(judged(&at, &hello(GUEST), &proof, MADE), Err(JoinRefusal::BadProof));
}

#[test]
fn case_16_a_flipped_bit_in_either_proof_is_refused() {
    let at = issuer();
    let good = prove(&hello(GUEST), DESK, &NONCE);
    for bit in 0..512 {
        let flip = |Signature(mut bytes): Signature| {
            bytes[bit / 8] ^= 1 << (bit % 8);
            Signature(bytes)
        };
        for bad in [Proof { by_ticket: flip(good.by_ticket), ..good }, Proof { by_node: flip(good.by_node), ..good }] {
            assert_eq!(judged(&at, &hello(GUEST), &bad, MADE), Err(JoinRefusal::BadProof));
        }
    }
}

#[test]
fn case_18_the_tickets_proof_does_not_pass_for_the_nodes() {
    // One key in both places: only the purpose tells the signatures apart.
    let (roll, mut invitations) = issuer();
    let (ticket, made_ms, expires_ms) = (key(GUEST), MADE, EXPIRES);
    assert!(invitations.add(Invitation { ticket, made_ms, expires_ms, admin: false, used_by: None }));
    let hello = Hello { ticket, ..hello(GUEST) };
    let good = prove(&hello, DESK, &NONCE);
    let at = (roll, invitations);
    assert!(judged(&at, &hello, &good, MADE).is_ok());
    let swapped = Proof { by_ticket: good.by_node, by_node: good.by_ticket };
    assert_eq!(judged(&at, &hello, &swapped, MADE), Err(JoinRefusal::BadProof));
}

#[test]
fn case_20_a_proof_replayed_on_another_connection_is_refused() {
    let proof = prove(&hello(GUEST), DESK, &Challenge { nonce: [8; 32] });
    assert_eq!(judged(&issuer(), &hello(GUEST), &proof, MADE), Err(JoinRefusal::BadProof));
}

#[test]
fn a_used_ticket_is_refused_to_another_and_its_user_is_answered_again() {
    let mut at = issuer();
    let_in(&mut at, GUEST);
    assert_eq!(arrives(&at, 102, MADE), Err(JoinRefusal::Used));
    take(&mut at.0, &[member(103, ADMIN, 1)]);
    assert_eq!(arrives(&at, 103, MADE), Err(JoinRefusal::Used), "a member, too");
    // The answer may have been lost, and found only after the ticket's time.
    assert_eq!(arrives(&at, GUEST, EXPIRES + 1), Ok(Admission::Again));
    assert!(!at.1.mark_used(key(TICKET), key(102)));
    // It leaves: the ticket does not bring it back.
    let list = with(GUEST, |node| leave(&at.0, node, None).expect("left"));
    take(&mut at.0, &list);
    assert_eq!(arrives(&at, GUEST, MADE), Err(JoinRefusal::Used));
}

#[test]
fn a_member_needs_no_ticket() {
    let mut at = issuer();
    take(&mut at.0, &[member(GUEST, ADMIN, 1)]);
    assert_eq!(arrives(&at, GUEST, MADE), Err(JoinRefusal::AlreadyMember));
}

#[test]
fn open_invitations_are_bounded_and_old_ones_are_forgotten_first() {
    let mut invitations = Invitations::default();
    let numbered = |number: u64| {
        let mut ticket = key(0);
        ticket.0[..8].copy_from_slice(&number.to_be_bytes());
        let (made_ms, expires_ms) = (number / 64 * 1_000, number / 64 * 1_000 + 1_000);
        Invitation { ticket, made_ms, expires_ms, admin: false, used_by: None }
    };
    for number in 0..1_000 {
        assert!(invitations.add(numbered(number)), "{number}");
        assert!(invitations.list().len() <= INVITATIONS_KEPT_MAX);
    }
    let mut full = Invitations::default();
    let open = |number| Invitation { made_ms: 0, expires_ms: 1, ..numbered(number) };
    assert!((0..INVITATIONS_OPEN_MAX as u64).all(|number| full.add(open(number))));
    let before = full.clone();
    assert!(!full.add(open(999)) && full == before, "one too many");
    assert!(full.withdraw(open(3).ticket) && full.add(open(999)));
    assert!(!full.add(open(999)), "the same twice");
}

fn ticket() -> Ticket {
    Ticket {
        grid: grid(),
        issuer: key(DESK),
        secret: [0xab; 32],
        admin: true,
        expires_ms: EXPIRES,
        addresses: vec!["192.168.1.7:4433".parse().expect("v4"), "[fe80::1]:4433".parse().expect("v6")],
    }
}

#[test]
fn a_ticket_is_read_as_it_was_written_in_capitals_and_in_small_letters() {
    let text = ticket().to_text();
    assert!(text.starts_with("TERN1") && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()));
    assert_eq!(Ticket::parse(&text), Ok(ticket()));
    assert_eq!(Ticket::parse(&format!("  {}\n", text.to_lowercase())), Ok(ticket()));
    let crowded = Ticket { addresses: vec!["[::1]:1".parse().expect("v6"); 9], ..ticket() };
    assert_eq!(Ticket::parse(&crowded.to_text()).expect("read").addresses.len(), 8);
}

#[test]
fn a_ticket_that_was_cut_mistyped_or_is_none_is_told_apart() {
    let text = ticket().to_text();
    for other in ["", "tern", "TERN2AAAA", "ticket", "ternß", "häßlich"] {
        assert_eq!(Ticket::parse(other), Err(TicketError::Prefix), "{other}");
    }
    for end in 5..text.len() {
        assert_eq!(Ticket::parse(&text[..end]), Err(TicketError::Truncated), "cut at {end}");
    }
    for more in ["A", "AAAAAAAAAAAA"] {
        assert_eq!(Ticket::parse(&format!("{text}{more}")), Err(TicketError::Trailing));
    }
    for at in 5..text.len() {
        for letter in "AZ27Q-1 é".chars() {
            if text[at..].starts_with(letter) {
                continue;
            }
            let typed = format!("{}{letter}{}", &text[..at], &text[at + 1..]);
            // A blank in the place of the last letter is a ticket without it.
            let cut = at == text.len() - 1 && letter == ' ';
            let why = if cut { TicketError::Truncated } else { TicketError::Mistyped };
            assert_eq!(Ticket::parse(&typed), Err(why), "{letter} at {at}");
        }
    }
}

#[test]
fn no_secret_is_shown_where_a_ticket_is_printed_for_a_log() {
    let shown = format!("{:?}", ticket());
    assert!(shown.contains("hidden") && !shown.contains("171") && !shown.contains("abab"), "{shown}");
}
