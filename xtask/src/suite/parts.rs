//! The parts of a test run, in order: tools, build, tests, planted bugs, fresh seeds.

use std::cell::RefCell;
use std::hash::{BuildHasher, RandomState};
use std::process::Command;

use super::skips::{self, Skips};
use super::tally::Tally;
use super::tools;
use crate::run::{Parts, capture, cargo, number, root, run, run_watched};
use crate::shape;

/// Simulated lives of a grid from seeds that no other commit lives: about a minute on two cores.
const FRESH_SEEDS: &str = "25000";
/// The same of simulated meshes.
const FRESH_MESHES: &str = "2000";
/// What the tests of the mesh are given in a soak: deaths of a busy node, seconds of restarts, inputs of each decoder.
const SOAK: [(&str, &str); 3] = [("TERN_DEATHS", "200"), ("TERN_CHURN_SECONDS", "300"), ("TERN_MUTATIONS", "2000000")];
/// Hexadecimal digits of a seed: 48 bits are enough to be fresh and short enough to be typed.
const SEED_DIGITS: usize = 12;
/// How often each of agent, warden and both is killed in one run.
const KILL_ROUNDS: &str = "10";

/// Everything that must pass before a change is taken.
pub fn test() -> Result<(), String> {
    let skips = Skips::open(&root())?;
    let tally = RefCell::new(Tally::default());
    let mut parts = Parts::new();
    parts.part("tools", || {
        tools::install();
        Ok(())
    });
    // Building what tests need builds the product as well, with one set of features instead of two.
    if parts.part("build", || run(cargo(&["test", "--release", "--workspace", "--locked", "--no-run"]))) {
        let tests = ["test", "--release", "--workspace", "--locked", "--no-fail-fast"];
        parts.part("tests", || run_tests(&tests, &skips, &tally));
        let planted = ["test", "--release", "-p", "tern-sim", "--features", "planted", "--locked", "--no-fail-fast"];
        parts.part("planted bugs", || run_tests(&planted, &skips, &tally));
        parts.part("fresh seeds", || lives("seeds", FRESH_SEEDS, commit_seed().unwrap_or_else(drawn_seed)));
        parts.part("fresh mesh seeds", || lives("mesh", FRESH_MESHES, commit_seed().unwrap_or_else(drawn_seed)));
    }
    let mut tally = tally.into_inner();
    parts.part("skips", || {
        let (stand, settled) = (shape::tests(&root()).and_then(|tests| skips.stand(&tests)), skips.settle(&mut tally));
        stand.and(settled)
    });
    let end = parts.finish();
    println!("{tally}");
    end
}

/// One `cargo test`, counted.
fn run_tests(arguments: &[&str], skips: &Skips, tally: &RefCell<Tally>) -> Result<(), String> {
    let mut command = cargo(arguments);
    command.env(skips::VARIABLE, skips.log());
    if std::env::var_os("TERN_KILL_ROUNDS").is_none() {
        command.env("TERN_KILL_ROUNDS", KILL_ROUNDS);
    }
    run_watched(command, |line| tally.borrow_mut().read(line))
}

/// So many lives from a seed on, which is printed, so that a failure can be lived again.
fn lives(example: &str, count: &str, from: u64) -> Result<(), String> {
    println!("from seed {from}");
    let from = from.to_string();
    let arguments = ["run", "--release", "--locked", "-p", "tern-sim", "--example", example, "--"];
    run(cargo(&[&arguments[..], &["--seeds", count, "--from", &from]].concat()))
}

/// The seed of the commit that is checked out, if nothing was changed since. Every commit lives others, and a commit always the same: whoever checks it again comes
/// to the same verdict, on a fast machine and on a slow one. `cargo xtask sim` draws.
fn commit_seed() -> Option<u64> {
    let git = |words: &[&str]| {
        let mut git = Command::new("git");
        git.args(words).current_dir(root());
        capture(git).ok()
    };
    if !git(&["status", "--porcelain", "--untracked-files=no"])?.trim().is_empty() {
        return None;
    }
    let name = git(&["rev-parse", "HEAD"])?;
    u64::from_str_radix(name.get(..SEED_DIGITS)?, 16).ok()
}

/// A seed nobody has seen before.
fn drawn_seed() -> u64 {
    RandomState::new().hash_one(std::process::id()) >> (64 - 4 * SEED_DIGITS)
}

/// `cargo xtask sim --seeds N`.
pub fn sim(options: &[&str]) -> Result<(), String> {
    let seeds = number(options, "--seeds", 10_000)?;
    let mut parts = Parts::new();
    parts.part("build", || run(cargo(&["build", "--release", "--locked", "-p", "tern-sim", "--examples"])));
    let began = std::time::Instant::now();
    let count = seeds.to_string();
    let good = parts.part("lives", || lives("seeds", &count, drawn_seed()));
    let seconds = began.elapsed().as_secs_f64();
    // One of these is as long as several of the others.
    let few = (seeds / MESH_SEEDS).max(1).to_string();
    parts.part("lives of meshes", || lives("mesh", &few, drawn_seed()));
    parts.finish()?;
    if good {
        println!("{seeds} seeds in {seconds:.1} s: {:.0} lives a second", seeds as f64 / seconds.max(0.001));
    }
    Ok(())
}

/// One life of a mesh in `cargo xtask sim` for so many of a grid.
const MESH_SEEDS: u64 = 10;

/// `cargo xtask soak --rounds N`: the kill tests, many times, and the tests of the mesh with ten times as much of everything.
pub fn soak(options: &[&str]) -> Result<(), String> {
    let rounds = number(options, "--rounds", 100)?.to_string();
    let mut parts = Parts::new();
    // The set of features of `cargo xtask test`: another one would build the dependencies again.
    let tests = ["test", "--release", "--workspace", "--locked"];
    parts.part("build", || run(cargo(&[&tests[..], &["--no-run"]].concat())));
    // The whole node, then the warden with a client of its own, which is killed more often a second.
    for (test, filter) in [("kill", ""), ("warden", "kills::")] {
        parts.part(test, || {
            let mut command = cargo(&[&tests[..], &["--test", test, "--"]].concat());
            command.args((!filter.is_empty()).then_some(filter)).arg("--nocapture");
            command.env("TERN_KILL_ROUNDS", &rounds);
            run(command)
        });
    }
    let mesh: [(&str, &[&str], &str); 3] = [
        ("deaths", &["--test", "it"], "deaths::"),
        ("restarts", &["--test", "churn"], "fifty_nodes"),
        ("mutated bytes", &["--lib", "--test", "trust", "--test", "node"], "mutated"),
    ];
    for (name, which, filter) in mesh {
        parts.part(name, || {
            let mut command = cargo(&[&tests[..], which, &["--", filter, "--include-ignored", "--nocapture"]].concat());
            command.envs(SOAK);
            run(command)
        });
    }
    parts.finish()
}
