//! The journal's file as redb sees it.
//!
//! Three things that a plain file does not give: a look at an existing journal that changes nothing on the disk until the
//! look was good; a new journal that costs no fsync before its first commit; and an end without a last write, so that a
//! stop and a crash leave the same file and recovery is the only way in.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

/// What happens to writes.
#[derive(Debug)]
enum Mode {
    /// Writes are remembered in order and read back; the file stays as it is.
    Probe {
        len: u64,
        log: Vec<Op>,
    },
    /// Writes reach the file, fsyncs do not: the file is not the journal yet.
    Fresh,
    Live,
    /// Nothing reaches the file any more.
    Ended,
}

#[derive(Debug)]
enum Op {
    Write(u64, Vec<u8>),
    Length(u64),
    Sync,
}

#[derive(Debug)]
struct Inner {
    file: File,
    mode: Mutex<Mode>,
    sync_failed: AtomicBool,
}

/// Shared between redb, which owns one, and the journal, which steers it.
#[derive(Clone, Debug)]
pub struct Backend(Arc<Inner>);

impl Backend {
    pub fn probe(file: File) -> io::Result<Self> {
        let len = file.metadata()?.len();
        Ok(Self::with(file, Mode::Probe { len, log: Vec::new() }))
    }

    pub fn fresh(file: File) -> Self {
        Self::with(file, Mode::Fresh)
    }

    fn with(file: File, mode: Mode) -> Self {
        Self(Arc::new(Inner { file, mode: Mutex::new(mode), sync_failed: AtomicBool::new(false) }))
    }

    fn mode(&self) -> MutexGuard<'_, Mode> {
        // A panic inside redb must not become ours: the mode is one word and always whole.
        self.0.mode.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on writes reach the file; those of a probe are carried out first, in their order, fsyncs included.
    pub fn go_live(&self) -> io::Result<()> {
        let mut mode = self.mode();
        if let Mode::Probe { log, .. } = &mut *mode {
            for op in std::mem::take(log) {
                match op {
                    Op::Write(offset, data) => self.0.file.write_all_at(&data, offset)?,
                    Op::Length(len) => self.0.file.set_len(len)?,
                    Op::Sync => self.sync()?,
                }
            }
        }
        *mode = Mode::Live;
        Ok(())
    }

    /// From now on nothing reaches the file.
    pub fn end(&self) {
        *self.mode() = Mode::Ended;
    }

    /// Whether an fsync failed: then the page cache may differ from the disk, and nothing is to be built on it.
    pub fn sync_failed(&self) -> bool {
        self.0.sync_failed.load(Ordering::Relaxed)
    }

    pub fn sync(&self) -> io::Result<()> {
        self.0.file.sync_data().inspect_err(|_| self.0.sync_failed.store(true, Ordering::Relaxed))
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        match &*self.mode() {
            Mode::Probe { len, .. } => Ok(*len),
            _ => Ok(self.0.file.metadata()?.len()),
        }
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mode = self.mode();
        let Mode::Probe { len, log } = &*mode else { return self.0.file.read_exact_at(out, offset) };
        if offset.checked_add(out.len() as u64).is_none_or(|end| end > *len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        read_padded(&self.0.file, offset, out)?;
        for op in log {
            match op {
                Op::Write(at, data) => overlay(offset, out, *at, data),
                Op::Length(cut) => {
                    let keep = usize::try_from(cut.saturating_sub(offset)).unwrap_or(usize::MAX).min(out.len());
                    out[keep..].fill(0);
                }
                Op::Sync => {}
            }
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        match &mut *self.mode() {
            Mode::Probe { len: known, log } => {
                *known = len;
                log.push(Op::Length(len));
                Ok(())
            }
            Mode::Fresh | Mode::Live => self.0.file.set_len(len),
            Mode::Ended => Ok(()),
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        match &mut *self.mode() {
            Mode::Probe { log, .. } => log.push(Op::Sync),
            Mode::Fresh | Mode::Ended => {}
            Mode::Live => return self.sync(),
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        match &mut *self.mode() {
            Mode::Probe { log, .. } => {
                log.push(Op::Write(offset, data.to_vec()));
                Ok(())
            }
            Mode::Fresh | Mode::Live => self.0.file.write_all_at(data, offset),
            Mode::Ended => Ok(()),
        }
    }
}

/// Reads; what lies behind the end of the file is zero (a probe may have lengthened it).
fn read_padded(file: &File, offset: u64, out: &mut [u8]) -> io::Result<()> {
    let mut done = 0;
    while done < out.len() {
        match file.read_at(&mut out[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    out[done..].fill(0);
    Ok(())
}

/// Copies the part of `data`, which stands at `at`, that falls into `out`, which stands at `offset`.
fn overlay(offset: u64, out: &mut [u8], at: u64, data: &[u8]) {
    let start = offset.max(at);
    let end = (offset + out.len() as u64).min(at + data.len() as u64);
    if start < end {
        let (from, to) = ((start - at) as usize, (end - at) as usize);
        out[(start - offset) as usize..(end - offset) as usize].copy_from_slice(&data[from..to]);
    }
}
