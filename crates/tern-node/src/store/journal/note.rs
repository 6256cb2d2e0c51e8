//! What recovery has to tell the person who runs the node.

use std::fmt;
use std::path::PathBuf;

use tern_core::words::JobId;

/// Something that is not as it was written. None of it stops the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// The job's rows are damaged: it is kept aside with its inputs and results and does not run.
    Quarantined { job: JobId, journal: PathBuf },
    /// Ends of attempts that cannot be read; tasks of which nothing else tells run again.
    ResultsDamaged { path: PathBuf, start: u64, end: u64 },
    /// A whole segment that cannot be read.
    SegmentUnreadable { why: String },
    /// A new journal was begun in a folder that holds jobs or results of an older one.
    Beside { journal: PathBuf, next_job: u32 },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Quarantined { job, journal } => write!(
                f,
                "{}: the rows of job {job} are damaged; it was put aside and does not run, its inputs and results are kept",
                journal.display()
            ),
            Self::ResultsDamaged { path, start, end } => write!(
                f,
                "{}: bytes {start} to {end} are damaged; tasks whose results stood only there run again",
                path.display()
            ),
            Self::SegmentUnreadable { why } => {
                write!(f, "{why}; tasks whose results stood only there run again")
            }
            Self::Beside { journal, next_job } => write!(
                f,
                "{}: begun anew beside jobs or results of an older journal, which are left alone; new jobs count from {next_job}",
                journal.display()
            ),
        }
    }
}
