//! What a task wrote: a range of an output file.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
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

/// Bytes copied at a time: between two pieces it may be told to stop.
const PIECE_BYTES: u64 = 64 << 20;

/// Copies a task's whole output into a file of its own, as long as it is `wanted`. Its folder is made. Blocks.
///
/// # Errors
/// As [`read_output`]; [`StoreError::Full`]; one of a kind of its own where it is not wanted any more.
pub fn copy_output(
    home: &Home,
    output: Output,
    stderr: bool,
    place: &Path,
    wanted: impl Fn() -> bool,
) -> Result<(), StoreError> {
    let failed = || StoreError::io("the output cannot be copied", place);
    if let Some(folder) = place.parent() {
        crate::home::make_folder(folder).map_err(failed())?;
    }
    let path = if stderr { home.stderr(output.file) } else { home.stdout(output.file) };
    let mut from = File::open(&path).map_err(StoreError::io("the output cannot be opened", &path))?;
    from.seek(SeekFrom::Start(output.offset)).map_err(StoreError::io("the output cannot be read", &path))?;
    let mut file = File::create(place).map_err(failed())?;
    let mut left = output.len;
    while left > 0 {
        if !wanted() {
            return Err(failed()(io::Error::new(io::ErrorKind::Interrupted, "nobody waits for it any more")));
        }
        // Between two files: the kernel copies.
        match io::copy(&mut (&mut from).take(left.min(PIECE_BYTES)), &mut file).map_err(failed())? {
            0 => return Err(StoreError::damaged(&path, "it is shorter than the task's result says")),
            copied => left -= copied,
        }
    }
    Ok(())
}
