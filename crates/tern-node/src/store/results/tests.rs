//! Results out of segments that the real writer wrote.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;

use tern_core::promise::{Exit, Job, Outcome, Output, Record, State};
use tern_core::words::spec::JobSpec;
use tern_core::words::template::Template;
use tern_core::words::{Attempt, Epoch, Halt, Inputs, JobId, NodeId, TaskSet};

use super::super::segment::{Lane, SegmentWriter, numbers};
use super::*;
use crate::home::Home;

const NODE: NodeId = NodeId([7; 32]);

fn job(number: u32) -> JobId {
    JobId::new(NODE.tag(), number)
}

fn outcome(number: u32, task: u32, exit: Exit) -> Outcome {
    let epoch = Epoch { counter: 0, keeper: NODE.tag(), incarnation: 9 };
    Outcome {
        attempt: Attempt { job: job(number), task, round: 0, epoch, n: 1 },
        exit,
        started_ms: 1,
        ran_ns: 2,
        cpu_us: 3,
        rss_kib: 4,
        ran_on: 5,
        stdout: Output { file: number, offset: 0, len: 1 },
        stderr: Output::default(),
    }
}

fn retry(mut outcome: Outcome, round: u16, n: u32) -> Outcome {
    outcome.attempt.round = round;
    outcome.attempt.n = n;
    outcome
}

struct Setting {
    _folder: tempfile::TempDir,
    home: Home,
}

fn setting() -> Setting {
    let folder = tempfile::tempdir().expect("a folder");
    let home = Home::new(folder.path());
    Setting { _folder: folder, home }
}

fn write(home: &Home, lane: Lane, outcomes: &[Outcome]) {
    let (mut writer, _) = SegmentWriter::open(home, lane, NODE.tag()).expect("a writer");
    writer.append(outcomes).expect("durable");
}

/// Ends one segment of a lane by filling it.
fn fill(home: &Home, lane: Lane, number: u32) {
    let (mut writer, _) = SegmentWriter::open(home, lane, NODE.tag()).expect("a writer");
    let many: Vec<Outcome> = (0..20_000).map(|task| outcome(number, task, Exit::Code(0))).collect();
    let begun = writer.position().segment;
    while writer.position().segment == begun {
        writer.append(&many).expect("durable");
    }
}

fn state_with(outcomes: &[Outcome], tries: u8) -> State {
    let spec = JobSpec {
        name: String::new(),
        command: Template::default(),
        inputs: Inputs::None,
        tasks: 100,
        parallel: 0,
        tries,
        timeout_ms: None,
        halt: Halt::default(),
        held: false,
        local_only: false,
        rlimits: Vec::new(),
        env: Vec::new(),
        ..JobSpec::default()
    };
    let mut state = State::new(NODE);
    state.apply(&Record::Started { incarnation: 9 });
    state.apply(&Record::Accepted { job: job(1), spec: Box::new(spec), at_ms: 0 });
    state.apply_outcomes(None, outcomes);
    state
}

fn known(state: &State) -> &Job {
    state.job(job(1)).expect("accepted")
}

#[test]
fn success_beats_failure_the_last_failure_the_one_before_and_the_first_success_stays() {
    let setting = setting();
    let fail = |task, code, n| retry(outcome(1, task, Exit::Code(code)), 0, n);
    let all = [fail(0, 1, 1), fail(0, 2, 2), fail(0, 3, 3), fail(1, 9, 1), fail(1, 0, 2), fail(2, 0, 4), fail(2, 0, 3)];
    write(&setting.home, Lane::Warden, &all);
    let found = counted(&setting.home, job(1)).expect("read");
    let told: Vec<_> = found.iter().map(|won| (won.attempt.task, won.exit, won.attempt.n)).collect();
    assert_eq!(told, [(0, Exit::Code(3), 3), (1, Exit::Code(0), 2), (2, Exit::Code(0), 3)]);
}

#[test]
fn a_task_with_a_try_left_has_no_result_yet_and_a_retried_one_has_lost_its_old_one() {
    let setting = setting();
    let all = [outcome(1, 0, Exit::Code(1)), outcome(1, 1, Exit::Code(0)), outcome(1, 2, Exit::Code(0))];
    write(&setting.home, Lane::Warden, &all);
    let mut state = state_with(&all, 2);
    let page = |state: &State, tasks| counted_page(&setting.home, job(1), known(state), tasks).expect("read");
    let tasks = |found: Vec<Outcome>| found.iter().map(|won| won.attempt.task).collect::<Vec<_>>();
    assert_eq!(tasks(page(&state, 0..=99)), [1, 2]);
    state.apply(&Record::Retried { job: job(1), round: 1, tasks: TaskSet::from_iter([2]) });
    assert_eq!(tasks(page(&state, 0..=99)), [1]);
    let later = retry(outcome(1, 2, Exit::Code(0)), 1, 7);
    write(&setting.home, Lane::Warden, &[later]);
    state.apply_outcomes(None, &[later]);
    let found = page(&state, 2..=2);
    assert_eq!((found.len(), found[0].attempt.round), (1, 1));
}

#[test]
fn a_great_job_is_read_block_by_block_and_each_task_comes_once() {
    let setting = setting();
    let home = &setting.home;
    fill(home, Lane::Warden, 1);
    let again: Vec<_> = (0..50).map(|task| retry(outcome(1, task, Exit::Code(0)), 0, 9)).collect();
    write(home, Lane::Warden, &again);
    let mut past = Past::open(home, job(1), None).expect("opened");
    // What comes later is the present, and no part of it.
    write(home, Lane::Warden, &[outcome(1, 90_000, Exit::Code(0))]);
    let mut seen = TaskSet::new();
    while let Some(outcomes) = past.next().expect("read") {
        assert!(outcomes.len() <= 20_000 && !outcomes.is_empty());
        for won in outcomes {
            assert!(seen.insert(won.attempt.task), "task {} came twice", won.attempt.task);
            assert_eq!(won.attempt.n, 1, "the first success stays");
        }
    }
    assert_eq!(seen, TaskSet::first(20_000));
}

#[test]
fn results_of_both_lanes_and_of_many_segments_are_found_with_and_without_summaries() {
    let setting = setting();
    let home = &setting.home;
    write(home, Lane::Warden, &[outcome(1, 0, Exit::Code(0))]);
    fill(home, Lane::Warden, 2);
    write(home, Lane::Warden, &[outcome(1, 1, Exit::Code(0))]);
    write(home, Lane::Agent, &[outcome(1, 2, Exit::Code(0))]);
    for _ in 0..2 {
        let found = counted(home, job(1)).expect("read");
        assert_eq!(found.iter().map(|won| won.attempt.task).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(counted(home, job(2)).expect("read").len(), 20_000);
    }
    let summary = home.segments().join("00000000.jobs");
    assert!(summary.exists(), "the finished segment was summed up");
    fs::write(&summary, b"noise").expect("written");
    assert_eq!(counted(home, job(1)).expect("read").len(), 3, "a bad summary is made again");
}

#[test]
fn the_tail_goes_on_where_it_ended_and_says_what_it_could_not_read() {
    let setting = setting();
    let home = &setting.home;
    write(home, Lane::Warden, &[outcome(1, 0, Exit::Code(0))]);
    let first = segments_after(home, &BTreeMap::new()).expect("read");
    assert_eq!((first.outcomes.len(), first.notes.len()), (1, 0));
    for task in 1..4 {
        write(home, Lane::Warden, &[outcome(1, task, Exit::Code(0))]);
    }
    write(home, Lane::Agent, &[outcome(1, 50, Exit::Code(0))]);
    let second = segments_after(home, &first.positions).expect("read");
    assert_eq!(second.outcomes.iter().map(|end| end.attempt.task).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(segments_after(home, &second.positions).expect("read").outcomes, []);
    let file = OpenOptions::new().write(true).open(home.segment(0)).expect("a file");
    file.write_all_at(&[0xff], first.positions[&0] + 20).expect("written");
    let damaged = segments_after(home, &first.positions).expect("read");
    assert_eq!(damaged.outcomes.iter().map(|end| end.attempt.task).collect::<Vec<_>>(), [2, 3]);
    assert!(damaged.notes.len() == 1 && damaged.notes[0].contains("run again"), "{:?}", damaged.notes);
}

#[test]
fn a_write_that_is_going_on_is_no_damage_and_is_read_later() {
    let setting = setting();
    let home = &setting.home;
    write(home, Lane::Warden, &[outcome(1, 0, Exit::Code(0))]);
    write(home, Lane::Warden, &[outcome(1, 1, Exit::Code(0))]);
    let whole = fs::read(home.segment(0)).expect("read");
    let file = OpenOptions::new().write(true).open(home.segment(0)).expect("a file");
    file.set_len(whole.len() as u64 - 3).expect("cut");
    let half = segments_after(home, &BTreeMap::new()).expect("read");
    assert_eq!((half.outcomes.len(), half.notes.len()), (1, 0));
    file.write_all_at(&whole, 0).expect("written");
    let rest = segments_after(home, &half.positions).expect("read");
    assert_eq!((rest.outcomes.len(), rest.outcomes[0].attempt.task), (1, 1));
}

#[test]
fn output_is_read_by_range_and_never_behind_its_end() {
    let setting = setting();
    let home = &setting.home;
    fs::create_dir_all(home.outputs()).expect("a folder");
    fs::write(home.stdout(3), b"0123456789").expect("written");
    let range = Output { file: 3, offset: 2, len: 5 };
    let read = |from, max| read_output(home, range, false, from, max).expect("read");
    assert_eq!(read(0, 100), b"23456");
    assert_eq!(read(3, 100), b"56");
    assert_eq!(read(1, 2), b"34");
    assert_eq!(read(9, 2), b"");
    let beyond = Output { file: 3, offset: 8, len: u64::MAX };
    assert!(read_output(home, beyond, false, 0, usize::MAX).is_err(), "the file is shorter than that");
    assert!(read_output(home, range, true, 0, 1).is_err(), "there is no such file");
}

#[test]
fn only_what_holds_nothing_of_a_living_job_is_garbage() {
    let setting = setting();
    let home = &setting.home;
    fs::create_dir_all(home.outputs()).expect("a folder");
    for file in 1..=3 {
        fs::write(home.stdout(file), b"x").expect("written");
        fs::write(home.stderr(file), b"").expect("written");
    }
    fill(home, Lane::Warden, 1);
    fill(home, Lane::Warden, 2);
    write(home, Lane::Warden, &[outcome(3, 0, Exit::Code(0))]);
    fill(home, Lane::Agent, 1);
    assert_eq!(garbage(home, |_| true, |_| false).expect("looked"), Garbage::default());
    let found = garbage(home, |id| id != job(1), |_| false).expect("looked");
    assert_eq!(found, Garbage { segments: vec![0], outputs: vec![1], more: false });
    assert_eq!(numbers(home, Lane::Agent).expect("read"), [3], "the agent's own went at once, but for the newest");
    let all = garbage(home, |_| false, |_| false).expect("looked");
    assert_eq!((all.segments, all.outputs), (vec![0, 2], vec![1, 2, 3]), "the newest segment stays");
    super::super::job::mark_aside(home, job(2)).expect("marked");
    let found = garbage(home, |_| false, |_| false).expect("looked");
    assert_eq!(
        found,
        Garbage { segments: vec![0], outputs: vec![1, 3], more: false },
        "a job put aside keeps its results"
    );
}

#[test]
fn a_segment_that_cannot_be_read_keeps_everything() {
    let setting = setting();
    let home = &setting.home;
    fill(home, Lane::Warden, 1);
    write(home, Lane::Warden, &[outcome(2, 0, Exit::Code(0))]);
    let file = OpenOptions::new().write(true).open(home.segment(0)).expect("a file");
    file.write_all_at(b"no header", 0).expect("written");
    assert_eq!(garbage(home, |_| false, |_| false).expect("looked"), Garbage::default());
}
