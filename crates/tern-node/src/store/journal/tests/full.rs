//! A full disk: nothing is half accepted, and the journal goes on when there is room.

use std::ffi::CString;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, unshare};
use tern_core::promise::Record;

use super::*;

/// Runs on a file system of `kib` KiB that only this thread sees; says so where that is not possible.
fn on_small_disk(kib: u32, act: impl FnOnce(&Path) + Send + 'static) {
    let thread = std::thread::current();
    let ran = std::thread::spawn(move || {
        let folder = tempfile::tempdir().expect("a folder");
        if unshare(CloneFlags::CLONE_NEWNS).is_err()
            || !mount(None, Path::new("/"), libc::MS_REC | libc::MS_PRIVATE, "")
        {
            return false;
        }
        if !mount(Some(c"tmpfs"), folder.path(), 0, &format!("size={kib}k")) {
            return false;
        }
        act(folder.path());
        true
    });
    if !ran.join().expect("it passed") {
        skip(thread.name().unwrap_or("full"), "a small file system cannot be mounted here");
    }
}

/// This test cannot run here; `cargo xtask test` counts it as skipped.
fn skip(name: &str, reason: &str) {
    use std::io::Write;
    eprintln!("SKIP {name}: {reason}");
    if let Some(path) = std::env::var_os("TERN_SKIP_LOG") {
        let mut log = fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
        // One write: tests of one program run at the same time.
        log.write_all(format!("{name}\t{reason}\n").as_bytes()).unwrap();
    }
}

#[expect(unsafe_code, reason = "the binding of mount(2) would cost a feature of a dependency for these tests alone")]
fn mount(kind: Option<&std::ffi::CStr>, at: &Path, flags: u64, options: &str) -> bool {
    let at = CString::new(at.as_os_str().as_encoded_bytes()).expect("no NUL");
    let options = CString::new(options).expect("no NUL");
    let kind = kind.map_or(std::ptr::null(), std::ffi::CStr::as_ptr);
    // SAFETY: all pointers are NUL-terminated strings that outlive the call, or null where the kernel takes null.
    unsafe { libc::mount(c"none".as_ptr(), at.as_ptr(), kind, flags, options.as_ptr().cast()) == 0 }
}

/// Takes all room but about `leave` bytes.
fn fill(folder: &Path, leave: usize) -> std::path::PathBuf {
    let path = folder.join("filler");
    let mut file = File::create(&path).expect("a file");
    let block = [1u8; 4096];
    let mut length = 0;
    while file.write_all(&block).is_ok() {
        length += block.len();
    }
    file.set_len(length.saturating_sub(leave) as u64).expect("shorter");
    path
}

/// A process that another test is about to start has the removed file open still, until it has started.
fn once_there_is_room<T>(mut act: impl FnMut() -> Result<T, StoreError>) -> T {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        match act() {
            Ok(done) => return done,
            Err(error) if error.is_full() && Instant::now() < until => std::thread::sleep(Duration::from_millis(5)),
            Err(error) => panic!("there is room again: {error}"),
        }
    }
}

fn long(number: u32, bytes: usize) -> Record {
    let spec = JobSpec { name: "x".repeat(bytes), ..spec(100) };
    Record::Accepted { job: job(number), spec: Box::new(spec), at_ms: 5 }
}

#[test]
fn a_commit_on_a_full_disk_leaves_nothing_and_goes_on_when_there_is_room() {
    on_small_disk(4 << 10, |folder| {
        for leave in [0, 4096, 65_536] {
            let home = Home::new(folder.join(format!("home{leave}")));
            let (mut journal, _) = open(&home);
            journal.commit(1, &[incarnation(), accepted(1)]).expect("durable");
            let filler = fill(folder, leave);
            let error = journal.commit(2, &[accepted(2), long(3, 900_000)]).expect_err("no room");
            assert!(error.is_full(), "{error}");
            let again = journal.commit(2, &[long(2, 900_000)]).expect_err("still no room");
            assert!(again.is_full(), "{again}");
            fs::remove_file(&filler).expect("removed");
            once_there_is_room(|| journal.commit(2, &[accepted(2)]));
            drop(journal);
            let (_, recovery) = open(&home);
            assert_eq!(recovery.state.jobs().len(), 2);
            assert_eq!(recovery.state.job(job(2)).map(|job| job.spec.name.clone()), Some("a job".to_owned()));
            fs::remove_dir_all(home.path()).expect("removed");
        }
    });
}

#[test]
fn a_new_journal_on_a_full_disk_is_refused_and_made_when_there_is_room() {
    on_small_disk(2 << 10, |folder| {
        let home = Home::new(folder.join("home"));
        fs::create_dir(home.path()).expect("a folder");
        let filler = fill(folder, 0);
        let refused = Journal::open(&home, NODE, true).and_then(|(mut journal, _)| journal.commit(1, &[incarnation()]));
        assert!(refused.expect_err("no room").is_full());
        assert!(!home.journal().exists(), "a journal without its first commit has no name");
        fs::remove_file(&filler).expect("removed");
        let (mut journal, _) = open(&home);
        once_there_is_room(|| journal.commit(1, &[incarnation(), accepted(1)]));
        drop(journal);
        assert_eq!(open(&home).1.state.jobs().len(), 1);
    });
}

#[test]
fn a_checkpoint_on_a_full_disk_keeps_the_records_and_is_written_later() {
    on_small_disk(4 << 10, |folder| {
        let home = Home::new(folder.join("home"));
        let (mut journal, recovery) = open(&home);
        let mut state = recovery.state;
        let records = [incarnation(), long(1, 500_000), accepted(2)];
        journal.commit(1, &records).expect("durable");
        apply_all(&mut state, &records);
        let filler = fill(folder, 0);
        let error = checkpoint(&mut journal, &mut state, &BTreeMap::new()).expect_err("no room");
        assert!(error.is_full(), "{error}");
        fs::remove_file(&filler).expect("removed");
        once_there_is_room(|| checkpoint(&mut journal, &mut state, &BTreeMap::new()));
        drop(journal);
        let (_, recovery) = open(&home);
        assert!(same(&recovery.state, &state));
        assert_eq!(recovery.replayed, 0, "the later checkpoint covers what the failed one should have");
    });
}
