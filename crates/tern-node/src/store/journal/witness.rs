//! The witness: twenty bytes beside the journal that say which record was acknowledged last.
//!
//! redb answers a damaged newest commit by going back to the one before, as it must after a torn write. The witness is
//! written after each commit, so the two can be told apart: a journal that ends before its witness has lost something
//! that was promised. It is never fsynced: it costs a microsecond and is right after every death but a power cut, after
//! which it is older than the journal and says nothing.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

const MAGIC: [u8; 4] = *b"TSEE";
const BYTES: usize = 20;

/// What a witness file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// There is none, or it is unreadable.
    Nothing,
    /// The journal's format, and the last acknowledged sequence.
    Seen { format: u16, sequence: u64 },
}

#[derive(Debug)]
pub struct Witness(File);

impl Witness {
    pub fn open(path: &Path) -> io::Result<(Self, Said)> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        let said = read(&file);
        Ok((Self(file), said))
    }

    /// What is said without making a file.
    pub fn peek(path: &Path) -> Said {
        File::open(path).map_or(Said::Nothing, |file| read(&file))
    }

    pub fn write(&self, format: u16, sequence: u64) -> io::Result<()> {
        let mut bytes = [0u8; BYTES];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4..6].copy_from_slice(&format.to_le_bytes());
        bytes[8..16].copy_from_slice(&sequence.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..16]);
        bytes[16..].copy_from_slice(&crc.to_le_bytes());
        self.0.write_all_at(&bytes, 0)
    }
}

fn read(file: &File) -> Said {
    let mut bytes = [0u8; BYTES];
    let Ok(()) = file.read_exact_at(&mut bytes, 0) else { return Said::Nothing };
    let (body, crc) = bytes.split_at(16);
    if body[..4] != MAGIC || crc != crc32fast::hash(body).to_le_bytes() {
        return Said::Nothing;
    }
    let mut sequence = [0u8; 8];
    sequence.copy_from_slice(&body[8..16]);
    Said::Seen { format: u16::from_le_bytes([body[4], body[5]]), sequence: u64::from_le_bytes(sequence) }
}
