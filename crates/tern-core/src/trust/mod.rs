//! Who belongs to a grid: statements that its admins signed, and what follows from them.
//!
//! A grid is named by the public key of its *root*, the recovery key. The root names admins, admins name other admins and
//! admit nodes, and whoever was named may be revoked. All of these are small signed statements which every node keeps
//! and passes on; a [`Roll`] is the set of them, and two rolls that got the same statements agree.
//!
//! Why a revoked admin's word still takes away, and gives nothing, stands in `docs/adr/0014`.
//!
//! No key is made and no curve is computed here: signatures are made and checked by what the caller brings.

mod authority;
pub mod enter;
pub mod frame;
pub mod issue;
mod judge;
pub mod name;
pub mod roll;
pub mod sign;
pub mod statement;
mod view;

pub use enter::{
    Admission, Answer, Arrival, Challenge, Hello, Invitation, Invitations, JoinRefusal, Proof, Talk, Ticket,
    TicketError,
};
pub use frame::FrameError;
pub use issue::{Impossible, admit, found, leave, make_admin, recover, remove_machine, revoke_member, rotate};
pub use name::Name;
pub use roll::{Admin, Changes, Member, Refusal, Roll, Standing};
pub use sign::{GridId, Signature, Signer, Verify};
pub use statement::{Claim, Statement};
