//! The state folder and the names of everything in it.
//!
//! ```text
//! $TERN_HOME/
//!   key               the node's secret key, 0600
//!   config.toml       settings of this node
//!   speed             how fast this machine was measured to be
//!   history           how long tasks of earlier jobs took
//!   ledger, events    what was posted of transfers, and what happened, line by line; ledger.old, events.old: what stood before
//!   agent.lock        held by the agent, or by an in-process node, for its life
//!   control.sock      the control API, 0600
//!   runs/ID/          one state folder of the same shape for each `tern map` without an agent
//!   journal.redb      specs, ranges, checkpoints
//!   jobs/ID/inputs    the job's rows      jobs/ID/context   folder and environment, 0600
//!   jobs/ID/context-GRANT  the same of a loan, for another node's job
//!   warden/lock       held by the warden  warden/sock       where the agent reaches it
//!   warden.log        what a warden says that no terminal is there for
//!   agent.log         what a detached agent says; agent.error: why it could not start
//!   warden/inflight   mmapped table of running attempts
//!   journal.seen      the last record acknowledged, to notice a journal that lost some
//!   seg/NNNNNNNN      result segments     out/NNNNNNNN.out, .err   output files
//!   out/peers/        output files of tasks that other nodes ran
//!   work/GRANT/TASK   folders of tasks whose files came from another node; cache/HASH   contents that came
//!   checkpoints/ID/TASK/INCARNATION-N/  what an attempt left to go on from; …-N.0, .1: what it had written, to be sent along
//!   grid/roll         who belongs to the grid  grid/admin.key, grid/recovery   secrets of its admins, 0600
//! ```

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use tern_core::words::{Attempt, JobId};

/// Output files of this number or a greater one hold output that other nodes sent; the agent writes them, not the warden.
pub const FROM_PEERS: u32 = 1 << 31;

/// The folder of work folders. Other nodes may read what is in it, and checkpoints, and nothing else of a state folder.
pub const WORK: &str = "work";
/// The folder of checkpoints.
pub const CHECKPOINTS: &str = "checkpoints";

/// Makes a folder, and those above it, that only its user may look into. One that is there keeps its rights.
///
/// # Errors
/// The system's.
pub fn make_folder(path: impl AsRef<Path>) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// One state folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home(PathBuf);

impl Home {
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// `$TERN_HOME`, else `$XDG_STATE_HOME/tern`, else `~/.local/state/tern`.
    #[must_use]
    pub fn from_environment() -> Option<Self> {
        let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        named("TERN_HOME")
            .or_else(|| Some(named("XDG_STATE_HOME")?.join("tern")))
            .or_else(|| Some(named("HOME")?.join(".local/state/tern")))
            .map(Self)
    }
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.0.join("key")
    }
    #[must_use]
    pub fn grid(&self) -> PathBuf {
        self.0.join("grid")
    }
    #[must_use]
    pub fn roll(&self) -> PathBuf {
        self.0.join("grid/roll")
    }
    #[must_use]
    pub fn admin_key(&self) -> PathBuf {
        self.0.join("grid/admin.key")
    }
    #[must_use]
    pub fn next_admin_key(&self) -> PathBuf {
        self.0.join("grid/admin.key.next")
    }
    #[must_use]
    pub fn recovery(&self) -> PathBuf {
        self.0.join("grid/recovery")
    }
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.0.join("config.toml")
    }
    #[must_use]
    pub fn speed(&self) -> PathBuf {
        self.0.join("speed")
    }
    #[must_use]
    pub fn history(&self) -> PathBuf {
        self.0.join("history")
    }
    /// The folder to which that of a run of its own belongs.
    #[must_use]
    pub fn shared(&self) -> Option<Self> {
        let runs = self.0.parent()?;
        let shared = Self::new(runs.parent()?);
        (shared.runs() == runs).then_some(shared)
    }
    #[must_use]
    pub fn agent_lock(&self) -> PathBuf {
        self.0.join("agent.lock")
    }
    #[must_use]
    pub fn control_socket(&self) -> PathBuf {
        self.0.join("control.sock")
    }
    #[must_use]
    pub fn runs(&self) -> PathBuf {
        self.0.join("runs")
    }
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.0.join("journal.redb")
    }
    #[must_use]
    pub fn jobs(&self) -> PathBuf {
        self.0.join("jobs")
    }
    #[must_use]
    pub fn job(&self, job: JobId) -> PathBuf {
        self.jobs().join(job.to_string())
    }
    #[must_use]
    pub fn inputs(&self, job: JobId) -> PathBuf {
        self.job(job).join("inputs")
    }
    #[must_use]
    pub fn context(&self, job: JobId) -> PathBuf {
        self.job(job).join("context")
    }
    #[must_use]
    pub fn warden_lock(&self) -> PathBuf {
        self.0.join("warden/lock")
    }
    #[must_use]
    pub fn warden_socket(&self) -> PathBuf {
        self.0.join("warden/sock")
    }
    #[must_use]
    pub fn inflight(&self) -> PathBuf {
        self.0.join("warden/inflight")
    }
    #[must_use]
    pub fn throttles(&self) -> PathBuf {
        self.0.join("warden/throttles")
    }
    #[must_use]
    pub fn segments(&self) -> PathBuf {
        self.0.join("seg")
    }
    #[must_use]
    pub fn segment(&self, number: u32) -> PathBuf {
        self.segments().join(format!("{number:08}"))
    }
    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.0.join(WORK)
    }
    #[must_use]
    pub fn checkpoints(&self) -> PathBuf {
        self.0.join(CHECKPOINTS)
    }
    /// The folder of all checkpoints of a task (from 0).
    #[must_use]
    pub fn checkpoints_of(&self, job: JobId, task: u32) -> PathBuf {
        self.checkpoints().join(job.to_string()).join((u64::from(task) + 1).to_string())
    }
    /// Where an attempt leaves its checkpoint.
    #[must_use]
    pub fn checkpoint(&self, attempt: &Attempt) -> PathBuf {
        self.checkpoints_of(attempt.job, attempt.task).join(Self::attempt_name(attempt))
    }
    /// The name of an attempt among those of its task.
    #[must_use]
    pub fn attempt_name(attempt: &Attempt) -> String {
        format!("{:016x}-{}", attempt.epoch.incarnation, attempt.n)
    }
    #[must_use]
    pub fn cache(&self) -> PathBuf {
        self.0.join("cache")
    }
    #[must_use]
    pub fn ledger(&self) -> PathBuf {
        self.0.join("ledger")
    }
    #[must_use]
    pub fn events(&self) -> PathBuf {
        self.0.join("events")
    }
    #[must_use]
    pub fn outputs(&self) -> PathBuf {
        self.0.join("out")
    }
    #[must_use]
    pub fn peer_outputs(&self) -> PathBuf {
        self.outputs().join("peers")
    }
    #[must_use]
    pub fn stdout(&self, file: u32) -> PathBuf {
        self.outputs_of(file).join(format!("{file:08}.out"))
    }
    #[must_use]
    pub fn stderr(&self, file: u32) -> PathBuf {
        self.outputs_of(file).join(format!("{file:08}.err"))
    }
    fn outputs_of(&self, file: u32) -> PathBuf {
        if file >= FROM_PEERS { self.peer_outputs() } else { self.outputs() }
    }
}
