//! The committer: makes ends durable in batches, output first, then tells the agent. Checkpoints that they name are so already.
//!
//! A full disk loses nothing: what could not be written stays in memory (no more than was running, since nothing
//! starts any more) and is tried again until there is room.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use nix::sys::statvfs::statvfs;
use nix::unistd::geteuid;
use tern_core::promise::{Exit, Outcome, Output};

use super::hub::{Duty, Ended, Hub, Mail};
use crate::home::Home;
use crate::store::segment::{Position, SegmentWriter};

/// Below this the disk counts as full: an outcome must always find room.
const ROOM_MIN: u64 = 1 << 20;
/// Above this a full disk has room again; more than [`ROOM_MIN`], or it would flap.
const ROOM_AGAIN: u64 = 2 << 20;
const RETRY: Duration = Duration::from_millis(500);
/// Tries before a warden that is to exit gives up on a full disk; the attempts then run again.
const TRIES_WHEN_CLOSING: u32 = 20;

/// Bytes that this user may still write under the state folder.
pub fn room(home: &Home) -> u64 {
    let Ok(stat) = statvfs(home.path()) else { return u64::MAX };
    let blocks = if geteuid().is_root() { stat.blocks_free() } else { stat.blocks_available() };
    blocks.saturating_mul(stat.fragment_size())
}

/// Whether the disk is full now.
pub fn is_full(home: &Home) -> bool {
    room(home) < ROOM_MIN
}

/// The committer's life.
pub fn run(hub: &Hub, mut writer: SegmentWriter) {
    loop {
        match hub.duty() {
            Duty::Stop => return,
            Duty::Look => look(hub),
            Duty::Commit(mut batch) => {
                void_what_is_lost(hub, &mut batch);
                let Some(at) = commit(hub, &mut writer, &batch) else { return hub.give_up() };
                hub.durable(&batch, at);
                look(hub);
            }
        }
    }
}

fn look(hub: &Hub) {
    let room = room(&hub.home);
    if room < ROOM_MIN {
        hub.set_full(true);
    } else if room >= ROOM_AGAIN {
        hub.set_full(false);
    }
}

fn commit(hub: &Hub, writer: &mut SegmentWriter, batch: &[Ended]) -> Option<Position> {
    let outcomes: Vec<_> = batch.iter().map(|ended| ended.outcome).collect();
    let mut tries = 0;
    loop {
        match writer.append(&outcomes) {
            Ok(at) => return Some(at),
            Err(error) => {
                if tries == 0 {
                    eprintln!("tern warden: results cannot be written, nothing starts until they can: {error}");
                }
                hub.set_full(true);
            }
        }
        tries += 1;
        if tries >= TRIES_WHEN_CLOSING && hub.is_closing() {
            return None;
        }
        thread::sleep(RETRY);
    }
}

/// Makes output durable. Where the disk lost it, the attempt does not count and runs again, with new files.
fn void_what_is_lost(hub: &Hub, batch: &mut [Ended]) {
    for ended in batch {
        let attempt = ended.outcome.attempt;
        let Some(pair) = &ended.outputs else { continue };
        if let Err(error) = pair.sync(&hub.home) {
            eprintln!(
                "tern warden: the output of {}.{} was lost by the disk, and it runs again: {error}",
                attempt.job,
                attempt.task + 1
            );
            hub.mail(&Mail::Retire(Arc::new(vec![pair.number])));
            let none = Output::default();
            ended.outcome = Outcome { exit: Exit::Void, stdout: none, stderr: none, ..ended.outcome };
        }
    }
}
