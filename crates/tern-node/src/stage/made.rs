//! What a task left behind in its work folder: the outputs that its job names, or all that is new or changed.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tern_core::wire::{Made, MadeFile};
use tern_core::words::Bytes;
use tern_core::words::limits::TASK_FILES_MAX;

use crate::files::names;
use crate::files::source::Stamp;
use crate::files::wire::{Kind, Trouble};

/// Folders within folders that are looked into.
const DEPTH_MAX: usize = 64;
/// Bytes of the names of all files that one task brings back: they travel in one frame with its end.
const NAMES_BYTES_MAX: usize = 512 * 1024;

/// A work folder as it was before its task began.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    pub folder: PathBuf,
    files: BTreeMap<PathBuf, Stamp>,
}

impl Inputs {
    /// Takes note of every file in the folder. Blocks.
    ///
    /// # Errors
    /// [`Trouble`]: it cannot be read.
    pub fn look(folder: PathBuf) -> Result<Self, Trouble> {
        let mut files = BTreeMap::new();
        walk(&folder, Path::new(""), &mut |name, meta| {
            files.insert(name.to_owned(), Stamp::of(meta));
            true
        })
        .map_err(|error| Trouble::at(&folder, &error))?;
        Ok(Self { folder, files })
    }

    /// What is to go back: regular files only, never through a link, so that nothing outside of the folder can be named.
    /// Blocks for a moment.
    ///
    /// # Errors
    /// [`Trouble`]: not all of it can be read, or it is more than goes back of one task. A part would be taken for the whole.
    pub fn made(&self, outputs: &[Bytes]) -> Result<Made, Trouble> {
        let (mut files, mut bytes) = (Vec::new(), 0);
        let mut take = |name: &Path, meta: &Metadata| {
            let (size, mode) = (meta.len(), meta.mode() & 0o777);
            let name = names::bytes(name);
            bytes += name.len();
            files.push(MadeFile { name: name.into(), size, mode });
            files.len() <= TASK_FILES_MAX && bytes <= NAMES_BYTES_MAX
        };
        let failed = |error: std::io::Error| Trouble::at(&self.folder, &error);
        if outputs.is_empty() {
            let mut changed = |name: &Path, meta: &Metadata| {
                self.files.get(name).is_some_and(|known| *known == Stamp::of(meta)) || take(name, meta)
            };
            walk(&self.folder, Path::new(""), &mut changed).map_err(failed)?;
        }
        for name in outputs {
            let Some(name) = names::inside(name).filter(|name| !name.as_os_str().is_empty()) else { continue };
            match self.plainly(&name) {
                Some(meta) if meta.is_dir() => walk(&self.folder, &name, &mut take).map_err(failed)?,
                Some(meta) => drop(take(&name, &meta)),
                None => {}
            }
        }
        if files.len() > TASK_FILES_MAX || bytes > NAMES_BYTES_MAX {
            let message = format!(
                "a task brings {TASK_FILES_MAX} files back at most, with names of {NAMES_BYTES_MAX} bytes together, and it made more"
            );
            return Err(Trouble::new(Kind::Refused, message));
        }
        Ok(Made { base: names::bytes(&self.folder).into(), files, ..Made::default() })
    }

    /// A file or folder that is reached without a link.
    fn plainly(&self, name: &Path) -> Option<Metadata> {
        let mut path = self.folder.clone();
        let mut last = None;
        for part in name.components() {
            path.push(part);
            last = fs::symlink_metadata(&path).ok().filter(|meta| meta.is_dir() || meta.is_file());
            last.as_ref()?;
        }
        last
    }
}

/// All regular files below `name`, until `take` wants no more. What goes meanwhile was not there.
fn walk(root: &Path, name: &Path, take: &mut impl FnMut(&Path, &Metadata) -> bool) -> std::io::Result<()> {
    let gone = |error: &std::io::Error| error.kind() == ErrorKind::NotFound;
    let at =
        |path: &Path, error: std::io::Error| std::io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let mut open = vec![name.to_owned()];
    while let Some(folder) = open.pop() {
        let read = fs::read_dir(root.join(&folder)).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let mut entries = match read {
            Ok(entries) => entries,
            Err(error) if gone(&error) && !folder.as_os_str().is_empty() => continue,
            Err(error) => return Err(at(&folder, error)),
        };
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = folder.join(entry.file_name());
            // Of the entry itself, wherever a link leads.
            let meta = match entry.metadata() {
                Ok(meta) => meta,
                Err(error) if gone(&error) => continue,
                Err(error) => return Err(at(&name, error)),
            };
            if meta.is_dir() && name.components().count() >= DEPTH_MAX {
                let why = format!("folders lie within each other more than {DEPTH_MAX} times");
                return Err(at(&name, std::io::Error::other(why)));
            } else if meta.is_dir() {
                open.push(name);
            } else if meta.is_file() && !take(&name, &meta) {
                return Ok(());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_of(made: &Made) -> Vec<String> {
        let mut names: Vec<String> = made.files.iter().map(|file| file.name.to_string()).collect();
        names.sort();
        names
    }

    #[test]
    fn only_what_is_new_or_changed_goes_back_and_nothing_through_a_link() {
        let outside = tempfile::tempdir().expect("a folder");
        fs::write(outside.path().join("secret"), b"s").expect("a file");
        let work = tempfile::tempdir().expect("a folder");
        let root = work.path();
        fs::create_dir(root.join("in")).expect("a folder");
        for name in ["in/same", "in/changed"] {
            fs::write(root.join(name), b"1").expect("a file");
        }
        let inputs = Inputs::look(root.to_owned()).expect("it is there");
        assert_eq!(names_of(&inputs.made(&[]).expect("readable")), Vec::<String>::new());
        fs::write(root.join("in/changed"), b"22").expect("a file");
        fs::create_dir(root.join("out")).expect("a folder");
        fs::write(root.join("out/new"), b"3").expect("a file");
        std::os::unix::fs::symlink(outside.path(), root.join("link")).expect("a link");
        std::os::unix::fs::symlink(outside.path().join("secret"), root.join("out/secret")).expect("a link");
        assert_eq!(names_of(&inputs.made(&[]).expect("readable")), ["in/changed", "out/new"]);
        let named = ["in/same", "out", "link/secret", "out/secret", "../x", "missing", "/etc/passwd"].map(Bytes::from);
        assert_eq!(names_of(&inputs.made(&named).expect("readable")), ["in/same", "out/new"]);
        // A part would be taken for the whole.
        let deep: PathBuf = std::iter::repeat_n("d", DEPTH_MAX).collect();
        fs::create_dir_all(root.join(&deep)).expect("folders");
        assert!(inputs.made(&[]).expect_err("too deep").message.contains("within each other"));
        assert!(inputs.made(&named).is_ok(), "nobody asked for it");
        fs::remove_dir_all(root.join("d")).expect("they go");
        for number in 0..=TASK_FILES_MAX {
            fs::write(root.join(format!("out/{number}")), b"").expect("a file");
        }
        assert!(inputs.made(&named).expect_err("too many").message.contains("it made more"));
    }
}
