//! Names of files that travel with tasks, on their way out and back. Contents are fetched by whoever wants them.

use alloc::boxed::Box;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use super::bounded;
use crate::words::Bytes;

/// The files of a grant's tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Travel {
    /// The folder at the owner that the names are relative to, absolute.
    pub base: Bytes,
    /// One entry a task, in ascending order (filled in by the owner's adapter).
    #[serde(deserialize_with = "bounded::per_task")]
    pub tasks: Vec<TaskFiles>,
}

/// The files of one task, as names relative to the folder of its job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskFiles {
    #[serde(deserialize_with = "bounded::per_file")]
    pub inputs: Vec<Bytes>,
    /// Folders that outputs may go to: they are there at the owner.
    #[serde(deserialize_with = "bounded::per_file")]
    pub folders: Vec<Bytes>,
    /// Where there are none, all that the task made or changed comes back.
    #[serde(deserialize_with = "bounded::per_file")]
    pub outputs: Vec<Bytes>,
    /// Of a task that goes on from a checkpoint.
    pub saved: Option<Box<Saved>>,
}

/// A checkpoint of a task, as its owner keeps it: whole paths of what is there to be fetched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// Its folder.
    pub folder: Bytes,
    /// Files with all that the task wrote before, to standard output and error; empty: nothing.
    pub said: [Bytes; 2],
}

/// What one task left behind for its owner to fetch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// The folder at the borrower that the names are relative to, absolute.
    pub base: Bytes,
    #[serde(deserialize_with = "bounded::per_file")]
    pub files: Vec<MadeFile>,
    /// Standard output and error where they are too long for a message: files at the borrower, by their whole paths.
    pub long: [Option<Bytes>; 2],
    /// The folder of the checkpoint that it left, by its whole path; empty: it left none.
    pub checkpoint: Bytes,
}

impl Made {
    /// Whether nothing is to be fetched.
    #[must_use]
    pub const fn is_nothing(&self) -> bool {
        self.files.is_empty() && matches!(self.long, [None, None]) && self.checkpoint.0.is_empty()
    }
}

/// One file. The name of its content is asked for when it is fetched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeFile {
    pub name: Bytes,
    pub size: u64,
    /// Permission bits.
    pub mode: u32,
}
