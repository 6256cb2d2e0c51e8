//! Where what is received goes, as `cp` would have it.

use std::fs::Permissions;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::part;
use crate::files::names;
use crate::files::source::{self, kept};
use crate::files::wire::{Kind, Order, Trouble};

/// Where files go that others share, in the home folder.
pub const INBOX: &str = "tern-inbox";
/// Numbers that are tried behind a name in the inbox.
const NUMBERS_MAX: u32 = 10_000;

/// Where sources go.
pub enum Place {
    /// Each under its own name.
    Into(PathBuf),
    /// The only one, under this name.
    As(PathBuf),
}

impl Place {
    /// Blocks for a moment.
    ///
    /// # Errors
    /// [`Trouble`]: nothing was made but the inbox.
    pub fn find(order: &Order, sources: usize) -> Result<Self, Trouble> {
        let target = source::absolute(&order.target)?;
        kept::check(&target)?;
        if order.inbox {
            crate::home::make_folder(&target).map_err(|error| Trouble::at(&target, &error))?;
        }
        let is_folder = target.is_dir();
        if is_folder {
            return Ok(Self::Into(target));
        }
        if sources > 1 || order.target.ends_with(b"/") || order.inbox {
            return Err(Trouble::new(
                Kind::NoSuchFile,
                format!("{} is no folder. Nothing was copied", target.display()),
            ));
        }
        let parent = target.parent().filter(|parent| parent.is_dir());
        match (parent, target.file_name()) {
            (Some(_), Some(_)) => Ok(Self::As(target)),
            _ => Err(Trouble::new(Kind::NoSuchFile, format!("the folder of {} is not there", target.display()))),
        }
    }

    /// The path of one source. Blocks.
    ///
    /// # Errors
    /// [`Kind::Exists`]: a folder is in the way of a file, or something else in that of a folder.
    pub fn of(&self, title: &Path, is_file: bool, inbox: bool) -> Result<PathBuf, Trouble> {
        let target = match self {
            Self::Into(folder) if inbox => free(&folder.join(title))?,
            Self::Into(folder) => folder.join(title),
            Self::As(target) => target.clone(),
        };
        kept::check(&target)?;
        if target.is_dir() == is_file && target.symlink_metadata().is_ok() {
            let message = format!("{} is there and is something else. Nothing was copied", target.display());
            return Err(Trouble::new(Kind::Exists, message));
        }
        Ok(target)
    }
}

/// The name itself, or the first with a number that nothing has.
fn free(wished: &Path) -> Result<PathBuf, Trouble> {
    let is_free = |path: &Path| path.symlink_metadata().is_err();
    if is_free(wished) {
        return Ok(wished.to_owned());
    }
    let (stem, extension) = (wished.file_stem().unwrap_or_default(), wished.extension());
    for number in 2..NUMBERS_MAX {
        let mut name = stem.to_owned();
        name.push(format!("-{number}"));
        if let Some(extension) = extension {
            name.push(".");
            name.push(extension);
        }
        let path = wished.with_file_name(name);
        if is_free(&path) {
            return Ok(path);
        }
    }
    Err(Trouble::new(Kind::Exists, format!("{} is there very often. Nothing was copied", wished.display())))
}

/// Where a received folder is put together, and whether it takes its name only at the end: not if it is there already. Blocks.
///
/// # Errors
/// [`Trouble`]
pub fn begin_folder(target: &Path) -> Result<(PathBuf, bool), Trouble> {
    if target.is_dir() {
        return Ok((target.to_owned(), false));
    }
    let root = names::part(target);
    let root = root.ok_or_else(|| Trouble::new(Kind::Invalid, format!("{} has no name", target.display())))?;
    folder(&root)?;
    Ok((root, true))
}

/// A folder that is there, or is made; only its user may look in before it is whole.
///
/// # Errors
/// [`Trouble`]
fn folder(path: &Path) -> Result<(), Trouble> {
    match std::fs::create_dir(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && is_real_folder(path) => return Ok(()),
        other => other.map_err(|error| Trouble::at(path, &error))?,
    }
    std::fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(|error| Trouble::at(path, &error))
}

fn is_real_folder(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|meta| meta.is_dir())
}

/// Where `name` is below a folder that is received, which is made if it is a folder itself. Blocks.
///
/// # Errors
/// [`Kind::Refused`]: a folder on the way there is none, or a link to one.
pub fn below(root: &Path, name: &Path, is_folder: bool) -> Result<PathBuf, Trouble> {
    let mut path = root.to_owned();
    for part in name.parent().unwrap_or(Path::new("")).components() {
        path.push(part);
        if kept::is_state(&path) {
            let message = format!("{} is a node's state folder: nothing is written there", path.display());
            return Err(Trouble::new(Kind::Refused, message));
        }
        if !is_real_folder(&path) {
            let message = format!("{} is no folder: nothing is written through it", path.display());
            return Err(Trouble::new(Kind::Refused, message));
        }
    }
    let path = root.join(name);
    if is_folder {
        folder(&path)?;
    }
    Ok(path)
}

/// Makes a symbolic link. Blocks.
///
/// # Errors
/// [`Kind::Exists`]
pub fn link(path: &Path, target: &Path, force: bool) -> Result<(), Trouble> {
    if std::fs::read_link(path).is_ok_and(|there| there == target) {
        return Ok(());
    }
    if force && path.symlink_metadata().is_ok_and(|meta| !meta.is_dir()) {
        std::fs::remove_file(path).map_err(|error| Trouble::at(path, &error))?;
    }
    std::os::unix::fs::symlink(target, path).map_err(|error| Trouble::at(path, &error))
}

/// Gives folders their rights, the inner ones first, and the outermost its name. Blocks.
///
/// # Errors
/// [`Trouble`]: it stays under its other name.
pub fn finish_folder(folders: &[(PathBuf, u32)], name: Option<&Path>) -> Result<(), Trouble> {
    let umask = part::umask();
    let fresh = if name.is_some() { folders } else { &folders[1..] };
    for (path, mode) in fresh.iter().rev() {
        let mode = Permissions::from_mode(mode & 0o777 & !umask);
        std::fs::set_permissions(path, mode).map_err(|error| Trouble::at(path, &error))?;
    }
    match (name, folders.first()) {
        (Some(name), Some((root, _))) => part::rename(root, name, false).map_err(|error| Trouble::at(name, &error)),
        _ => Ok(()),
    }
}
