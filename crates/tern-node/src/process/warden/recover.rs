//! What an earlier warden left behind: adopted if it still runs, else reported as lost, to be run again. Never is there
//! a second copy of what still runs.
//!
//! The lock is ours by now, so nothing is half-way between the old warden and its program. An attempt whose outcome is
//! in a segment has ended, and one whose end stands in its row is written to a segment now. One that runs is adopted where the kernel will tell us how it ends although it is not our
//! child; where it will not, it is killed and awaited. What has ended without a trace of how is lost.

use std::collections::BTreeSet;
use std::io;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tern_core::promise::{Exit, Outcome};
use tern_core::words::Attempt;

use super::hub::Hub;
use super::stray;
use super::worker::Running;
use crate::home::Home;
use crate::process::inflight::{Row, Table};
use crate::process::pidfd::{Identity, Pidfd, boot_id, kernel_tells_status, start_time};
use crate::store::segment::{Block, Lane, SegmentError, SegmentReader, numbers};

/// How long to wait for a killed process before saying that it does not go.
const KILL_PATIENCE_MS: u16 = 10_000;

/// A task of an earlier warden that still runs.
pub struct Adopted {
    pub row: usize,
    pub noted: Row,
    pidfd: Pidfd,
}

impl Adopted {
    /// Opens its output files and makes it fit for a slot.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn follow(self, hub: &Hub) -> io::Result<Running> {
        let outputs = hub.numbers.adopt_pair(&hub.home, self.noted.file)?;
        Ok(Running::new(self.row, self.noted, self.pidfd, true, outputs, hub.full_times()))
    }
}

/// The result of a recovery.
pub struct Left {
    pub table: Table,
    pub adopted: Vec<Adopted>,
    /// By row: ended, and not durable yet.
    pub ended: Vec<(usize, Outcome)>,
    pub lost: Vec<Attempt>,
}

/// Deals with every row of the table. To be called with the lock held, after the newest segment's tail was put right and
/// before any thread is started.
///
/// # Errors
/// Those of the file system; an unreadable segment.
pub fn recover(home: &Home, adopt: bool) -> io::Result<Left> {
    let table = Table::open(home)?;
    let boot = boot_id()?;
    let mut rows: Vec<(usize, Row)> = table.rows().collect();
    let same_boot = table.boot() == boot;
    let known = if rows.is_empty() { BTreeSet::new() } else { ended_lately(home).map_err(io::Error::other)? };
    rows.retain(|(index, row)| {
        let open = !known.contains(&row.attempt);
        if !open {
            table.clear(*index);
        }
        open
    });
    // Of another boot: its output may never have reached the disk.
    let mut ended = Vec::new();
    rows.retain(|(index, row)| match row.outcome {
        Some(outcome) if same_boot && outcome.exit != Exit::Void => {
            ended.push((*index, outcome));
            false
        }
        _ => true,
    });
    let (adopted, lost) = if same_boot { sort_out(&table, rows, adopt) } else { (Vec::new(), rows) };
    if same_boot {
        stray::end_all(&lost.iter().map(|(_, row)| row.attempt).collect::<Vec<_>>());
    }
    for (index, _) in &lost {
        table.clear(*index);
    }
    table.set_boot(boot);
    let lost: Vec<Attempt> = lost.into_iter().map(|(_, row)| row.attempt).collect();
    if !lost.is_empty() || !adopted.is_empty() {
        eprintln!(
            "tern warden: an earlier warden died: {} of its tasks go on, {} are to be run again",
            adopted.len(),
            lost.len()
        );
    }
    Ok(Left { table, adopted, ended, lost })
}

/// Attempts with an outcome in the newest two segments: an attempt's row is cleared right after its outcome is written,
/// so it cannot stand further back.
fn ended_lately(home: &Home) -> Result<BTreeSet<Attempt>, SegmentError> {
    let mut ended = BTreeSet::new();
    for number in numbers(home, Lane::Warden)?.iter().rev().take(2) {
        let mut reader = SegmentReader::open(&home.segment(*number))?;
        while let Some(block) = reader.next_block()? {
            match block {
                Block::Outcomes { outcomes, .. } => ended.extend(outcomes.iter().map(|outcome| outcome.attempt)),
                Block::Corrupt { start, end } | Block::Torn { start, end } => {
                    eprintln!(
                        "tern warden: {}: bytes {start} to {end} are damaged; results in them are lost, their tasks run again",
                        home.segment(*number).display()
                    );
                }
            }
        }
    }
    Ok(ended)
}

/// Rows still open, with their numbers in the table.
type Rows = Vec<(usize, Row)>;

fn sort_out(table: &Table, mut rows: Rows, adopt: bool) -> (Vec<Adopted>, Rows) {
    find_unnoted(table, &mut rows);
    let adopt = adopt && !rows.is_empty() && kernel_tells_status();
    let (mut adopted, mut lost) = (Vec::new(), Vec::new());
    for (index, row) in rows {
        match row.process.and_then(|(pid, identity)| Pidfd::reopen(pid, identity)) {
            Some(pidfd) if adopt => adopted.push(Adopted { row: index, noted: row, pidfd }),
            Some(pidfd) => {
                end(&pidfd, &row);
                lost.push((index, row));
            }
            None => lost.push((index, row)),
        }
    }
    (adopted, lost)
}

/// Rows without a process: their warden died between the spawn and the note. The task's environment names its attempt.
fn find_unnoted(table: &Table, rows: &mut Rows) {
    let unnoted: Vec<Attempt> =
        rows.iter().filter(|(_, row)| row.process.is_none()).map(|(_, row)| row.attempt).collect();
    for (which, found) in stray::find(&unnoted) {
        let leader = found.leads_group().then_some(()).and_then(|()| {
            let pidfd = Pidfd::open(found.pid).ok()?;
            // Between the look at its environment and the pidfd the number may have passed to another.
            stray::runs(found.pid, &unnoted[which]).then_some(())?;
            Some(match pidfd.inode() {
                Some(inode) if pidfd.on_pidfs() => Identity::Inode(inode),
                _ => Identity::StartTime(start_time(found.pid)?),
            })
        });
        let Some(identity) = leader else { continue };
        if let Some((index, row)) = rows.iter_mut().find(|(_, row)| row.attempt == unnoted[which]) {
            row.process = Some((found.pid, identity));
            table.started(*index, found.pid, identity);
        }
    }
}

/// Kills the group of a leader that is there, and returns when the leader is not.
fn end(pidfd: &Pidfd, row: &Row) {
    if let Some((pid, _)) = row.process {
        // The leader is held by its pidfd, so the group is its own.
        let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
        let _ = pidfd.signal(libc::SIGKILL);
        while pidfd.wait(KILL_PATIENCE_MS) == Ok(false) {
            eprintln!(
                "tern warden: process {pid} was killed and does not go (waits for a device?); its task is not run again before"
            );
        }
    }
}
