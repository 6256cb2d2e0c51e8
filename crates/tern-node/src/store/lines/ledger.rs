//! What a node wrote down of transfers: a file of lines that people and scripts can read, and the newest of them in memory.
//!
//! ```text
//! {"at_ms":1764000000000,"tx":"5f0e…-12","half":"sender","sender":"7ba7…","broker":"c6e9…","receiver":"16b2…","tasks":3}
//! {"at_ms":1764000000300,"tx":"5f0e…-12","aborted":true}
//! ```
//! It holds no promise: nothing waits for the disk, and what a machine wrote in the seconds before it lost its power may be missing.
//! When the file is long it becomes `ledger.old`, in the place of the one before.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader};

use serde::{Deserialize, Serialize};
use tern_core::promise::ledger::{Half, Line, Posting, Triad};
use tern_core::words::{GrantId, NodeId};

use super::file::LineFile;
use crate::home::Home;

/// Lines in memory; older ones are in the file only.
pub const LINES_MAX: usize = 8_192;
/// Bytes of the file.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// A line, and when it was written (milliseconds since 1970).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    pub at_ms: u64,
    pub line: Line,
}

/// A line as it stands in the file.
#[derive(Default, Serialize, Deserialize)]
struct Row {
    at_ms: u64,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    tx: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    half: Option<Half>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    sender: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    broker: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    receiver: String,
    #[serde(default, skip_serializing_if = "is_zero")]
    tasks: u32,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    aborted: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    began: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    ended: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// The lines of this node.
#[derive(Debug)]
pub struct LedgerLog {
    file: LineFile,
    lines: VecDeque<Written>,
    /// The number of the first line in memory.
    first: u64,
    /// Rows of earlier agents that could not be read.
    unread: u64,
}

impl LedgerLog {
    /// Reads what an earlier agent wrote. What cannot be read is left out: it is said by the audit of those who can.
    #[must_use]
    pub fn open(home: &Home) -> Self {
        let path = home.ledger();
        let file = LineFile::new(path.clone(), FILE_BYTES_MAX);
        let mut log = Self { file, lines: VecDeque::new(), first: 0, unread: 0 };
        for path in [LineFile::old(&path), path] {
            let Ok(file) = File::open(&path) else { continue };
            // Bytes that are no text are a row that cannot be read.
            let rows = BufReader::new(file).split(b'\n').map_while(Result::ok);
            for row in rows.filter(|row| !row.is_empty()) {
                match std::str::from_utf8(&row).ok().and_then(parse) {
                    Some(line) => log.remember(line),
                    None => log.unread += 1,
                }
            }
        }
        if log.unread > 0 {
            let path = log.file.path().display();
            tracing::warn!(rows = log.unread, %path, "rows of the ledger cannot be read: an audit will miss them");
        }
        log
    }

    /// Writes a line with the next [`Self::flush`].
    pub fn add(&mut self, at_ms: u64, line: Line) {
        let written = Written { at_ms, line };
        self.remember(written);
        self.file.add(&row(&written));
    }

    fn remember(&mut self, line: Written) {
        if self.lines.len() >= LINES_MAX {
            self.lines.pop_front();
            self.first += 1;
        }
        self.lines.push_back(line);
    }

    /// Hands what was added to the system.
    ///
    /// # Errors
    /// The system's. What was added is in memory only then.
    pub fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush(Vec::new)
    }

    /// Lines from this number on, as many as `most`; and the number of the first that is not among them, if there is one.
    #[must_use]
    pub fn page(&self, from: u64, most: usize) -> (Vec<Written>, Option<u64>) {
        let skip = usize::try_from(from.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let lines: Vec<Written> = self.lines.iter().skip(skip).take(most).copied().collect();
        let end = self.first + skip as u64 + lines.len() as u64;
        (lines, (end < self.first + self.lines.len() as u64).then_some(end))
    }

    /// Lines of earlier agents that cannot be read.
    #[must_use]
    pub const fn unread(&self) -> u64 {
        self.unread
    }

    /// Of transfers before this instant this node may have forgotten lines; 0: of none.
    #[must_use]
    pub fn since_ms(&self) -> u64 {
        if self.first == 0 { 0 } else { self.lines.front().map_or(0, |line| line.at_ms) }
    }
}

/// The number of a transfer in words.
#[must_use]
pub fn tx_words(tx: GrantId) -> String {
    format!("{:016x}-{}", tx.incarnation, tx.n)
}

fn row(written: &Written) -> Row {
    let none = Row { at_ms: written.at_ms, ..Row::default() };
    match written.line {
        Line::Posted(Posting { triad, half }) => Row {
            tx: tx_words(triad.tx()),
            half: Some(half),
            sender: triad.sender().to_hex(),
            broker: triad.broker().to_hex(),
            receiver: triad.receiver().to_hex(),
            tasks: triad.tasks(),
            ..none
        },
        Line::Aborted(tx) => Row { tx: tx_words(tx), aborted: true, ..none },
        Line::Began => Row { began: true, ..none },
        Line::Ended => Row { ended: true, ..none },
    }
}

fn parse(text: &str) -> Option<Written> {
    let row: Row = serde_json::from_str(text).ok()?;
    if row.began || row.ended {
        return Some(Written { at_ms: row.at_ms, line: if row.began { Line::Began } else { Line::Ended } });
    }
    let (incarnation, n) = row.tx.split_once('-')?;
    let tx = GrantId { incarnation: u64::from_str_radix(incarnation, 16).ok()?, n: n.parse().ok()? };
    let at_ms = row.at_ms;
    if row.aborted {
        return Some(Written { at_ms, line: Line::Aborted(tx) });
    }
    let nodes = [NodeId::from_hex(&row.sender)?, NodeId::from_hex(&row.broker)?, NodeId::from_hex(&row.receiver)?];
    let triad = Triad::new(tx, nodes, row.tasks)?;
    Some(Written { at_ms, line: Line::Posted(Posting { triad, half: row.half? }) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, OpenOptions};
    use std::io::Write;

    fn posted(n: u32) -> Line {
        let nodes = [1, 2, 3].map(|id| NodeId([id; 32]));
        let triad = Triad::new(GrantId { incarnation: 7, n }, nodes, 5).expect("a transfer");
        Line::Posted(triad.halves()[n as usize % 2])
    }

    #[test]
    fn lines_are_there_after_a_restart_and_come_in_pages() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::new(folder.path());
        let mut log = LedgerLog::open(&home);
        for n in 0..10 {
            log.add(u64::from(n), posted(n));
        }
        log.add(10, Line::Aborted(GrantId { incarnation: 7, n: 3 }));
        log.flush().expect("written");
        let log = LedgerLog::open(&home);
        let (first, next) = log.page(0, 8);
        assert_eq!((first.len(), next, log.since_ms()), (8, Some(8), 0));
        assert_eq!(first[3], Written { at_ms: 3, line: posted(3) });
        let (rest, next) = log.page(8, 8);
        assert_eq!((rest.len(), next), (3, None));
        assert_eq!(rest[2].line, Line::Aborted(GrantId { incarnation: 7, n: 3 }));
    }

    #[test]
    fn a_long_file_is_put_aside_and_damaged_rows_are_left_out() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::new(folder.path());
        let mut log = LedgerLog::open(&home);
        for n in 0..20_000 {
            log.add(u64::from(n), posted(n));
            log.flush().expect("written");
        }
        assert!(home.ledger().with_extension("old").exists());
        assert!(fs::metadata(home.ledger()).expect("a file").len() <= FILE_BYTES_MAX);
        assert!(log.since_ms() == 20_000 - LINES_MAX as u64);
        fs::write(home.ledger().with_extension("old"), "{\"tx\":").expect("damaged");
        let mut torn = OpenOptions::new().append(true).open(home.ledger()).expect("the file");
        torn.write_all(b"{\"at_ms\":7,\"tx").expect("torn");
        let mut log = LedgerLog::open(&home);
        log.add(20_000, Line::Began);
        log.flush().expect("written");
        fs::remove_file(home.ledger()).expect("it was there");
        log.add(20_001, Line::Ended);
        log.flush().expect("written anew");
        assert_eq!(fs::read_to_string(home.ledger()).expect("a file").lines().count(), 1);
        let (lines, _) = log.page(0, LINES_MAX);
        let last: Vec<u64> = lines.iter().rev().take(3).map(|line| line.at_ms).collect();
        assert_eq!((last, log.unread), (vec![20_001, 20_000, 19_999], 1 + 1));
    }
}
