//! Where tasks may run and what travels with them: the options that `map`, `run` and `submit` have in common.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use tern_core::words::{Bytes, Discipline};
use tern_node::control::api::{NeedsRequest, SubmitRequest};

#[derive(Debug, Clone, Default, Args)]
pub struct TravelArgs {
    /// Other nodes may run tasks too; without this, or one of the next options, they stay here, where their files and environment are
    #[arg(long)]
    pub share: bool,
    /// Share, and let files travel: arguments that are names of files go along, and what a task makes or changes comes back
    #[arg(long)]
    pub stage: bool,
    /// Share, and take this file or folder along (with places as in the command)
    #[arg(long = "in", value_name = "NAME")]
    pub input: Vec<OsString>,
    /// Share, and bring this file or folder back; nothing else comes back then
    #[arg(long = "out", value_name = "NAME")]
    pub output: Vec<OsString>,
    /// Run on these nodes only
    #[arg(long, value_name = "NODE")]
    pub on: Vec<String>,
    /// Run on none of these nodes
    #[arg(long, value_name = "NODE")]
    pub not_on: Vec<String>,
    /// Run in this zone, or in one within it
    #[arg(long, value_name = "ZONE")]
    pub zone: Option<String>,
    /// CPUs that each task takes
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub cpus: Option<u16>,
    /// Memory that each task takes: 512M, 4G
    #[arg(long, value_name = "SIZE", value_parser = mebibytes)]
    pub mem: Option<u32>,
    /// Graphics processors that each task takes and no other has meanwhile
    #[arg(long, value_name = "N")]
    pub gpus: Option<u8>,
    /// Run on processors of this architecture only: x86_64, aarch64
    #[arg(long, value_name = "ARCH")]
    pub arch: Option<String>,
    /// The order in which tasks start: fifo, interactive (short and long-waiting ones first), batch (longest first), deadline
    #[arg(long, value_name = "ORDER", value_parser = lane)]
    pub lane: Option<Discipline>,
    /// How order and sharing are chosen: adaptive (by measured lengths, deadline and cost of travelling; `tern explain` says why), or an order as in --lane
    #[arg(long, value_name = "STRATEGY", value_parser = strategy, conflicts_with = "lane")]
    pub strategy: Option<Strategy>,
    /// When all should be over, from now: 10m, 2h
    #[arg(long, value_name = "TIME", value_parser = crate::cli::tree::duration)]
    pub deadline: Option<Duration>,
    /// Start no second copy of a task that is only slow. One whose node is lost runs again, and what it had begun may still run there
    #[arg(long)]
    pub exclusive: bool,
    /// Begin when there is nothing else to do: on idle nodes, while more nodes are idle than overloaded
    #[arg(long)]
    pub defer: bool,
    /// Tasks leave checkpoints: on TERM they write all they need into $TERN_CHECKPOINT_DIR and exit with 85, to go on from there
    #[arg(long)]
    pub checkpoint: bool,
    /// How long a task has for its checkpoint before KILL [default: 30s]
    #[arg(long, value_name = "TIME", requires = "checkpoint", value_parser = crate::cli::tree::duration)]
    pub grace: Option<Duration>,
    /// Running a task again does no harm, even if its first run had begun
    #[arg(long)]
    pub idempotent: bool,
}

impl TravelArgs {
    /// Whether other nodes may run the tasks.
    pub fn shares(&self) -> bool {
        let files = self.stage || !self.input.is_empty() || !self.output.is_empty();
        self.share || files || !self.on.is_empty() || !self.not_on.is_empty() || self.zone.is_some()
    }

    /// Writes it into a request. `lane`: the order where none is named.
    pub fn apply(&self, request: &mut SubmitRequest, lane: Discipline) {
        let bytes = |names: &[OsString]| names.iter().map(|name| Bytes::from(name.as_bytes())).collect();
        request.local_only = !self.shares();
        request.stage = self.stage;
        request.inputs = bytes(&self.input);
        request.outputs = bytes(&self.output);
        request.needs = NeedsRequest {
            on: self.on.clone(),
            not_on: self.not_on.clone(),
            zone: self.zone.clone().unwrap_or_default(),
            cpus: self.cpus.unwrap_or(0),
            memory_mib: self.mem.unwrap_or(0),
            gpus: self.gpus.unwrap_or(0),
            arch: self.arch.clone().unwrap_or_default(),
        };
        let named = self.deadline.map(|_| Discipline::Deadline);
        let strategy = match self.strategy {
            Some(Strategy::Order(order)) => Some(order),
            Some(Strategy::Adaptive) | None => None,
        };
        request.adaptive = self.strategy == Some(Strategy::Adaptive);
        request.lane = self.lane.or(strategy).or(named).unwrap_or(lane);
        request.deadline_ms = self.deadline.map(|after| {
            let due = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + after;
            u64::try_from(due.as_millis()).unwrap_or(u64::MAX)
        });
        request.exclusive = self.exclusive;
        request.deferred = self.defer;
        request.checkpoint = self.checkpoint;
        request.grace_ms = self.grace.map(|grace| u64::try_from(grace.as_millis()).unwrap_or(u64::MAX));
        request.idempotent = self.idempotent;
    }
}

/// Who chooses the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    Adaptive,
    Order(Discipline),
}

fn strategy(text: &str) -> Result<Strategy, String> {
    let order = || lane(text).map(Strategy::Order);
    if text == "adaptive" { Ok(Strategy::Adaptive) } else { order().map_err(|error| format!("adaptive, or {error}")) }
}

fn lane(text: &str) -> Result<Discipline, String> {
    match text {
        "fifo" => Ok(Discipline::Fifo),
        "interactive" => Ok(Discipline::Interactive),
        "batch" => Ok(Discipline::Batch),
        "deadline" => Ok(Discipline::Deadline),
        _ => Err("an order is fifo, interactive, batch or deadline".to_owned()),
    }
}

/// `512M`, `4G`, `1.5T`, or a number of MiB.
fn mebibytes(text: &str) -> Result<u32, String> {
    let wrong = || "a size looks like 512M, 4G or 1.5T".to_owned();
    let text = text.trim_end_matches(['B', 'b']).trim_end_matches('i');
    let (number, scale) = match text.char_indices().last() {
        Some((at, 'K' | 'k')) => (&text[..at], 1.0 / 1024.0),
        Some((at, 'M' | 'm')) => (&text[..at], 1.0),
        Some((at, 'G' | 'g')) => (&text[..at], 1024.0),
        Some((at, 'T' | 't')) => (&text[..at], 1024.0 * 1024.0),
        _ => (text, 1.0),
    };
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let size = (number * scale).ceil();
    if (1.0..=f64::from(u32::MAX)).contains(&size) { Ok(size as u32) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_units() {
        for (text, size) in [("512", 512), ("512M", 512), ("4G", 4096), ("4GiB", 4096), ("1.5T", 1_572_864), ("1k", 1)]
        {
            assert_eq!(mebibytes(text), Ok(size), "{text}");
        }
        for wrong in ["", "G", "-1G", "0", "1X", "1e40", "NaN"] {
            assert!(mebibytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn who_names_files_or_nodes_shares() {
        assert!(!TravelArgs { cpus: Some(2), ..TravelArgs::default() }.shares());
        assert!(TravelArgs { stage: true, ..TravelArgs::default() }.shares());
        assert!(TravelArgs { on: vec!["attic".to_owned()], ..TravelArgs::default() }.shares());
    }
}
