//! Files that are hashed on three nodes: brought there, worked on, and the result brought back.

use std::path::Path;
use std::process::Command;

use super::command::{Bench, join};
use super::ssh::Server;
use crate::bench::mesh::{Goal, Sheet};
use crate::bench::pairs::seconds;

const FILES: usize = 1_000;
const BYTES: usize = 1 << 20;
/// Rounds: both sides bring a thousand files anew each time.
const ROUNDS_MOST: usize = 5;

pub fn measure(bench: &Bench, sheet: &mut Sheet) -> Result<(), String> {
    let files = FILES / bench.divide;
    let server = Server::start(&bench.folder.path().join("ssh"))?;
    let agents = ["here", "there", "yonder"].map(|name| bench.agent(name, 1, None));
    let [here, there, yonder] = agents;
    let (here, there, yonder) = (here?, there?, yonder?);
    join(&here, &[&there, &yonder])?;
    let (mut own, mut again, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..bench.pairs.min(ROUNDS_MOST) {
        let folder = bench.folder.path().join("batch");
        fill(&folder, files, round as u64)?;
        let map = || {
            let mut map =
                here.command(&["map", "--stage", "--", "sh", "-c", "sha256sum \"$1\" >\"$2\"", "sh", "{}", "{.}.sum"]);
            map.arg(":::").args((0..files).map(|file| format!("{file}.bin"))).current_dir(&folder);
            seconds(map)
        };
        own.push(map()?);
        let sums = sums(&folder, files)?;
        again.push(map()?);
        let mut parallel = Command::new("parallel");
        parallel.args([
            "--will-cite",
            "-S",
            "1/:,1/127.0.0.1,1/127.0.0.2",
            "--transferfile",
            "{}",
            "--return",
            "{.}.sum",
        ]);
        parallel.args(["--cleanup", "sha256sum {} >{.}.sum", ":::"]).args((0..files).map(|file| format!("{file}.bin")));
        parallel.current_dir(&folder).env("PARALLEL_SSH", &server.client).env("RSYNC_RSH", &server.client);
        theirs.push(seconds(parallel)?);
        if self::sums(&folder, files)? != sums {
            return Err("the two came to other sums".to_string());
        }
    }
    let speed = |seconds: &[f64]| seconds.iter().map(|seconds| 1.0 / seconds).collect::<Vec<f64>>();
    let words =
        "speed of 1,000 files of 1 MiB hashed over three nodes, against `parallel -S … --transferfile --return`";
    sheet.ratio(words, &speed(&own), &speed(&theirs), Goal::Least(3.0));
    sheet.ratio("the same batch again: what a node has is not sent again", &speed(&again), &speed(&own), Goal::None);
    Ok(())
}

/// Files that no earlier round had.
fn fill(folder: &Path, files: usize, round: u64) -> Result<(), String> {
    let _earlier = std::fs::remove_dir_all(folder);
    std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut state = round.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = vec![0; BYTES];
    for file in 0..files {
        for word in bytes.chunks_exact_mut(8) {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            word.copy_from_slice(&(state ^ state >> 29).to_le_bytes());
        }
        let path = folder.join(format!("{file}.bin"));
        std::fs::write(&path, &bytes).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

/// What all tasks made; each is removed.
fn sums(folder: &Path, files: usize) -> Result<String, String> {
    let mut all = String::new();
    for file in 0..files {
        let path = folder.join(format!("{file}.sum"));
        all.push_str(&std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?);
        std::fs::remove_file(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(all)
}
