//! The file in which a node keeps how long tasks took, so that it need not learn it again.
//!
//! ```text
//! history = magic (8), version (2), zero (2), CRC-32 of version and body (4), body
//! ```
//! It is replaced whole, by rename and without an fsync: it holds experience and no promise, and a checksum tells what became
//! whole. What is damaged, or of another format, is set aside as `history.refused` and the node begins anew.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tern_core::observe::Remembered;
use tern_core::words::limits::{HISTORY_COMMANDS_MAX, HISTORY_TASKS_MAX};

const MAGIC: [u8; 8] = *b"TERNHIST";
const VERSION: u16 = 1;
const HEAD_BYTES: usize = 16;
/// A key of 10 bytes at most, two counts of 5, three numbers of 4.
const ENTRY_BYTES_MAX: usize = 32;
/// Writing takes milliseconds: who began so long ago was killed.
const HALF_OLD: Duration = Duration::from_secs(60);
const FILE_BYTES_MAX: usize = HEAD_BYTES + 20 + ENTRY_BYTES_MAX * (HISTORY_COMMANDS_MAX + HISTORY_TASKS_MAX);

/// What the file says; nothing where there is none. The error is a note for people: the file was set aside, or cannot be read.
///
/// # Errors
/// See above.
pub fn read(path: &Path) -> Result<Option<Remembered>, String> {
    let bytes = match whole(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("{}: cannot be read: {error}; run times are learnt anew", path.display())),
        Ok(bytes) => bytes,
    };
    parse(&bytes).map(Some).map_err(|why| {
        let aside = path.with_extension("refused");
        let went = fs::rename(path, &aside);
        let went =
            went.map_or_else(|error| format!("it stays there ({error})"), |()| format!("now {}", aside.display()));
        format!("{}: {why}; {went}, and run times are learnt anew", path.display())
    })
}

fn whole(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn parse(bytes: &[u8]) -> Result<Remembered, String> {
    if bytes.len() > FILE_BYTES_MAX {
        return Err(format!("it has more than {FILE_BYTES_MAX} bytes"));
    }
    let Some((head, body)) = bytes.split_first_chunk::<HEAD_BYTES>() else { return Err("it is cut short".into()) };
    if head[..8] != MAGIC {
        return Err("it is no history of run times".into());
    }
    let version = u16::from_le_bytes([head[8], head[9]]);
    if version != VERSION {
        return Err(format!("it has format {version}, this tern knows {VERSION}"));
    }
    if head[12..] != checksum(&head[8..12], body) {
        return Err("its checksum is wrong".into());
    }
    postcard::from_bytes(body).map_err(|error| format!("it is damaged: {error}"))
}

fn checksum(version: &[u8], body: &[u8]) -> [u8; 4] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(version);
    hasher.update(body);
    hasher.finalize().to_le_bytes()
}

/// Puts it in the place of what is there.
///
/// # Errors
/// The system's; then the file is as it was.
pub fn write(path: &Path, remembered: &Remembered) -> io::Result<()> {
    let body = postcard::to_extend(remembered, Vec::new()).map_err(io::Error::other)?;
    let mut bytes = MAGIC.to_vec();
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend([0; 2]);
    bytes.extend(checksum(&bytes[8..12], &body));
    bytes.extend(body);
    let new = half(path);
    let written = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(&bytes)?;
        fs::rename(&new, path)
    };
    written().inspect_err(|_| drop(fs::remove_file(&new)))?;
    sweep(path);
    Ok(())
}

/// Removes what processes left that were killed while they wrote.
fn sweep(path: &Path) {
    let is_half = |name: &str| {
        let pid = name.strip_prefix("history.").and_then(|rest| rest.strip_suffix(".new"));
        pid.is_some_and(|pid| pid.parse::<u32>().is_ok())
    };
    let is_old = |entry: &fs::DirEntry| {
        let age = entry.metadata().and_then(|meta| meta.modified()).map(|at| at.elapsed().unwrap_or_default());
        age.is_ok_and(|age| age > HALF_OLD)
    };
    let folder = path.parent().and_then(|folder| fs::read_dir(folder).ok());
    for entry in folder.into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(is_half) && is_old(&entry) {
            // What cannot be removed harms nobody.
            drop(fs::remove_file(entry.path()));
        }
    }
}

/// Several nodes of one user may write at once: each under a name of its own.
fn half(path: &Path) -> PathBuf {
    path.with_extension(format!("{}.new", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tern_core::observe::history::Known;

    fn some() -> Remembered {
        let known = Known { runs: u32::MAX, mean: 9.5, variance: 0.5, checked: 3, error: 0.25 };
        Remembered { commands: vec![(u64::MAX, known); 3], tasks: vec![(7, known)] }
    }

    #[test]
    fn what_was_learnt_is_there_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        assert_eq!(read(&path), Ok(None));
        write(&path, &some()).unwrap();
        write(&path, &some()).unwrap();
        assert_eq!(read(&path), Ok(Some(some())));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing half written stays");
        // What another process writes just now stays, what one left that was killed goes, and no other name is touched.
        for (name, old) in [("history.7.new", false), ("history.8.new", true), ("history.x.new", true)] {
            let file = File::create(folder.path().join(name)).unwrap();
            let age = if old { 2 * HALF_OLD } else { Duration::ZERO };
            file.set_modified(std::time::SystemTime::now() - age).unwrap();
        }
        write(&path, &some()).unwrap();
        let mut left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["history", "history.7.new", "history.x.new"]);
    }

    #[test]
    fn a_damaged_history_is_set_aside_and_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        write(&path, &some()).unwrap();
        let good = fs::read(&path).unwrap();
        let changed = |at: usize, to: u8| {
            let mut bytes = good.clone();
            bytes[at] = to;
            bytes
        };
        let last = good.len() - 1;
        let bad =
            [good[..9].to_vec(), good[..last].to_vec(), changed(0, b'X'), changed(8, 9), changed(last, 9), vec![0; 40]];
        for bytes in bad.into_iter().chain([vec![b'T'; FILE_BYTES_MAX + 1]]) {
            fs::write(&path, &bytes).unwrap();
            let note = read(&path).expect_err("it was damaged");
            assert!(note.contains("history.refused") && note.contains("anew"), "{note}");
            assert_eq!(read(&path), Ok(None), "{note}");
        }
    }

    #[test]
    fn the_largest_history_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        let [(key, known), ..] = some().commands[..] else { unreachable!("it has some") };
        let most = Remembered {
            commands: vec![(key, known); HISTORY_COMMANDS_MAX],
            tasks: vec![(key, known); HISTORY_TASKS_MAX],
        };
        write(&path, &most).unwrap();
        assert_eq!(read(&path), Ok(Some(most)));
    }
}
