//! How a row of the journal looks: what it is about, its checksum, its content.
//!
//! redb checks its own pages; these checksums also cover what redb cannot know, that a row still stands under its own key
//! and that it decodes to what was written. A bad row that says whose it is costs that job, not the journal.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tern_core::promise::{Head, Record};
use tern_core::words::{GrantId, JobId};

use std::collections::BTreeMap;

/// job (8), CRC-32 of key and job (4), CRC-32 of key and content (4)
const FRAME_BYTES: usize = 16;
/// The row is about no single job.
const NO_JOB: u64 = 0;

/// What stands in the table of records.
#[derive(Debug, Deserialize)]
pub enum Entry {
    Record(Record),
    /// Outcomes from another node: they lie in an agent's segment, `start..end`, and count here in this order.
    Block {
        via: GrantId,
        segment: u32,
        start: u64,
        end: u64,
    },
}

/// [`Entry`] as it is written: the same bytes, without a copy of the record.
#[derive(Debug, Serialize)]
pub enum Written<'a> {
    Record(&'a Record),
    Block { via: GrantId, segment: u32, start: u64, end: u64 },
}

/// The state without its jobs, and how much it covers.
#[derive(Debug, Serialize, Deserialize)]
pub struct Checkpoint {
    pub head: Head,
    /// All records up to here are in it.
    pub through: u64,
    /// Bytes of each segment that are in it.
    pub positions: BTreeMap<u32, u64>,
}

/// Why a row is not what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadRow {
    /// It was about this job.
    OfJob(JobId),
    /// Nobody can say what it was about.
    OfUnknown,
}

/// The job that an entry is about, where it is about one.
#[must_use]
pub fn job_of(record: &Record) -> Option<JobId> {
    match record {
        Record::Accepted { job, .. }
        | Record::Held { job }
        | Record::Released { job }
        | Record::Cancelled { job }
        | Record::Retried { job, .. }
        | Record::Lent { job, .. }
        | Record::Forgotten { job } => Some(*job),
        Record::Started { .. } | Record::Reclaimed { .. } | Record::Outcomes { .. } | Record::Drained { .. } => None,
    }
}

/// # Errors
/// Those of postcard; the journal's own types have none.
pub fn seal<T: Serialize>(key: &[u8], job: Option<JobId>, content: &T) -> Result<Vec<u8>, postcard::Error> {
    let job = job.map_or(NO_JOB, |job| job.0);
    let mut row = postcard::to_extend(content, vec![0u8; FRAME_BYTES])?;
    let crc = checksum(&[key, &row[FRAME_BYTES..]]);
    row[..8].copy_from_slice(&job.to_le_bytes());
    row[8..12].copy_from_slice(&checksum(&[key, &job.to_le_bytes()]).to_le_bytes());
    row[12..16].copy_from_slice(&crc.to_le_bytes());
    Ok(row)
}

/// # Errors
/// [`BadRow`]
pub fn open<T: DeserializeOwned>(key: &[u8], row: &[u8]) -> Result<T, BadRow> {
    let Some((frame, content)) = row.split_first_chunk::<FRAME_BYTES>() else { return Err(BadRow::OfUnknown) };
    let (job, rest) = frame.split_at(8);
    let (job_crc, crc) = rest.split_at(4);
    let bad = match job.try_into().map(u64::from_le_bytes) {
        Ok(known) if known != NO_JOB && job_crc == checksum(&[key, job]).to_le_bytes() => BadRow::OfJob(JobId(known)),
        _ => BadRow::OfUnknown,
    };
    if crc != checksum(&[key, content]).to_le_bytes() {
        return Err(bad);
    }
    postcard::from_bytes(content).map_err(|_| bad)
}

fn checksum(parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize()
}
