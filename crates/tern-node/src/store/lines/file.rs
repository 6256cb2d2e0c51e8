//! A file of lines with an end: when it is long it becomes `NAME.old`, in the place of the one before.
//!
//! What is added waits until it is handed to the system, at the latest when the agent ends. A line that was torn, by a full disk or a
//! machine that lost its power, ends where the next begins; on a disk without room a bounded part waits in memory.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Bytes that wait for a disk without room; more are lost.
const PENDING_BYTES_MAX: usize = 1 << 20;

#[derive(Debug)]
pub struct LineFile {
    path: PathBuf,
    /// Bytes of one file.
    most: u64,
    file: Option<File>,
    bytes: u64,
    pending: Vec<u8>,
    /// So many bytes of what waits are the first line of a file.
    head: usize,
}

impl LineFile {
    pub const fn new(path: PathBuf, most: u64) -> Self {
        Self { path, most, file: None, bytes: 0, pending: Vec::new(), head: 0 }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the file goes when it is long.
    pub fn old(path: &Path) -> PathBuf {
        path.with_extension("old")
    }

    /// Bytes that wait.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Writes it as a line with the next [`Self::flush`]. What has no form in JSON is left out.
    pub fn add(&mut self, line: &impl serde::Serialize) {
        let before = self.pending.len();
        match serde_json::to_writer(&mut self.pending, line) {
            Ok(()) => self.pending.push(b'\n'),
            Err(_) => self.pending.truncate(before),
        }
    }

    /// Hands what was added to the system. Where a file begins, `first` is put before all else.
    ///
    /// # Errors
    /// The system's. What was not written waits for the next time, as far as there is room for it.
    pub fn flush(&mut self, first: impl FnOnce() -> Vec<u8>) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let written = self.write(first);
        if written.is_err() {
            // What stands there of the last line is torn.
            self.file = None;
            if self.pending.len() > PENDING_BYTES_MAX {
                self.pending.clear();
                self.head = 0;
            }
        }
        written
    }

    fn write(&mut self, first: impl FnOnce() -> Vec<u8>) -> io::Result<()> {
        if self.bytes > 0 && self.bytes + self.pending.len() as u64 > self.most {
            self.file = None;
            match fs::rename(&self.path, Self::old(&self.path)) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => self.bytes = 0,
            }
        }
        // Somebody may have removed it, or put another in its place.
        let there = fs::metadata(&self.path).ok().map(|meta| meta.ino());
        if there != self.file.as_ref().and_then(|file| file.metadata().ok()).map(|meta| meta.ino()) {
            self.file = None;
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&self.path)?;
                self.bytes = end_torn_line(&mut file)?;
                // It may still wait from a time when the disk had no room for it.
                if self.bytes == 0 && self.head == 0 {
                    let first = first();
                    self.head = first.len();
                    self.pending.splice(0..0, first);
                }
                none.insert(file)
            }
        };
        let mut done = 0;
        let mut written = Ok(());
        while written.is_ok() && done < self.pending.len() {
            match file.write(&self.pending[done..]) {
                Ok(0) => written = Err(ErrorKind::WriteZero.into()),
                Ok(bytes) => done += bytes,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => written = Err(error),
            }
        }
        self.bytes += done as u64;
        // Whole lines are there, and must not come twice.
        let whole = self.pending[..done].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.pending.drain(..whole);
        self.head = self.head.saturating_sub(whole);
        written
    }
}

/// A line that was torn ends here, and not with the next. Returns how long the file is.
fn end_torn_line(file: &mut File) -> io::Result<u64> {
    let bytes = file.metadata()?.len();
    let mut last = [b'\n'];
    if bytes > 0 {
        file.seek(SeekFrom::End(-1)).and_then(|_| file.read_exact(&mut last))?;
    }
    if last != *b"\n" {
        file.write_all(b"\n")?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn lines(path: &Path) -> Vec<String> {
        fs::read_to_string(path).expect("text").lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_full_disk_doubles_no_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("lines");
        let mut file = LineFile::new(path.clone(), 1 << 20);
        symlink("/dev/full", &path).expect("a disk without room");
        for line in 1..=3 {
            file.add(&line);
            let error = file.flush(|| b"first\n".to_vec()).expect_err("it is full");
            assert_eq!(error.kind(), ErrorKind::StorageFull);
        }
        fs::remove_file(&path).expect("it goes");
        file.flush(|| b"first\n".to_vec()).expect("there is room");
        assert_eq!((lines(&path), file.pending()), (vec!["first".into(), "1".into(), "2".into(), "3".into()], 0));
        // Once written it is a file's first line again, and no other's.
        file.add(&4);
        file.flush(|| panic!("the file is not new")).expect("there is room");
        fs::remove_file(&path).expect("it goes");
        file.add(&5);
        file.flush(|| b"first\n".to_vec()).expect("there is room");
        assert_eq!(lines(&path), ["first", "5"]);
    }
}
