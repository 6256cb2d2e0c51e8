//! `tern`: a person's machines as one grid, from one binary.
//!
//! The parts of Tern that run as processes of their own (the warden, the trampoline, the watchdog) are this same binary,
//! told by its first word, and are started before anything else is set up: they must stay small.

mod cli;
mod demo;
mod files;
mod grid;
mod hogs;
mod map;
mod top;
mod travel;
mod work;

use std::ffi::OsStr;
use std::process::ExitCode;

use tern_node::process;

fn main() -> ExitCode {
    let mut words = std::env::args_os();
    let first = words.nth(1);
    match first.as_deref().and_then(OsStr::to_str) {
        Some("warden") => process::warden::main_from_args(words),
        Some("trampoline") => process::trampoline::main(words),
        Some("watchdog") => process::throttle::watchdog::main(words),
        Some("detached") => cli::node::life::detached(words),
        Some("map") => cli::map(words.collect(), None),
        _ => cli::main(),
    }
}
