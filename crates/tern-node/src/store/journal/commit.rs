//! Writing: one fsync for the records of a commit, one for a checkpoint.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::path::PathBuf;

use redb::Database;
use tern_core::promise::{Dirty, Outcome, Record, State};
use tern_core::words::{Bytes, GrantId, NodeId};

use super::super::StoreError;
use super::super::segment::{HEADER_BYTES, Lane, SegmentWriter};
use super::FORMAT;
use super::database::{JOBS, KEY_CHECKPOINT, KEY_FORMAT, KEY_NODE, META, RECORDS, Store};
use super::outputs::PeerOutputs;
use super::row::{self, Checkpoint, Written};
use super::witness::Witness;
use crate::home::Home;
use crate::stage::take::Long;

/// A row of [`RECORDS`], ready to be written.
type Row = ((u64, u32), Vec<u8>);

/// The open journal. Belongs to one thread; every call returns when what it did is durable.
pub struct Journal {
    pub(super) home: Home,
    pub(super) node: NodeId,
    /// None after an error: opened again by the next call.
    pub(super) store: Option<Store>,
    /// Not under its name yet: nothing was ever committed.
    pub(super) fresh: bool,
    /// The checkpoint that a first commit has to write.
    pub(super) first: Option<Checkpoint>,
    /// Sequences of this run count from here.
    pub(super) base: u64,
    /// The last durable sequence, over all runs.
    pub(super) last: u64,
    /// Whether records stand in the journal that no checkpoint covers.
    pub(super) uncovered: bool,
    pub(super) positions: BTreeMap<u32, u64>,
    /// Changed since the last checkpoint that became durable.
    pub(super) dirty: Dirty,
    pub(super) witness: Option<Witness>,
    pub(super) peers: Option<SegmentWriter>,
    pub(super) outputs: PeerOutputs,
    /// Set when an fsync failed; nothing is accepted any more.
    pub(super) failed: Option<String>,
}

impl Journal {
    /// Makes records durable, all or none. `sequence` is that of the last of them and grows from call to call; it begins
    /// anew with every opening. Outcomes of other nodes go to an agent's segment; the journal notes where.
    ///
    /// # Errors
    /// [`StoreError::Full`]: none of them is durable, call again when there is room. [`StoreError::Failed`]: the disk
    /// failed under an fsync; whether they are durable shows at the next opening, and nothing is accepted until then.
    pub fn commit(&mut self, sequence: u64, records: &[Record]) -> Result<(), StoreError> {
        let sequence = self.base.saturating_add(sequence);
        if sequence <= self.last {
            return Err(StoreError::Order { last: self.last - self.base, got: sequence - self.base });
        }
        let written = self.commit_rows(sequence, records);
        match &written {
            Ok(()) => self.outputs.settle(),
            // Whether they are durable shows at the next opening.
            Err(StoreError::Failed { .. }) => {}
            Err(_) => self.outputs.take_back(),
        }
        written
    }

    fn commit_rows(&mut self, sequence: u64, records: &[Record]) -> Result<(), StoreError> {
        self.ready()?;
        let rows = self.rows_of(sequence, records)?;
        let first = self.first.take();
        let written = self.transact(|db| {
            let txn = db.begin_write()?;
            if let Some(first) = &first {
                let mut meta = txn.open_table(META)?;
                meta.insert(KEY_CHECKPOINT, &*sealed(KEY_CHECKPOINT.as_bytes(), None, first)?)?;
            }
            {
                let mut table = txn.open_table(RECORDS)?;
                for (key, row) in &rows {
                    table.insert(key, &**row)?;
                }
            }
            Ok(txn)
        });
        if let Err(error) = written {
            self.first = first;
            return Err(error);
        }
        self.last = sequence;
        self.uncovered = true;
        self.testify();
        Ok(())
    }

    /// Writes what changed (`more`, taken from the state for this) and removes the records that it covers. `positions`:
    /// bytes of each segment that `state` holds.
    ///
    /// # Errors
    /// As [`Journal::commit`]; the records then stay and say the same.
    pub fn checkpoint(&mut self, state: &State, more: Dirty, positions: &BTreeMap<u32, u64>) -> Result<(), StoreError> {
        self.dirty.head |= more.head;
        self.dirty.jobs.extend(more.jobs);
        let idle = !self.uncovered && !self.dirty.head && self.dirty.jobs.is_empty();
        if idle && *positions == self.positions {
            return Ok(());
        }
        self.ready()?;
        let checkpoint = Checkpoint { head: state.head().clone(), through: self.last, positions: positions.clone() };
        let jobs = std::mem::take(&mut self.dirty.jobs);
        let through = self.last;
        let written = self.transact(|db| {
            let txn = db.begin_write()?;
            {
                let mut table = txn.open_table(JOBS)?;
                for id in &jobs {
                    match state.job(*id) {
                        Some(job) => table.insert(id.0, &*sealed(&id.0.to_le_bytes(), Some(*id), job)?)?,
                        None => table.remove(id.0)?,
                    };
                }
                let mut meta = txn.open_table(META)?;
                meta.insert(KEY_CHECKPOINT, &*sealed(KEY_CHECKPOINT.as_bytes(), None, &checkpoint)?)?;
                txn.open_table(RECORDS)?.retain_in(..=(through, u32::MAX), |_, _| false)?;
            }
            Ok(txn)
        });
        if let Err(error) = written {
            self.dirty.jobs = jobs;
            return Err(error);
        }
        self.first = None;
        self.uncovered = false;
        self.dirty.head = false;
        self.positions.clone_from(positions);
        self.testify();
        Ok(())
    }

    /// Writes the output that came with other nodes' results and points the outcomes at it. It becomes durable with the
    /// commit of those outcomes. An outcome without output in the list has none.
    ///
    /// # Errors
    /// [`StoreError::Full`] or [`StoreError::Io`]; the results are then not to be accepted.
    pub fn keep_outputs(
        &mut self,
        outcomes: &mut [Outcome],
        output: &[(Bytes, Bytes)],
        long: &Long,
    ) -> Result<(), StoreError> {
        self.outputs.keep(&self.home, outcomes, output, long)
    }

    /// Whether an output file that [`Self::keep_outputs`] wrote may be pointed at by records that are not durable yet.
    #[must_use]
    pub fn holds_output(&self, number: u32) -> bool {
        self.outputs.in_use(number)
    }

    fn rows_of(&mut self, sequence: u64, records: &[Record]) -> Result<Vec<Row>, StoreError> {
        let mut rows = Vec::with_capacity(records.len());
        for record in records {
            let place = u32::try_from(rows.len()).unwrap_or(u32::MAX);
            let job = row::job_of(record);
            let entry = match record {
                Record::Outcomes { via: Some(via), outcomes } => self.append(*via, outcomes)?,
                other => Written::Record(other),
            };
            let row = sealed(&row_key(sequence, place), job, &entry)
                .map_err(|error| StoreError::damaged(&self.home.journal(), error.to_string()))?;
            rows.push(((sequence, place), row));
        }
        Ok(rows)
    }

    /// Outcomes of another node, and the output that they point to, on the disk.
    fn append(&mut self, via: GrantId, outcomes: &[Outcome]) -> Result<Written<'static>, StoreError> {
        self.outputs.sync(&self.home)?;
        if self.peers.is_none() {
            // A torn tail was never noted in the journal: nobody was told of it.
            self.peers = Some(SegmentWriter::open(&self.home, Lane::Agent, self.node.tag())?.0);
        }
        let Some(writer) = &mut self.peers else { unreachable!("it was made above") };
        let before = writer.position();
        let after = writer.append(outcomes)?;
        let start = if after.segment == before.segment { before.end } else { HEADER_BYTES };
        Ok(Written::Block { via, segment: after.segment, start, end: after.end })
    }

    /// One durable transaction. After an error the file is opened anew by the next call.
    fn transact(
        &mut self,
        act: impl FnOnce(&Database) -> Result<redb::WriteTransaction, redb::Error>,
    ) -> Result<(), StoreError> {
        let path = self.home.journal();
        let Some(store) = &self.store else {
            return Err(StoreError::Failed { path, why: "it is closed".to_owned() });
        };
        let (fresh, node) = (self.fresh, self.node);
        let written = store.with(&path, |db| {
            let txn = act(db)?;
            if fresh {
                let mut meta = txn.open_table(META)?;
                meta.insert(KEY_FORMAT, &FORMAT.to_le_bytes()[..])?;
                meta.insert(KEY_NODE, &node.0[..])?;
            }
            txn.commit()?;
            Ok(())
        });
        let written = written.and_then(|()| if fresh { self.name_it() } else { Ok(()) });
        written.map_err(|error| self.close_after(error))
    }

    /// A new journal gets its name once its first commit is on the disk: under that name there is never half a journal.
    fn name_it(&mut self) -> Result<(), StoreError> {
        let Some(store) = &self.store else { return Ok(()) };
        let path = self.home.journal();
        store.backend.sync().map_err(StoreError::io("fsync", &path))?;
        fs::rename(unnamed(&self.home), &path).map_err(StoreError::io("rename", &path))?;
        let synced = File::open(self.home.path()).and_then(|folder| folder.sync_all());
        synced.map_err(StoreError::io("fsync of the folder", self.home.path()))?;
        store.backend.go_live().map_err(StoreError::io("the journal", &path))?;
        self.fresh = false;
        Ok(())
    }

    fn close_after(&mut self, error: StoreError) -> StoreError {
        let sync_failed = self.store.as_ref().is_some_and(|store| store.backend.sync_failed());
        self.store = None;
        if !sync_failed {
            return error;
        }
        let why = error.to_string();
        self.failed = Some(why.clone());
        StoreError::Failed { path: self.home.journal(), why }
    }

    /// Opens the file again where an error closed it, and takes back what that error may have left in it.
    fn ready(&mut self) -> Result<(), StoreError> {
        let path = self.home.journal();
        if let Some(why) = &self.failed {
            return Err(StoreError::Failed { path, why: why.clone() });
        }
        if self.store.is_some() {
            return Ok(());
        }
        if self.fresh {
            self.store = Some(Store::fresh(&unnamed(&self.home))?);
            return Ok(());
        }
        let opened = OpenOptions::new().read(true).write(true).open(&path);
        let store = Store::probe(&path, opened.map_err(StoreError::io("the journal", &path))?)?;
        store.backend.go_live().map_err(StoreError::io("the journal", &path))?;
        let last = self.last;
        store.with(&path, |db| {
            let txn = db.begin_write()?;
            txn.open_table(RECORDS)?.retain_in((last + 1, 0).., |_, _| false)?;
            txn.commit()?;
            Ok(())
        })?;
        self.store = Some(store);
        Ok(())
    }

    /// What is durable now, for the witness. It only ever adds knowledge, so a failure is no failure of the commit.
    fn testify(&mut self) {
        if self.witness.is_none() {
            self.witness = Witness::open(&witness_path(&self.home)).ok().map(|(witness, _)| witness);
        }
        if let Some(witness) = &self.witness
            && witness.write(FORMAT, self.last).is_err()
        {
            self.witness = None;
        }
    }
}

pub fn unnamed(home: &Home) -> PathBuf {
    home.path().join("journal.redb.new")
}

pub fn witness_path(home: &Home) -> PathBuf {
    home.path().join("journal.seen")
}

pub fn row_key(sequence: u64, place: u32) -> [u8; 12] {
    let mut key = [0u8; 12];
    key[..8].copy_from_slice(&sequence.to_le_bytes());
    key[8..].copy_from_slice(&place.to_le_bytes());
    key
}

/// A sealed row as an error that a redb transaction can carry out.
fn sealed<T: serde::Serialize>(
    key: &[u8],
    job: Option<tern_core::words::JobId>,
    content: &T,
) -> Result<Vec<u8>, redb::Error> {
    row::seal(key, job, content).map_err(|error| redb::Error::Corrupted(format!("a row cannot be encoded: {error}")))
}
