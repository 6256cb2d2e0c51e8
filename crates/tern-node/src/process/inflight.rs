//! The in-flight table: which attempts run now, in a file that outlives the warden.
//!
//! The warden notes an attempt before it spawns it, its process after, how it ended, and clears the row only when the
//! outcome is durable. Whoever comes after a warden that died can tell from it what may still be running, and what has
//! ended. The table is shared memory: writing a row costs no system call, and what was written survives a `kill -9` of
//! its writer (not a power cut, but then nothing runs any more).

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{MmapOptions, MmapRaw};
use tern_core::promise::{Exit, Outcome, Output};
use tern_core::words::limits::SLOTS_MAX;
use tern_core::words::{Attempt, Epoch, JobId};

use super::pidfd::Identity;
use crate::home::Home;

/// Rows of the table: every slot may run one attempt while the one before waits for the disk.
pub const ROWS_MAX: usize = 2 * SLOTS_MAX as usize;
const ROW_WORDS: usize = 24;
const HEADER_WORDS: usize = 512;
const MAGIC: u64 = u64::from_le_bytes(*b"TERNFLY2");
const TABLE_BYTES: usize = (HEADER_WORDS + ROWS_MAX * ROW_WORDS) * 8;

const FREE: u64 = 0;
const SPAWNING: u64 = 1;
const RUNNING_INODE: u64 = 2;
const RUNNING_START_TIME: u64 = 3;
const ENDED: u64 = 4;

/// One attempt that was started and whose outcome is not durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub attempt: Attempt,
    pub slot: u32,
    /// Unix milliseconds.
    pub started_ms: u64,
    /// CLOCK_MONOTONIC, nanoseconds.
    pub started_mono: u64,
    /// CLOCK_MONOTONIC, nanoseconds; `u64::MAX`: no time-out.
    pub deadline: u64,
    pub grace_ms: u32,
    /// The output file, and where in it this attempt's output begins.
    pub file: u32,
    pub stdout_at: u64,
    pub stderr_at: u64,
    /// None: its warden died between noting the attempt and noting the process.
    pub process: Option<(i32, Identity)>,
    /// How it ended, where it has.
    pub outcome: Option<Outcome>,
}

impl Row {
    /// What the attempt has written up to now.
    #[must_use]
    pub fn outputs(&self, home: &Home) -> (Output, Output) {
        let range = |path: std::path::PathBuf, offset: u64| Output {
            file: self.file,
            offset,
            len: std::fs::metadata(path).map_or(0, |meta| meta.len().saturating_sub(offset)),
        };
        (range(home.stdout(self.file), self.stdout_at), range(home.stderr(self.file), self.stderr_at))
    }
}

/// The table, mapped.
pub struct Table(MmapRaw);

impl Table {
    /// Opens the table of a state folder for writing, or makes an empty one. A file of another shape is replaced: it is
    /// of an older version, whose warden held another lock or is gone.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn open(home: &Home) -> io::Result<Self> {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(home.inflight())?;
        let mut magic = [0; 8];
        let known = file.read_at(&mut magic, 0)? == 8 && u64::from_le_bytes(magic) == MAGIC;
        if !known || file.metadata()?.len() != TABLE_BYTES as u64 {
            file.set_len(0)?;
            file.set_len(TABLE_BYTES as u64)?;
        }
        let table = Self(MmapOptions::new().len(TABLE_BYTES).map_raw(&file)?);
        table.word(0).store(MAGIC, Ordering::Relaxed);
        Ok(table)
    }

    #[expect(unsafe_code, clippy::cast_ptr_alignment, reason = "shared memory; a mapping begins at a page")]
    fn word(&self, index: usize) -> &AtomicU64 {
        debug_assert!(index < TABLE_BYTES / 8);
        // SAFETY: the mapping is TABLE_BYTES long, page-aligned, lives as long as `self`, and is only touched through
        // atomics, by this process and by readers of the same file.
        unsafe { &*self.0.as_mut_ptr().cast::<AtomicU64>().add(index) }
    }

    fn row_word(&self, row: usize, word: usize) -> &AtomicU64 {
        self.word(HEADER_WORDS + row * ROW_WORDS + word)
    }

    /// The boot under which the rows were written.
    #[must_use]
    pub fn boot(&self) -> [u8; 16] {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.word(1).load(Ordering::Relaxed).to_le_bytes());
        id[8..].copy_from_slice(&self.word(2).load(Ordering::Relaxed).to_le_bytes());
        id
    }

    pub fn set_boot(&self, id: [u8; 16]) {
        for (index, half) in id.chunks_exact(8).enumerate() {
            let half = half.iter().rev().fold(0u64, |word, byte| word << 8 | u64::from(*byte));
            self.word(1 + index).store(half, Ordering::Relaxed);
        }
    }

    /// The greatest number that an output file ever got.
    #[must_use]
    pub fn outputs_used(&self) -> u32 {
        self.word(3).load(Ordering::Relaxed) as u32
    }

    pub fn set_outputs_used(&self, number: u32) {
        self.word(3).store(u64::from(number), Ordering::Relaxed);
    }

    /// From now on rows below `count` may be in use.
    pub fn set_rows_used(&self, count: usize) {
        self.word(4).store(count as u64, Ordering::Relaxed);
    }

    /// Notes an attempt; its process follows by [`Table::started`].
    pub fn starting(&self, index: usize, row: &Row) {
        let Attempt { job, task, round, epoch, n } = row.attempt;
        let words = [
            job.0,
            u64::from(task) | u64::from(round) << 32,
            u64::from(epoch.counter) | u64::from(epoch.keeper) << 32,
            epoch.incarnation,
            u64::from(n) | u64::from(row.slot) << 32,
            row.started_ms,
            row.started_mono,
            row.deadline,
            u64::from(row.grace_ms) | u64::from(row.file) << 32,
            row.stdout_at,
            row.stderr_at,
            0,
            0,
        ];
        for (offset, word) in words.into_iter().enumerate() {
            self.row_word(index, 1 + offset).store(word, Ordering::Relaxed);
        }
        self.row_word(index, 0).store(SPAWNING, Ordering::Release);
    }

    /// Notes the process of an attempt.
    pub fn started(&self, index: usize, pid: i32, identity: Identity) {
        let (state, identity) = match identity {
            Identity::Inode(inode) => (RUNNING_INODE, inode),
            Identity::StartTime(ticks) => (RUNNING_START_TIME, ticks),
        };
        self.row_word(index, 12).store(u64::from(pid.unsigned_abs()), Ordering::Relaxed);
        self.row_word(index, 13).store(identity, Ordering::Relaxed);
        self.row_word(index, 0).store(state, Ordering::Release);
    }

    /// Notes how a noted attempt ended: that it is not durable yet is no reason to run it again.
    pub fn ended(&self, index: usize, outcome: &Outcome) {
        let words = [
            u64::from(exit_word(outcome.exit)) | u64::from(outcome.ran_on) << 32,
            outcome.ran_ns,
            outcome.cpu_us,
            u64::from(outcome.rss_kib),
            outcome.stdout.len,
            outcome.stderr.len,
        ];
        for (offset, word) in words.into_iter().enumerate() {
            self.row_word(index, 14 + offset).store(word, Ordering::Relaxed);
        }
        self.row_word(index, 0).store(ENDED, Ordering::Release);
    }

    /// The attempt's outcome is durable.
    pub fn clear(&self, index: usize) {
        self.row_word(index, 0).store(FREE, Ordering::Release);
    }

    /// What stands in a row, or none where it is free.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Row> {
        let state = self.row_word(index, 0).load(Ordering::Acquire);
        if state == FREE {
            return None;
        }
        let word = |offset: usize| self.row_word(index, offset).load(Ordering::Relaxed);
        let (low, high) = (|offset: usize| word(offset) as u32, |offset: usize| (word(offset) >> 32) as u32);
        let identity = match state {
            RUNNING_INODE => Some(Identity::Inode(word(13))),
            RUNNING_START_TIME => Some(Identity::StartTime(word(13))),
            _ => None,
        };
        let attempt = Attempt {
            job: JobId(word(1)),
            task: low(2),
            round: high(2) as u16,
            epoch: Epoch { counter: low(3), keeper: high(3), incarnation: word(4) },
            n: low(5),
        };
        let output = |offset, len| Output { file: high(9), offset, len };
        let outcome = (state == ENDED).then(|| Outcome {
            attempt,
            exit: exit_of(low(14)),
            started_ms: word(6),
            ran_ns: word(15),
            cpu_us: word(16),
            rss_kib: word(17) as u32,
            ran_on: high(14),
            stdout: output(word(10), word(18)),
            stderr: output(word(11), word(19)),
        });
        Some(Row {
            attempt,
            slot: high(5),
            started_ms: word(6),
            started_mono: word(7),
            deadline: word(8),
            grace_ms: low(9),
            file: high(9),
            stdout_at: word(10),
            stderr_at: word(11),
            process: identity.map(|identity| (low(12) as i32, identity)),
            outcome,
        })
    }

    /// All rows that are not free, with their numbers. Rows that were never used are not looked at, which keeps their
    /// pages out of memory.
    pub fn rows(&self) -> impl Iterator<Item = (usize, Row)> + '_ {
        let used = (self.word(4).load(Ordering::Relaxed) as usize).min(ROWS_MAX);
        (0..used).filter_map(|index| Some((index, self.get(index)?)))
    }
}

fn exit_word(exit: Exit) -> u32 {
    match exit {
        Exit::Code(code) => u32::from(code),
        Exit::Signal(signal) => 1 << 8 | u32::from(signal),
        Exit::TimedOut => 2 << 8,
        Exit::Cancelled => 3 << 8,
        Exit::Void => 4 << 8,
        Exit::Checkpointed => 5 << 8,
    }
}

fn exit_of(word: u32) -> Exit {
    let value = word as u8;
    match word >> 8 {
        0 => Exit::Code(value),
        1 => Exit::Signal(value),
        2 => Exit::TimedOut,
        3 => Exit::Cancelled,
        5 => Exit::Checkpointed,
        // Also what no version writes: the task runs again.
        _ => Exit::Void,
    }
}

/// What runs now (or ran when the warden died), for those who show it. Rows are read while the warden writes them: a
/// row may be that of an attempt that has just ended.
///
/// # Errors
/// Those of the file system; a table that is not there is empty.
pub fn read(home: &Home) -> io::Result<Vec<Row>> {
    let file = match std::fs::File::open(home.inflight()) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    if file.metadata()?.len() != TABLE_BYTES as u64 {
        return Ok(Vec::new());
    }
    let table = Table(MmapOptions::new().len(TABLE_BYTES).map_raw_read_only(&file)?);
    Ok(table.rows().map(|(_, row)| row).collect())
}
