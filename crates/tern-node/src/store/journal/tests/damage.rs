//! Bytes flipped and files cut: damage is said, and nothing comes out that was not put in.

use std::fs;
use std::path::Path;

use redb::{Database, ReadableDatabase, ReadableTable};
use tern_core::promise::Head;

use super::*;
use crate::store::job::is_aside;
use crate::store::journal::commit::witness_path;
use crate::store::journal::database::{JOBS, KEY_FORMAT, META, RECORDS};

/// A journal with a checkpoint and records behind it, and every state it went through.
fn lived(home: &Home) -> Vec<State> {
    let (mut journal, recovery) = open(home);
    let mut state = recovery.state;
    let mut past = vec![state.clone()];
    let mut sequence = 0;
    for number in 1..=12 {
        let records = vec![accepted(number), lent(number), done_elsewhere(number, 3 + number % 7)];
        let records = if number == 1 { [vec![incarnation()], records].concat() } else { records };
        sequence += records.len() as u64;
        journal.commit(sequence, &records).expect("durable");
        apply_all(&mut state, &records);
        past.push(state.clone());
        if number.is_multiple_of(5) {
            checkpoint(&mut journal, &mut state, &BTreeMap::new()).expect("durable");
        }
    }
    past
}

/// Opens a damaged copy. Err: it was refused. Ok: the state, and whether anything was said.
fn reopened(home: &Home) -> Result<(State, bool), StoreError> {
    let before = fs::read(home.journal()).expect("a file");
    match Journal::open(home, NODE, true) {
        Ok((_, recovery)) => Ok((recovery.state, !recovery.notes.is_empty())),
        Err(error) => {
            assert!(fs::read(home.journal()).expect("a file") == before, "a refused journal was changed: {error}");
            assert!(error.to_string().contains("journal.redb"), "{error} does not name the file");
            Err(error)
        }
    }
}

/// Damages copies of one journal in many ways and checks each.
fn try_many(seed: u64, rounds: usize, with_witness: bool, damage: impl Fn(&mut Vec<u8>, &mut u64)) {
    let folder = tempfile::tempdir().expect("a folder");
    let home = Home::new(folder.path());
    let past = lived(&home);
    let last = past.last().expect("a state");
    let good = fs::read(home.journal()).expect("a file");
    let seen = fs::read(witness_path(&home)).expect("a witness");
    let mut random = seed;
    let (mut refused, mut harmless, mut older) = (0, 0, 0);
    for round in 0..rounds {
        let mut bytes = good.clone();
        damage(&mut bytes, &mut random);
        fs::write(home.journal(), &bytes).expect("written");
        if with_witness {
            fs::write(witness_path(&home), &seen).expect("written");
        } else if witness_path(&home).exists() {
            fs::remove_file(witness_path(&home)).expect("removed");
        }
        match reopened(&home) {
            Err(StoreError::Damaged { .. } | StoreError::Newer { .. } | StoreError::OtherNode { .. }) => refused += 1,
            Err(error) => panic!("round {round}: {error:?}"),
            Ok((state, said)) if same(&state, last) => {
                assert!(!said, "round {round}: something was said of a whole journal");
                harmless += 1;
            }
            Ok((state, said)) => {
                assert!(said || !with_witness, "round {round}: it lost something and said nothing");
                // The number of the next job may be greater: files of later jobs are there.
                let was = |known: &State| {
                    let head = Head { next_job: state.head().next_job, ..known.head().clone() };
                    state.head().next_job >= known.head().next_job
                        && head == *state.head()
                        && known.jobs() == state.jobs()
                };
                assert!(past.iter().any(was), "round {round}: it holds what was never so");
                older += 1;
            }
        }
    }
    println!("{rounds} damages: {refused} refused, {harmless} harmless, {older} older");
    assert!(refused > 0, "no damage was found at all");
}

fn next(random: &mut u64) -> usize {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    (*random >> 1) as usize
}

#[test]
fn a_flipped_bit_anywhere_is_harmless_or_said() {
    try_many(0x9E37_79B9_7F4A_7C15, 600, true, |bytes, random| {
        let at = next(random) % bytes.len();
        bytes[at] ^= 1 << (next(random) % 8);
    });
}

#[test]
fn a_flipped_bit_where_something_stands_is_harmless_or_said() {
    try_many(0x5DEE_CE66_D123_4567, 400, true, |bytes, random| {
        let start = next(random) % bytes.len();
        let at = (0..bytes.len()).map(|step| (start + step) % bytes.len()).find(|at| bytes[*at] != 0);
        bytes[at.expect("something stands there")] ^= 1 << (next(random) % 8);
    });
}

#[test]
fn a_flipped_bit_in_the_header_is_harmless_or_said() {
    try_many(0xA5A5_1234_5678_9ABC, 600, true, |bytes, random| {
        let at = next(random) % 512;
        bytes[at] ^= 1 << (next(random) % 8);
    });
}

#[test]
fn a_flipped_bit_without_a_witness_never_invents() {
    try_many(0x0123_4567_89AB_CDEF, 400, false, |bytes, random| {
        let at = if next(random) & 1 == 0 { next(random) % 512 } else { next(random) % bytes.len() };
        bytes[at] ^= 1 << (next(random) % 8);
    });
}

#[test]
fn a_journal_cut_at_any_length_is_refused() {
    try_many(0xDEAD_BEEF_1357_9BDF, 200, true, |bytes, random| {
        let keep = next(random) % bytes.len();
        bytes.truncate(keep);
    });
}

#[test]
fn a_block_of_zeros_or_noise_is_harmless_or_said() {
    try_many(0xFEED_FACE_CAFE_BEEF, 300, true, |bytes, random| {
        let at = next(random) % bytes.len();
        let end = (at + 1 + next(random) % 8192).min(bytes.len());
        let zeros = next(random) & 1 == 0;
        bytes[at..end].iter_mut().for_each(|byte| *byte = if zeros { 0 } else { next(random) as u8 });
    });
}

/// Changes rows through redb itself, so that only our own checksums can notice.
fn tamper(home: &Home, act: impl FnOnce(&redb::WriteTransaction)) {
    let db = Database::open(home.journal()).expect("redb opens it");
    let txn = db.begin_write().expect("a transaction");
    act(&txn);
    txn.commit().expect("committed");
}

fn flip_last(row: &[u8]) -> Vec<u8> {
    let mut row = row.to_vec();
    *row.last_mut().expect("a byte") ^= 0x10;
    row
}

#[test]
fn a_job_with_a_bad_row_is_put_aside_and_the_others_go_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = Home::new(folder.path());
    let last = lived(&home).pop().expect("a state");
    tamper(&home, |txn| {
        let mut jobs = txn.open_table(JOBS).expect("a table");
        let row = flip_last(jobs.get(job(3).0).expect("read").expect("a row").value());
        jobs.insert(job(3).0, &*row).expect("inserted");
        let mut records = txn.open_table(RECORDS).expect("a table");
        let key = records.iter().expect("rows").next().expect("a row").expect("read").0.value();
        let row = flip_last(records.get(key).expect("read").expect("a row").value());
        records.insert(key, &*row).expect("inserted");
    });
    let (mut journal, recovery) = open(&home);
    let told: Vec<_> = recovery.notes.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains(&job(3).to_string()) && told[1].contains(&job(11).to_string()), "{told:?}");
    assert!(is_aside(&home, job(3)) && is_aside(&home, job(11)));
    for number in (1..=12).filter(|number| ![3, 11].contains(number)) {
        assert_eq!(recovery.state.job(job(number)), last.job(job(number)), "job {number}");
    }
    assert_eq!(recovery.state.jobs().len(), 10);
    assert_eq!(recovery.state.head().next_job, 13);
    // It stays aside, whatever is checkpointed since.
    let mut state = recovery.state;
    journal.commit(1, &[accepted(13)]).expect("durable");
    state.apply(&accepted(13));
    checkpoint(&mut journal, &mut state, &BTreeMap::new()).expect("durable");
    drop(journal);
    let (_, recovery) = open(&home);
    assert_eq!(recovery.notes.len(), 2);
    assert!(same(&recovery.state, &state));
}

#[test]
fn a_journal_of_a_newer_version_is_refused_untouched_with_both_versions_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = Home::new(folder.path());
    lived(&home);
    tamper(&home, |txn| {
        let mut meta = txn.open_table(META).expect("a table");
        meta.insert(KEY_FORMAT, &7u16.to_le_bytes()[..]).expect("inserted");
    });
    let all = |path: &Path| -> BTreeMap<_, _> {
        let files = fs::read_dir(path).expect("a folder").flatten();
        files
            .filter(|file| file.path().is_file())
            .map(|file| (file.file_name(), fs::read(file.path()).expect("read")))
            .collect()
    };
    let before = all(home.path());
    let Err(error) = Journal::open(&home, NODE, true) else { panic!("it was opened") };
    assert!(matches!(error, StoreError::Newer { found: 7, known: 3, .. }), "{error}");
    assert!(error.to_string().contains("format 7") && error.to_string().contains("up to 3"), "{error}");
    assert!(all(home.path()) == before);
}

#[test]
fn a_journal_of_another_node_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = Home::new(folder.path());
    lived(&home);
    let Err(error) = Journal::open(&home, NodeId([1; 32]), true) else { panic!("it was opened") };
    assert!(matches!(error, StoreError::OtherNode { .. }), "{error}");
}

#[test]
fn an_older_copy_of_the_journal_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = Home::new(folder.path());
    let (mut journal, _) = open(&home);
    journal.commit(1, &[incarnation()]).expect("durable");
    let old = fs::read(home.journal()).expect("a file");
    journal.commit(2, &[accepted(1)]).expect("durable");
    drop(journal);
    fs::write(home.journal(), old).expect("written");
    let Err(error) = Journal::open(&home, NODE, true) else { panic!("it was opened") };
    assert!(error.to_string().contains("record 2 was acknowledged"), "{error}");
}

#[test]
fn reading_a_tampered_table_does_not_need_a_write() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = Home::new(folder.path());
    lived(&home);
    let db = Database::open(home.journal()).expect("redb opens it");
    let txn = db.begin_read().expect("a transaction");
    assert_eq!(txn.open_table(JOBS).expect("a table").iter().expect("rows").count(), 10);
}
