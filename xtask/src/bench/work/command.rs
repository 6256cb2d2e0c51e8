//! The order of the measures, and the grids that they need.

use std::path::PathBuf;

use super::{quarter, rate, staged};
use crate::bench::mesh::{Sheet, facts, named, ticket};
use crate::bench::node::{Agent, Folder};
use crate::run::{Parts, capture, cargo, number, run};

/// With fewer pairs a median says little.
const PAIRS_HONEST: usize = 5;

/// What every measure needs.
pub struct Bench {
    pub pairs: usize,
    /// Divides tasks and files; 1 in an honest run.
    pub divide: usize,
    pub tern: PathBuf,
    /// This program.
    pub own: PathBuf,
    pub folder: Folder,
}

impl Bench {
    /// An agent with so many slots.
    pub fn agent(&self, name: &str, slots: usize, starter: Option<std::process::Command>) -> Result<Agent, String> {
        named(&self.tern, &self.folder, name, slots, starter)
    }
}

/// Lets the others into the first one's grid, and waits until each is of use.
pub fn join(first: &Agent, others: &[&Agent]) -> Result<(), String> {
    for other in others {
        capture(other.command(&["join", &ticket(first)?]))?;
    }
    // A member takes part when it has run something for the first.
    let at = std::time::Instant::now();
    for name in others.iter().map(|other| other.name()) {
        while let Err(why) = capture(first.command(&["ping", &name, "-c", "1"])) {
            if at.elapsed() > std::time::Duration::from_secs(30) {
                return Err(why);
            }
        }
        capture(first.command(&["run", "--on", &name, "--", "true"]))?;
    }
    Ok(())
}

/// `bench work [--pairs N] [--quick] [--json]`.
pub fn bench(options: &[&str]) -> Result<(), String> {
    let quick = options.contains(&"--quick");
    let pairs = number(options, "--pairs", if quick { 2 } else { PAIRS_HONEST as u64 })? as usize;
    let mut parts = Parts::new();
    // The set of features of `cargo xtask test`: another one would build the dependencies again.
    if !parts.part("build", || run(cargo(&["build", "--release", "--locked", "--workspace", "--bins"]))) {
        return parts.finish();
    }
    let own = std::env::current_exe().map_err(|error| format!("the path of this program: {error}"))?;
    let bench = Bench {
        pairs: pairs.max(1),
        divide: if quick { 10 } else { 1 },
        tern: own.with_file_name("tern"),
        // By its name: a build may have put a new one in its place.
        own: own.with_file_name("xtask"),
        folder: Folder::new()?,
    };
    let mut sheet = Sheet::default();
    let mut part = |name: &str, work: &dyn Fn(&mut Sheet) -> Result<(), String>| {
        parts.part(name, || work(&mut sheet).inspect_err(|message| sheet.failed(name, message)));
    };
    part("a fast node and one with a quarter of a core", &|sheet| quarter::measure(&bench, sheet));
    part("tiny tasks over two nodes", &|sheet| rate::measure(&bench, sheet));
    part("files over three nodes", &|sheet| staged::measure(&bench, sheet));
    let quick = if bench.divide > 1 { " **A quick run: fewer tasks and files than an honest one.**" } else { "" };
    let honest = pairs >= PAIRS_HONEST && bench.divide == 1;
    sheet.tell("work", &facts(bench.pairs, quick), honest, parts, options)
}
