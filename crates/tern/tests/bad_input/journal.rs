//! A journal that this program cannot trust: of a newer version, cut short, or with a bit changed.
//!
//! What cannot be read whole is refused with the file's name and left as it is; nothing is ever made up.

use std::fs;
use std::path::PathBuf;

use redb::{Database, TableDefinition};
use serde_json::Value;

use super::grid::Tern;
use super::said;

/// The table and the key that hold the journal's format.
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const FORMAT: &str = "format";

/// A state folder with one job that is done, one that waits and one that is held; no agent runs.
struct Lived {
    tern: Tern,
    path: PathBuf,
    jobs: Value,
    good: Vec<u8>,
    witness: Vec<u8>,
}

impl Lived {
    fn new() -> Self {
        let tern = Tern::new();
        let done = tern.submit(&["--", "echo", "out"]);
        tern.good(&["wait", &done]);
        tern.submit(&["--array", "1-3", "--", "echo"]);
        tern.submit(&["--hold", "--", "echo", "held"]);
        let jobs = without_reasons(tern.json(&["jobs", "--json"]));
        let path = tern.path().join("journal.redb");
        let (good, witness) = (fs::read(&path).unwrap(), fs::read(tern.path().join("journal.seen")).unwrap());
        Self { tern, path, jobs, good, witness }
    }

    fn restore(&self) {
        fs::write(&self.path, &self.good).unwrap();
        fs::write(self.tern.path().join("journal.seen"), &self.witness).unwrap();
    }

    /// Every command that needs the journal refuses it so, and it stays byte for byte.
    fn is_refused(&self, parts: &[&str]) {
        let before = fs::read(&self.path).unwrap();
        for words in [&["jobs"][..], &["submit", "--", "true"], &["up", "--detach"], &["up"], &["agent"]] {
            said(&self.tern.run(words), 65, parts);
            assert!(fs::read(&self.path).unwrap() == before, "{words:?} changed it");
        }
        // A batch of its own needs no journal of this folder.
        self.tern.good(&["map", "true", ":::", "a"]);
    }
}

/// Why a job waits may change from one look to the next; what it is may not.
fn without_reasons(mut jobs: Value) -> Value {
    for job in jobs.as_array_mut().unwrap() {
        job.as_object_mut().unwrap().remove("because");
    }
    jobs
}

#[test]
fn a_journal_of_a_newer_version_is_left_as_it_is_and_both_versions_are_named() {
    let lived = Lived::new();
    let database = Database::open(&lived.path).unwrap();
    let change = database.begin_write().unwrap();
    let format = 9u16.to_le_bytes();
    change.open_table(META).unwrap().insert(FORMAT, &format[..]).unwrap();
    change.commit().unwrap();
    drop(database);
    let path = lived.path.to_str().unwrap().to_owned();
    lived.is_refused(&[&path, "newer tern", "format 9", "up to 3", "nothing was changed"]);
    lived.restore();
    assert_eq!(without_reasons(lived.tern.json(&["jobs", "--json"])), lived.jobs);
}

#[test]
fn a_journal_that_was_cut_is_refused_by_every_command_and_works_again_when_it_is_restored() {
    let lived = Lived::new();
    let path = lived.path.to_str().unwrap().to_owned();
    for keep in [0, 100, lived.good.len() / 3, lived.good.len() - lived.good.len() / 8] {
        fs::write(&lived.path, &lived.good[..keep]).unwrap();
        lived.is_refused(&[&path, "damaged", "Nothing was changed", "Restore it from a backup"]);
        lived.restore();
    }
    assert_eq!(without_reasons(lived.tern.json(&["jobs", "--json"])), lived.jobs);
    let first = lived.jobs[0]["job"].as_str().unwrap();
    assert_eq!(lived.tern.good(&["logs", first]), "out\n");
}

#[test]
fn a_changed_bit_is_harmless_or_said_and_nothing_is_made_up() {
    let lived = Lived::new();
    let stands = |at: &usize| lived.good[*at] != 0;
    let places: Vec<usize> = (0..lived.good.len()).filter(stands).collect();
    let (mut refused, mut harmless) = (0, 0);
    // Evenly over all that stands in the file; a prime number of steps meets every kind of page.
    for step in 0..61 {
        let at = places[step * places.len() / 61];
        let mut bytes = lived.good.clone();
        bytes[at] ^= 1 << (step % 8);
        lived.restore();
        fs::write(&lived.path, &bytes).unwrap();
        let out = lived.tern.run(&["jobs", "--json"]);
        if out.code == 0 {
            let jobs: Value = serde_json::from_str(&out.stdout).unwrap();
            assert_eq!(without_reasons(jobs), lived.jobs, "bit {} of byte {at}", step % 8);
            harmless += 1;
        } else {
            said(&out, 65, &[lived.path.to_str().unwrap()]);
            assert!(fs::read(&lived.path).unwrap() == bytes, "a refused journal was changed");
            refused += 1;
        }
    }
    assert!(refused > 0, "{harmless} changes and none was seen");
}

#[test]
fn a_journal_that_is_gone_is_not_taken_for_a_new_folder() {
    let lived = Lived::new();
    fs::remove_file(&lived.path).unwrap();
    for words in [&["jobs"][..], &["submit", "--", "true"], &["up", "--detach"]] {
        said(&lived.tern.run(words), 65, &["journal.redb", "it is gone", "journal.seen"]);
        assert!(!lived.path.exists(), "{words:?} began a new one");
    }
    lived.restore();
    assert_eq!(without_reasons(lived.tern.json(&["jobs", "--json"])), lived.jobs);
    // As it is said: whoever accepts the loss begins anew.
    fs::remove_file(&lived.path).unwrap();
    fs::remove_file(lived.tern.path().join("journal.seen")).unwrap();
    assert_eq!(lived.tern.json(&["jobs", "--json"]), serde_json::json!([]));
}
