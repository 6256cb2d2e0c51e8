//! Keys, people and machines for the tests. A signature here is a checksum that everybody could make, over a secret that
//! only its holder is asked for.

use tern_core::trust::sign::GridId;
use tern_core::trust::{Changes, Claim, Name, Refusal, Roll, Signature, Signer, Statement, Verify, found};
use tern_core::words::NodeId;

pub fn key(number: u8) -> NodeId {
    NodeId([number; 32])
}

pub fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

fn sum(of: NodeId, message: &[u8]) -> Signature {
    let mut bytes = [0; 64];
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for round in bytes.chunks_mut(8) {
        for byte in of.0.iter().chain(message) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        round.copy_from_slice(&hash.to_le_bytes());
    }
    Signature(bytes)
}

pub const VERIFY: Verify = |key, message, signature| sum(*key, message) == *signature;

/// Does `work` with the key of this number at hand.
pub fn with<T>(number: u8, work: impl FnOnce(&Signer<'_>) -> T) -> T {
    let key = key(number);
    let sign = move |message: &[u8]| sum(key, message);
    work(&Signer { key, sign: &sign })
}

pub const ROOT: u8 = 1;
/// The founder's admin key and machine.
pub const ADMIN: u8 = 10;
pub const DESK: u8 = 100;

pub fn grid() -> GridId {
    GridId(key(ROOT))
}

/// A statement for this grid, signed by the key of its issuer's number.
pub fn say(claim: Claim) -> Statement {
    say_in(grid(), claim)
}

pub fn say_in(grid: GridId, claim: Claim) -> Statement {
    let issuer = claim.issuer();
    let sign = move |message: &[u8]| sum(issuer, message);
    Statement::sign(grid, claim, &Signer { key: issuer, sign: &sign })
}

pub fn admin(subject: u8, issuer: u8) -> Statement {
    say(Claim::Admin { subject: key(subject), issuer: key(issuer), machine: key(subject + 90) })
}

pub fn member(subject: u8, issuer: u8, serial: u64) -> Statement {
    let name = name(&format!("node-{subject}"));
    say(Claim::Member { subject: key(subject), issuer: key(issuer), serial, name })
}

pub fn revoke(subject: u8, issuer: u8, upto: u64) -> Statement {
    say(Claim::Revoke { subject: key(subject), issuer: key(issuer), upto, successor: None })
}

pub fn succeed(subject: u8, successor: u8) -> Statement {
    let (subject, successor) = (key(subject), Some(key(successor)));
    say(Claim::Revoke { subject, issuer: subject, upto: u64::MAX, successor })
}

/// A grid of one machine.
pub fn founded() -> Roll {
    let mut roll = Roll::new(grid());
    let list = with(ROOT, |root| with(ADMIN, |admin| found(root, admin, key(DESK), &name("desk"))));
    take(&mut roll, &list);
    roll
}

pub fn take(roll: &mut Roll, list: &[Statement]) -> Changes {
    roll.apply(list, VERIFY).expect("taken")
}

/// That the list is refused for this reason and leaves no trace.
#[track_caller]
pub fn refused(roll: &Roll, list: &[Statement], why: Refusal) {
    let mut after = roll.clone();
    assert_eq!(after.apply(list, VERIFY), Err(why));
    assert_eq!((after.digest(), after.members(), after.admins()), (roll.digest(), roll.members(), roll.admins()));
    assert_eq!(after.former(), roll.former());
}
