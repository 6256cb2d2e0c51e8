//! What a task wrote: a range of an output file.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use tern_core::promise::Output;

use super::super::StoreError;
use crate::home::Home;

/// Up to `max` bytes of a task's output, from byte `from` of it; fewer at its end, none behind it.
///
/// # Errors
/// [`StoreError::Io`] where the file is gone; [`StoreError::Damaged`] where it is shorter than the result says.
pub fn read_output(home: &Home, output: Output, stderr: bool, from: u64, max: usize) -> Result<Vec<u8>, StoreError> {
    let left = output.len.saturating_sub(from);
    let count = usize::try_from(left).unwrap_or(usize::MAX).min(max);
    if count == 0 {
        return Ok(Vec::new());
    }
    let path = if stderr { home.stderr(output.file) } else { home.stdout(output.file) };
    let cut = || StoreError::damaged(&path, "it is shorter than the task's result says");
    let start = output.offset.checked_add(from).ok_or_else(cut)?;
    let file = File::open(&path).map_err(StoreError::io("the output cannot be opened", &path))?;
    let length = file.metadata().map_err(StoreError::io("the output cannot be read", &path))?.len();
    // Before any memory is taken for it: the length stands in a file.
    if start.checked_add(count as u64).is_none_or(|end| end > length) {
        return Err(cut());
    }
    let mut bytes = vec![0u8; count];
    match file.read_exact_at(&mut bytes, start) {
        Ok(()) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(cut()),
        Err(error) => Err(StoreError::io("the output cannot be read", &path)(error)),
    }
}

/// Bytes copied at a time.
const PIECE_BYTES: usize = 1 << 20;

/// Copies a task's whole output into a file of its own, unless an earlier call did. Its folder is made.
///
/// # Errors
/// As [`read_output`]; [`StoreError::Full`].
pub fn copy_output(home: &Home, output: Output, stderr: bool, place: &Path) -> Result<(), StoreError> {
    if std::fs::metadata(place).is_ok_and(|meta| meta.len() == output.len) {
        return Ok(());
    }
    let failed = || StoreError::io("the output cannot be copied", place);
    if let Some(folder) = place.parent() {
        crate::home::make_folder(folder).map_err(failed())?;
    }
    let mut file = File::create(place).map_err(failed())?;
    let mut done = 0;
    while done < output.len {
        let piece = read_output(home, output, stderr, done, PIECE_BYTES)?;
        file.write_all(&piece).map_err(failed())?;
        done += piece.len() as u64;
    }
    Ok(())
}
