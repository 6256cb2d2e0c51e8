//! What may go wrong with a node's durable state: what, where, what was touched, and what to do.

use std::io;
use std::path::{Path, PathBuf};

use super::segment::SegmentError;

/// Unless a variant says otherwise nothing on the disk was changed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No room on the disk. Nothing of the call became durable; it may be repeated when there is room.
    #[error("{}: the disk is full, nothing was accepted; make room, then try again", path.display())]
    Full { path: PathBuf },
    #[error("{}: {what}: {source}", path.display())]
    Io { what: &'static str, path: PathBuf, source: io::Error },
    /// The disk failed under an fsync: what the kernel holds of the file is not trusted any more.
    #[error(
        "{}: the disk failed ({why}); what was accepted before is durable, nothing more is accepted until a restart",
        path.display()
    )]
    Failed { path: PathBuf, why: String },
    #[error(
        "{}: written by a newer tern (format {found}, this one knows up to {known}); nothing was changed, use the newer tern",
        path.display()
    )]
    Newer { path: PathBuf, found: u16, known: u16 },
    #[error(
        "{}: written by an older tern (format {found}, this one reads {needed}); nothing was changed: finish its jobs with \
         that tern, then move the file away",
        path.display()
    )]
    Older { path: PathBuf, found: u16, needed: u16 },
    #[error(
        "{}: damaged: {what}. Nothing was changed; results in seg/ and out/ beside it are separate files and safe. \
         Restore it from a backup, or move it away to start with an empty one",
        path.display()
    )]
    Damaged { path: PathBuf, what: String },
    #[error(
        "{}: belongs to node {found}, this folder's key is node {expected}; bring back the key or move the file away",
        path.display()
    )]
    OtherNode { path: PathBuf, found: String, expected: String },
    #[error("{}: in use by {}; stop it (`tern down`) or name another folder with --home", folder.display(), who(*pid))]
    InUse { folder: PathBuf, pid: Option<u32> },
    #[error("{}: there is no journal; start the agent (`tern up`) or name the right folder with --home", path.display())]
    Missing { path: PathBuf },
    #[error("{}: its mode is {mode:03o}, others may read the node's secret; run `chmod 600` on it", path.display())]
    KeyMode { path: PathBuf, mode: u32 },
    #[error(
        "{}: not a node key (32 bytes wanted, {found} found); restore it, or move it away to become a new node",
        path.display()
    )]
    KeyDamaged { path: PathBuf, found: u64 },
    #[error("{}: its mode is {mode:03o}, others may change who belongs to the grid; run `chmod 600` on it", path.display())]
    GridMode { path: PathBuf, mode: u32 },
    #[error("{}: damaged: {what}. Nothing was changed; {advice}", path.display())]
    GridDamaged { path: PathBuf, what: String, advice: &'static str },
    #[error("{}: this node belongs to a grid already; leave it first", path.display())]
    InGrid { path: PathBuf },
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// A program error of the caller: sequences of one run only grow.
    #[error("sequence {got} was committed after {last}")]
    Order { last: u64, got: u64 },
}

impl StoreError {
    /// The same call may succeed when there is room on the disk.
    #[must_use]
    pub fn is_full(&self) -> bool {
        match self {
            Self::Full { .. } => true,
            Self::Segment(error) => error.is_full(),
            _ => false,
        }
    }

    /// A word for scripts: whether it is the disk, the data, a right, or somebody else.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            _ if self.is_full() => "storage_full",
            Self::Io { source, .. } | Self::Segment(SegmentError::Io { source, .. })
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                "no_permission"
            }
            Self::Full { .. } | Self::Io { .. } | Self::Failed { .. } | Self::Segment(SegmentError::Io { .. }) => {
                "storage_failed"
            }
            Self::Newer { .. } | Self::Segment(SegmentError::Newer { .. }) => "newer_format",
            Self::Older { .. } => "older_format",
            Self::Damaged { .. }
            | Self::OtherNode { .. }
            | Self::KeyDamaged { .. }
            | Self::GridDamaged { .. }
            | Self::Segment(SegmentError::NotASegment { .. }) => "damaged",
            Self::InUse { .. } => "locked",
            Self::KeyMode { .. } | Self::GridMode { .. } => "no_permission",
            Self::InGrid { .. } => "in_grid",
            Self::Missing { .. } => "no_journal",
            Self::Order { .. } => "fault",
        }
    }

    pub(super) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| {
            if is_full(&source) {
                Self::Full { path: path.to_owned() }
            } else {
                Self::Io { what, path: path.to_owned(), source }
            }
        }
    }

    pub(super) fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), what: what.into() }
    }
}

pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOSPC | libc::EDQUOT))
}

fn who(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}
