//! The simulated disk under a node's journal.
//!
//! Records are written, then made durable by an fsync that takes time. A crash keeps all that was made durable and an
//! arbitrary prefix of the rest, whose last frame may be torn. For a while the disk may be full or its fsync may fail;
//! then nothing of what waits becomes durable and the node is told.
//!
//! Not modelled: bit rot in what is durable, and an fsync that reports failure for data that nevertheless survives (the
//! adapter of the store must exclude it, as the contract of `PersistFailed` says).

use tern_core::promise::Record;

/// What the disk does at the next fsync.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Health {
    #[default]
    Good,
    Full,
    Failing,
}

/// How an fsync ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commit {
    /// Records `from..` of `durable` are new; all up to `sequence` are safe.
    Durable { sequence: u64, from: usize },
    /// Everything that waited is gone.
    Failed { after: u64, full: bool },
}

/// The journal of one computer: survives every crash.
#[derive(Debug, Default)]
pub struct Journal {
    pub durable: Vec<Record>,
    pub health: Health,
    durable_sequence: u64,
    waiting: Vec<(u64, Vec<Record>)>,
    /// How many of `waiting` the running fsync covers; 0: none runs.
    in_flight: usize,
}

impl Journal {
    /// Writes records without making them durable. Returns whether an fsync must be started for them.
    pub fn write(&mut self, sequence: u64, records: Vec<Record>) -> bool {
        self.waiting.push((sequence, records));
        self.in_flight == 0
    }

    /// Records that wait for an fsync.
    #[must_use]
    pub fn staged(&self) -> usize {
        self.waiting.iter().map(|(_, records)| records.len()).sum()
    }

    /// Starts an fsync of all that waits; false if nothing does.
    pub const fn begin(&mut self) -> bool {
        self.in_flight = self.waiting.len();
        self.in_flight > 0
    }

    /// The fsync returns.
    pub fn end(&mut self) -> Commit {
        if self.health != Health::Good {
            self.waiting.clear();
            self.in_flight = 0;
            return Commit::Failed { after: self.durable_sequence, full: self.health == Health::Full };
        }
        let from = self.durable.len();
        for (sequence, records) in self.waiting.drain(..self.in_flight) {
            self.durable_sequence = sequence;
            self.durable.extend(records);
        }
        self.in_flight = 0;
        Commit::Durable { sequence: self.durable_sequence, from }
    }

    /// The agent or the machine dies. `cut` (0 to 999) says where in the unsynced bytes the journal ends. Returns the
    /// index from which records have survived without anybody having been told.
    pub fn crash(&mut self, cut: u64) -> usize {
        let from = self.durable.len();
        let mut bytes = Vec::new();
        for record in self.waiting.drain(..).flat_map(|(_, records)| records) {
            frame(&record, &mut bytes);
        }
        let end = bytes.len() as u64 * cut / 999;
        bytes.truncate(usize::try_from(end).unwrap_or(0));
        self.durable.extend(recover(&bytes));
        self.in_flight = 0;
        self.durable_sequence = 0;
        from
    }
}

/// One record as bytes: length, CRC, postcard.
fn frame(record: &Record, into: &mut Vec<u8>) {
    let body = postcard::to_allocvec(record).expect("a record of the core can be written");
    into.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
    into.extend_from_slice(&crc32fast::hash(&body).to_le_bytes());
    into.extend_from_slice(&body);
}

/// All whole records at the front; stops at the first torn frame.
fn recover(mut bytes: &[u8]) -> Vec<Record> {
    let mut records = Vec::new();
    while let Some((head, rest)) = bytes.split_at_checked(8) {
        let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let Some((body, rest)) = rest.split_at_checked(word(0) as usize) else { break };
        if crc32fast::hash(body) != word(4) {
            break;
        }
        records.push(postcard::from_bytes(body).expect("a whole frame holds what was written"));
        bytes = rest;
    }
    records
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(incarnation: u64) -> Record {
        Record::Started { incarnation }
    }

    #[test]
    fn a_crash_keeps_a_prefix_of_whole_records_and_never_a_torn_one() {
        let mut seen = [false; 4];
        for cut in 0..1000 {
            let mut journal = Journal::default();
            journal.write(1, vec![started(1), started(2), started(3)]);
            assert_eq!(journal.crash(cut), 0);
            assert!(journal.durable.iter().zip(1..).all(|(record, n)| *record == started(n)));
            seen[journal.durable.len()] = true;
        }
        assert_eq!(seen, [true; 4]);
    }

    #[test]
    fn what_arrives_during_an_fsync_waits_for_the_next() {
        let mut journal = Journal::default();
        assert!(journal.write(1, vec![started(1)]));
        assert!(journal.begin());
        assert!(!journal.write(2, vec![started(2)]));
        assert_eq!(journal.end(), Commit::Durable { sequence: 1, from: 0 });
        assert!(journal.begin());
        journal.health = Health::Full;
        assert_eq!(journal.end(), Commit::Failed { after: 1, full: true });
        assert_eq!((journal.durable.len(), journal.staged()), (1, 0));
    }
}
