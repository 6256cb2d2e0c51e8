//! Results that came before their turn.
//!
//! Their output stays in memory up to a limit; beyond it, it waits in a file that has no name and goes with the
//! process. The rest of a result is about 200 bytes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use tern_core::words::Bytes;
use tern_node::control::api::TaskResult;

/// Bytes of output held in memory.
const HELD_BYTES_MAX: usize = 64 << 20;

/// What came early, by number.
pub struct Held {
    next: u32,
    /// None: the task ended without anything to show.
    early: BTreeMap<u32, Option<Early>>,
    bytes: usize,
    limit: usize,
    spill: Option<Spill>,
}

struct Early {
    result: TaskResult,
    /// Where its output lies if not in the result.
    spilled: Option<(u64, Option<usize>, Option<usize>)>,
}

struct Spill {
    file: File,
    end: u64,
}

impl Default for Held {
    fn default() -> Self {
        Self { next: 1, early: BTreeMap::new(), bytes: 0, limit: HELD_BYTES_MAX, spill: None }
    }
}

fn size(result: &TaskResult) -> usize {
    let size = |output: &Option<Bytes>| output.as_ref().map_or(0, |output| output.len());
    size(&result.stdout) + size(&result.stderr)
}

impl Held {
    #[cfg(test)]
    pub fn with_limit(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Takes the result of task `number`, or that there is none to show.
    ///
    /// # Errors
    /// When the spill file cannot be made or written.
    pub fn push(&mut self, result: Option<TaskResult>, number: u32) -> io::Result<()> {
        let early = match result {
            None => None,
            Some(result) if number != self.next && self.bytes + size(&result) > self.limit => Some(self.spill(result)?),
            Some(result) => {
                self.bytes += size(&result);
                Some(Early { result, spilled: None })
            }
        };
        self.early.insert(number, early);
        Ok(())
    }

    /// The next in order, if it is here.
    ///
    /// # Errors
    /// When the spill file cannot be read.
    pub fn pop_next(&mut self) -> io::Result<Option<TaskResult>> {
        while let Some(early) = self.early.remove(&self.next) {
            self.next += 1;
            if let Some(early) = early {
                return self.restore(early).map(Some);
            }
        }
        Ok(None)
    }

    /// The first that is here, whether it is its turn or not.
    ///
    /// # Errors
    /// When the spill file cannot be read.
    pub fn pop_any(&mut self) -> io::Result<Option<TaskResult>> {
        if let Some(&first) = self.early.keys().next() {
            self.next = first;
        }
        match self.pop_next()? {
            None if !self.early.is_empty() => self.pop_any(),
            popped => Ok(popped),
        }
    }

    fn spill(&mut self, mut result: TaskResult) -> io::Result<Early> {
        let spill = match &mut self.spill {
            Some(spill) => spill,
            None => self.spill.insert(Spill { file: unnamed_file()?, end: 0 }),
        };
        let start = spill.end;
        let mut lengths = [None, None];
        for (length, output) in lengths.iter_mut().zip([result.stdout.take(), result.stderr.take()]) {
            if let Some(output) = output {
                spill.file.write_all_at(&output, spill.end)?;
                spill.end += output.len() as u64;
                *length = Some(output.len());
            }
        }
        let [stdout, stderr] = lengths;
        Ok(Early { result, spilled: Some((start, stdout, stderr)) })
    }

    fn restore(&mut self, early: Early) -> io::Result<TaskResult> {
        let Early { mut result, spilled } = early;
        let Some((start, stdout, stderr)) = spilled else {
            self.bytes -= size(&result);
            return Ok(result);
        };
        let read = |at: u64, length: usize| {
            let mut bytes = vec![0; length];
            let spill = self.spill.as_ref().ok_or(io::ErrorKind::NotFound)?;
            spill.file.read_exact_at(&mut bytes, at).map(|()| Bytes(bytes))
        };
        result.stdout = stdout.map(|length| read(start, length)).transpose()?;
        let stderr_at = start + stdout.unwrap_or(0) as u64;
        result.stderr = stderr.map(|length| read(stderr_at, length)).transpose()?;
        Ok(result)
    }
}

/// A file in the folder for temporary files that has no name there.
fn unnamed_file() -> io::Result<File> {
    let path = std::env::temp_dir().join(format!("tern-map-{}", std::process::id()));
    let file = {
        use std::os::unix::fs::OpenOptionsExt;
        File::options().read(true).write(true).create_new(true).mode(0o600).open(&path)?
    };
    std::fs::remove_file(&path)?;
    Ok(file)
}
