//! What may go when jobs are forgotten.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use tern_core::words::JobId;

use super::super::segment::{Lane, numbers};
use super::super::{StoreError, job};
use super::summary::{path_of, segments, summary};
use crate::home::{FROM_PEERS, Home};
use crate::process::inflight;

/// Numbers of output files removed at a time, so that nobody waits for it.
const REMOVED_MAX: usize = 1024;

/// Files that hold nothing of any job that lives, for the warden to drop. What the agent itself wrote is gone already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Garbage {
    pub segments: Vec<u32>,
    /// Numbers of pairs in `out/`. The warden must pass over those that a slot has open.
    pub outputs: Vec<u32>,
    /// The agent's own files were too many for one call.
    pub more: bool,
}

/// Looks through all segments; `knows` says whether a job lives, `holds` whether records that are not in a segment yet may point to an
/// output file of the agent's. A job that was put aside for its damaged rows lives.
/// The newest segment of each lane always stays, so that numbers are never used twice.
///
/// # Errors
/// [`StoreError::Io`]; then nothing was removed.
pub fn garbage(home: &Home, knows: impl Fn(JobId) -> bool, holds: impl Fn(u32) -> bool) -> Result<Garbage, StoreError> {
    // Files are listed before segments are read: one that is newer than this list is not looked at.
    let mut outputs = output_numbers(&home.outputs())?;
    outputs.extend(output_numbers(&home.peer_outputs())?);
    let in_use = in_use(home)?;
    let mut dead = Vec::new();
    for (number, finished) in segments(home)? {
        // Of a segment that cannot be read nobody knows what it held: it stays, and so do all outputs.
        let Some(found) = summary(home, number, finished)? else { return Ok(Garbage::default()) };
        let mut lives = false;
        for (id, files) in &found.jobs {
            if knows(*id) || job::is_aside(home, *id) {
                lives = true;
                outputs.retain(|output| !files.contains(output));
            }
        }
        if finished && !lives {
            dead.push(number);
        }
    }
    outputs.retain(|number| !in_use.contains(number));
    let own = outputs.split_off(&FROM_PEERS);
    let newest = own.last().copied();
    let mut own = own.into_iter().filter(|number| Some(*number) != newest && !holds(*number));
    for number in own.by_ref().take(REMOVED_MAX) {
        remove(&home.stdout(number))?;
        remove(&home.stderr(number))?;
    }
    let more = own.next().is_some();
    let (agents, wardens): (Vec<u32>, Vec<u32>) = dead.into_iter().partition(|number| Lane::of(*number) == Lane::Agent);
    for number in agents {
        remove(&home.segment(number))?;
    }
    sweep_summaries(home)?;
    Ok(Garbage { segments: wardens, outputs: outputs.into_iter().collect(), more })
}

/// Output files of attempts whose end is not durable yet.
fn in_use(home: &Home) -> Result<BTreeSet<u32>, StoreError> {
    let rows = inflight::read(home).map_err(StoreError::io("cannot be read", &home.inflight()))?;
    Ok(rows.into_iter().map(|row| row.file).collect())
}

fn output_numbers(folder: &Path) -> Result<BTreeSet<u32>, StoreError> {
    match fs::read_dir(folder) {
        Ok(entries) => {
            Ok(entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.split_once('.')?.0.parse().ok()).collect())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeSet::new()),
        Err(error) => Err(StoreError::io("cannot be read", folder)(error)),
    }
}

/// Summaries of segments that the warden dropped.
fn sweep_summaries(home: &Home) -> Result<(), StoreError> {
    let folder = home.segments();
    let mut live = BTreeSet::new();
    for lane in [Lane::Warden, Lane::Agent] {
        live.extend(numbers(home, lane)?);
    }
    let Ok(entries) = fs::read_dir(&folder) else { return Ok(()) };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".jobs")?.parse().ok());
        if number.is_some_and(|number: u32| !live.contains(&number)) {
            remove(&path_of(home, number.unwrap_or_default()))?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(StoreError::io("cannot be removed", path)(error))
        }
        _ => Ok(()),
    }
}
