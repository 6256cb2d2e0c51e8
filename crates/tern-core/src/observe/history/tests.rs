use super::*;
use proptest::prelude::*;
use std::vec;

fn run(command: u64, task: Option<u64>, took_ms: f64, estimated: u8) -> Run {
    Run { command, task, took_ms, estimated }
}

fn command(words: &[&str]) -> u64 {
    let words: Vec<Bytes> = words.iter().map(|word| Bytes::from(*word)).collect();
    command_key(&Template::parse(&words, None, false).unwrap())
}

#[test]
fn runs_that_double_are_told_as_their_middle_with_their_spread() {
    let mut history = History::default();
    for ms in [1_000.0, 2_000.0, 4_000.0] {
        history.learn(&run(7, None, ms, UNKNOWN));
    }
    let known = history.command(7).unwrap();
    assert!((known.ms() / 2_000.0 - 1.0).abs() < 0.001, "{known:?}");
    assert!((known.spread() - 1.76).abs() < 0.01, "{}", known.spread());
    assert_eq!((known.runs, known.within()), (3, None), "no estimate was compared yet");
}

#[test]
fn an_estimate_that_is_off_by_two_is_told_as_such() {
    let mut history = History::default();
    for (took, said) in [(1_000.0, 2_000.0), (4_000.0, 2_000.0)] {
        history.learn(&run(7, None, took, work::class(said)));
    }
    let within = history.command(7).unwrap().within().unwrap();
    assert!((within - 2.0).abs() < 0.1, "{within}");
}

#[test]
fn a_command_that_became_slower_is_believed_soon() {
    let mut history = History::default();
    (0..1_000).for_each(|_| history.learn(&run(7, None, 100.0, UNKNOWN)));
    (0..50).for_each(|_| history.learn(&run(7, None, 1_600.0, UNKNOWN)));
    assert!(history.command(7).unwrap().ms() > 1_300.0);
}

#[test]
fn what_was_used_longest_ago_is_forgotten_first() {
    let mut history = History::default();
    for command in 0..HISTORY_COMMANDS_MAX as u64 {
        history.learn(&run(command, None, 5.0, UNKNOWN));
    }
    history.learn(&run(0, None, 5.0, UNKNOWN));
    history.learn(&run(u64::MAX, None, 5.0, UNKNOWN));
    let known = |command| history.command(command).is_some();
    assert!(known(0) && !known(1) && known(2) && known(u64::MAX));
    let next = History::recalled(&history.remembered());
    assert_eq!(next.remembered(), history.remembered(), "also after a restart, and in its order");
}

#[test]
fn what_cannot_be_true_is_not_recalled() {
    let sound = Known { runs: 1, mean: 3.0, ..Known::default() };
    let bad = [
        Known { mean: f32::NAN, ..sound },
        Known { mean: -1.0, ..sound },
        Known { mean: 1e30, ..sound },
        Known { variance: f32::INFINITY, ..sound },
        Known { error: -0.5, ..sound },
        Known { runs: 0, ..sound },
    ];
    let entries = bad.into_iter().chain([sound]).zip(1..).map(|(known, key)| (key, known)).collect();
    let history = History::recalled(&Remembered { commands: entries, tasks: vec![(9, bad[0])] });
    assert_eq!(history.remembered(), Remembered { commands: vec![(7, sound)], tasks: vec![] });
}

#[test]
fn commands_that_only_look_alike_are_told_apart() {
    let all = [
        command(&["sim", "{}"]),
        command(&["sim", "{.}"]),
        command(&["sim{}"]),
        command(&["si", "m{}"]),
        command(&["sim"]),
        command(&["sim", ""]),
    ];
    let apart: alloc::collections::BTreeSet<u64> = all.into_iter().collect();
    assert_eq!(apart.len(), all.len());
    assert_eq!(all[0], command(&["sim", "{}"]));
    assert_ne!(row_key(&["ab".into(), "c".into()]), row_key(&["a".into(), "bc".into()]));
    assert_ne!(task_key(1, 2), task_key(2, 1));
}

proptest! {
    #[test]
    fn whatever_is_learnt_the_history_stays_small_and_sound(
        runs in prop::collection::vec((0u64..6, prop::option::of(any::<u64>()), any::<f64>(), any::<u8>()), 0..300),
    ) {
        let mut history = History::default();
        history.tasks.most = 20;
        history.commands.most = 4;
        for (command, task, took_ms, estimated) in runs {
            history.learn(&run(command, task, took_ms, estimated));
            for shelf in [&history.commands, &history.tasks] {
                prop_assert!(shelf.known.len() <= shelf.most && shelf.known.len() == shelf.by_use.len());
                prop_assert!(shelf.known.values().all(|(known, _)| known.is_sound()));
            }
            prop_assert!(history.command(command).is_some_and(|known| known.class() != UNKNOWN));
        }
    }
}
