//! `cargo xtask dist`: one file that runs on any Linux of this machine's architecture, and the proof that it does.
//!
//! ```text
//! command  build, judge, copy beside its checksum, run
//! elf      what a program asks of the machine it is started on
//! trial    the copy at work with nothing around it
//! ```

mod command;
mod elf;
mod trial;

pub use command::dist;
