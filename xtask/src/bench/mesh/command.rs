//! The order of the measures, and what is done with their rows.

use std::path::PathBuf;

use super::sheet::{Sheet, facts};
use super::{agents, lab};
use crate::bench::node::Folder;
use crate::run::{Parts, cargo, number, run};

/// With fewer pairs a median says little.
const PAIRS_HONEST: usize = 5;

/// What every measure needs.
pub struct Bench {
    pub pairs: usize,
    /// Divides calls, bytes and seconds; 1 in an honest run.
    pub divide: usize,
    pub tern: PathBuf,
    pub lab: PathBuf,
    pub folder: Folder,
}

/// `bench mesh [--pairs N] [--quick] [--json]`.
pub fn bench(options: &[&str]) -> Result<(), String> {
    let quick = options.contains(&"--quick");
    let pairs = number(options, "--pairs", if quick { 2 } else { PAIRS_HONEST as u64 })? as usize;
    let mut parts = Parts::new();
    // The set of features of `cargo xtask test`: another one would build the dependencies again.
    let build = ["build", "--release", "--locked", "--workspace", "--bins", "--examples"];
    if !parts.part("build", || run(cargo(&build))) {
        return parts.finish();
    }
    let own = std::env::current_exe().map_err(|error| format!("the path of this program: {error}"))?;
    let bench = Bench {
        pairs: pairs.max(1),
        divide: if quick { 10 } else { 1 },
        tern: own.with_file_name("tern"),
        lab: own.with_file_name("examples").join("mesh_lab"),
        folder: Folder::new()?,
    };
    let mut sheet = Sheet::default();
    let mut part = |name: &str, work: &dyn Fn(&mut Sheet) -> Result<(), String>| {
        parts.part(name, || work(&mut sheet).inspect_err(|message| sheet.failed(name, message)));
    };
    part("rates and latencies", &|sheet| lab::measure(&bench, sheet));
    part("join to usable", &|sheet| agents::joins(&bench, sheet));
    part("idle grid of five", &|sheet| agents::idle(&bench, false, sheet));
    part("idle grid of five on battery", &|sheet| agents::idle(&bench, true, sheet));
    let quick_words = if quick { " **A quick run: fewer calls, bytes and seconds than an honest one.**" } else { "" };
    let honest = pairs >= PAIRS_HONEST && !quick;
    sheet.tell("mesh", &facts(bench.pairs, quick_words), honest, parts, options)
}
