//! The warden as a real process: what it runs, what it writes down, and what survives when it or its client is killed.
//!
//! This program is its own warden and its own trampoline: it starts itself with those words as first argument.

#[path = "warden/bench.rs"]
mod bench;
#[path = "warden/grid.rs"]
mod grid;
#[path = "warden/runs.rs"]
mod runs;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    match std::env::args().nth(1).as_deref() {
        Some("warden") => return tern_node::process::warden::main_from_args(args.by_ref().skip(1)),
        Some("trampoline") => return tern_node::process::trampoline::main(args.by_ref().skip(1)),
        Some("bench") => return bench::main(),
        _ => {}
    }
    let filter = std::env::args().nth(1).filter(|word| !word.starts_with('-'));
    let mut tests = Vec::new();
    tests.extend_from_slice(runs::TESTS);
    grid::run_all(&tests, filter.as_deref())
}
