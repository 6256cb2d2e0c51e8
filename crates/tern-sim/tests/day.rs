//! A whole day of a household on the real decisions: owners at their laptops, a burst, work that was put off, and the night.

use tern_core::decide::balance::rules::Rule;
use tern_core::decide::balance::rules::wish::Wish;
use tern_core::observe::NodeTrit;
use tern_core::plan::Did;
use tern_sim::workload::{Course, NodeSpec, Report, Settings, TaskSpec, Workload, watched};

const HOUR: f64 = 3_600.0;

fn node(cores: u32, speed: f64, owner: &[(f64, f64)]) -> NodeSpec {
    let owner = owner.iter().map(|(hour, cores)| (hour * HOUR, *cores)).collect();
    NodeSpec { cores, speed, zone: 0, memory_mib: None, bandwidth: 50e6, owner }
}

/// Two laptops in use from nine to five but for lunch, a desktop in the evening, a server, and a small board.
fn household() -> Vec<NodeSpec> {
    let office = [(9.0, 5.0), (12.0, 0.0), (13.0, 6.0), (17.0, 0.0)];
    vec![
        node(8, 1.0, &office),
        node(8, 0.8, &office),
        node(12, 1.2, &[(18.0, 6.0), (22.0, 0.0)]),
        node(16, 1.0, &[]),
        node(4, 0.3, &[]),
    ]
}

fn job(number: usize, hour: f64, origin: usize, (tasks, work): (usize, f64), deferred: bool) -> Vec<TaskSpec> {
    let arrival = hour * HOUR;
    let (cores, memory_mib) = (1, 0);
    let one = TaskSpec {
        arrival,
        work,
        estimate: None,
        bytes: 1e4,
        origin,
        cores,
        memory_mib,
        deadline: None,
        job: number,
        class: None,
        deferred,
    };
    vec![one; tasks]
}

/// From midnight to midnight.
fn day() -> (Report, Course) {
    let mut tasks = job(0, 9.5, 0, (900, 60.0), false);
    tasks.extend(job(1, 10.0, 1, (300, 120.0), true));
    tasks.extend(job(2, 14.0, 2, (400, 45.0), false));
    let workload = Workload { nodes: household(), tasks };
    watched(&workload, &Settings { ends_s: 10.0 * HOUR, ..Settings::default() }, 5.0)
}

fn wish_of(did: &Did) -> Option<Wish> {
    if let Did::Wish(wish) = did { *wish } else { None }
}

#[test]
fn a_day_in_which_all_four_have_their_turn_and_none_works_against_another() {
    let (report, course) = day();
    assert_eq!((report.unfinished, report.faults), (0, 0), "{report}");
    let first = |what: &str, is: &dyn Fn(&Did) -> bool| {
        course.of_kind(is).map(|noted| noted.at).next().unwrap_or_else(|| panic!("{what} never came"))
    };
    // The matrix, what moves, work that was put off, and the wish, each for its own reason.
    let hold = first("a hold", &|did| matches!(did, Did::Hold { .. }));
    let throttle = first("the first rule", &|did| matches!(did, Did::Rule(Rule::Throttle)));
    let more = first("a wish for more", &|did| wish_of(did) == Some(Wish::More));
    let wake = first("the second rule", &|did| matches!(did, Did::Rule(Rule::Wake)));
    assert!(9.5 * HOUR < throttle && throttle + 60.0 <= more && more < 10.5 * HOUR, "{throttle} {more}");
    assert!(9.5 * HOUR < hold && hold < more, "a hog is held before a machine is wished for: {hold} {more}");
    assert!(wake > 10.0 * HOUR, "nothing was put off before: {wake}");
    for noted in &course.noted {
        let trit = noted.trit;
        match noted.decision.did {
            Did::Hold { .. } => assert!(trit != NodeTrit::Idle, "{noted:?}"),
            Did::Free { .. } => assert!(trit == NodeTrit::Idle, "{noted:?}"),
            Did::Wish(Some(Wish::Fewer)) => {
                assert_eq!(noted.deferred, 0, "machines sleep only when nothing waits: {noted:?}");
            }
            _ => {}
        }
    }
    let night = course
        .of_kind(|did| wish_of(did) == Some(Wish::Fewer))
        .filter(|noted| noted.at > 22.0 * HOUR || noted.at < 9.0 * HOUR);
    assert!(night.count() >= 5, "at night every node offers its machine");
    for node in 0..5 {
        let wishes: Vec<_> =
            course.of_kind(|did| matches!(did, Did::Wish(_))).filter(|noted| noted.node == node).collect();
        for pair in wishes.windows(2) {
            let [before, after] = pair else { continue };
            let stands = wish_of(&after.decision.did).is_some();
            assert!(!stands || after.at - before.at >= 60.0, "wishes fight: {before:?} {after:?}");
        }
        assert!(wishes.len() < 100, "node {node} changed its mind {} times", wishes.len());
    }
}

#[test]
fn the_same_events_bring_the_same_decisions() {
    let tasks = job(0, 0.05, 0, (200, 20.0), false).into_iter().chain(job(1, 0.06, 1, (40, 30.0), true));
    let workload = Workload { nodes: household(), tasks: tasks.collect() };
    let (report, course) = watched(&workload, &Settings { ends_s: HOUR / 4.0, ..Settings::default() }, 2.0);
    assert_eq!((report.unfinished, course.differs), (0, None));
    assert!(course.events > 5_000 && !course.noted.is_empty(), "{} events", course.events);
}
