//! The one state machine. `handle(event, now) → effects`; nothing imports it but those who drive it.

pub mod effect;
pub mod event;

pub use effect::{Answer, Deny, Dispatch, Effect};
pub use event::{Command, Event};
