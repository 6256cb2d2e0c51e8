//! Which files travel with a task: those that the job names, and arguments that are names of files.

use std::path::{Component, Path, PathBuf};

use tern_core::wire::TaskFiles;
use tern_core::words::limits::TASK_FILES_MAX;
use tern_core::words::{Bytes, Stage};

use crate::files::names;

/// The files of one task, by its columns, its number from 1 and its command. Looks at the disk where arguments may be names.
#[must_use]
pub fn of_task(stage: &Stage, base: &Path, row: &[Bytes], number: u32, argv: &[Bytes]) -> TaskFiles {
    let named = stage.inputs.render(row, number).into_iter().map(|name| plain(base, &name).unwrap_or(name));
    let mut inputs: Vec<Bytes> = named.collect();
    if stage.found {
        // Also where its name stands within a longer word: a shell's script, say.
        let found = argv.iter().chain(row).filter_map(|word| plain(base, word));
        inputs.extend(found.filter(|name| base.join(names::path(name)).is_file()));
    }
    inputs.sort_unstable();
    inputs.dedup();
    inputs.truncate(TASK_FILES_MAX);
    let outputs = stage.outputs.render(row, number).into_iter().map(|name| plain(base, &name).unwrap_or(name));
    let outputs: Vec<Bytes> = outputs.take(TASK_FILES_MAX).collect();
    let words = argv.iter().filter(|_| stage.found).filter_map(|word| plain(base, word));
    let mut folders: Vec<Bytes> = words.chain(outputs.iter().cloned()).filter_map(|name| folder(base, &name)).collect();
    folders.sort_unstable();
    folders.dedup();
    folders.truncate(TASK_FILES_MAX);
    TaskFiles { inputs, folders, outputs, saved: None }
}

/// The folder that a name lies in, or that it is, if there is one here.
fn folder(base: &Path, name: &Bytes) -> Option<Bytes> {
    let path = names::path(name);
    let folder = if base.join(&path).is_dir() { path } else { path.parent()?.to_owned() };
    (!folder.as_os_str().is_empty() && base.join(&folder).is_dir()).then(|| names::bytes(&folder).into())
}

/// A name as it stands below the folder of the job: without `.`, and relative if it was said in full. None: it leads out.
#[must_use]
pub fn plain(base: &Path, said: &[u8]) -> Option<Bytes> {
    let path = names::path(said);
    let path = path.strip_prefix(base).unwrap_or(&path);
    let mut name = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(part) => name.push(part),
            Component::CurDir => {}
            _ => return None,
        }
    }
    let name = names::bytes(&name);
    (!name.is_empty() && names::inside(&name).is_some()).then(|| name.into())
}

/// The words of a command as they are said on another node, where the folder of the job has another name: a name in full of
/// something that is there or comes from there is said relative to it. What lies elsewhere, and a name within a longer word, stays
/// as it is. `found`: arguments are names of files.
pub fn relative(base: &Path, argv: &mut [Bytes], files: &TaskFiles, found: bool) {
    for (at, word) in argv.iter_mut().enumerate().filter(|(_, word)| word.first() == Some(&b'/')) {
        let name = match plain(base, word).filter(|name| is_there(base, name, files, found)) {
            // A program without a folder would be looked for in PATH, and a name that begins with a dash be taken for an option.
            Some(name) if (at == 0 && !name.contains(&b'/')) || name.first() == Some(&b'-') => {
                [b"./", &name[..]].concat().into()
            }
            Some(name) => name,
            None if found && names::path(word) == base => ".".into(),
            None => continue,
        };
        *word = name;
    }
}

/// Whether a name leads in the task's own folder to what travelled, or to a place for what the task makes.
fn is_there(base: &Path, name: &Bytes, files: &TaskFiles, found: bool) -> bool {
    let path = names::path(name);
    let mut known = [&files.inputs, &files.outputs, &files.folders].into_iter().flatten();
    let new = || found && path.components().count() == 1 && base.join(&path).symlink_metadata().is_err();
    known.any(|known| path.starts_with(names::path(known))) || new()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use tern_core::words::template::Template;

    #[test]
    fn names_and_arguments_that_are_files_travel_and_nothing_that_lies_outside() {
        let folder = tempfile::tempdir().expect("a folder");
        let base = folder.path();
        fs::create_dir(base.join("in")).expect("a folder");
        for name in ["in/a.wav", "tool", "x"] {
            fs::write(base.join(name), b"").expect("a file");
        }
        let template = |words: &[&str]| {
            let words: Vec<Bytes> = words.iter().map(|word| Bytes::from(*word)).collect();
            Template::parse(&words, None, false).expect("words")
        };
        let stage =
            Stage { inputs: template(&["./lib.{}", "/etc/passwd"]), outputs: template(&["{.}.flac"]), found: true };
        let whole = base.join("x");
        let argv = ["./tool", "in/a.wav", "missing", "../x", whole.to_str().expect("text"), "-o"].map(Bytes::from);
        let files = of_task(&stage, base, &[Bytes::from("in/a.wav")], 1, &argv);
        let text = |names: &[Bytes]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        // What leads out stays as it was said, and is refused by whoever is to fetch it.
        assert_eq!(text(&files.inputs), ["/etc/passwd", "in/a.wav", "lib.in/a.wav", "tool", "x"]);
        assert_eq!(text(&files.outputs), ["in/a.flac"]);
        assert_eq!(text(&files.folders), ["in"]);
        assert_eq!(plain(base, b"a/../b"), None);
        assert_eq!(plain(base, b"."), None);
    }

    #[test]
    fn what_is_named_in_full_is_said_so_that_it_is_found_elsewhere() {
        let folder = tempfile::tempdir().expect("a folder");
        let base = folder.path();
        fs::write(base.join("stays"), b"").expect("a file");
        let here = |word: &str| Bytes::from(word.replace("/job", base.to_str().expect("text")).as_str());
        let as_said = ["/jobs/a", "--file=/job/a", "/job/../a", "b"];
        let files = TaskFiles { inputs: vec!["tool".into()], folders: vec!["in".into()], ..TaskFiles::default() };
        let changed = ["/job/tool", "/job/in/a", "/job/-x", "/job", "/job/", "/job/a/"];
        let mut argv: Vec<Bytes> = changed.iter().chain(&as_said).map(|word| here(word)).collect();
        relative(base, &mut argv, &files, true);
        let text: Vec<String> = argv.iter().map(ToString::to_string).collect();
        assert_eq!(text[..6], ["./tool", "in/a", "./-x", ".", ".", "a"]);
        assert_eq!(argv[6..], as_said.map(here));
        // What does not travel means what it means there.
        let stays = ["/job/stays", "/job/bin/tool", "/job/in/a"].map(here);
        let mut argv = stays.clone();
        relative(base, &mut argv, &TaskFiles { outputs: vec!["in".into()], ..TaskFiles::default() }, false);
        assert_eq!(argv[..2], stays[..2]);
        assert_eq!(argv[2].to_string(), "in/a");
    }
}
