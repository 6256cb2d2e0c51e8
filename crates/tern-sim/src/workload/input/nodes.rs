//! Machines as a list: `cores,speed,zone,memory_mib,bandwidth_mbit,owner`; only the first is needed.
//!
//! A zone is any word; machines with the same one are near each other.
//! `owner` says from when on the owner uses how many cores: `60:4;90:0` is four cores from second 60 to 90.

use super::NODES_MAX;
use super::lines::{Refused, Row, SECONDS_MAX, number, rows};
use crate::workload::model::NodeSpec;

/// Where a list names no bandwidth, in megabits a second.
const BANDWIDTH: f64 = 1_000.0;
/// Bytes of a megabit.
const MEGABIT: f64 = 125_000.0;
/// Cores of one machine.
const CORES_MAX: f64 = 4096.0;

/// Reads machines.
///
/// # Errors
/// The first line that is not understood.
pub fn nodes(file: &str, text: &str) -> Result<Vec<NodeSpec>, Refused> {
    let (mut nodes, mut zones) = (Vec::new(), Vec::new());
    rows(file, text, &["cores", "speed", "zone", "memory_mib", "bandwidth_mbit", "owner"], |row| {
        if nodes.len() >= NODES_MAX {
            return Err(Refused::at(file, row.line, &format!("more than {NODES_MAX} machines")));
        }
        nodes.push(node(row, &mut zones)?);
        Ok(())
    })?;
    Ok(nodes)
}

/// `zones`: the names that were met before, in the order of their numbers.
fn node(row: &Row<'_>, zones: &mut Vec<String>) -> Result<NodeSpec, Refused> {
    let cores = row.wanted("cores")?;
    if cores.fract() != 0.0 || !(1.0..=CORES_MAX).contains(&cores) {
        return Err(row.refuse("cores", &format!("{cores} is no number of cores from 1 to {CORES_MAX}")));
    }
    let speed = row.number("speed")?.unwrap_or(1.0);
    if !(0.001..=20.0).contains(&speed) {
        return Err(row.refuse("speed", &format!("{speed} is not between 0.001 and 20 times the reference")));
    }
    let bandwidth = row.number("bandwidth_mbit")?.unwrap_or(BANDWIDTH) * MEGABIT;
    if bandwidth < 1.0 {
        return Err(row.refuse("bandwidth_mbit", "is below one byte a second"));
    }
    let memory_mib = row.whole("memory_mib")?;
    let name = row.text("zone");
    let zone = zones.iter().position(|known| known == name).unwrap_or_else(|| {
        zones.push(name.to_owned());
        zones.len() - 1
    }) as u32;
    Ok(NodeSpec { cores: cores as u32, speed, zone, memory_mib, bandwidth, owner: owner(row, cores)? })
}

fn owner(row: &Row<'_>, cores: f64) -> Result<Vec<(f64, f64)>, Refused> {
    let mut trace: Vec<(f64, f64)> = Vec::new();
    for part in row.text("owner").split(';').filter(|part| !part.trim().is_empty()) {
        let pair = part
            .split_once(':')
            .and_then(|(at, used)| Some((number(at).filter(|at| *at <= SECONDS_MAX)?, number(used)?)));
        let (at, used) = pair.ok_or_else(|| row.refuse("owner", &format!("{part} is not second:cores")))?;
        if trace.last().is_some_and(|(before, _)| at <= *before) {
            return Err(row.refuse("owner", &format!("{part} is not after what stands before it")));
        }
        if used > cores {
            return Err(row.refuse("owner", &format!("{used} of {cores} cores")));
        }
        trace.push((at, used));
    }
    Ok(trace)
}
