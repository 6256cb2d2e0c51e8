//! Output of tasks that other nodes ran: appended to files of the agent's own, apart from those that the warden writes.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use tern_core::promise::{Outcome, Output};
use tern_core::words::Bytes;

use super::super::StoreError;
use crate::home::{FROM_PEERS, Home};
use crate::stage::take::Long;

/// A pair that is longer takes no more.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// The pair that is being written.
#[derive(Debug, Default)]
pub struct PeerOutputs {
    pair: Option<Pair>,
    /// What staged records point to could not be made durable: they must not be committed.
    lost: bool,
}

#[derive(Debug)]
struct Pair {
    number: u32,
    files: [File; 2],
    ends: [u64; 2],
    dirty: [bool; 2],
}

impl PeerOutputs {
    /// `long`: files with outputs that are too long for a message, of the only outcome then.
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
            outcome.stdout = self.append(home, 0, stdout, long[0].as_deref())?;
            outcome.stderr = self.append(home, 1, stderr, long[1].as_deref())?;
        }
        Ok(())
    }

    fn append(&mut self, home: &Home, which: usize, bytes: &[u8], long: Option<&Path>) -> Result<Output, StoreError> {
        if bytes.is_empty() && long.is_none() {
            return Ok(Output::default());
        }
        if self.pair.as_ref().is_some_and(|pair| pair.ends[which] >= FILE_BYTES_MAX) {
            self.let_go(home)?;
        }
        let pair = match &mut self.pair {
            Some(pair) => pair,
            none => none.insert(Pair::new(home)?),
        };
        let start = pair.ends[which];
        let file = &mut pair.files[which];
        let written = match long {
            Some(long) => File::open(long).and_then(|mut long| std::io::copy(&mut long, file)),
            None => Ok(0),
        };
        // What the owner adds to an error output stands behind it.
        let written = written.and_then(|long| file.write_all(bytes).map(|()| long + bytes.len() as u64));
        if let Err(source) = written {
            // What was half written belongs to nobody; the next pair begins clean.
            let path = pair.path(home, which);
            // Others stand in it whose records are staged.
            self.let_go(home)?;
            return Err(StoreError::io("output of another node", &path)(source));
        }
        let len = written.unwrap_or(0);
        pair.ends[which] += len;
        pair.dirty[which] = true;
        Ok(Output { file: pair.number, offset: start, len })
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
    fn new(home: &Home) -> Result<Self, StoreError> {
        let folder = home.peer_outputs();
        crate::home::make_folder(&folder).map_err(StoreError::io("cannot be made", &folder))?;
        let number = next_number(&folder).map_err(StoreError::io("cannot be read", &folder))?;
        let open = |path: &Path| {
            let made = OpenOptions::new().append(true).create_new(true).mode(0o600).open(path);
            made.map_err(StoreError::io("cannot be made", path))
        };
        let files = [open(&home.stdout(number))?, open(&home.stderr(number))?];
        for path in [folder.as_path(), &home.outputs()] {
            File::open(path).and_then(|folder| folder.sync_all()).map_err(StoreError::io("fsync", path))?;
        }
        Ok(Self { number, files, ends: [0; 2], dirty: [false; 2] })
    }

    fn path(&self, home: &Home, which: usize) -> std::path::PathBuf {
        if which == 0 { home.stdout(self.number) } else { home.stderr(self.number) }
    }
}

fn next_number(folder: &Path) -> std::io::Result<u32> {
    let mut last = FROM_PEERS;
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.split_once('.')?.0.parse().ok());
        last = last.max(number.unwrap_or(0));
    }
    Ok(last + 1)
}
