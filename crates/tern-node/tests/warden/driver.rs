//! A stand-in for the agent, as a process of its own so that it can be killed: `driver HOME COUNT` runs tasks 0 to
//! COUNT − 1 to their ends and exits with 0.
//!
//! It keeps nothing but what a node keeps: after each Welcome it reads the segments, and gives again whatever has
//! neither ended nor is held. Each task writes to a witness file when it starts and when it ends.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, channel};

use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use tern_core::promise::{Exit, Outcome};
use tern_core::words::{Attempt, Epoch};
use tern_node::home::Home;
use tern_node::process::link::{LinkError, LinkEvent, WardenLink};
use tern_node::process::protocol::{Context, FromWarden, Grant, Order, ToWarden};
use tern_node::process::warden::Options;
use tern_node::store::segment::{Block, Lane, SegmentReader, numbers};

use super::grid::{JOB, exe, sh};

const SLOTS: u32 = 3;
const WINDOW: usize = 12;

pub fn start(home: &Path, count: u32) -> Child {
    let mut command = Command::new(exe());
    command.arg("driver").arg(home).arg(count.to_string()).stdin(Stdio::null());
    command.spawn().expect("a driver")
}

pub fn witness(home: &Path) -> PathBuf {
    home.join("witness")
}

pub fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(2).collect();
    let home = Home::new(&args[0]);
    let count: u32 = args[1].parse().expect("a number");
    let context = home.path().join("context");
    let env = std::env::vars().map(|(name, value)| (name.into(), value.into())).collect();
    let made = Context { cwd: "/".into(), env, grace_ms: 500, ..Context::default() };
    let fresh = home.path().join(format!("context.{}", std::process::id()));
    tern_node::store::context::write(&fresh, &made).expect("written");
    std::fs::rename(fresh, &context).expect("renamed");
    let mut n = 0;
    let incarnation = u64::from(std::process::id()) << 32
        | u64::from(std::time::SystemTime::now().elapsed().map_or(1, |it| it.subsec_nanos()));
    loop {
        match life(&home, &context, count, Epoch { counter: 0, keeper: 7, incarnation }, &mut n) {
            Ok(()) => return ExitCode::SUCCESS,
            // The warden was killed: the next turn starts another.
            Err(LinkError::Closed | LinkError::Io(_) | LinkError::Absent(_)) => {}
            // It was killed before it was ready.
            Err(LinkError::NotReady { .. }) => {}
            Err(error) => {
                eprintln!("driver: {error}");
                return ExitCode::FAILURE;
            }
        }
        // Collects wardens that were killed.
        while let Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {}
    }
}

fn life(home: &Home, context: &Path, count: u32, epoch: Epoch, n: &mut u32) -> Result<(), LinkError> {
    let (to, from) = channel();
    let options = Options { node_tag: 7, ..Options::default() };
    let (mut link, _) =
        WardenLink::connect_or_start(home, &exe(), &options, SLOTS, &[], move |event| drop(to.send(event)))?;
    let mut held: BTreeSet<u32> = match receive(&from)? {
        FromWarden::Welcome { running, queued, .. } => running.iter().chain(&queued).map(|it| it.task).collect(),
        other => panic!("{other:?} before the Welcome"),
    };
    let mut done: BTreeSet<u32> =
        segments(home).iter().filter(|it| it.exit == Exit::Code(0)).map(|it| it.attempt.task).collect();
    while done.len() < count as usize {
        let missing = (0..count).filter(|task| !done.contains(task) && !held.contains(task));
        let missing: Vec<u32> = missing.take(WINDOW.saturating_sub(held.len())).collect();
        if !missing.is_empty() {
            *n += 1;
            held.extend(&missing);
            let tasks =
                missing.into_iter().map(|task| Order { task, argv: sh(&script(home.path())), own: None }).collect();
            link.send(&[ToWarden::Grant(Grant {
                job: JOB,
                round: 0,
                epoch,
                n: *n,
                context: context.to_owned(),
                tasks,
            })])?;
        }
        if let FromWarden::Finished { outcomes, .. } = receive(&from)? {
            for outcome in outcomes {
                held.remove(&outcome.attempt.task);
                assert_eq!(outcome.exit, Exit::Code(0), "{outcome:?}");
                done.insert(outcome.attempt.task);
            }
        }
    }
    Ok(())
}

fn script(home: &Path) -> String {
    let witness = witness(home);
    let witness = witness.display();
    format!(
        "echo s $TERN_TASK $TERN_ATTEMPT >> {witness}; sleep 0.03; echo said $TERN_ATTEMPT; echo e $TERN_TASK $TERN_ATTEMPT >> {witness}"
    )
}

fn receive(from: &Receiver<LinkEvent>) -> Result<FromWarden, LinkError> {
    match from.recv_timeout(super::grid::PATIENCE).expect("the warden says something") {
        LinkEvent::Message(message) => Ok(message),
        LinkEvent::Down(error) => Err(error),
    }
}

/// Everything readable in the warden's segments.
pub fn segments(home: &Home) -> Vec<Outcome> {
    let mut found = Vec::new();
    for number in numbers(home, Lane::Warden).expect("segments") {
        let mut reader = SegmentReader::open(&home.segment(number)).expect("a segment");
        while let Some(block) = reader.next_block().expect("a block") {
            match block {
                Block::Outcomes { outcomes, .. } => found.extend(outcomes),
                // The warden is writing, or was killed while it was.
                Block::Torn { .. } => {}
                Block::Corrupt { .. } => panic!("{block:?}"),
            }
        }
    }
    found
}

/// What the witness saw, in order: (started or ended, task number, attempt).
pub fn seen(home: &Path) -> Vec<(bool, u32, String)> {
    let text = std::fs::read_to_string(witness(home)).expect("a witness");
    let words = text.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    words.map(|line| (line[0] == "s", line[1].parse().expect("a number"), line[2].to_owned())).collect()
}

/// Each task's attempts came one after the other, and the last of them ended. Returns how many tasks ran more than once.
pub fn never_two_copies(home: &Path, count: u32) -> usize {
    let mut attempts: BTreeMap<u32, Vec<(String, bool)>> = BTreeMap::new();
    for (started, task, attempt) in seen(home) {
        let of_task = attempts.entry(task).or_default();
        if started {
            assert!(of_task.iter().all(|(other, _)| *other != attempt), "{attempt} started twice");
            of_task.push((attempt, false));
        } else {
            let last = of_task.last_mut().expect("it started");
            assert_eq!(last.0, attempt, "an attempt went on while the next was running");
            last.1 = true;
        }
    }
    assert_eq!(attempts.len(), count as usize);
    assert!(attempts.values().all(|of_task| of_task.last().is_some_and(|(_, ended)| *ended)));
    attempts.values().filter(|of_task| of_task.len() > 1).count()
}

/// No attempt has two outcomes.
pub fn one_outcome_each(home: &Home) -> BTreeMap<Attempt, Outcome> {
    let mut found = BTreeMap::new();
    for outcome in segments(home) {
        assert!(found.insert(outcome.attempt, outcome).is_none(), "{:?} stands there twice", outcome.attempt);
    }
    found
}
