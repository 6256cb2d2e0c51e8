//! `tern`: a person's machines as one grid, from one binary.
//!
//! The parts of Tern that run as processes of their own (the warden, the trampoline, the watchdog) are this same binary,
//! told by its first word, and are started before anything else is set up: they must stay small.

mod cli;

use std::ffi::OsStr;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut words = std::env::args_os();
    let first = words.nth(1);
    match first.as_deref().and_then(OsStr::to_str) {
        Some("detached") => cli::node::life::detached(words),
        // Mounted where they land: warden, trampoline, watchdog (before anything is set up), map (its own words).
        _ => cli::main(),
    }
}
