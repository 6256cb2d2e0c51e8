//! A job's inputs: rows of columns, one row a task.
//!
//! ```text
//! inputs = header (32) chunk* index          header = magic, version, rows, chunks, where the index begins, CRC
//! chunk  = u32 length, u32 CRC-32, payload   payload = its rows, each: number of columns, then length and bytes of each
//! index  = for each chunk: u32 first row, u64 offset
//! ```
//! A chunk holds up to 256 rows or 64 KiB, so a row of a million is found by reading a few kilobytes. The header is
//! written last: a file that was cut short is no inputs file.

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::RangeInclusive;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tern_core::words::Bytes;
use tern_core::words::limits::{ARGV_BYTES_MAX, TASKS_PER_JOB_MAX};

use super::StoreError;

const MAGIC: [u8; 8] = *b"TERNROW\n";
const VERSION: u16 = 1;
const HEADER_BYTES: u64 = 32;
const FRAME_BYTES: usize = 8;
const INDEX_BYTES: u64 = 12;
/// Rows of a chunk at most.
const CHUNK_ROWS_MAX: usize = 256;
/// A chunk of this many bytes takes no more rows.
const CHUNK_BYTES: usize = 64 << 10;
/// Bytes gathered before they are written.
const WRITE_BYTES: usize = 1 << 20;
/// Rows longer than an argument vector can be are not written, so no chunk is longer than this.
const CHUNK_BYTES_MAX: usize = CHUNK_BYTES + 2 * ARGV_BYTES_MAX;

/// An open inputs file. Reads what it is asked for and keeps the last chunk.
#[derive(Debug)]
pub struct Rows {
    path: PathBuf,
    file: File,
    rows: u32,
    chunks: u32,
    index: u64,
    last: Mutex<Option<Chunk>>,
}

#[derive(Clone, Debug)]
struct Chunk {
    number: u32,
    first: u32,
    rows: Vec<Vec<Bytes>>,
}

impl Rows {
    /// Writes all rows and makes the file durable; the caller makes its folder durable.
    ///
    /// # Errors
    /// [`StoreError::Full`] or [`StoreError::Io`]; what was half written is removed.
    pub fn write(path: &Path, rows: &[Vec<Bytes>]) -> Result<(), StoreError> {
        write(path, rows).map_err(|error| {
            let _ = std::fs::remove_file(path);
            StoreError::io("the job's inputs cannot be written", path)(error)
        })
    }

    /// # Errors
    /// [`StoreError::Io`], [`StoreError::Damaged`], [`StoreError::Newer`]
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let read = |file: &File| -> io::Result<([u8; HEADER_BYTES as usize], u64)> {
            let mut header = [0u8; HEADER_BYTES as usize];
            file.read_exact_at(&mut header, 0)?;
            Ok((header, file.metadata()?.len()))
        };
        let file = File::open(path).map_err(StoreError::io("the job's inputs cannot be opened", path))?;
        let (header, length) = read(&file).map_err(|error| unreadable(path, error))?;
        let word = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        if header[..8] != MAGIC || crc32fast::hash(&header[..28]) != word(28) {
            return Err(StoreError::damaged(path, "it is not an inputs file, or was never finished"));
        }
        let found = u16::from_le_bytes([header[8], header[9]]);
        if found > VERSION {
            return Err(StoreError::Newer { path: path.to_owned(), found, known: VERSION });
        }
        let (rows, chunks) = (word(12), word(16));
        let index = u64::from(word(20)) | u64::from(word(24)) << 32;
        if index.checked_add(u64::from(chunks) * INDEX_BYTES) != Some(length) {
            return Err(StoreError::damaged(path, "it is shorter or longer than its header says"));
        }
        Ok(Self { path: path.to_owned(), file, rows, chunks, index, last: Mutex::new(None) })
    }

    /// Number of rows.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.rows
    }
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The columns of one task.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where the chunk is bad or there is no such row; [`StoreError::Io`].
    pub fn row(&self, task: u32) -> Result<Vec<Bytes>, StoreError> {
        Ok(self.rows(task..=task)?.pop().unwrap_or_default())
    }

    /// The columns of these tasks, in order. Memory: the rows asked for and one chunk.
    ///
    /// # Errors
    /// As [`Rows::row`]; then nothing is returned.
    pub fn rows(&self, tasks: RangeInclusive<u32>) -> Result<Vec<Vec<Bytes>>, StoreError> {
        if tasks.is_empty() {
            return Ok(Vec::new());
        }
        if *tasks.end() >= self.rows {
            return Err(StoreError::damaged(&self.path, format!("it has {} rows, not {}", self.rows, tasks.end() + 1)));
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = Vec::with_capacity((tasks.end() - tasks.start()) as usize + 1);
        let mut next = *tasks.start();
        while next <= *tasks.end() {
            let chunk = match last.take() {
                Some(chunk) if chunk.holds(next) => chunk,
                other => self.find(next, other.map(|chunk| chunk.number + 1))?,
            };
            let from = (next - chunk.first) as usize;
            let to = chunk.rows.len().min((tasks.end() - chunk.first) as usize + 1);
            taken.extend_from_slice(&chunk.rows[from..to]);
            next = chunk.first + to as u32;
            *last = Some(chunk);
        }
        Ok(taken)
    }

    /// The chunk that holds a row; `guess` is looked at first, since tasks are mostly asked for in order.
    fn find(&self, row: u32, guess: Option<u32>) -> Result<Chunk, StoreError> {
        if let Some(guess) = guess.filter(|guess| *guess < self.chunks)
            && self.entry(guess)?.0 == row
        {
            return self.chunk(guess, row);
        }
        let (mut low, mut high) = (0, self.chunks);
        while low + 1 < high {
            let middle = low + (high - low) / 2;
            if self.entry(middle)?.0 <= row {
                low = middle;
            } else {
                high = middle;
            }
        }
        self.chunk(low, row)
    }

    /// First row and offset of a chunk.
    fn entry(&self, number: u32) -> Result<(u32, u64), StoreError> {
        let mut entry = [0u8; INDEX_BYTES as usize];
        let at = self.index + u64::from(number) * INDEX_BYTES;
        self.file.read_exact_at(&mut entry, at).map_err(|error| unreadable(&self.path, error))?;
        let [a, b, c, d, offset @ ..] = entry;
        Ok((u32::from_le_bytes([a, b, c, d]), u64::from_le_bytes(offset)))
    }

    fn chunk(&self, number: u32, wanted: u32) -> Result<Chunk, StoreError> {
        let damaged = || StoreError::damaged(&self.path, format!("the chunk that holds row {} is bad", wanted + 1));
        let (first, offset) = self.entry(number)?;
        let mut frame = [0u8; FRAME_BYTES];
        self.file.read_exact_at(&mut frame, offset).map_err(|error| unreadable(&self.path, error))?;
        let [a, b, c, d, crc @ ..] = frame;
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        if length > CHUNK_BYTES_MAX {
            return Err(damaged());
        }
        let mut payload = vec![0u8; length];
        let at = offset + FRAME_BYTES as u64;
        self.file.read_exact_at(&mut payload, at).map_err(|error| unreadable(&self.path, error))?;
        if checksum(first, &payload) != u32::from_le_bytes(crc) {
            return Err(damaged());
        }
        let rows = decode(&payload).ok_or_else(damaged)?;
        let chunk = Chunk { number, first, rows };
        if chunk.holds(wanted) { Ok(chunk) } else { Err(damaged()) }
    }
}

impl Chunk {
    fn holds(&self, row: u32) -> bool {
        row.checked_sub(self.first).is_some_and(|index| (index as usize) < self.rows.len())
    }
}

fn unreadable(path: &Path, error: io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => StoreError::damaged(path, "it is cut short"),
        _ => StoreError::io("the job's inputs cannot be read", path)(error),
    }
}

/// Covers the first row as well, so that a chunk in a wrong place is a bad one.
fn checksum(first: u32, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(first);
    hasher.update(payload);
    hasher.finalize()
}

fn write(path: &Path, rows: &[Vec<Bytes>]) -> io::Result<()> {
    let too_long = |what| io::Error::new(io::ErrorKind::InvalidInput, what);
    let count = u32::try_from(rows.len()).ok().filter(|count| *count <= TASKS_PER_JOB_MAX);
    let count = count.ok_or_else(|| too_long("more rows than a job may have tasks"))?;
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    let (mut buffer, mut index, mut at) = (Vec::with_capacity(WRITE_BYTES + CHUNK_BYTES), Vec::new(), HEADER_BYTES);
    let mut next = 0;
    while next < rows.len() {
        index.extend_from_slice(&(next as u32).to_le_bytes());
        index.extend_from_slice(&(at + buffer.len() as u64).to_le_bytes());
        next += push_chunk(&mut buffer, next as u32, &rows[next..])
            .ok_or_else(|| too_long("a row longer than arguments may be"))?;
        if buffer.len() >= WRITE_BYTES {
            file.write_all_at(&buffer, at)?;
            at += buffer.len() as u64;
            buffer.clear();
        }
    }
    let index_at = at + buffer.len() as u64;
    buffer.extend_from_slice(&index);
    file.write_all_at(&buffer, at)?;
    let mut header = [0u8; HEADER_BYTES as usize];
    header[..8].copy_from_slice(&MAGIC);
    header[8..10].copy_from_slice(&VERSION.to_le_bytes());
    header[12..16].copy_from_slice(&count.to_le_bytes());
    header[16..20].copy_from_slice(&((index.len() as u64 / INDEX_BYTES) as u32).to_le_bytes());
    header[20..28].copy_from_slice(&index_at.to_le_bytes());
    let crc = crc32fast::hash(&header[..28]);
    header[28..].copy_from_slice(&crc.to_le_bytes());
    file.write_all_at(&header, 0)?;
    file.sync_data()
}

/// Adds one chunk; returns how many rows are in it, or none where one row alone is too long.
fn push_chunk(buffer: &mut Vec<u8>, first: u32, rows: &[Vec<Bytes>]) -> Option<usize> {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; FRAME_BYTES]);
    let mut count = 0;
    for row in rows.iter().take(CHUNK_ROWS_MAX) {
        let before = buffer.len();
        push_number(buffer, row.len());
        for column in row {
            push_number(buffer, column.len());
            buffer.extend_from_slice(column);
        }
        count += 1;
        if buffer.len() - before > 2 * ARGV_BYTES_MAX {
            return None;
        }
        if buffer.len() - start >= CHUNK_BYTES {
            break;
        }
    }
    let payload = &buffer[start + FRAME_BYTES..];
    let (length, crc) = (payload.len() as u32, checksum(first, payload));
    buffer[start..start + 4].copy_from_slice(&length.to_le_bytes());
    buffer[start + 4..start + FRAME_BYTES].copy_from_slice(&crc.to_le_bytes());
    Some(count)
}

/// Seven bits a byte, the lowest first, the high bit where more follow.
fn push_number(buffer: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        buffer.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    buffer.push(number as u8);
}

fn decode(mut payload: &[u8]) -> Option<Vec<Vec<Bytes>>> {
    let mut rows = Vec::with_capacity(CHUNK_ROWS_MAX);
    while !payload.is_empty() {
        let columns = take_number(&mut payload)?;
        // A column takes a byte at least, so a wrong count cannot ask for more memory than the chunk has.
        let mut row = Vec::with_capacity(columns.min(payload.len()));
        for _ in 0..columns {
            let length = take_number(&mut payload)?;
            let (column, rest) = payload.split_at_checked(length)?;
            row.push(Bytes::from(column));
            payload = rest;
        }
        rows.push(row);
    }
    Some(rows)
}

fn take_number(payload: &mut &[u8]) -> Option<usize> {
    let mut number = 0usize;
    for shift in (0..35).step_by(7) {
        let (byte, rest) = payload.split_first()?;
        *payload = rest;
        number |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}
