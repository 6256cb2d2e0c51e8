//! Tests that could not run here, held against the committed list of those that may not.
//!
//! A test that cannot run appends `NAME<tab>REASON` to the file that `TERN_SKIP_LOG` names and returns. The test
//! harness counts it as passed; this page takes that back. `CONTRIBUTING.md` has the few lines to copy into a test.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::tally::Tally;

/// Names the file to which a test appends that it could not run.
pub const VARIABLE: &str = "TERN_SKIP_LOG";

/// The list of foreseen skips, and the log of this run.
pub struct Skips {
    list: PathBuf,
    foreseen: BTreeSet<String>,
    log: PathBuf,
}

impl Skips {
    /// Reads `tests/skips.txt` under `root` and starts an empty log.
    pub fn open(root: &Path) -> Result<Self, String> {
        let list = root.join("tests/skips.txt");
        let text = std::fs::read_to_string(&list).map_err(|error| format!("{}: {error}", list.display()))?;
        let log = std::env::temp_dir().join(format!("tern-skips-{}", std::process::id()));
        std::fs::write(&log, "").map_err(|error| format!("{}: {error}", log.display()))?;
        Ok(Self { list, foreseen: foreseen(&text), log })
    }

    pub fn log(&self) -> &Path {
        &self.log
    }

    /// An error if the list names what no test bears: it would foresee a skip that nobody can explain any more.
    pub fn stand(&self, tests: &BTreeSet<String>) -> Result<(), String> {
        let stale = stale(&self.foreseen, tests);
        if stale.is_empty() {
            return Ok(());
        }
        Err(format!("{} names what is no test: {}. Remove these lines.", self.list.display(), stale.join(", ")))
    }

    /// Moves the logged skips from passed to skipped, prints each, and refuses those that nobody foresaw.
    pub fn settle(&self, tally: &mut Tally) -> Result<(), String> {
        let text = std::fs::read_to_string(&self.log).map_err(|error| format!("{}: {error}", self.log.display()))?;
        let mut unforeseen = Vec::new();
        let mut seen = logged(&text);
        for name in seen.keys() {
            println!("skipped {name}: {}", seen[name]);
            tally.skip();
        }
        for name in std::mem::take(&mut tally.ignored) {
            seen.entry(name).or_insert_with(|| "marked as ignored".to_string());
        }
        unforeseen.extend(seen.keys().filter(|name| !self.foreseen.contains(*name)).cloned());
        if unforeseen.is_empty() {
            return Ok(());
        }
        Err(format!(
            "tests were skipped that {} does not list: {}. Make them run, or add a line with the reason.",
            self.list.display(),
            unforeseen.join(", ")
        ))
    }
}

impl Drop for Skips {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.log);
    }
}

/// Names of the list: the first word of each line that is neither empty nor a comment. A name may hold `::`.
fn foreseen(text: &str) -> BTreeSet<String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.split_whitespace().next())
        .map(|name| name.strip_suffix(':').unwrap_or(name).into())
        .collect()
}

/// Names that no test bears.
fn stale<'a>(foreseen: &'a BTreeSet<String>, tests: &BTreeSet<String>) -> Vec<&'a str> {
    let bears = |name: &&str| tests.contains(name.rsplit("::").next().unwrap_or(name));
    foreseen.iter().map(String::as_str).filter(|name| !bears(name)).collect()
}

/// Name and reason of each line of the log; a test that ran twice (with and without planted bugs) counts once.
fn logged(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter_map(|line| line.split_once('\t'));
    lines.map(|(name, reason)| (name.to_string(), reason.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreseen_skip_is_counted_and_an_unforeseen_or_forgotten_one_refused() {
        let folder = std::env::temp_dir().join(format!("tern-xtask-skips-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("tests")).unwrap();
        std::fs::write(
            folder.join("tests/skips.txt"),
            "# may be skipped\nneeds_root: without root\na::child: not a test\n",
        )
        .unwrap();
        let skips = Skips::open(&folder).unwrap();
        let mut tally = Tally { passed: 3, ignored: vec!["a::child".to_string()], ..Tally::default() };
        std::fs::write(skips.log(), "needs_root\tnot root\n").unwrap();
        assert_eq!(skips.settle(&mut tally), Ok(()));
        assert_eq!((tally.passed, tally.skipped), (2, 1));
        std::fs::write(skips.log(), "quietly\tno reason at all\n").unwrap();
        let refused = skips.settle(&mut tally).unwrap_err();
        assert!(refused.contains("quietly"), "{refused}");
        let tests = |names: &[&str]| names.iter().map(|name| (*name).to_string()).collect();
        assert_eq!(skips.stand(&tests(&["needs_root", "child", "another"])), Ok(()));
        let refused = skips.stand(&tests(&["needs_root"])).unwrap_err();
        assert!(refused.contains("a::child") && !refused.contains("needs_root"), "{refused}");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn the_committed_list_names_tests_that_there_are() {
        let root = crate::run::root();
        let list = foreseen(&std::fs::read_to_string(root.join("tests/skips.txt")).unwrap());
        assert_eq!(stale(&list, &crate::shape::tests(&root).unwrap()), [""; 0]);
    }
}
