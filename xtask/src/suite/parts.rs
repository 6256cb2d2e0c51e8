//! The parts of a test run, in order: tools, build, tests, planted bugs, fresh seeds.

use std::cell::RefCell;
use std::hash::{BuildHasher, RandomState};

use super::skips::{self, Skips};
use super::tally::Tally;
use super::tools;
use crate::run::{Parts, cargo, number, root, run, run_watched};
use crate::shape;

/// Seconds of simulated lives from seeds nobody has seen before.
const FRESH_SEED_SECONDS: &str = "60";
/// The same of simulated meshes.
const FRESH_MESH_SECONDS: &str = "20";
/// What the tests of the mesh are given in a soak: deaths of a busy node, seconds of restarts, inputs of each decoder.
const SOAK: [(&str, &str); 3] = [("TERN_DEATHS", "200"), ("TERN_CHURN_SECONDS", "300"), ("TERN_MUTATIONS", "2000000")];
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
        parts.part("fresh seeds", || fresh_seeds("seeds", &["--seconds", FRESH_SEED_SECONDS, "--seeds", "1000000"]));
        parts
            .part("fresh mesh seeds", || fresh_seeds("mesh", &["--seconds", FRESH_MESH_SECONDS, "--seeds", "1000000"]));
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

/// Lives from a seed that is drawn now and printed, so that a failure can be lived again.
fn fresh_seeds(example: &str, bound: &[&str]) -> Result<(), String> {
    // 48 bits are enough to be fresh and short enough to be typed.
    let from = (RandomState::new().hash_one(std::process::id()) >> 16).to_string();
    println!("from seed {from}");
    let mut arguments = vec!["run", "--release", "--locked", "-p", "tern-sim", "--example", example, "--"];
    arguments.extend_from_slice(bound);
    arguments.extend_from_slice(&["--from", &from]);
    run(cargo(&arguments))
}

/// `cargo xtask sim --seeds N`.
pub fn sim(options: &[&str]) -> Result<(), String> {
    let seeds = number(options, "--seeds", 10_000)?;
    let mut parts = Parts::new();
    parts.part("build", || run(cargo(&["build", "--release", "--locked", "-p", "tern-sim", "--examples"])));
    let began = std::time::Instant::now();
    let count = seeds.to_string();
    let good = parts.part("lives", || fresh_seeds("seeds", &["--seeds", &count]));
    let seconds = began.elapsed().as_secs_f64();
    // One of these is as long as several of the others.
    let few = (seeds / MESH_SEEDS).max(1).to_string();
    parts.part("lives of meshes", || fresh_seeds("mesh", &["--seeds", &few]));
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
