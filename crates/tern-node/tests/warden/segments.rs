//! The segment format: what is written is read, and damage is found, named, and never read as results.

use std::fs;
use std::os::unix::fs::FileExt;

use tern_core::promise::{Exit, Outcome, Output};
use tern_node::home::Home;
use tern_node::store::segment::{
    Block, HEADER_BYTES, Lane, SEGMENT_BYTES_MAX, SegmentError, SegmentReader, SegmentWriter, numbers,
};

use super::grid::attempt;

super::grid::tests![
    what_is_written_is_read_over_a_change_of_file,
    damage_in_the_middle_is_skipped_and_named,
    no_flipped_bit_is_read_as_a_result,
    a_cut_at_any_byte_loses_only_the_last_block,
    a_segment_of_a_newer_version_is_refused,
    a_reader_stops_at_the_limit_and_goes_on_behind_it,
];

fn outcome(task: u32) -> Outcome {
    Outcome {
        attempt: attempt(task, task),
        exit: if task.is_multiple_of(3) { Exit::Code(0) } else { Exit::Signal(9) },
        started_ms: 1_790_000_000_000 + u64::from(task),
        ran_ns: u64::MAX - u64::from(task),
        cpu_us: 17,
        rss_kib: u32::MAX,
        ran_on: 7,
        stdout: Output { file: 3, offset: u64::from(task), len: 9 },
        stderr: Output::default(),
    }
}

fn home() -> (tempfile::TempDir, Home) {
    let folder = tempfile::tempdir().expect("a folder");
    let home = Home::new(folder.path().join("home"));
    (folder, home)
}

fn blocks(home: &Home, number: u32) -> Vec<Block> {
    let mut reader = SegmentReader::open(&home.segment(number)).expect("a segment");
    std::iter::from_fn(|| reader.next_block().expect("readable")).collect()
}

fn tasks(blocks: &[Block]) -> Vec<u32> {
    let outcomes = blocks.iter().filter_map(|block| match block {
        Block::Outcomes { outcomes, .. } => Some(outcomes),
        _ => None,
    });
    outcomes.flatten().map(|outcome| outcome.attempt.task).collect()
}

/// Three blocks of two outcomes each; returns where they begin, and the end.
fn three_blocks(home: &Home) -> [u64; 4] {
    let (mut writer, torn) = SegmentWriter::open(home, Lane::Warden, 7).expect("a writer");
    assert_eq!(torn, None);
    let mut ends = [HEADER_BYTES; 4];
    for block in 0..3 {
        let first = 2 * block as u32;
        ends[block + 1] = writer.append(&[outcome(first), outcome(first + 1)]).expect("written").end;
    }
    ends
}

fn what_is_written_is_read_over_a_change_of_file() {
    let (_folder, home) = home();
    let batch: Vec<Outcome> = (0..4000).map(outcome).collect();
    let mut expected = Vec::new();
    let mut last = None;
    for _ in 0..SEGMENT_BYTES_MAX / 64 / 4000 + 2 {
        let (mut writer, _) = SegmentWriter::open(&home, Lane::Agent, 9).expect("a writer");
        for _ in 0..8 {
            let at = writer.append(&batch).expect("written");
            assert!(last < Some(at), "positions grow");
            last = Some(at);
            expected.extend_from_slice(&batch);
        }
    }
    let numbers = numbers(&home, Lane::Agent).expect("segments");
    assert!(numbers.len() > 1 && numbers.iter().all(|number| number % 2 == 1));
    let read: Vec<Outcome> = numbers
        .iter()
        .flat_map(|number| blocks(&home, *number))
        .flat_map(|block| match block {
            Block::Outcomes { outcomes, .. } => outcomes,
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(read == expected);
    assert_eq!(SegmentReader::open(&home.segment(numbers[0])).expect("a segment").tag(), 9);
}

fn damage_in_the_middle_is_skipped_and_named() {
    // In the payload, in the CRC, and in the length: the first two are skipped by length, the third by looking further.
    for at in [20, 5, 0] {
        let (_folder, home) = home();
        let ends = three_blocks(&home);
        let file = fs::OpenOptions::new().read(true).write(true).open(home.segment(0)).expect("a segment");
        let mut byte = [0];
        file.read_exact_at(&mut byte, ends[1] + at).expect("read");
        file.write_all_at(&[byte[0] ^ 0x55], ends[1] + at).expect("written");
        let blocks = blocks(&home, 0);
        assert_eq!(tasks(&blocks), [0, 1, 4, 5]);
        assert_eq!(blocks[1], Block::Corrupt { start: ends[1], end: ends[2] });
        // A writer goes on behind it and does not touch it.
        let (mut writer, torn) = SegmentWriter::open(&home, Lane::Warden, 7).expect("a writer");
        assert_eq!(torn, None);
        writer.append(&[outcome(6)]).expect("written");
        assert_eq!(tasks(&self::blocks(&home, 0)), [0, 1, 4, 5, 6]);
    }
}

fn no_flipped_bit_is_read_as_a_result() {
    let (_folder, home) = home();
    let ends = three_blocks(&home);
    let path = home.segment(0);
    let whole = fs::read(&path).expect("read");
    for at in 0..whole.len() {
        for bit in [0, 7] {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << bit;
            fs::write(&path, &bytes).expect("written");
            if (at as u64) < HEADER_BYTES {
                assert!(SegmentReader::open(&path).is_err(), "byte {at}");
                continue;
            }
            let hit = (0..3).find(|block| (at as u64) < ends[block + 1]).expect("a block") as u32;
            let expected: Vec<u32> = (0..6).filter(|task| task / 2 != hit).collect();
            assert_eq!(tasks(&blocks(&home, 0)), expected, "byte {at}");
        }
    }
}

fn a_cut_at_any_byte_loses_only_the_last_block() {
    let (_folder, home) = home();
    let ends = three_blocks(&home);
    let path = home.segment(0);
    let whole = fs::read(&path).expect("read");
    for length in 0..=whole.len() {
        fs::write(&path, &whole[..length]).expect("written");
        let kept = ends.iter().filter(|end| **end <= length as u64).count().saturating_sub(1) as u32;
        let (mut writer, torn) = SegmentWriter::open(&home, Lane::Warden, 7).expect("a writer");
        assert_eq!(torn.is_none(), ends.contains(&(length as u64)), "{length}");
        writer.append(&[outcome(9)]).expect("written");
        let expected: Vec<u32> = (0..2 * kept).chain([9]).collect();
        assert_eq!(tasks(&blocks(&home, 0)), expected, "{length}");
    }
}

fn a_segment_of_a_newer_version_is_refused() {
    let (_folder, home) = home();
    three_blocks(&home);
    let path = home.segment(0);
    let mut bytes = fs::read(&path).expect("read");
    bytes[8] = 2;
    let crc = crc32fast::hash(&bytes[..28]);
    bytes[28..32].copy_from_slice(&crc.to_le_bytes());
    fs::write(&path, &bytes).expect("written");
    assert!(matches!(SegmentReader::open(&path), Err(SegmentError::Newer { found: 2, .. })));
    assert!(matches!(SegmentWriter::open(&home, Lane::Warden, 7), Err(SegmentError::Newer { .. })));
    assert_eq!(fs::read(&path).expect("read"), bytes, "nothing was changed");
}

fn a_reader_stops_at_the_limit_and_goes_on_behind_it() {
    let (_folder, home) = home();
    let ends = three_blocks(&home);
    let mut reader = SegmentReader::open(&home.segment(0)).expect("a segment");
    reader.seek(ends[1], Some(ends[2]));
    assert!(
        matches!(reader.next_block(), Ok(Some(Block::Outcomes { start, end, .. })) if (start, end) == (ends[1], ends[2]))
    );
    assert!(matches!(reader.next_block(), Ok(None)));
    assert_eq!(reader.offset(), ends[2]);
    reader.seek(reader.offset(), None);
    assert!(matches!(reader.next_block(), Ok(Some(Block::Outcomes { end, .. })) if end == ends[3]));
}
