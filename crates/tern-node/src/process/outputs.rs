//! Where a task's output goes: one pair of files a slot, appended to by one task after the other.
//!
//! A task's output is a byte range of them, so a million tasks do not make two million files, and nothing has to read
//! while a task writes. A pair is given up when it has grown beyond 64 MiB, or when something that a task left behind
//! could still write into it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use nix::unistd::{Whence, lseek};
use tern_core::promise::Output;

use super::inflight::Table;
use crate::home::Home;

/// At a task boundary a slot whose files are longer gets new ones.
pub const OUTPUT_FILE_BYTES_MAX: u64 = 64 << 20;

/// One output file.
pub struct OutFile {
    file: File,
    /// It got bytes that are not known to be durable.
    dirty: AtomicBool,
    /// An fsync failed. The kernel says so once and then takes the lost pages for clean: a second one would lie.
    spoilt: AtomicBool,
}

impl OutFile {
    fn open(path: &std::path::Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
        Ok(Self { file, dirty: AtomicBool::new(false), spoilt: AtomicBool::new(false) })
    }

    /// Its length. `lseek`, since it is the cheapest way to ask.
    #[must_use]
    pub fn end(&self) -> u64 {
        lseek(&self.file, 0, Whence::SeekEnd).map_or(0, |end| end.unsigned_abs())
    }

    /// What was written since `start`; marks the file to be made durable if anything was.
    pub fn range_since(&self, number: u32, start: u64) -> Output {
        let len = self.end().saturating_sub(start);
        if len == 0 {
            return Output::default();
        }
        self.dirty.store(true, Ordering::Relaxed);
        Output { file: number, offset: start, len }
    }

    fn sync(&self) -> io::Result<()> {
        if self.spoilt.load(Ordering::Relaxed) {
            return Err(io::Error::other("an earlier fsync of this file failed"));
        }
        if !self.dirty.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        self.file.sync_data().inspect_err(|_| self.spoilt.store(true, Ordering::Relaxed))
    }
}

impl AsFd for OutFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// The files of one slot.
pub struct Pair {
    pub number: u32,
    pub stdout: OutFile,
    pub stderr: OutFile,
    /// Its names in the folder are durable.
    named: AtomicBool,
}

impl Pair {
    fn open(home: &Home, number: u32) -> io::Result<Self> {
        let (stdout, stderr) = (OutFile::open(&home.stdout(number))?, OutFile::open(&home.stderr(number))?);
        Ok(Self { number, stdout, stderr, named: AtomicBool::new(false) })
    }

    /// Tells the user of this task something, on its standard error.
    pub fn complain(&self, text: &str) {
        // A full disk is noticed by the committer; there is no better place to say it.
        let _ = (&self.stderr.file).write_all(format!("tern: {text}\n").as_bytes());
    }

    /// Makes durable what outcomes point to.
    ///
    /// # Errors
    /// Those of the disk. Nothing in this pair that is not durable yet can be trusted from then on.
    pub fn sync(&self, home: &Home) -> io::Result<()> {
        self.stdout.sync()?;
        self.stderr.sync()?;
        if !self.named.load(Ordering::Relaxed) {
            match File::open(home.outputs()) {
                Ok(folder) => folder.sync_all()?,
                // A private run that is over was removed: nobody will look for its files.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            self.named.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    #[must_use]
    pub fn is_long(&self, stdout_end: u64, stderr_end: u64) -> bool {
        stdout_end.max(stderr_end) > OUTPUT_FILE_BYTES_MAX
    }

    /// Removes the pair where it never got a byte.
    pub fn discard_if_empty(&self, home: &Home) {
        if self.stdout.end() == 0 && self.stderr.end() == 0 {
            // Whoever still holds it writes into nothing; nobody was promised that output.
            let _ = fs::remove_file(home.stdout(self.number));
            let _ = fs::remove_file(home.stderr(self.number));
        }
    }

    #[must_use]
    pub fn descriptors(&self) -> (i32, i32) {
        (self.stdout.file.as_raw_fd(), self.stderr.file.as_raw_fd())
    }
}

/// Gives out numbers, none twice though files come and go, and knows which pairs are in use.
pub struct Numbers {
    last: AtomicU32,
    /// Pairs that a slot, a running task or an end that is not durable may still need.
    live: Mutex<Vec<Weak<Pair>>>,
}

impl Numbers {
    /// Goes on after the greatest number in the folder and after the greatest that the table remembers.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn open(home: &Home, table: &Table) -> io::Result<Self> {
        crate::home::make_folder(home.outputs())?;
        let mut last = table.outputs_used();
        for entry in fs::read_dir(home.outputs())? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.split_once('.')?.0.parse::<u32>().ok());
            last = last.max(number.unwrap_or(0));
        }
        Ok(Self { last: AtomicU32::new(last), live: Mutex::default() })
    }

    /// A new pair, empty.
    ///
    /// # Errors
    /// Those of the file system, `ENOSPC` and `EMFILE` among them.
    pub fn new_pair(&self, home: &Home, table: &Table) -> io::Result<Arc<Pair>> {
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        // Two workers may store in either order; the greater is found by the folder scan in any case.
        table.set_outputs_used(number.max(table.outputs_used()));
        self.adopt_pair(home, number)
    }

    /// The pair that an earlier warden made, to follow a task that still writes to it.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn adopt_pair(&self, home: &Home, number: u32) -> io::Result<Arc<Pair>> {
        let pair = Arc::new(Pair::open(home, number)?);
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.retain(|pair| pair.strong_count() > 0);
        live.push(Arc::downgrade(&pair));
        Ok(pair)
    }

    /// Removes those of these files that nothing needs here; the others are returned.
    pub fn remove(&self, home: &Home, numbers: &[u32]) -> Vec<u32> {
        let live: Vec<u32> = {
            let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
            live.iter().filter_map(|pair| Some(pair.upgrade()?.number)).collect()
        };
        let (needed, free): (Vec<u32>, Vec<u32>) = numbers.iter().partition(|number| live.contains(number));
        for number in free {
            // Gone already, or not removable: either way nothing depends on it.
            let _ = fs::remove_file(home.stdout(number));
            let _ = fs::remove_file(home.stderr(number));
        }
        needed
    }
}
