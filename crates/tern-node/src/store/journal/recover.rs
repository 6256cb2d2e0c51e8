//! Opening: read all, check all, and only then touch anything.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::path::Path;

use redb::{Database, ReadableDatabase, ReadableTable, TableError};
use tern_core::promise::{Dirty, Head, Job, Record, State};
use tern_core::words::{JobId, NodeId};

use super::super::segment::{Block, SegmentReader};
use super::super::{StoreError, job, results};
use super::commit::{row_key, unnamed, witness_path};
use super::database::{ASIDE, JOBS, KEY_CHECKPOINT, KEY_FORMAT, KEY_NODE, META, RECORDS, Store};
use super::outputs::PeerOutputs;
use super::row::{self, BadRow, Checkpoint, Entry};
use super::witness::{Said, Witness};
use super::{FORMAT, Journal, Note};
use crate::home::Home;

/// What a journal holds.
#[derive(Debug)]
pub struct Recovery {
    pub state: State,
    /// Bytes of each segment that `state` holds.
    pub positions: BTreeMap<u32, u64>,
    /// What is not as it was written, to be told.
    pub notes: Vec<Note>,
    /// Records and segment blocks applied on top of the checkpoint.
    pub replayed: u64,
}

/// Rows as they were read, checked one by one.
struct Contents {
    checkpoint: Checkpoint,
    jobs: BTreeMap<JobId, Job>,
    entries: Vec<((u64, u32), Entry)>,
    /// Jobs put aside by an earlier opening.
    aside: BTreeSet<JobId>,
    /// Jobs with a bad row, and the keys of all their rows.
    bad: BTreeSet<JobId>,
}

impl Recovery {
    /// Without a witness nobody knows whether the journal is the newest: a number that left anything here is not given out
    /// again. Returns what the state would have had written at the next checkpoint.
    fn skip_used_numbers(&mut self, home: &Home) -> Result<Dirty, StoreError> {
        let head = self.state.head();
        let used = results::last_number(home, head.node.tag())?.unwrap_or(0);
        if used < head.next_job {
            return Ok(Dirty::default());
        }
        self.notes.push(Note::Ahead { journal: home.journal(), known: head.next_job.saturating_sub(1), found: used });
        let head = Head { next_job: used.saturating_add(1), ..head.clone() };
        let dirty = Dirty { head: true, ..self.state.take_dirty() };
        self.state = State::from_parts(head, self.state.jobs().clone());
        Ok(dirty)
    }
}

impl Journal {
    /// Opens the journal of a state folder, or with `create` begins one, and recovers what it holds: the last checkpoint,
    /// the records after it, and the results that the warden wrote since.
    ///
    /// # Errors
    /// [`StoreError`]: [`StoreError::Damaged`], [`StoreError::Newer`] and [`StoreError::OtherNode`] change nothing.
    pub fn open(home: &Home, node: NodeId, create: bool) -> Result<(Self, Recovery), StoreError> {
        let path = home.journal();
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && create => {
                if let Said::Seen { sequence: seen @ 1.., .. } = Witness::peek(&witness_path(home)) {
                    let what = format!(
                        "it is gone, but record {seen} was acknowledged (to begin anew without what it held, remove \
                         journal.seen)"
                    );
                    return Err(StoreError::damaged(&path, what));
                }
                return Self::begin(home, node);
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(StoreError::Missing { path }),
            Err(error) => return Err(StoreError::io("cannot be opened", &path)(error)),
        };
        let said = Witness::peek(&witness_path(home));
        if let Said::Seen { format, .. } = said
            && format > FORMAT
        {
            return Err(StoreError::Newer { path, found: format, known: FORMAT });
        }
        let store = Store::probe(&path, file)?;
        check_owner(&store, &path, node)?;
        let contents = read_all(&store, &path)?;
        let last = contents.last();
        if let Said::Seen { sequence, .. } = said
            && sequence > last
        {
            let what = format!(
                "it ends with record {last}, but record {sequence} was acknowledged (to go on without what is missing, \
                 remove journal.seen)"
            );
            return Err(StoreError::damaged(&path, what));
        }
        store.backend.go_live().map_err(StoreError::io("cannot be written", &path))?;
        put_aside(home, &store, &path, &contents)?;
        let mut journal = Self::with(home, node, store);
        journal.base = last;
        journal.last = last;
        journal.uncovered = !contents.entries.is_empty();
        journal.positions.clone_from(&contents.checkpoint.positions);
        let mut recovery = contents.replay(home)?;
        if said == Said::Nothing {
            journal.dirty = recovery.skip_used_numbers(home)?;
        }
        Ok((journal, recovery))
    }

    fn begin(home: &Home, node: NodeId) -> Result<(Self, Recovery), StoreError> {
        let folder = home.path();
        crate::home::make_folder(folder).map_err(StoreError::io("cannot be made", folder))?;
        // A witness without its journal would accuse the next one.
        let _ = std::fs::remove_file(witness_path(home));
        let mut head = State::new(node).head().clone();
        let mut notes = Vec::new();
        let positions = results::ends(home)?;
        if let Some(number) = results::last_number(home, node.tag())? {
            head.next_job = number.saturating_add(1);
            notes.push(Note::Beside { journal: home.journal(), next_job: head.next_job });
        }
        let store = Store::fresh(&unnamed(home))?;
        let mut journal = Self::with(home, node, store);
        journal.fresh = true;
        journal.positions.clone_from(&positions);
        journal.first = Some(Checkpoint { head: head.clone(), through: 0, positions: positions.clone() });
        Ok((journal, Recovery { state: State::from_parts(head, []), positions, notes, replayed: 0 }))
    }

    fn with(home: &Home, node: NodeId, store: Store) -> Self {
        Self {
            home: home.clone(),
            node,
            store: Some(store),
            fresh: false,
            first: None,
            base: 0,
            last: 0,
            uncovered: false,
            positions: BTreeMap::new(),
            dirty: Dirty::default(),
            witness: None,
            peers: None,
            outputs: PeerOutputs::default(),
            failed: None,
        }
    }
}

fn check_owner(store: &Store, path: &Path, node: NodeId) -> Result<(), StoreError> {
    let (format, found) = store.with(path, |db| {
        let txn = db.begin_read()?;
        let meta = match txn.open_table(META) {
            Ok(meta) => meta,
            Err(TableError::TableDoesNotExist(_)) => return Ok((None, None)),
            Err(error) => return Err(error.into()),
        };
        let format = meta.get(KEY_FORMAT)?.and_then(|row| row.value().try_into().ok().map(u16::from_le_bytes));
        let node = meta.get(KEY_NODE)?.and_then(|row| row.value().try_into().ok().map(NodeId));
        Ok((format, node))
    })?;
    match (format, found) {
        (Some(found), _) if found > FORMAT => Err(StoreError::Newer { path: path.to_owned(), found, known: FORMAT }),
        (Some(found), _) if found < FORMAT => Err(StoreError::Older { path: path.to_owned(), found, needed: FORMAT }),
        (Some(FORMAT), Some(found)) if found == node => Ok(()),
        (Some(FORMAT), Some(found)) => {
            Err(StoreError::OtherNode { path: path.to_owned(), found: found.to_string(), expected: node.to_string() })
        }
        _ => Err(StoreError::damaged(path, "it does not say what it is")),
    }
}

fn read_all(store: &Store, path: &Path) -> Result<Contents, StoreError> {
    let contents = store.with(path, read_tables)?;
    contents.map_err(|what| StoreError::damaged(path, what))
}

/// The inner error: a row that nobody can attribute, in words.
fn read_tables(db: &Database) -> Result<Result<Contents, &'static str>, redb::Error> {
    let txn = db.begin_read()?;
    let checkpoint = match txn.open_table(META)?.get(KEY_CHECKPOINT)? {
        Some(found) => row::open::<Checkpoint>(KEY_CHECKPOINT.as_bytes(), found.value()),
        None => return Ok(Err("it has no checkpoint")),
    };
    let Ok(checkpoint) = checkpoint else { return Ok(Err("its checkpoint cannot be read")) };
    let (mut jobs, mut entries) = (BTreeMap::new(), Vec::new());
    let (mut aside, mut bad) = (BTreeSet::new(), BTreeSet::new());
    if let Some(table) = existing(txn.open_table(JOBS))? {
        for found in table.iter()? {
            let (key, found) = found?;
            let id = JobId(key.value());
            match row::open::<Job>(&id.0.to_le_bytes(), found.value()) {
                Ok(job) => drop(jobs.insert(id, job)),
                Err(_) => drop(bad.insert(id)),
            }
        }
    }
    if let Some(table) = existing(txn.open_table(RECORDS))? {
        for found in table.iter()? {
            let (key, found) = found?;
            let (sequence, place) = key.value();
            match row::open::<Entry>(&row_key(sequence, place), found.value()) {
                Ok(entry) => entries.push(((sequence, place), entry)),
                Err(BadRow::OfJob(job)) => drop(bad.insert(job)),
                Err(BadRow::OfUnknown) => return Ok(Err("a record cannot be read, and not even what it is about")),
            }
        }
    }
    if let Some(table) = existing(txn.open_table(ASIDE))? {
        for found in table.iter()? {
            aside.insert(JobId(found?.0.value().0));
        }
    }
    Ok(Ok(Contents { checkpoint, jobs, entries, aside, bad }))
}

/// A table that nothing was ever written to does not exist.
fn existing<T>(table: Result<T, TableError>) -> Result<Option<T>, redb::Error> {
    match table {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Moves every row of a damaged job out of the way, as it was found, and marks the job's folder.
fn put_aside(home: &Home, store: &Store, path: &Path, contents: &Contents) -> Result<(), StoreError> {
    for id in contents.bad.iter().chain(&contents.aside) {
        job::mark_aside(home, *id)?;
    }
    if contents.bad.is_empty() {
        return Ok(());
    }
    store.with(path, |db| {
        let txn = db.begin_write()?;
        {
            let (mut aside, mut jobs) = (txn.open_table(ASIDE)?, txn.open_table(JOBS)?);
            for id in &contents.bad {
                let found = jobs.remove(id.0)?;
                // A job that is in no checkpoint yet still has to be remembered as damaged.
                aside.insert((id.0, 0, 0), found.as_ref().map_or(&[][..], |row| row.value()))?;
            }
            txn.open_table(RECORDS)?.retain(|(sequence, place), found| {
                let job = row_job(sequence, place, found).filter(|job| contents.bad.contains(job));
                job.is_none_or(|job| aside.insert((job.0, sequence, place), found).is_err())
            })?;
        }
        txn.commit()?;
        Ok(())
    })
}

/// The job that a record's row is about, whether or not the row is good.
fn row_job(sequence: u64, place: u32, found: &[u8]) -> Option<JobId> {
    match row::open::<Entry>(&row_key(sequence, place), found) {
        Ok(Entry::Record(record)) => row::job_of(&record),
        Ok(Entry::Block { .. }) | Err(BadRow::OfUnknown) => None,
        Err(BadRow::OfJob(job)) => Some(job),
    }
}

impl Contents {
    /// The greatest sequence that it holds.
    fn last(&self) -> u64 {
        self.entries.last().map_or(0, |((sequence, _), _)| *sequence).max(self.checkpoint.through)
    }

    fn replay(self, home: &Home) -> Result<Recovery, StoreError> {
        let Self { checkpoint, mut jobs, entries, aside, bad } = self;
        let Checkpoint { mut head, mut positions, .. } = checkpoint;
        let gone: BTreeSet<JobId> = bad.union(&aside).copied().collect();
        reserve_numbers(&mut head, &gone);
        jobs.retain(|id, _| !gone.contains(id));
        let mut notes: Vec<Note> =
            gone.iter().map(|job| Note::Quarantined { job: *job, journal: home.journal() }).collect();
        let mut state = State::from_parts(head, jobs);
        let mut replayed = 0;
        for (_, entry) in entries {
            replayed += 1;
            match entry {
                Entry::Record(record) if row::job_of(&record).is_some_and(|job| gone.contains(&job)) => {}
                Entry::Record(record) => drop(state.apply(&record)),
                Entry::Block { via, segment, start, end } => {
                    replay_block(home, segment, start, end, &mut notes, |outcomes| {
                        state.apply(&Record::Outcomes { via: Some(via), outcomes });
                    })?;
                }
            }
        }
        let tail = results::each_after(home, &mut positions, |outcomes| {
            replayed += 1;
            state.apply_outcomes(None, outcomes);
        })?;
        notes.extend(tail);
        Ok(Recovery { state, positions, notes, replayed })
    }
}

/// Numbers of jobs that were put aside are not given out again.
fn reserve_numbers(head: &mut Head, gone: &BTreeSet<JobId>) {
    for job in gone.iter().filter(|job| job.owner_tag() == head.node.tag()) {
        head.next_job = head.next_job.max(job.number().saturating_add(1));
    }
}

fn replay_block(
    home: &Home,
    segment: u32,
    start: u64,
    end: u64,
    notes: &mut Vec<Note>,
    mut apply: impl FnMut(Vec<tern_core::promise::Outcome>),
) -> Result<(), StoreError> {
    let path = home.segment(segment);
    let mut reader = match SegmentReader::open(&path) {
        Ok(reader) => reader,
        Err(error) => {
            notes.push(Note::SegmentUnreadable { why: error.to_string() });
            return Ok(());
        }
    };
    reader.seek(start, Some(end));
    while let Some(block) = reader.next_block()? {
        match block {
            Block::Outcomes { outcomes, .. } => apply(outcomes),
            Block::Corrupt { start, end } | Block::Torn { start, end } => {
                notes.push(Note::ResultsDamaged { path: path.clone(), start, end });
            }
        }
    }
    Ok(())
}
