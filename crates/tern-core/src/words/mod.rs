//! The vocabulary every other module speaks: ids, time, sets of tasks, commands, limits.

pub mod bytes;
pub mod id;
pub mod limits;
pub mod quote;
pub mod spec;
pub mod tasks;
pub mod template;
pub mod time;
pub mod work;

pub use bytes::Bytes;
pub use id::{Attempt, Epoch, GrantId, JobId, NodeId};
pub use spec::{Checkpoint, Discipline, Halt, Inputs, JobSpec, Needs, Stage, Unfit};
pub use tasks::TaskSet;
pub use time::{Now, Span};
