//! What a task left behind in its work folder: the outputs that its job names, or all that is new or changed.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tern_core::wire::{Made, MadeFile};
use tern_core::words::Bytes;
use tern_core::words::limits::TASK_FILES_MAX;

use crate::files::names;
use crate::files::source::Stamp;
use crate::files::wire::Trouble;

/// Folders within folders that are looked into.
const DEPTH_MAX: usize = 64;

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
    #[must_use]
    pub fn made(&self, outputs: &[Bytes]) -> Made {
        let mut files = Vec::new();
        let mut take = |name: &Path, meta: &Metadata| {
            let (size, mode) = (meta.len(), meta.mode() & 0o777);
            files.push(MadeFile { name: names::bytes(name).into(), size, mode });
            files.len() < TASK_FILES_MAX
        };
        // What cannot be read is not there; the task's own words say why.
        if outputs.is_empty() {
            let mut changed = |name: &Path, meta: &Metadata| {
                self.files.get(name).is_some_and(|known| *known == Stamp::of(meta)) || take(name, meta)
            };
            let _unread = walk(&self.folder, Path::new(""), &mut changed);
        }
        for name in outputs {
            let Some(name) = names::inside(name).filter(|name| !name.as_os_str().is_empty()) else { continue };
            if let Some(meta) = self.plainly(&name) {
                let _unread = if meta.is_dir() {
                    walk(&self.folder, &name, &mut take)
                } else {
                    take(&name, &meta);
                    Ok(())
                };
            }
        }
        Made { base: names::bytes(&self.folder).into(), files, ..Made::default() }
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

/// All regular files below `name`, until `take` wants no more.
fn walk(root: &Path, name: &Path, take: &mut impl FnMut(&Path, &Metadata) -> bool) -> std::io::Result<()> {
    let mut open = vec![name.to_owned()];
    while let Some(folder) = open.pop() {
        let mut entries: Vec<_> = fs::read_dir(root.join(&folder))?.collect::<Result<_, _>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            // Of the entry itself, wherever a link leads.
            let meta = entry.metadata()?;
            let name = folder.join(entry.file_name());
            if meta.is_dir() && name.components().count() < DEPTH_MAX {
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
        assert_eq!(names_of(&inputs.made(&[])), Vec::<String>::new());
        fs::write(root.join("in/changed"), b"22").expect("a file");
        fs::create_dir(root.join("out")).expect("a folder");
        fs::write(root.join("out/new"), b"3").expect("a file");
        std::os::unix::fs::symlink(outside.path(), root.join("link")).expect("a link");
        std::os::unix::fs::symlink(outside.path().join("secret"), root.join("out/secret")).expect("a link");
        assert_eq!(names_of(&inputs.made(&[])), ["in/changed", "out/new"]);
        let named = ["in/same", "out", "link/secret", "out/secret", "../x", "missing", "/etc/passwd"].map(Bytes::from);
        assert_eq!(names_of(&inputs.made(&named)), ["in/same", "out/new"]);
    }
}
