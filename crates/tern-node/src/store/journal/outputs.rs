//! Output of tasks that other nodes ran: appended to files of the agent's own, apart from those that the warden writes.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use tern_core::promise::{Outcome, Output};
use tern_core::words::Bytes;

use super::super::StoreError;
use crate::home::{FROM_PEERS, Home};
use crate::stage::take::Long;

/// A pair that is longer takes no more.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// What came as a file and is longer becomes a file here, too: to copy it takes as long as its disk does. Shorter ones stand together
/// with others, since a million files are slow, too.
const FILE_BYTES_MIN: u64 = 1 << 20;

/// The pair that is being written.
#[derive(Debug, Default)]
pub struct PeerOutputs {
    pair: Option<Pair>,
    /// The number given last, in this life.
    last: Option<u32>,
    /// What staged records point to could not be made durable: they must not be committed.
    lost: bool,
    /// Files came into the folder whose names are not durable yet.
    unnamed: bool,
    /// Files to which records may point that are not durable yet.
    fresh: BTreeSet<u32>,
    /// Those of them that came whole and hold nothing else.
    adopted: Vec<PathBuf>,
}

#[derive(Debug)]
struct Pair {
    number: u32,
    files: [File; 2],
    ends: [u64; 2],
    dirty: [bool; 2],
}

impl PeerOutputs {
    /// `long`: files with outputs that are too long for a message, of the only outcome then. They are durable but for their names.
    pub fn keep(
        &mut self,
        home: &Home,
        outcomes: &mut [Outcome],
        output: &[(Bytes, Bytes)],
        long: &Long,
    ) -> Result<(), StoreError> {
        for (index, outcome) in outcomes.iter_mut().enumerate() {
            let none = (Bytes::default(), Bytes::default());
            let (stdout, stderr) = output.get(index).unwrap_or(&none);
            outcome.stdout = self.keep_one(home, 0, stdout, long[0].as_deref())?;
            outcome.stderr = self.keep_one(home, 1, stderr, long[1].as_deref())?;
            self.fresh.extend([outcome.stdout, outcome.stderr].map(|kept| kept.file));
        }
        Ok(())
    }

    /// Whether records may point to this file that are not durable yet.
    pub fn in_use(&self, number: u32) -> bool {
        self.fresh.contains(&number) || self.pair.as_ref().is_some_and(|pair| pair.number == number)
    }

    /// All records are durable.
    pub fn settle(&mut self) {
        self.fresh.clear();
        self.adopted.clear();
    }

    /// No record of this batch is durable, nor will be: what was kept for them alone goes, since the disk may be full of it.
    pub fn take_back(&mut self) {
        for path in std::mem::take(&mut self.adopted) {
            // What cannot be removed goes with the next job that is forgotten.
            let _left = fs::remove_file(path);
        }
        self.fresh.clear();
    }

    fn keep_one(&mut self, home: &Home, which: usize, bytes: &[u8], long: Option<&Path>) -> Result<Output, StoreError> {
        let Some(long) = long else {
            return if bytes.is_empty() { Ok(Output::default()) } else { self.append(home, which, bytes) };
        };
        let failed = || StoreError::io("cannot be read", long);
        let len = fs::metadata(long).map_err(failed())?.len();
        if len < FILE_BYTES_MIN {
            return self.append(home, which, &fs::read(long).map_err(failed())?);
        }
        self.adopt(home, which, long, len)
    }

    fn adopt(&mut self, home: &Home, which: usize, long: &Path, len: u64) -> Result<Output, StoreError> {
        let file = self.next_number(home)?;
        let place = if which == 0 { home.stdout(file) } else { home.stderr(file) };
        match fs::rename(long, &place) {
            // Somebody gave the outputs a disk of their own.
            Err(error) if error.kind() == ErrorKind::CrossesDevices => {
                let copied = fs::copy(long, &place).and_then(|_| File::open(&place)?.sync_all());
                copied.map_err(StoreError::io("cannot be copied", &place))?;
            }
            moved => moved.map_err(StoreError::io("cannot be moved", &place))?,
        }
        self.unnamed = true;
        self.adopted.push(place);
        Ok(Output { file, offset: 0, len })
    }

    /// A number that no file has had. A new run goes on after the greatest in the folder, which is made.
    fn next_number(&mut self, home: &Home) -> Result<u32, StoreError> {
        let folder = home.peer_outputs();
        let last = match self.last {
            Some(last) => last,
            None => {
                crate::home::make_folder(&folder).map_err(StoreError::io("cannot be made", &folder))?;
                last_number(&folder).map_err(StoreError::io("cannot be read", &folder))?
            }
        };
        Ok(*self.last.insert(last + 1))
    }

    fn append(&mut self, home: &Home, which: usize, bytes: &[u8]) -> Result<Output, StoreError> {
        if self.pair.as_ref().is_some_and(|pair| pair.ends[which] >= FILE_BYTES_MAX) {
            self.let_go(home)?;
        }
        let pair = match self.pair.take() {
            Some(pair) => pair,
            None => Pair::new(home, self.next_number(home)?)?,
        };
        let pair = self.pair.insert(pair);
        let start = pair.ends[which];
        if let Err(source) = pair.files[which].write_all(bytes) {
            // What was half written belongs to nobody; the next pair begins clean.
            let path = pair.path(home, which);
            // Others stand in it whose records are staged.
            self.let_go(home)?;
            return Err(StoreError::io("output of another node", &path)(source));
        }
        pair.ends[which] += bytes.len() as u64;
        pair.dirty[which] = true;
        Ok(Output { file: pair.number, offset: start, len: bytes.len() as u64 })
    }

    /// The pair takes no more; what it holds is durable, or the next commit is refused.
    fn let_go(&mut self, home: &Home) -> Result<(), StoreError> {
        let synced = self.sync_pair(home);
        self.lost |= synced.is_err();
        self.pair = None;
        synced
    }

    /// Makes durable what outcomes point to.
    pub fn sync(&mut self, home: &Home) -> Result<(), StoreError> {
        let synced = self.sync_pair(home);
        if std::mem::take(&mut self.unnamed) {
            sync_names(home)?;
        }
        if std::mem::take(&mut self.lost) {
            let lost = std::io::Error::other("an fsync of it failed before");
            return Err(StoreError::io("output of other nodes", &home.peer_outputs())(lost));
        }
        synced
    }

    fn sync_pair(&mut self, home: &Home) -> Result<(), StoreError> {
        let Some(pair) = &mut self.pair else { return Ok(()) };
        for which in 0..2 {
            if !pair.dirty[which] {
                continue;
            }
            if let Err(source) = pair.files[which].sync_data() {
                let path = pair.path(home, which);
                self.pair = None;
                return Err(StoreError::io("fsync", &path)(source));
            }
            pair.dirty[which] = false;
        }
        Ok(())
    }
}

impl Pair {
    /// A new pair with each run: nobody has to look how far the old one is to be trusted.
    fn new(home: &Home, number: u32) -> Result<Self, StoreError> {
        let open = |path: &Path| {
            let made = OpenOptions::new().append(true).create_new(true).mode(0o600).open(path);
            made.map_err(StoreError::io("cannot be made", path))
        };
        let files = [open(&home.stdout(number))?, open(&home.stderr(number))?];
        sync_names(home)?;
        Ok(Self { number, files, ends: [0; 2], dirty: [false; 2] })
    }

    fn path(&self, home: &Home, which: usize) -> PathBuf {
        if which == 0 { home.stdout(self.number) } else { home.stderr(self.number) }
    }
}

/// The names of all files, and of their folder, are durable.
fn sync_names(home: &Home) -> Result<(), StoreError> {
    for path in [home.peer_outputs(), home.outputs()] {
        File::open(&path).and_then(|folder| folder.sync_all()).map_err(StoreError::io("fsync", &path))?;
    }
    Ok(())
}

fn last_number(folder: &Path) -> std::io::Result<u32> {
    let mut last = FROM_PEERS;
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.split_once('.')?.0.parse().ok());
        last = last.max(number.unwrap_or(0));
    }
    Ok(last)
}
