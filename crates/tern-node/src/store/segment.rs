//! Result segments: the append-only files in which every finished attempt is written down before anybody hears of it.
//!
//! ```text
//! seg/NNNNNNNN = header (32 bytes) block*          header = magic, version, node tag, creation time, CRC
//! block        = u32 length, u32 CRC-32 of the payload, payload        payload = postcard Vec<Outcome>, up to 64 KiB
//! ```
//! A file grows to 8 MiB, then the next begins. Even numbers are the warden's, odd ones the agent's (results that came
//! from other nodes), so that two processes never write one file. Numbers are never used twice, since the newest file
//! of each is never removed. A write that a crash tore leaves a bad tail, which the next writer cuts off and says so.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use tern_core::promise::Outcome;

use crate::home::Home;

const MAGIC: [u8; 8] = *b"TERNSEG\n";
/// Version that this binary writes, and the newest that it reads.
pub const VERSION: u16 = 1;
/// Where the first block begins.
pub const HEADER_BYTES: u64 = 32;
/// Bytes of a block's payload at most.
pub const BLOCK_BYTES_MAX: usize = 64 << 10;
/// Beyond this a segment takes no more blocks.
pub const SEGMENT_BYTES_MAX: u64 = 8 << 20;
const FRAME_BYTES: usize = 8;

/// Who writes a segment; decides whether its number is even or odd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Even numbers: ends of attempts on this machine.
    Warden,
    /// Odd numbers: results that other nodes sent.
    Agent,
}

impl Lane {
    const fn parity(self) -> u32 {
        match self {
            Self::Warden => 0,
            Self::Agent => 1,
        }
    }
    /// Whose segment this is.
    #[must_use]
    pub const fn of(number: u32) -> Self {
        if number.is_multiple_of(2) { Self::Warden } else { Self::Agent }
    }
}

/// What may go wrong with a segment. Reading never changes a file; a failed append leaves it as it was before.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{path}: not a result segment (bad header); nothing was changed, move the file away to go on without it")]
    NotASegment { path: PathBuf },
    #[error(
        "{path}: written by a newer tern (format {found}, this one reads up to {VERSION}); nothing was changed, use the newer tern"
    )]
    Newer { path: PathBuf, found: u16 },
}

impl SegmentError {
    /// The disk is full (or a quota is): the same append may succeed later.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Io { source, .. }
            if matches!(source.raw_os_error(), Some(libc::ENOSPC | libc::EDQUOT)))
    }
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> SegmentError {
    move |source| SegmentError::Io { path: path.to_owned(), source }
}

/// The numbers of the segments in a state folder, ascending.
///
/// # Errors
/// [`SegmentError::Io`]; a folder that is not there is empty.
pub fn numbers(home: &Home, lane: Lane) -> Result<Vec<u32>, SegmentError> {
    let folder = home.segments();
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io_error(&folder)(error)),
    };
    let mut numbers: Vec<u32> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str().filter(|name| name.len() == 8)?.parse().ok())
        .filter(|number| Lane::of(*number) == lane)
        .collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// Everything up to byte `end` of segment `segment` is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub segment: u32,
    pub end: u64,
}

/// Bytes of a segment that hold nothing readable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    pub path: PathBuf,
    pub start: u64,
    pub end: u64,
}

/// Appends blocks to the newest segment of one lane.
pub struct SegmentWriter {
    home: Home,
    tag: u32,
    number: u32,
    path: PathBuf,
    file: File,
    end: u64,
    /// Set after a failure that is not a full disk: what the page cache holds of this file is not trusted any more.
    abandoned: bool,
    buffer: Vec<u8>,
}

impl SegmentWriter {
    /// Opens the newest segment of `lane` or makes the first. A torn tail is cut off and returned, to be told.
    ///
    /// # Errors
    /// [`SegmentError`]
    pub fn open(home: &Home, lane: Lane, tag: u32) -> Result<(Self, Option<Damage>), SegmentError> {
        let folder = home.segments();
        crate::home::make_folder(&folder).map_err(io_error(&folder))?;
        let Some(&number) = numbers(home, lane)?.last() else {
            return Ok((Self::create(home, lane.parity(), tag)?, None));
        };
        let path = home.segment(number);
        let file = OpenOptions::new().read(true).write(true).open(&path).map_err(io_error(&path))?;
        let length = file.metadata().map_err(io_error(&path))?.len();
        if length < HEADER_BYTES {
            // Torn while it was made: it holds no block, and is made again under the same number.
            fs::remove_file(&path).map_err(io_error(&path))?;
            let damage = Damage { path, start: 0, end: length };
            return Ok((Self::create(home, number, tag)?, Some(damage)));
        }
        let mut reader = SegmentReader::open(&path)?;
        let mut torn = None;
        while let Some(block) = reader.next_block()? {
            if let Block::Torn { start, end } = block {
                torn = Some(Damage { path: path.clone(), start, end });
            }
        }
        let end = torn.as_ref().map_or(length, |damage| damage.start);
        if torn.is_some() {
            file.set_len(end).map_err(io_error(&path))?;
        }
        // What an earlier writer left unsynced is about to be relied on.
        file.sync_data().map_err(io_error(&path))?;
        let writer = Self { home: home.clone(), tag, number, path, file, end, abandoned: false, buffer: Vec::new() };
        Ok((writer, torn))
    }

    fn create(home: &Home, number: u32, tag: u32) -> Result<Self, SegmentError> {
        let path = home.segment(number);
        let made = Self::write_new(&path, tag, &home.segments());
        let file = made.map_err(|error| {
            // A half-made file would be taken for the newest one.
            let _ = fs::remove_file(&path);
            io_error(&path)(error)
        })?;
        Ok(Self {
            home: home.clone(),
            tag,
            number,
            path,
            file,
            end: HEADER_BYTES,
            abandoned: false,
            buffer: Vec::new(),
        })
    }

    fn write_new(path: &Path, tag: u32, folder: &Path) -> io::Result<File> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
        let mut header = [0u8; HEADER_BYTES as usize];
        header[..8].copy_from_slice(&MAGIC);
        header[8..10].copy_from_slice(&VERSION.to_le_bytes());
        header[12..16].copy_from_slice(&tag.to_le_bytes());
        header[16..24].copy_from_slice(&crate::clock::now().wall_ms.to_le_bytes());
        let crc = crc32fast::hash(&header[..28]);
        header[28..].copy_from_slice(&crc.to_le_bytes());
        file.write_all_at(&header, 0)?;
        file.sync_data()?;
        File::open(folder)?.sync_all()?;
        Ok(file)
    }

    /// Writes the outcomes as one or more blocks and makes them durable. Output files that they point into must be
    /// durable before.
    ///
    /// # Errors
    /// [`SegmentError`]; the segment then ends where it ended before.
    pub fn append(&mut self, outcomes: &[Outcome]) -> Result<Position, SegmentError> {
        if self.abandoned || self.end >= SEGMENT_BYTES_MAX {
            let next = Self::create(&self.home, self.number + 2, self.tag)?;
            *self = next;
        }
        self.buffer.clear();
        let mut rest = outcomes;
        while !rest.is_empty() {
            rest = &rest[push_block(&mut self.buffer, rest)..];
        }
        let written = self.file.write_all_at(&self.buffer, self.end).and_then(|()| self.file.sync_data());
        if let Err(source) = written {
            self.abandoned = !matches!(source.raw_os_error(), Some(libc::ENOSPC | libc::EDQUOT));
            // Shrinking needs no room; if even that fails the next writer finds a torn tail and cuts it.
            self.abandoned |= self.file.set_len(self.end).is_err();
            return Err(SegmentError::Io { path: self.path.clone(), source });
        }
        self.end += self.buffer.len() as u64;
        self.buffer.shrink_to(BLOCK_BYTES_MAX);
        Ok(self.position())
    }

    /// What is durable.
    #[must_use]
    pub const fn position(&self) -> Position {
        Position { segment: self.number, end: self.end }
    }
}

/// Adds one block of as many outcomes as fit; returns how many those are.
fn push_block(buffer: &mut Vec<u8>, outcomes: &[Outcome]) -> usize {
    /// An outcome never takes more: 16 numbers of at most ten bytes each and some small ones.
    const OUTCOME_BYTES_MAX: usize = 176;
    let count = outcomes.len().min(BLOCK_BYTES_MAX / OUTCOME_BYTES_MAX);
    let start = buffer.len();
    buffer.extend_from_slice(&[0; FRAME_BYTES]);
    match postcard::to_extend(&outcomes[..count], std::mem::take(buffer)) {
        Ok(filled) => *buffer = filled,
        // A vector grows; there is no other failure for plain numbers.
        Err(error) => unreachable!("outcomes are plain numbers: {error}"),
    }
    let payload = &buffer[start + FRAME_BYTES..];
    let (length, crc) = (payload.len() as u32, crc32fast::hash(payload));
    buffer[start..start + 4].copy_from_slice(&length.to_le_bytes());
    buffer[start + 4..start + FRAME_BYTES].copy_from_slice(&crc.to_le_bytes());
    count
}

/// What stands at a place of a segment.
#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    /// Good: these outcomes, in bytes `start..end`.
    Outcomes { start: u64, end: u64, outcomes: Vec<Outcome> },
    /// Damaged, with good blocks after it: bytes `start..end` were skipped.
    Corrupt { start: u64, end: u64 },
    /// Nothing readable from `start` to the end of the file: a write that was cut short, or damage to the last block.
    Torn { start: u64, end: u64 },
}

/// Reads a segment block by block, while it grows if need be.
pub struct SegmentReader {
    path: PathBuf,
    file: File,
    tag: u32,
    offset: u64,
    /// Nothing at or after this byte is looked at.
    limit: u64,
}

impl SegmentReader {
    /// Opens a segment; reading begins at its first block.
    ///
    /// # Errors
    /// [`SegmentError`]
    pub fn open(path: &Path) -> Result<Self, SegmentError> {
        let file = File::open(path).map_err(io_error(path))?;
        let mut header = [0u8; HEADER_BYTES as usize];
        match file.read_exact_at(&mut header, 0) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(SegmentError::NotASegment { path: path.to_owned() });
            }
            Err(error) => return Err(io_error(path)(error)),
        }
        let word = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        if header[..8] != MAGIC || crc32fast::hash(&header[..28]) != word(28) {
            return Err(SegmentError::NotASegment { path: path.to_owned() });
        }
        let found = u16::from_le_bytes([header[8], header[9]]);
        if found > VERSION {
            return Err(SegmentError::Newer { path: path.to_owned(), found });
        }
        Ok(Self { path: path.to_owned(), file, tag: word(12), offset: HEADER_BYTES, limit: u64::MAX })
    }

    /// Goes on at `offset`, the end of a block; with `limit`, what stands there or later is not read (it may be in the
    /// middle of being written).
    pub fn seek(&mut self, offset: u64, limit: Option<u64>) {
        self.offset = offset.max(HEADER_BYTES);
        self.limit = limit.unwrap_or(u64::MAX);
    }

    /// Tag of the node that wrote the segment.
    #[must_use]
    pub const fn tag(&self) -> u32 {
        self.tag
    }

    /// Where the next block begins.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// The next block, or none at the end.
    ///
    /// # Errors
    /// [`SegmentError::Io`]. Damage is not an error but a [`Block`].
    pub fn next_block(&mut self) -> Result<Option<Block>, SegmentError> {
        let length = self.file.metadata().map_err(io_error(&self.path))?.len().min(self.limit);
        let start = self.offset;
        if start >= length {
            return Ok(None);
        }
        if let Some((outcomes, end)) = self.good_block(start, length)? {
            self.offset = end;
            return Ok(Some(Block::Outcomes { start, end, outcomes }));
        }
        let next = self.resume_after(start, length)?;
        self.offset = next.unwrap_or(length);
        Ok(Some(match next {
            Some(end) => Block::Corrupt { start, end },
            None => Block::Torn { start, end: length },
        }))
    }

    fn good_block(&self, start: u64, length: u64) -> Result<Option<(Vec<Outcome>, u64)>, SegmentError> {
        let Some((end, crc)) = self.frame(start, length)? else { return Ok(None) };
        let mut payload = vec![0u8; (end - start) as usize - FRAME_BYTES];
        self.file.read_exact_at(&mut payload, start + FRAME_BYTES as u64).map_err(io_error(&self.path))?;
        if crc32fast::hash(&payload) != crc {
            return Ok(None);
        }
        Ok(postcard::from_bytes(&payload).ok().map(|outcomes| (outcomes, end)))
    }

    /// The end and the CRC that a block at `start` claims, if they are plausible.
    fn frame(&self, start: u64, length: u64) -> Result<Option<(u64, u32)>, SegmentError> {
        if length - start < FRAME_BYTES as u64 {
            return Ok(None);
        }
        let mut frame = [0u8; FRAME_BYTES];
        self.file.read_exact_at(&mut frame, start).map_err(io_error(&self.path))?;
        Ok(plausible(&frame, start, length))
    }

    /// Where the next good block begins: by the length that the bad one claims, else the first place that holds one.
    fn resume_after(&self, start: u64, length: u64) -> Result<Option<u64>, SegmentError> {
        if let Some((end, _)) = self.frame(start, length)?
            && end < length
            && self.good_block(end, length)?.is_some()
        {
            return Ok(Some(end));
        }
        let mut rest = vec![0u8; (length - start).min(2 * SEGMENT_BYTES_MAX) as usize];
        self.file.read_exact_at(&mut rest, start).map_err(io_error(&self.path))?;
        for (index, frame) in rest.windows(FRAME_BYTES).enumerate().skip(1) {
            let at = start + index as u64;
            let Some((end, crc)) = plausible(frame, at, length) else { continue };
            let payload = rest.get(index + FRAME_BYTES..(end - start) as usize);
            if payload.is_some_and(|payload| crc32fast::hash(payload) == crc) && self.good_block(at, length)?.is_some()
            {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }
}

fn plausible(frame: &[u8], start: u64, length: u64) -> Option<(u64, u32)> {
    let (size, crc) = frame.split_first_chunk::<4>()?;
    let size = u32::from_le_bytes(*size) as usize;
    let crc = u32::from_le_bytes(*crc.first_chunk()?);
    let end = start + (FRAME_BYTES + size) as u64;
    (size > 0 && size <= BLOCK_BYTES_MAX && end <= length).then_some((end, crc))
}
