//! The side that has the files: what there is, and what its content is called.

pub mod kept;

use std::collections::VecDeque;
use std::fs::{File, Metadata, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use super::aside::Stop;
use super::names;
use super::outline::{FILE_BYTES_MAX, Outline};
use super::wire::{Entry, Form, Kind, Listed, Outlined, Trouble, short};

/// Outlines that are remembered, so that going on with a copy does not read the file again …
const OUTLINES_MAX: usize = 1_024;
/// … and hashes in all of them, 32 bytes each.
const OUTLINE_HASHES_MAX: usize = 1 << 21;
/// Bytes of a file that travels with its name.
const WHOLE_BYTES_MAX: u64 = 64 * 1024;
/// Files and folders of one copy.
pub const ENTRIES_MAX: usize = 1 << 18;
/// Folders within folders.
const DEPTH_MAX: usize = 256;

/// By which a changed file is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp([i64; 7]);

impl Stamp {
    #[must_use]
    pub fn of(meta: &Metadata) -> Self {
        let (dev, ino, size) = (meta.dev() as i64, meta.ino() as i64, meta.size() as i64);
        Self([dev, ino, size, meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec()])
    }
}

/// The outlines of files that were asked for lately.
#[derive(Debug, Default)]
pub struct Outlines(Mutex<VecDeque<(Stamp, Arc<Outline>)>>);

impl Outlines {
    /// The outline of an open file, read anew if it is not known. Blocks.
    ///
    /// # Errors
    /// [`Kind::Changed`], [`Kind::Io`]; also when it is stopped.
    pub fn of(&self, path: &Path, file: &File, stop: &Stop) -> Result<(Stamp, Arc<Outline>), Trouble> {
        let failed = |error: std::io::Error| Trouble::at(path, &error);
        let meta = file.metadata().map_err(failed)?;
        let stamp = Stamp::of(&meta);
        let known = self.lock().iter().find(|(known, _)| *known == stamp).map(|(_, outline)| outline.clone());
        if let Some(outline) = known {
            return Ok((stamp, outline));
        }
        if meta.size() > FILE_BYTES_MAX {
            let message =
                format!("{} has {} bytes, more than the {FILE_BYTES_MAX} that are copied", path.display(), meta.size());
            return Err(Trouble::new(Kind::Refused, message));
        }
        let outline = Outline::read(file, meta.size(), stop).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => changed(path),
            _ => failed(error),
        })?;
        let outline = Arc::new(outline);
        if file.metadata().map(|meta| Stamp::of(&meta)).map_err(failed)? != stamp {
            return Err(changed(path));
        }
        let mut known = self.lock();
        known.truncate(OUTLINES_MAX - 1);
        let mut hashes: usize = known.iter().map(|(_, outline)| outline.groups().len()).sum();
        while hashes + outline.groups().len() > OUTLINE_HASHES_MAX {
            let Some((_, oldest)) = known.pop_back() else { break };
            hashes -= oldest.groups().len();
        }
        known.push_front((stamp, outline.clone()));
        Ok((stamp, outline))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<(Stamp, Arc<Outline>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What [`Ask::Outline`](super::wire::Ask::Outline) is answered with. Blocks.
    ///
    /// # Errors
    /// [`Trouble`]
    pub fn outlined(&self, path: &Path, bare: bool, stop: &Stop) -> Result<(Outlined, Arc<Outline>), Trouble> {
        let file = open(path)?;
        let failed = |error: std::io::Error| Trouble::at(path, &error);
        let mode = file.metadata().map_err(failed)?.mode() & 0o777;
        // Files of the kernel's say that they are empty and are not.
        if !bare && file.metadata().map_err(failed)?.size() <= WHOLE_BYTES_MAX {
            let mut whole = Vec::new();
            file.take(WHOLE_BYTES_MAX + 1).read_to_end(&mut whole).map_err(failed)?;
            if whole.len() as u64 <= WHOLE_BYTES_MAX {
                let outline = Outline::read(&whole[..], whole.len() as u64, stop).map_err(failed)?;
                let outlined = Outlined { id: outline.id(), size: outline.size(), mode, whole: Some(whole) };
                return Ok((outlined, Arc::new(outline)));
            }
            return Err(changed(path));
        }
        let (_, outline) = self.of(path, &file, stop)?;
        Ok((Outlined { id: outline.id(), size: outline.size(), mode, whole: None }, outline))
    }
}

/// What is said of a file that is not what it was.
#[must_use]
pub fn changed(path: &Path) -> Trouble {
    let message = format!("{} changed while it was read. The same command copies it as it is then", path.display());
    Trouble::new(Kind::Changed, message)
}

/// Opens a regular file, and nothing that would wait or act: some devices act when they are only opened, so the kind is looked at
/// before, and again on what is open, should another have taken its place meanwhile.
///
/// # Errors
/// [`Trouble`]
pub fn open(path: &Path) -> Result<File, Trouble> {
    kept::check_read(path)?;
    let meta = std::fs::metadata(path).map_err(|error| Trouble::at(path, &error))?;
    if !meta.is_file() {
        return Err(special(path));
    }
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
    let file = options.open(path).map_err(|error| Trouble::at(path, &error))?;
    let meta = file.metadata().map_err(|error| Trouble::at(path, &error))?;
    if meta.is_file() { Ok(file) } else { Err(special(path)) }
}

fn special(path: &Path) -> Trouble {
    Trouble::new(Kind::Refused, format!("{} is no regular file", path.display()))
}

/// A path as it was said: from the home folder of the agent's user, unless it says otherwise.
///
/// # Errors
/// [`Kind::Invalid`]
pub fn absolute(said: &[u8]) -> Result<PathBuf, Trouble> {
    if said.len() > names::PATH_BYTES_MAX || said.contains(&0) {
        return Err(Trouble::new(Kind::Invalid, "a path that is too long, or has a NUL in it"));
    }
    let said = match said {
        b"~" => b"".as_slice(),
        _ => said.strip_prefix(b"~/").unwrap_or(said),
    };
    let home = std::env::home_dir().filter(|home| home.is_absolute());
    let home = home.ok_or_else(|| Trouble::new(Kind::Invalid, "the agent knows of no home folder: name whole paths"));
    let path = names::path(said);
    if path.is_absolute() { Ok(path) } else { home.map(|home| home.join(path)) }
}

/// Says what there is under these paths, until [`Listed::End`]. Blocks.
pub fn list(sources: &[Vec<u8>], recursive: bool, to: &mpsc::Sender<Listed>) {
    let mut left = ENTRIES_MAX;
    let ended = sources.iter().try_for_each(|source| walk(&absolute(source)?, recursive, &mut left, to));
    let last = match ended {
        Ok(()) => Listed::End,
        Err(trouble) => Listed::Failed(trouble),
    };
    // Nobody listens any more: then nobody misses it.
    let _gone = to.blocking_send(last);
}

fn walk(source: &Path, recursive: bool, left: &mut usize, to: &mpsc::Sender<Listed>) -> Result<(), Trouble> {
    let failed = |error: std::io::Error| Trouble::at(source, &error);
    let meta = std::fs::metadata(source).map_err(failed)?;
    let whole = source.canonicalize().map_err(failed)?;
    kept::check_read(&whole)?;
    let named = source.file_name().or(whole.file_name()).map(Path::new);
    let title = named.ok_or_else(|| Trouble::new(Kind::Invalid, format!("{} has no name", source.display())))?;
    say(to, Listed::Source { title: names::bytes(title) })?;
    if meta.is_file() {
        return say(to, Listed::Entry(entry(source, Path::new(""), &meta)?));
    }
    if !meta.is_dir() {
        return Err(special(source));
    }
    if !recursive {
        return Err(Trouble::new(Kind::Invalid, format!("{} is a folder: copy it with -r", source.display())));
    }
    let mut open = vec![(whole.clone(), meta)];
    while let Some((path, meta)) = open.pop() {
        let name = path.strip_prefix(&whole).unwrap_or(Path::new("")).to_owned();
        if *left == 0 {
            return Err(too_many());
        }
        *left -= 1;
        let most = left.saturating_sub(open.len());
        let skip = |why| say(to, Listed::Skipped { name: names::bytes(&path), why: short(why) });
        // It would be taken for the beginning of its neighbour there.
        if path != whole && names::is_part(&path) {
            skip(format!("{} is what a copy left that broke off", path.display()))?;
            continue;
        }
        if meta.is_dir() && kept::is_state(&path) {
            skip(format!("{} is a node's state folder", path.display()))?;
            continue;
        }
        match entry(&path, &name, &meta) {
            Ok(entry) => say(to, Listed::Entry(entry))?,
            Err(trouble) => skip(trouble.message)?,
        }
        if meta.is_dir() && name.components().count() < DEPTH_MAX {
            match below(&path, most) {
                Ok(Some(mut more)) => open.append(&mut more),
                Ok(None) => return Err(too_many()),
                Err(error) => skip(format!("{}: {error}", path.display()))?,
            }
        }
    }
    Ok(())
}

fn too_many() -> Trouble {
    Trouble::new(Kind::Refused, format!("more than {ENTRIES_MAX} files and folders: copy them in parts"))
}

/// What is in a folder, the last name first; none: it is more than may be. The rest of a huge folder is not read then.
fn below(path: &Path, most: usize) -> std::io::Result<Option<Vec<(PathBuf, Metadata)>>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path)? {
        if found.len() >= most {
            return Ok(None);
        }
        let entry = entry?;
        found.push((entry.path(), entry.metadata()?));
    }
    found.sort_by(|one, other| other.0.cmp(&one.0));
    Ok(Some(found))
}

fn entry(path: &Path, name: &Path, meta: &Metadata) -> Result<Entry, Trouble> {
    let form = if meta.is_file() {
        Form::File { path: names::bytes(path), size: meta.size() }
    } else if meta.is_dir() {
        Form::Folder
    } else if meta.is_symlink() {
        let target = std::fs::read_link(path).map_err(|error| Trouble::at(path, &error))?;
        Form::Link { target: names::bytes(&target) }
    } else {
        return Err(special(path));
    };
    Ok(Entry { name: names::bytes(name), mode: meta.mode() & 0o777, form })
}

fn say(to: &mpsc::Sender<Listed>, listed: Listed) -> Result<(), Trouble> {
    to.blocking_send(listed).map_err(|_| Trouble::new(Kind::Broken, "the other node went away"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_read_no_further_than_may_be() {
        let folder = tempfile::tempdir().expect("a folder");
        (0..4).for_each(|number| drop(File::create(folder.path().join(number.to_string())).expect("a file")));
        let found = below(folder.path(), 4).expect("it is there").expect("they are not too many");
        assert!(found.is_sorted_by(|one, next| one.0 > next.0) && found.len() == 4);
        assert!(below(folder.path(), 3).expect("it is there").is_none());

        let (to, mut listed) = mpsc::channel(16);
        let ended = walk(folder.path(), true, &mut 4, &to);
        assert_eq!(ended.expect_err("the folder itself counts").kind, Kind::Refused);
        drop(to);
        let entries = std::iter::from_fn(|| listed.blocking_recv()).filter(|line| matches!(line, Listed::Entry(_)));
        assert_eq!(entries.count(), 1, "it was known before any of the files was said");
        assert!(walk(folder.path(), true, &mut 5, &mpsc::channel(16).0).is_ok());
    }

    #[test]
    fn what_is_no_file_is_not_even_opened() {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
        // The system would say of it that there is no such device.
        assert_eq!(open(&socket).expect_err("it is none").kind, Kind::Refused);
        assert_eq!(open(Path::new("/dev/null")).expect_err("it is none").kind, Kind::Refused);
    }
}
