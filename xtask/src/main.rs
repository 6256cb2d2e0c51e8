//! What a contributor types: `cargo xtask test`, `check`, `ci`, `policy`, `shape`, `sim`, `soak`, `bench`, `dist`.
//!
//! Everything that looks after the repository is Rust in this crate; there are no scripts. Each command prints its parts
//! as they run and, at the end, how long each of them took.

mod bench;
mod check;
mod dist;
mod policy;
mod run;
mod shape;
mod suite;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  test                     install what tests need where that is possible, build, and run every test
  check                    formatting, clippy, documentation, dependency policy, shape of the code
  ci                       test, then check
  policy                   licences, sources, bans, duplicates and weight of the dependencies, offline
  shape [--bless]          sizes, names and the module graph; --bless rewrites the golden graph
  sim [--seeds N]          N lives of a simulated grid from a fresh seed (default 10000), and a tenth as many of a mesh
  soak [--rounds N]        kill agent, warden, both, and the warden's client at random instants, N times each
                           (default 100); ten times the deaths, restarts and mutated bytes of the tests of the mesh
  bench spine [--pairs N] [--quick]
                           measure against bare loops, xargs and GNU parallel; writes docs/benchmarks.md, except
                           where --quick or fewer than 5 pairs make its figures too rough
  bench mesh [--pairs N] [--quick] [--json]
                           measure the mesh against raw TCP and a bare iroh connection, joining, and an idle grid; the
                           table goes into docs/benchmarks.md as above, and with --json the last line is the same as JSON
  bench work [--pairs N] [--quick] [--json]
                           batches that cross machines, beside an ideal queue, one node, and GNU parallel over ssh
  bench balance [--seeds N]
                           the built-in workloads of the simulator, beside a central queue and a plainer scheduler
  dist                     a binary that runs on any Linux of this architecture, in target/dist with its checksum";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let end = match words.split_first() {
        Some((&"test", [])) => suite::test(),
        Some((&"check", [])) => check::check(),
        Some((&"ci", [])) => check::ci(),
        Some((&"policy", [])) => policy::policy(),
        Some((&"shape", options)) => shape::shape(options),
        Some((&"sim", options)) => suite::sim(options),
        Some((&"soak", options)) => suite::soak(options),
        Some((&"bench", options)) => bench::bench(options),
        Some((&"dist", options)) => dist::dist(options),
        // What the benchmark runs of itself.
        Some((&"loop", arguments)) => bench::spin(arguments),
        Some((&"on-battery", arguments)) => bench::on_battery(arguments),
        Some((&"in-group", arguments)) => bench::in_group(arguments),
        Some((&"spend", arguments)) => bench::spend(arguments),
        Some((&"burn", [])) => {
            bench::burn();
            Ok(())
        }
        _ => Err(USAGE.to_string()),
    };
    match end {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}
