//! A job's folder, environment and limits, read once a job and laid out as the kernel wants them.
//!
//! A few are kept, since the tasks of one job come in batches; the least recently used goes first.

use std::ffi::CString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tern_core::words::limits::ARGV_BYTES_MAX;

use crate::process::protocol::Context;
use crate::store;

/// Jobs whose contexts are kept at once.
const CONTEXTS_MAX: usize = 8;
/// Bytes of a context file: the environment may not exceed what a process can be given.
const CONTEXT_BYTES_MAX: u64 = 2 * ARGV_BYTES_MAX as u64;
/// Set by us for each task; what the submitter had of these is of another task.
const OURS: [&[u8]; 4] = [b"TERN_JOB=", b"TERN_TASK=", b"TERN_ATTEMPT=", b"TERN_CHECKPOINT_DIR="];

/// A context, ready to be used.
pub struct Prepared {
    /// Empty: the warden's own folder.
    pub cwd: CString,
    /// `NAME=value` strings, each ended by a NUL.
    pub env: Vec<u8>,
    /// Where each string begins.
    pub env_at: Vec<u32>,
    /// Folders of PATH, absolute.
    pub path: Vec<PathBuf>,
    pub timeout_ms: Option<u64>,
    pub grace_ms: u64,
    /// `name=soft:hard`, for the trampoline.
    pub rlimits: Vec<CString>,
    /// The program looked up last, and where it was.
    pub found: Mutex<Option<(Vec<u8>, CString)>>,
}

impl Prepared {
    fn new(context: Context) -> Self {
        let mut env = Vec::new();
        let mut env_at = Vec::new();
        let mut path = None;
        for (name, value) in &context.env {
            let start = env.len();
            env.extend_from_slice(name);
            env.push(b'=');
            if OURS.contains(&&env[start..]) || name.is_empty() || name.contains(&0) || value.contains(&0) {
                env.truncate(start);
                continue;
            }
            if name.0 == b"PATH" {
                path = Some(value.0.clone());
            }
            env.extend_from_slice(value);
            env.push(0);
            env_at.push(start as u32);
        }
        let path = super::search::folders(path.as_deref(), &context.cwd);
        let rlimits = context.rlimits.iter();
        Self {
            // A folder with a NUL in its name does not exist; the spawn says so.
            cwd: CString::new(context.cwd.0).unwrap_or_else(|_| c"/nonexistent/NUL in the name".to_owned()),
            env,
            env_at,
            path,
            timeout_ms: context.timeout_ms,
            grace_ms: context.grace_ms,
            rlimits: rlimits
                .filter_map(|(name, soft, hard)| CString::new(format!("{name}={soft}:{hard}")).ok())
                .collect(),
            found: Mutex::new(None),
        }
    }
}

/// The contexts in use, shared by all workers.
#[derive(Default)]
pub struct Contexts(Mutex<Vec<(PathBuf, Arc<Prepared>)>>);

impl Contexts {
    /// The context in `path`.
    ///
    /// # Errors
    /// Those of the file system; `InvalidData` where the file is no context or too long.
    pub fn get(&self, path: &Path) -> io::Result<Arc<Prepared>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = kept.iter().position(|(known, _)| known == path) {
            if at > 0 {
                kept[..=at].rotate_right(1);
            }
            return Ok(Arc::clone(&kept[0].1));
        }
        let prepared = Arc::new(Prepared::new(read(path)?));
        kept.truncate(CONTEXTS_MAX - 1);
        kept.insert(0, (path.to_owned(), Arc::clone(&prepared)));
        Ok(prepared)
    }
}

fn read(path: &Path) -> io::Result<Context> {
    let length = std::fs::metadata(path)?.len();
    if length > CONTEXT_BYTES_MAX {
        let what = format!("{length} bytes, more than the {CONTEXT_BYTES_MAX} that an environment may take");
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    store::context::read(path).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))
}
