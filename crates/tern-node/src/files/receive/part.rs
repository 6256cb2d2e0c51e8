//! A file that is not whole yet. It lies beside its target as `.NAME.tern-part` and holds nothing but what was checked; when all is
//! there it takes its name in one step.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, RenameFlags, fallocate, renameat2};

use crate::files::aside::Stop;
use crate::files::names;
use crate::files::outline::Outline;
use crate::files::wire::{Kind, Trouble};

/// An open part; another copy to the same target is refused as long as it lives.
pub struct Part {
    file: File,
    path: PathBuf,
    target: PathBuf,
}

/// What an earlier try had left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Groups at the beginning that are those of the content.
    pub groups: u64,
    /// There was something, and none of it was.
    pub foreign: bool,
}

impl Part {
    /// Opens the part of `target`, keeps what fits the outline, and asks the disk for the rest.
    ///
    /// # Errors
    /// [`Trouble`]; what was there is there still.
    pub fn open(target: &Path, outline: &Outline, stop: &Stop) -> Result<(Self, Left), Trouble> {
        let path = names::part(target);
        let path = path.ok_or_else(|| Trouble::new(Kind::Invalid, format!("{} has no name", target.display())))?;
        let failed = |error: std::io::Error| Trouble::at(&path, &error);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(&path).map_err(failed)?;
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(Trouble::new(Kind::Refused, format!("{} is no regular file: move it away", path.display())));
        }
        file.try_lock()
            .map_err(|_| Trouble::new(Kind::Busy, format!("{} belongs to a copy that runs now", path.display())))?;
        let left = keep(&mut file, outline, stop).map_err(failed)?;
        let part = Self { file, path, target: target.to_owned() };
        if let Err(trouble) = part.reserve(outline, left.groups) {
            if left.groups == 0 {
                part.discard();
            }
            return Err(trouble);
        }
        Ok((part, left))
    }

    /// A disk that has no room says so before anything is sent. File systems that cannot say it are tried.
    fn reserve(&self, outline: &Outline, groups: u64) -> Result<(), Trouble> {
        let from = outline.offset(groups).min(outline.size());
        let length = outline.size() - from;
        if length == 0 {
            return Ok(());
        }
        match fallocate(&self.file, FallocateFlags::FALLOC_FL_KEEP_SIZE, from as i64, length as i64) {
            Err(Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG) => {
                let message = format!("no room for {} bytes at {}. Nothing was written", length, self.target.display());
                Err(Trouble::new(Kind::StorageFull, message))
            }
            _ => Ok(()),
        }
    }

    /// # Errors
    /// [`Trouble`]
    pub fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), Trouble> {
        self.file.write_all_at(bytes, offset).map_err(|error| Trouble::at(&self.path, &error))
    }

    /// Gives it its name. Without `force` nothing is overwritten, not even what came there meanwhile.
    ///
    /// # Errors
    /// [`Kind::Exists`]: the part stays.
    pub fn finish(self, mode: u32, force: bool) -> Result<(), Trouble> {
        let failed = |error: std::io::Error| Trouble::at(&self.target, &error);
        let mode = mode & 0o777 & !umask();
        self.file.set_permissions(Permissions::from_mode(mode)).map_err(failed)?;
        rename(&self.path, &self.target, force).map_err(failed)
    }

    fn discard(self) {
        // It is empty; where it cannot be removed it harms nobody.
        let _left = std::fs::remove_file(&self.path);
    }
}

/// Moves what is whole to its name.
///
/// # Errors
/// The system's; [`ErrorKind::AlreadyExists`] without `force`.
pub fn rename(from: &Path, to: &Path, force: bool) -> std::io::Result<()> {
    if force {
        return std::fs::rename(from, to);
    }
    let cwd = nix::fcntl::AT_FDCWD;
    match renameat2(cwd, from, cwd, to, RenameFlags::RENAME_NOREPLACE) {
        Err(Errno::EINVAL | Errno::ENOSYS) if to.symlink_metadata().is_ok() => Err(ErrorKind::AlreadyExists.into()),
        // A file system that cannot promise it.
        Err(Errno::EINVAL | Errno::ENOSYS) => std::fs::rename(from, to),
        other => Ok(other?),
    }
}

/// Counts the groups that fit and cuts off the rest.
fn keep(file: &mut File, outline: &Outline, stop: &Stop) -> std::io::Result<Left> {
    let length = file.metadata()?.len();
    let mut left = Left::default();
    file.seek(SeekFrom::Start(0))?;
    let mut block = vec![0; outline.length(0)];
    while left.groups < outline.groups().len() as u64 {
        stop.check()?;
        let group = &mut block[..outline.length(left.groups)];
        match file.read_exact(group) {
            Ok(()) if outline.fits(left.groups, group) => left.groups += 1,
            Err(error) if error.kind() != ErrorKind::UnexpectedEof => return Err(error),
            _ => break,
        }
    }
    file.set_len(outline.offset(left.groups).min(outline.size()))?;
    // Less than one group may be the beginning of the right one.
    left.foreign = left.groups == 0 && length >= block.len().max(1) as u64;
    Ok(left)
}

/// What the user's own programs would not set. It can only be read from there without being changed for a moment.
#[must_use]
pub fn umask() -> u32 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    line.and_then(|mask| u32::from_str_radix(mask.trim(), 8).ok()).unwrap_or(0o022)
}
