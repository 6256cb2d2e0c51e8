//! Which jobs a segment speaks of, and where their output lies: a small file beside each segment that is finished.
//!
//! `seg/NNNNNNNN.jobs` saves reading eight megabytes to learn that a job is not in them. It is made when first needed,
//! believed only while the segment has the length it was made for, and may be removed at any time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tern_core::words::JobId;

use super::super::StoreError;
use super::super::segment::{self, Block, Lane, SegmentError, SegmentReader};
use crate::home::Home;

/// Version of the file; another one is made again.
const VERSION: u16 = 1;

/// One segment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    version: u16,
    /// Bytes of the segment.
    length: u64,
    /// Each job of which it has outcomes, and the output files that they point into.
    pub jobs: BTreeMap<JobId, BTreeSet<u32>>,
}

/// All segments of both lanes, ascending within a lane; the flag says whether the segment is finished.
pub fn segments(home: &Home) -> Result<Vec<(u32, bool)>, StoreError> {
    let mut all = Vec::new();
    for lane in [Lane::Warden, Lane::Agent] {
        let numbers = segment::numbers(home, lane)?;
        let newest = numbers.last().copied();
        all.extend(numbers.into_iter().map(|number| (number, Some(number) != newest)));
    }
    Ok(all)
}

/// None where the segment cannot be read at all.
pub fn summary(home: &Home, number: u32, finished: bool) -> Result<Option<Summary>, StoreError> {
    let path = home.segment(number);
    let length = match fs::metadata(&path) {
        Ok(metadata) => metadata.len(),
        // Dropped meanwhile.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::io("cannot be read", &path)(error)),
    };
    let beside = path_of(home, number);
    if finished && let Some(known) = read(&beside, length) {
        return Ok(Some(known));
    }
    let Some(made) = make(&path, length)? else { return Ok(None) };
    if finished {
        write(&beside, &made);
    }
    Ok(Some(made))
}

fn make(path: &Path, length: u64) -> Result<Option<Summary>, StoreError> {
    let mut reader = match SegmentReader::open(path) {
        Ok(reader) => reader,
        Err(error @ SegmentError::Io { .. }) => return Err(error.into()),
        Err(_) => return Ok(None),
    };
    reader.seek(0, Some(length));
    let mut made = Summary { version: VERSION, length, ..Summary::default() };
    while let Some(block) = reader.next_block()? {
        let Block::Outcomes { outcomes, .. } = block else { continue };
        for outcome in &outcomes {
            let files = made.jobs.entry(outcome.attempt.job).or_default();
            for output in [outcome.stdout, outcome.stderr] {
                if output.len > 0 {
                    files.insert(output.file);
                }
            }
        }
    }
    Ok(Some(made))
}

pub fn path_of(home: &Home, number: u32) -> PathBuf {
    home.segments().join(format!("{number:08}.jobs"))
}

fn read(path: &Path, length: u64) -> Option<Summary> {
    let bytes = fs::read(path).ok()?;
    let (crc, content) = bytes.split_first_chunk::<4>()?;
    if u32::from_le_bytes(*crc) != crc32fast::hash(content) {
        return None;
    }
    let known: Summary = postcard::from_bytes(content).ok()?;
    (known.version == VERSION && known.length == length).then_some(known)
}

/// A failure costs only that it is made again.
fn write(path: &Path, summary: &Summary) {
    let Ok(mut bytes) = postcard::to_extend(summary, vec![0u8; 4]) else { return };
    let crc = crc32fast::hash(&bytes[4..]);
    bytes[..4].copy_from_slice(&crc.to_le_bytes());
    let new = path.with_extension("jobs.new");
    let _ = fs::write(&new, &bytes).and_then(|()| fs::rename(&new, path));
}

/// The greatest number of a job of this node that left files or results here.
pub fn last_number(home: &Home, tag: u32) -> Result<Option<u32>, StoreError> {
    let mut last = None;
    let mut see = |job: JobId| {
        if job.owner_tag() == tag {
            last = last.max(Some(job.number()));
        }
    };
    let folder = home.path().join("jobs");
    match fs::read_dir(&folder) {
        Ok(entries) => {
            entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<JobId>().ok()).for_each(&mut see)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(StoreError::io("cannot be read", &folder)(error)),
    }
    for (number, finished) in segments(home)? {
        if let Some(found) = summary(home, number, finished)? {
            found.jobs.keys().copied().for_each(&mut see);
        }
    }
    Ok(last)
}
