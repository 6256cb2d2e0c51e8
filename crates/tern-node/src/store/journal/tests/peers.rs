//! Results of other nodes: in a segment, not in the journal, and in the journal's order.

use super::*;
use crate::store::results::{counted, read_output};
use tern_core::words::Bytes;

#[test]
fn results_of_others_count_after_opening_though_their_grant_was_reclaimed_since() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = Home::new(folder.path());
    let (mut journal, recovery) = open(&home);
    let mut state = recovery.state;
    let reclaimed = Record::Reclaimed { grant: GrantId { incarnation: 9, n: 1 } };
    let batches =
        [vec![incarnation(), accepted(1), lent(1)], vec![done_elsewhere(1, 4)], vec![reclaimed, done_elsewhere(1, 8)]];
    for (index, records) in batches.iter().enumerate() {
        journal.commit(index as u64 + 1, records).expect("durable");
        apply_all(&mut state, records);
    }
    drop(journal);
    let (_, recovery) = open(&home);
    assert!(same(&recovery.state, &state));
    assert_eq!(recovery.state.job(job(1)).map(|job| job.done.len()), Some(4), "those after the reclaim were refused");
}

#[test]
fn a_task_more_does_not_make_the_journal_longer() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = Home::new(folder.path());
    let (mut journal, _) = open(&home);
    let big = Record::Lent {
        grant: GrantId { incarnation: 9, n: 1 },
        job: job(1),
        round: 0,
        n: 1,
        to: NodeId([8; 32]),
        tasks: TaskSet::first(100),
    };
    journal.commit(1, &[incarnation(), accepted(1), big]).expect("durable");
    let before = std::fs::metadata(home.journal()).expect("a file").len();
    let many = Record::Outcomes {
        via: Some(GrantId { incarnation: 9, n: 1 }),
        outcomes: (0..50_000).map(|index| success(1, index % 100)).collect(),
    };
    journal.commit(2, &[many]).expect("durable");
    assert!(std::fs::metadata(home.journal()).expect("a file").len() <= before + (64 << 10));
    drop(journal);
    assert_eq!(open(&home).1.state.job(job(1)).map(|job| job.done.len()), Some(100));
}

#[test]
fn output_that_came_with_a_result_is_read_back_by_its_range() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = Home::new(folder.path());
    let (mut journal, _) = open(&home);
    journal.commit(1, &[incarnation(), accepted(1), lent(1)]).expect("durable");
    let mut outcomes = vec![success(1, 0), success(1, 1), success(1, 2)];
    let output: [(Bytes, Bytes); 2] = [("one".into(), "".into()), ("".into(), "said\n".into())];
    journal.keep_outputs(&mut outcomes, &output, &[None, None]).expect("written");
    let via = Some(GrantId { incarnation: 9, n: 1 });
    journal.commit(2, &[Record::Outcomes { via, outcomes }]).expect("durable");
    drop(journal);
    let (mut journal, _) = open(&home);
    let found = counted(&home, job(1)).expect("read");
    let read = |index: usize| {
        let read = |output, stderr| read_output(&home, output, stderr, 0, 100).expect("read");
        (read(found[index].stdout, false), read(found[index].stderr, true))
    };
    assert_eq!(found.len(), 3);
    assert_eq!(read(0), (b"one".to_vec(), Vec::new()));
    assert_eq!(read(1), (Vec::new(), b"said\n".to_vec()));
    assert_eq!(read(2), (Vec::new(), Vec::new()), "no output came with it");
    let mut more = vec![success(1, 3)];
    journal.keep_outputs(&mut more, &[("later".into(), "".into())], &[None, None]).expect("written");
    assert_ne!(more[0].stdout.file, found[0].stdout.file, "a new run has files of its own");
}

#[test]
fn long_output_becomes_a_file_of_its_own_and_goes_where_its_record_is_not_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = Home::new(folder.path());
    let (mut journal, _) = open(&home);
    journal.commit(1, &[incarnation(), accepted(1), lent(1)]).expect("durable");
    let came = folder.path().join("came");
    let keep = |journal: &mut Journal, bytes: usize| {
        std::fs::write(&came, vec![b'x'; bytes]).expect("a file");
        let mut outcomes = vec![success(1, 0)];
        let long = [Some(came.clone()), None];
        journal.keep_outputs(&mut outcomes, &[("".into(), "said\n".into())], &long).expect("kept");
        (came.exists(), outcomes)
    };
    let (copied, short) = keep(&mut journal, 100_000);
    let (copied_too, long) = keep(&mut journal, 2_000_000);
    assert!(copied && !copied_too, "the longer one is moved");
    let (short, long) = (short[0], long[0]);
    assert!(short.stdout.file == short.stderr.file && short.stderr.file == long.stderr.file);
    assert!(long.stdout.file != long.stderr.file);
    assert!(journal.holds_output(long.stdout.file) && journal.holds_output(short.stdout.file));
    journal.outputs.take_back();
    assert!(!home.stdout(long.stdout.file).exists(), "nobody will point to it");
    assert!(home.stdout(short.stdout.file).exists() && journal.holds_output(short.stdout.file), "others stand in it");

    let (_, outcomes) = keep(&mut journal, 2_000_000);
    let kept = outcomes[0];
    journal.commit(2, &[Record::Outcomes { via: Some(GrantId { incarnation: 9, n: 1 }), outcomes }]).expect("durable");
    assert!(!journal.holds_output(kept.stdout.file), "its record is");
    drop(journal);
    let (_journal, _) = open(&home);
    let found = counted(&home, job(1)).expect("read");
    assert_eq!(read_output(&home, found[0].stdout, false, 0, 3_000_000).expect("read"), vec![b'x'; 2_000_000]);
    assert_eq!(read_output(&home, found[0].stderr, true, 0, 100).expect("read"), b"said\n");
}
