//! The order of the measures, and what is done with their rows.

use std::path::PathBuf;

use super::loops::Loops;
use super::node::{Agent, Folder};
use super::table::{Rows, facts, put};
use super::{idle, latency, throughput};
use crate::run::{Parts, cargo, number, root, run};

/// How much of everything.
pub struct Size {
    /// Pairs of a ratio; samples of a call.
    pub pairs: usize,
    /// Divides the number of tasks; 1 in an honest run.
    pub divide: usize,
}

/// With fewer pairs a median says little.
const PAIRS_HONEST: usize = 5;

impl Size {
    /// Whether its figures may stand on the page.
    fn is_honest(&self) -> bool {
        self.divide == 1 && self.pairs >= PAIRS_HONEST
    }
}

/// What every measure needs.
pub struct Bench {
    pub size: Size,
    pub tern: PathBuf,
    pub loops: Loops,
    pub folder: Folder,
    pub cores: usize,
}

/// `bench spine …` or `bench mesh …`.
pub fn bench(options: &[&str]) -> Result<(), String> {
    match options.split_first() {
        Some((&"spine", options)) => spine(options),
        Some((&"mesh", options)) => super::mesh::bench(options),
        Some((&"work", options)) => super::work::bench(options),
        Some((&"balance", options)) => balance(options),
        _ => {
            Err("usage: cargo xtask bench spine|mesh|work [--pairs N] [--quick], bench balance [--seeds N]".to_string())
        }
    }
}

/// `bench balance [--seeds N]`: the built-in workloads of the simulator through the machines, beside a central queue and a
/// scheduler without tokens.
fn balance(options: &[&str]) -> Result<(), String> {
    let seeds = number(options, "--seeds", 20)?.to_string();
    let runs: [&[&str]; 4] =
        [&["batch", "--sigma", "0.3"], &["batch", "--sigma", "0.7"], &["open"], &["open", "--lane", "interactive"]];
    for words in runs {
        let example = ["run", "--release", "-p", "tern-sim", "--example", "balance", "--"];
        println!("{}", words.join(" "));
        run(cargo(&[&example[..], words, &["--seeds", &seeds]].concat()))?;
    }
    Ok(())
}

/// `bench spine [--pairs N] [--quick]`.
fn spine(options: &[&str]) -> Result<(), String> {
    let quick = options.contains(&"--quick");
    let pairs = number(options, "--pairs", if quick { 2 } else { PAIRS_HONEST as u64 })? as usize;
    let size = Size { pairs: pairs.max(1), divide: if quick { 10 } else { 1 } };
    let mut parts = Parts::new();
    if !parts.part("build", || run(cargo(&["build", "--release", "--locked", "-p", "tern"]))) {
        return parts.finish();
    }
    let bench = Bench {
        size,
        tern: tern()?,
        folder: Folder::new()?,
        loops: Loops::prepare()?,
        cores: std::thread::available_parallelism().map_or(1, usize::from),
    };
    let mut rows = Rows::default();
    measure(&bench, &mut parts, &mut rows);
    if bench.size.is_honest() {
        let path = root().join("docs/benchmarks.md");
        parts.part("table", || put(&path, "spine", &format!("{}\n\n{}", facts(&bench), rows.text())));
    }
    println!("\n{}\n\n{}", facts(&bench), rows.text());
    if !bench.size.is_honest() {
        println!("docs/benchmarks.md is as it was: it takes all tasks and {PAIRS_HONEST} pairs or more.");
    }
    parts.finish()
}

/// Each measure is a part of its own: one that fails leaves a row that says so, and the others run.
fn measure(bench: &Bench, parts: &mut Parts, rows: &mut Rows) {
    let mut part = |name: &str, work: &mut dyn FnMut(&mut Rows) -> Result<(), String>| {
        parts.part(name, || work(rows).inspect_err(|message| rows.failed(name, message)));
    };
    part("10k with and without agent", &mut |rows| throughput::ten_thousand(bench, rows));
    part("100k with and without agent", &mut |rows| throughput::many(bench, rows));
    part("GNU parallel", &mut |rows| {
        throughput::parallel(bench, rows);
        Ok(())
    });
    part("idle submit to result", &mut |rows| {
        let agent = Agent::start(bench)?;
        latency::warm(bench, &agent, rows)?;
        latency::whole_call(bench, &agent, rows)
    });
    part("array of a million", &mut |rows| latency::array(bench, &Agent::start(bench)?, rows));
    part("scheduling alone", &mut |rows| idle::schedule(rows));
    part("idle agent", &mut |rows| idle::quiet(&Agent::start(bench)?, rows));
    part("burner", &mut |rows| idle::burner(&Agent::start(bench)?, rows));
}

/// The binary that the build has just made.
fn tern() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| format!("the folder of this program: {error}"))?;
    let tern = own.with_file_name("tern");
    if tern.exists() { Ok(tern) } else { Err(format!("{} was not built", tern.display())) }
}
