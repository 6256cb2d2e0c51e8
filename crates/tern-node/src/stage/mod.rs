//! Files of tasks that run on another node: inputs come before a task starts, outputs go back before its end counts.
//!
//! Whoever wants a file fetches it, as everywhere. A borrower fetches inputs from the owner into its cache, by content, so that
//! what it has is not sent again, and lays them into a folder of the task's own. When a task has ended, the owner fetches what it
//! made, puts it where it would have been made here, and only then takes the end of the task.

pub mod bring;
pub mod cache;
mod checkpoint;
pub mod leave;
pub mod made;
pub mod names;
pub mod take;

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tern_core::wire::{Message, TaskFiles};
use tern_core::words::{GrantId, NodeId};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

pub use cache::Cache;
pub use made::Inputs;

use crate::files::wire::{Kind, Trouble};
use crate::home::Home;
use crate::overlay::peers::Peers;
use crate::process::checkpoint::remove;

/// Tasks whose files are on their way at once, in each direction, and ends that are made ready for it.
const TASKS_AT_ONCE: usize = 8;

/// Inputs to fetch for the tasks of a loan.
pub struct Wish {
    pub grant: GrantId,
    pub from: NodeId,
    /// The folder there that names are relative to.
    pub base: PathBuf,
    /// The folder here that gets one folder a task.
    pub folder: PathBuf,
    pub tasks: Vec<(u32, TaskFiles)>,
}

/// Ends of tasks whose files wait at the borrower.
pub struct Return {
    pub from: NodeId,
    /// [`Message::Results`], with what they made.
    pub message: Message,
    /// The folder here that names are relative to.
    pub base: PathBuf,
    /// What each of these tasks may bring back.
    pub declared: Vec<TaskFiles>,
}

/// Moves files for the loop, which goes on meanwhile. All copies are one.
#[derive(Clone)]
pub struct Stager {
    home: Home,
    peers: Peers,
    runtime: Handle,
    cache: Arc<Cache>,
    /// Outputs that are too long for a message, on their way.
    incoming: PathBuf,
    coming: Arc<Semaphore>,
    going: Arc<Semaphore>,
    leaving: Arc<Semaphore>,
    /// Ends whose files are on their way: a repeated message does not fetch them again.
    returning: Arc<Mutex<HashSet<(GrantId, u32)>>>,
    /// Ends whose files found no room, and why.
    waits: Arc<Mutex<BTreeMap<(GrantId, u32), String>>>,
    /// Folders of loans that go on.
    live: Arc<Mutex<HashSet<PathBuf>>>,
}

impl Stager {
    /// Clears away what an earlier agent left, and reads what the cache holds. Called within the runtime.
    ///
    /// # Errors
    /// The system's: there is no place for work folders.
    pub fn new(home: &Home, peers: Peers, cache_bytes: u64) -> std::io::Result<Self> {
        // The tasks of an earlier agent's loans are being ended: what they still write goes with their folders.
        remove(&home.work())?;
        crate::home::make_folder(home.work())?;
        let cache = Cache::open(home.cache(), cache_bytes)?;
        let incoming = home.work().join("incoming");
        crate::home::make_folder(&incoming)?;
        let places = || Arc::new(Semaphore::new(TASKS_AT_ONCE));
        let (coming, going, leaving) = (places(), places(), places());
        let (returning, waits, live) = (Arc::default(), Arc::default(), Arc::default());
        let (runtime, cache) = (Handle::current(), Arc::new(cache));
        let home = home.clone();
        Ok(Self { home, peers, runtime, cache, incoming, coming, going, leaving, returning, waits, live })
    }

    /// Where an output of a task that is too long for a message is put until its end counts.
    fn long_place(&self, grant: GrantId, task: u32, which: usize) -> PathBuf {
        self.incoming.join(format!("{:016x}-{}-{task}-{which}", grant.incarnation, grant.n))
    }

    /// Removes the work folders of a loan that is over.
    pub fn discard(&self, folder: PathBuf) {
        self.live().remove(&folder);
        self.runtime.spawn_blocking(move || {
            if let Err(error) = remove(&folder) {
                tracing::warn!(%error, folder = %folder.display(), "a work folder could not be removed; the next start does");
            }
        });
    }

    /// The loan may have ended while something was put into its folder.
    fn discard_unless_live(&self, folder: &Path) {
        if !self.live().contains(folder) {
            self.discard(folder.to_owned());
        }
    }

    /// Marks an end as being fetched. False: it is already.
    fn begin_return(&self, grant: GrantId, task: u32) -> bool {
        self.returning.lock().unwrap_or_else(PoisonError::into_inner).insert((grant, task))
    }

    /// Why outputs of tasks that ended elsewhere cannot be put in their places; they are fetched again until there is room.
    /// `goes_on`: whether a loan does; what was called back waits for nothing.
    pub fn waits(&self, goes_on: impl Fn(GrantId) -> bool) -> Option<String> {
        let mut waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        waits.retain(|(grant, _), _| goes_on(*grant));
        waits.first_key_value().map(|(_, why)| why.clone())
    }

    /// Takes note of how fetching what a task made went.
    fn note_room(&self, grant: GrantId, task: u32, trouble: Option<&Trouble>) {
        let mut waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        match trouble {
            Some(trouble) if trouble.kind == Kind::StorageFull => {
                waits.insert((grant, task), trouble.to_string());
            }
            // Not asked again yet: it waits still.
            Some(_) => {}
            None => {
                waits.remove(&(grant, task));
            }
        }
    }

    fn live(&self) -> MutexGuard<'_, HashSet<PathBuf>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end_return(&self, grant: GrantId, task: u32) {
        self.returning.lock().unwrap_or_else(PoisonError::into_inner).remove(&(grant, task));
    }
}

/// Where the checkpoint of a borrowed task is put that it goes on from; `folder` is that of its loan.
#[must_use]
pub fn saved_folder(folder: &Path, task: u32) -> PathBuf {
    folder.join(format!("{task}.checkpoint"))
}

/// Where that is put which it had written by then, to standard output (0) or error (1).
#[must_use]
pub fn saved_output(folder: &Path, task: u32, which: usize) -> PathBuf {
    folder.join(format!("{task}.said.{which}"))
}

/// A refusal of a name that another node said.
fn bad_name(name: &[u8]) -> Trouble {
    let message = format!("{:?} is no name below the folder of the job", String::from_utf8_lossy(name));
    Trouble::new(Kind::Refused, message)
}
