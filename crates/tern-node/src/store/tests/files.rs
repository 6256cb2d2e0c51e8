//! What a node keeps of a job beside its journal: the rows of its arguments, and the context that its tasks run in.
//!
//! They are found again whole, by range and alone; damage is named, and what belongs to no job is cleared away.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use proptest::prelude::*;
use tern_core::words::{Bytes, JobId};

use crate::home::Home;
use crate::process::protocol::Context;
use crate::store::job::mark_aside;
use crate::store::rows::Rows;
use crate::store::{StoreError, context, discard_job, sweep_jobs, write_inputs};

fn words(count: u32) -> Vec<Vec<Bytes>> {
    (0..count).map(|row| vec![format!("w{row}").into()]).collect()
}

fn in_folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("inputs");
    (folder, path)
}

#[test]
fn any_row_of_many_is_found_alone_and_in_ranges() {
    let (_folder, path) = in_folder();
    let rows = words(10_000);
    Rows::write(&path, &rows).expect("written");
    let open = Rows::open(&path).expect("opened");
    assert_eq!(open.len(), 10_000);
    for task in [0, 255, 256, 257, 9_999, 0, 5_000, 4_999] {
        assert_eq!(open.row(task).expect("read"), rows[task as usize]);
    }
    for range in [0..=9_999, 250..=260, 256..=511, 9_990..=9_999, 7..=7] {
        assert_eq!(open.rows(range.clone()).expect("read"), rows[*range.start() as usize..=*range.end() as usize]);
    }
    assert!(matches!(open.row(10_000), Err(StoreError::Damaged { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn rows_come_back_byte_for_byte(
        rows in prop::collection::vec(prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..5), 1..700)
    ) {
        let rows: Vec<Vec<Bytes>> = rows.into_iter().map(|row| row.into_iter().map(Bytes).collect()).collect();
        let (_folder, path) = in_folder();
        Rows::write(&path, &rows).expect("written");
        let open = Rows::open(&path).expect("opened");
        prop_assert_eq!(open.rows(0..=rows.len() as u32 - 1).expect("read"), rows);
    }

    #[test]
    fn a_damaged_inputs_file_gives_the_right_row_or_an_error(at in 0usize..60_000, bit in 0u8..8, cut in any::<bool>()) {
        let (_folder, path) = in_folder();
        let rows = words(4_000);
        Rows::write(&path, &rows).expect("written");
        let mut bytes = fs::read(&path).expect("read");
        let at = at % bytes.len();
        if cut { bytes.truncate(at) } else { bytes[at] ^= 1 << bit }
        fs::write(&path, bytes).expect("written");
        let Ok(open) = Rows::open(&path) else { return Ok(()) };
        prop_assert!(!cut, "a cut file was opened");
        for (task, row) in rows.iter().enumerate() {
            if let Ok(read) = open.row(task as u32) {
                prop_assert_eq!(&read, row);
            }
        }
    }
}

#[test]
fn long_rows_make_small_chunks_and_a_row_beyond_all_limits_is_refused() {
    let (_folder, path) = in_folder();
    let rows: Vec<Vec<Bytes>> = (0..40u8).map(|row| vec![Bytes(vec![row; 120_000]); 2]).collect();
    Rows::write(&path, &rows).expect("written");
    let open = Rows::open(&path).expect("opened");
    assert_eq!(open.row(33).expect("read"), rows[33]);
    let beyond = vec![vec![Bytes(vec![0; 5 << 20])]];
    assert!(Rows::write(&path, &beyond).is_err());
    assert!(!path.exists(), "nothing is left of what could not be written");
}

#[test]
fn inputs_and_context_are_written_together_read_back_private_and_gone_when_discarded() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = Home::new(folder.path());
    let job = JobId::new(7, 1);
    let wanted = Context {
        cwd: "/tmp".into(),
        env: vec![("A".into(), "b".into()), ("BYTES".into(), Bytes(vec![0xff, 0xfe]))],
        timeout_ms: Some(5),
        grace_ms: 6,
        rlimits: vec![("nofile".into(), 7, 8)],
    };
    write_inputs(&home, job, &words(3), &wanted).expect("written");
    assert_eq!(context::read(&home.context(job)).expect("read"), wanted);
    assert_eq!(Rows::open(&home.inputs(job)).expect("opened").len(), 3);
    for path in [home.context(job), home.inputs(job)] {
        let mode = fs::metadata(&path).expect("a file").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", path.display());
    }
    // A submission that was never accepted left its number to the next.
    write_inputs(&home, job, &[], &Context::default()).expect("written");
    assert!(!home.inputs(job).exists());
    discard_job(&home, job).expect("removed");
    discard_job(&home, job).expect("nothing to remove");
    assert!(!home.job(job).exists());
}

#[test]
fn a_damaged_context_is_refused_at_any_flipped_bit_and_any_length() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("context");
    let wanted = Context { cwd: "/srv".into(), env: vec![("K".into(), "V".into())], ..Context::default() };
    context::write(&path, &wanted).expect("written");
    let good = fs::read(&path).expect("read");
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 4;
        fs::write(&path, &bytes).expect("written");
        // Two bytes of the trailer are kept for later and mean nothing yet.
        match context::read(&path) {
            Ok(read) => assert!(read == wanted && (good.len() - 10..good.len() - 8).contains(&at), "byte {at}"),
            Err(error) => assert!(error.to_string().contains("context"), "{error}"),
        }
        fs::write(&path, &good[..at]).expect("written");
        assert!(context::read(&path).is_err(), "cut at {at}");
    }
}

#[test]
fn folders_of_jobs_that_nobody_knows_are_swept_and_those_put_aside_are_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = Home::new(folder.path());
    assert_eq!(sweep_jobs(&home, |_| false).expect("nothing there"), 0);
    for number in 1..=4 {
        write_inputs(&home, JobId::new(7, number), &words(2), &Context::default()).expect("written");
    }
    mark_aside(&home, JobId::new(7, 3)).expect("marked");
    fs::create_dir(home.path().join("jobs/somebody's")).expect("made");
    assert_eq!(sweep_jobs(&home, |job| job.number() == 2).expect("swept"), 2);
    let left = |number| home.job(JobId::new(7, number)).exists();
    assert_eq!([left(1), left(2), left(3), left(4)], [false, true, true, false]);
    assert!(home.path().join("jobs/somebody's").exists(), "what is no job's stays");
}
