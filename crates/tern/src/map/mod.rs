//! `tern map COMMAND ::: ARGUMENTS`: one command, many arguments, every core busy, nothing lost.
//!
//! The command line is GNU parallel's for what it takes from it. In the order of the flow: `args` reads the options,
//! `input` the arguments, `request` makes the job of both, `run` hands it to the node and follows it, `print` shows
//! what comes back, `halt` knows the exit status, `progress` draws the bar.

mod args;
mod error;
mod halt;
mod input;
mod print;
mod progress;
mod request;
mod run;

pub use args::command;
pub use run::run;
