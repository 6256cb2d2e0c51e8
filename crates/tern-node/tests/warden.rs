//! The warden as a real process: what it runs, what it writes down, and what survives when it or its client is killed; and
//! what a whole node, whose warden it is, tells its peers.
//!
//! This program is its own warden and its own trampoline: it starts itself with those words as first argument.

#[path = "warden/bench.rs"]
mod bench;
#[path = "warden/driver.rs"]
mod driver;
#[path = "warden/grid.rs"]
mod grid;
#[path = "warden/kills.rs"]
mod kills;
#[path = "warden/lives.rs"]
mod lives;
#[path = "warden/runs.rs"]
mod runs;
#[path = "warden/secrets.rs"]
mod secrets;
#[path = "warden/segments.rs"]
mod segments;

use std::process::ExitCode;

use tern_node::process::throttle::watchdog;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    match std::env::args().nth(1).as_deref() {
        Some("warden") => return tern_node::process::warden::main_from_args(args.by_ref().skip(1)),
        Some("trampoline") => return tern_node::process::trampoline::main(args.by_ref().skip(1)),
        Some(watchdog::ARGUMENT) => return watchdog::main(args.by_ref().skip(1)),
        Some("driver") => return driver::main(),
        Some("agent") => return lives::agent(),
        Some("bench") => return bench::main(),
        _ => {}
    }
    let filter = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    let tests = [segments::TESTS, runs::TESTS, lives::TESTS, kills::TESTS, secrets::TESTS].concat();
    grid::run_all(&tests, filter.as_deref())
}
