//! The one state machine. `handle(event, now) → effects`; nothing imports it but those who drive it.
//!
//! What must survive a crash is *staged*: its records leave in [`Effect::Persist`], and only [`Event::Persisted`] applies
//! them and lets out what depends on them. Ends of attempts of the own warden are durable already when they arrive.

pub mod effect;
pub mod event;
pub mod mesh;

mod balance;
mod broker;
mod commands;
mod controller;
mod explain;
mod history;
mod lane;
mod ledger;
mod local;
mod migrate;
mod node;
mod plant;
mod queries;
mod share;
mod staged;

pub use effect::{Answer, Deny, Dispatch, Effect, Told};
pub use event::{Command, Event};
pub use ledger::Totals;
pub use local::WorkSettings;
pub use node::Machine;
#[cfg(feature = "planted")]
pub use plant::Plant;
pub use share::Heard;
