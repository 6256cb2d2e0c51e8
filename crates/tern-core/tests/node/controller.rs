//! What follows from the trits of all nodes: work that was put off, the strict mode, a wish for machines.

use std::collections::BTreeSet;

use crate::world::{World, spec};
use tern_core::decide::balance::rules::wish::Wish;
use tern_core::decide::balance::rules::{Mode, Rule};
use tern_core::decide::scum::ProcTrit;
use tern_core::decide::scum::control::{HELD_MAX, Holding, Process, Reach};
use tern_core::machine::{Effect, Event, Machine, WorkSettings};
use tern_core::observe::trit::{LoadSource, TritSettings};
use tern_core::observe::{Fit, NodeTrit, Reading};
use tern_core::plan::{Did, Reason};
use tern_core::wire::Message;
use tern_core::words::{JobSpec, Needs, Span};

/// The bare bounds on the load of the moment.
fn prepared(slots: &[u32], mode: Mode) -> World {
    let prepare = move |machine: &mut Machine| {
        machine.set_trit(TritSettings { literal: true, ..TritSettings::default() });
        machine.set_mode(mode);
    };
    let mut world = World::prepared(slots, Box::new(prepare));
    for one in 0..slots.len() {
        for other in 0..one {
            world.connect(one, other);
        }
    }
    world.calm();
    world
}

const PLUS: f64 = 2.0;
const ZERO: f64 = 0.5;
const MINUS: f64 = 0.1;

/// All nodes read these loads a core, and everybody hears of it.
fn load(world: &mut World, ratios: &[f64]) {
    world.after_ms(1_000);
    for (node, ratio) in ratios.iter().enumerate() {
        let at = world.now.boot;
        world.event(node, Event::Reading(Reading { at, load1: ratio * 4.0, cpus: 4, ..Reading::default() }));
    }
    world.calm();
    world.tick(200);
    world.calm();
}

fn hands(world: &World) -> Vec<usize> {
    world.nodes.iter().map(|node| node.hand.len()).collect()
}

fn loans(world: &World) -> usize {
    world.nodes.iter().map(|node| node.machine.state().lent().len()).sum()
}

fn wishes(world: &World, node: usize) -> Vec<Option<Wish>> {
    let wish = |did: Did| if let Did::Wish(wish) = did { Some(wish) } else { None };
    world.node(node).machine.standing().filter_map(|it| wish(it.did)).collect()
}

fn put_off(tasks: u32) -> JobSpec {
    JobSpec { deferred: true, ..spec(tasks) }
}

#[test]
fn what_was_put_off_begins_on_idle_nodes_while_more_are_idle_than_overloaded() {
    let mut world = prepared(&[2, 2, 2], Mode::Paired);
    load(&mut world, &[ZERO, ZERO, ZERO]);
    let job = world.submit(0, put_off(20));
    world.calm();
    assert_eq!(hands(&world), [0, 0, 0]);
    let because = world.node(0).machine.job_view(job).and_then(|view| view.because).expect("it waits");
    assert!(because.contains("0 overloaded, 0 idle, this one balanced"), "{because}");
    load(&mut world, &[PLUS, MINUS, ZERO]);
    assert_eq!(hands(&world), [0, 0, 0], "as many are overloaded as idle");
    load(&mut world, &[ZERO, MINUS, ZERO]);
    assert_eq!(world.node(0).machine.rule(), Some(Rule::Wake));
    assert_eq!((hands(&world)[0], hands(&world)[2]), (0, 0), "on idle nodes only");
    assert!(hands(&world)[1] > 0, "{:?}", hands(&world));
    load(&mut world, &[MINUS, ZERO, ZERO]);
    assert_eq!(hands(&world)[0], 2, "as many as there are slots");
    for _ in 0..100 {
        (0..3).for_each(|node| world.finish(node, 9));
        load(&mut world, &[MINUS, MINUS, ZERO]);
    }
    assert!(world.node(0).machine.job_view(job).is_some_and(|view| view.state.is_over()));
}

#[test]
fn what_was_put_off_stands_back_for_what_comes_later() {
    let mut world = prepared(&[2], Mode::Paired);
    load(&mut world, &[MINUS]);
    let late = world.submit(0, put_off(6));
    assert_eq!(hands(&world), [2], "alone it has all slots");
    let soon = world.submit(0, spec(4));
    world.finish(0, 2);
    let of = |world: &World, job| world.nodes[0].hand.iter().filter(|attempt| attempt.job == job).count();
    assert_eq!((of(&world, soon) > 0, of(&world, late)), (true, 0));
    load(&mut world, &[PLUS]);
    world.run(0);
    assert_eq!(hands(&world), [0], "an overloaded node begins none");
    assert!(world.node(0).machine.job_view(late).is_some_and(|view| !view.state.is_over()));
}

/// Where nothing else is to be done the next ones begin as soon as a slot is free, by whichever load a node is judged.
#[test]
fn what_was_put_off_keeps_itself_from_nothing() {
    for source in [LoadSource::Tasks, LoadSource::System] {
        let judged = TritSettings { source, smoothing: Span::default(), ..TritSettings::default() };
        // Loads of the moment, and no averages of them.
        let work = WorkSettings { load_average: Span::default(), ..WorkSettings::default() };
        let prepare = move |machine: &mut Machine| {
            machine.set_trit(judged);
            machine.set_work(work);
        };
        let mut world = World::prepared(&[2, 2], Box::new(prepare));
        world.connect(0, 1);
        world.calm();
        load(&mut world, &[MINUS, MINUS]);
        let job = world.submit(0, put_off(40));
        for round in 0..30 {
            // All that either machine does is this.
            let busy = hands(&world).into_iter().map(|tasks| tasks as f64 / 4.0).collect::<Vec<_>>();
            load(&mut world, &busy);
            assert!(world.node(0).machine.trit() == NodeTrit::Idle, "round {round} by {source:?}: {busy:?}");
            (0..2).for_each(|node| world.finish(node, 2));
        }
        assert!(world.node(0).machine.job_view(job).is_some_and(|view| view.state.is_over()), "{source:?}");
    }
}

#[test]
fn a_restart_leaves_put_off_what_was() {
    let mut world = prepared(&[2], Mode::Paired);
    let job = world.submit(0, put_off(3));
    world.crash(0, 2);
    load(&mut world, &[ZERO]);
    assert_eq!((hands(&world), world.node(0).machine.deferred_tasks()), (vec![0], 3));
    load(&mut world, &[MINUS]);
    world.run(0);
    assert!(world.node(0).machine.job_view(job).is_some_and(|view| view.state.is_over()));
}

#[test]
fn strict_nodes_move_nothing_while_the_sum_is_0() {
    for ratios in [[ZERO, ZERO, ZERO], [PLUS, MINUS, ZERO]] {
        let mut world = prepared(&[1, 4, 4], Mode::Strict);
        load(&mut world, &ratios);
        world.submit(0, spec(30));
        for _ in 0..1_000 {
            world.tick(100);
            world.calm();
        }
        assert_eq!(loans(&world), 0, "{ratios:?}");
        assert_eq!(world.node(0).machine.rule(), Some(Rule::Rest));
    }
    let mut paired = prepared(&[1, 4, 4], Mode::Paired);
    load(&mut paired, &[PLUS, MINUS, ZERO]);
    paired.submit(0, spec(30));
    load(&mut paired, &[PLUS, MINUS, ZERO]);
    assert!(loans(&paired) > 0, "pairs help each other");
}

#[test]
fn strict_nodes_move_from_overloaded_ones_to_idle_ones_while_the_sum_is_above_0() {
    let mut world = prepared(&[1, 4, 4, 4], Mode::Strict);
    let ratios = [PLUS, MINUS, ZERO, PLUS];
    load(&mut world, &ratios);
    world.submit(0, spec(30));
    load(&mut world, &ratios);
    assert!(hands(&world)[1] > 0, "{:?}", hands(&world));
    assert_eq!((hands(&world)[2], hands(&world)[3]), (0, 0), "to idle nodes only");
}

#[test]
fn a_job_that_may_run_elsewhere_only_goes_there_in_any_mode() {
    let mut world = prepared(&[1, 4], Mode::Strict);
    load(&mut world, &[ZERO, ZERO]);
    let there = world.node(1).id;
    world.event(0, Event::PeerFit(there, Fit { cores: 4, ..Fit::default() }));
    let needs = Needs { on: vec![there], ..Needs::default() };
    world.submit(0, JobSpec { needs, ..spec(3) });
    load(&mut world, &[ZERO, ZERO]);
    assert!(hands(&world)[1] > 0, "{:?}", hands(&world));
}

#[test]
fn machines_are_wished_for_after_a_minute_of_the_same_sign() {
    let mut world = prepared(&[2, 2], Mode::Paired);
    for _ in 0..40 {
        load(&mut world, &[PLUS, PLUS]);
    }
    assert_eq!(world.node(0).machine.rule(), Some(Rule::Throttle));
    assert_eq!(wishes(&world, 0), []);
    for _ in 0..40 {
        load(&mut world, &[PLUS, PLUS]);
    }
    assert_eq!(wishes(&world, 0), [Some(Wish::More)]);
    assert_eq!(world.node(0).machine.wish().map(|(wish, _)| wish), Some(Wish::More));
    load(&mut world, &[PLUS, MINUS]);
    assert_eq!(world.node(0).machine.wish(), None);
    for _ in 0..80 {
        load(&mut world, &[MINUS, MINUS]);
    }
    assert_eq!(wishes(&world, 0), [Some(Wish::More), None, Some(Wish::Fewer)]);
}

#[test]
fn a_load_that_comes_and_goes_causes_no_more_than_was_computed() {
    let mut world = prepared(&[2, 2], Mode::Paired);
    world.submit(0, put_off(100_000));
    let (cycles, mut dids, mut last) = (1_000, 0_u32, 0);
    for cycle in 0..cycles {
        for load_of in [[PLUS, ZERO], [MINUS, ZERO]] {
            load(&mut world, &load_of);
        }
        (0..2).for_each(|node| world.finish(node, 9));
        let machine = &world.node(0).machine;
        let rules = machine.standing().filter(|it| it.at > last && matches!(it.did, Did::Rule(_) | Did::Wish(_)));
        dids += u32::try_from(rules.count()).expect("few");
        last = world.now.boot;
        assert_eq!(wishes(&world, 0), [], "no sign stands for a minute: cycle {cycle}");
    }
    // One for each change of the sign, and one at the start: the load changes twice a cycle.
    assert!(dids <= 2 * cycles + 1, "{dids} decisions");
    assert_eq!(world.node(1).machine.trit(), NodeTrit::Balanced);
    let told =
        world.node(0).log.iter().filter(|effect| matches!(effect, Effect::Send { message: Message::Offer { .. }, .. }));
    assert_eq!(told.count(), 0, "nobody is told of work that only an idle node may have");
}

/// The node looks at its processes: one hog and one that is quiet. Returns what it wants done.
fn look(world: &mut World, throttled: bool) -> Vec<String> {
    world.after_ms(31_000);
    let (node, from) = (0, world.node(0).log.len());
    let hog = |pid, band, score_milli| Process {
        pid,
        start_time: 5,
        score_milli,
        band,
        task: None,
        protected: false,
        throttled: throttled && pid == 7,
    };
    let seen = vec![hog(7, ProcTrit::Hog, 700), hog(8, ProcTrit::Quiet, 20)];
    world.event(node, Event::Processes(seen));
    let steps = world.node(node).log[from..].iter().filter_map(|effect| match effect {
        Effect::Hold { pid, .. } => Some(format!("hold {pid}")),
        Effect::Free { pid, .. } => Some(format!("free {pid}")),
        _ => None,
    });
    steps.collect()
}

#[test]
fn the_matrix_holds_hogs_while_the_node_is_loaded_and_lets_them_go_when_it_is_idle() {
    let mut world = prepared(&[2], Mode::Paired);
    let nothing: [String; 0] = [];
    load(&mut world, &[PLUS]);
    assert_eq!(look(&mut world, false), nothing, "nobody asked for it");
    world.nodes[0].machine.set_reach(Reach::DryRun);
    assert_eq!(look(&mut world, false), nothing, "it only says so");
    let said = world
        .node(0)
        .machine
        .standing()
        .filter(|it| matches!(it.did, Did::Hold { .. }))
        .last()
        .map(|it| format!("{:?}: {}", it.did, it.because));
    let expected =
        "Hold { pid: 7, dry: true }: it scores 0.70, this node is overloaded, no idle node could take anything";
    assert_eq!(said.as_deref(), Some(expected));
    let mut world = prepared(&[2], Mode::Paired);
    world.nodes[0].machine.set_reach(Reach::All);
    load(&mut world, &[MINUS]);
    assert_eq!(look(&mut world, false), nothing, "an idle node can bear it");
    load(&mut world, &[ZERO]);
    assert_eq!(look(&mut world, false), ["hold 7"]);
    assert_eq!(look(&mut world, true), nothing);
    load(&mut world, &[MINUS]);
    assert_eq!(look(&mut world, true), ["free 7"]);
    load(&mut world, &[PLUS]);
    assert_eq!(look(&mut world, false), ["hold 7"]);
    world.event(0, Event::Unheld(7));
    assert_eq!(look(&mut world, false), ["hold 7"], "what was refused is tried again, after a while");
    assert_eq!(look(&mut world, true), nothing);
    assert_eq!(look(&mut world, false), nothing, "somebody let it go");
    assert_eq!(look(&mut world, false), nothing);
}

/// What the node does when the warden says that it holds process 7, for the matrix or for a person.
fn warden_holds(world: &mut World, by_matrix: bool) -> Vec<String> {
    let from = world.node(0).log.len();
    world.event(0, Event::Holds(vec![Holding { pid: 7, start_time: 5, by_matrix }]));
    let freed = world.node(0).log[from..].iter().filter(|effect| matches!(effect, Effect::Free { .. }));
    freed.map(|effect| format!("{effect:?}")).collect()
}

#[test]
fn what_an_earlier_life_of_the_node_had_held_is_let_go_when_the_cell_says_so() {
    let nothing: [String; 0] = [];
    let mut world = prepared(&[2], Mode::Paired);
    world.nodes[0].machine.set_reach(Reach::All);
    load(&mut world, &[ZERO]);
    assert_eq!(warden_holds(&mut world, true), nothing);
    assert_eq!(look(&mut world, true), nothing, "as long as the node has enough to do");
    load(&mut world, &[MINUS]);
    assert_eq!(look(&mut world, true), ["free 7"]);
    // What a person holds stays, also where the matrix had held it first.
    let mut world = prepared(&[2], Mode::Paired);
    world.nodes[0].machine.set_reach(Reach::All);
    load(&mut world, &[MINUS]);
    assert_eq!(warden_holds(&mut world, false), nothing);
    assert_eq!(look(&mut world, true), nothing);
    assert_eq!((warden_holds(&mut world, true), warden_holds(&mut world, false)), (vec![], vec![]));
    assert_eq!(look(&mut world, true), nothing);
}

#[test]
fn where_the_matrix_may_hold_nothing_any_more_what_it_had_held_goes_at_once() {
    for reach in [Reach::Off, Reach::DryRun] {
        let mut world = prepared(&[2], Mode::Paired);
        world.nodes[0].machine.set_reach(reach);
        load(&mut world, &[PLUS]);
        assert_eq!(warden_holds(&mut world, true), ["Free { pid: 7, start_time: 5 }"], "{reach:?}");
        assert_eq!(warden_holds(&mut world, false).len(), 0, "{reach:?}");
    }
}

/// More hogs than are ever held, of which none can go, for as long as it takes. Returns how many are held in the end.
fn held_of_many(idle_peer: bool) -> usize {
    let mut world = prepared(&[2, 2], Mode::Paired);
    world.nodes[0].machine.set_reach(Reach::All);
    let mut held = BTreeSet::new();
    let many = i32::try_from(HELD_MAX).expect("few") + 10;
    for _ in 0..many {
        load(&mut world, &[PLUS, if idle_peer { MINUS } else { ZERO }]);
        world.after_ms(31_000);
        let from = world.node(0).log.len();
        let hog = |pid: i32| Process {
            pid,
            start_time: 5,
            score_milli: 700,
            band: ProcTrit::Hog,
            task: None,
            protected: false,
            throttled: held.contains(&pid),
        };
        let seen: Vec<Process> = (100..100 + many).map(hog).collect();
        world.event(0, Event::Processes(seen));
        let new = world.node(0).log[from..].iter();
        held.extend(new.filter_map(|effect| if let Effect::Hold { pid, .. } = effect { Some(*pid) } else { None }));
    }
    let holds = world.node(0).machine.standing().filter(|it| matches!(it.did, Did::Hold { .. })).last();
    let because = holds.map(|it| it.because);
    assert!(matches!(because, Some(Reason::Matrix { taker, .. }) if taker == idle_peer), "{because:?}");
    held.len()
}

#[test]
fn no_more_are_held_than_the_limit_says_whether_they_were_to_go_or_not() {
    assert_eq!(held_of_many(false), HELD_MAX);
    assert_eq!(held_of_many(true), HELD_MAX);
}

#[test]
fn a_wish_that_falls_due_wakes_the_node_once() {
    let mut world = prepared(&[2], Mode::Paired);
    world.after_ms(1_000);
    let read = |world: &mut World, load1: f64| {
        let at = world.now.boot;
        world.event(0, Event::Reading(Reading { at, load1, cpus: 4, ..Reading::default() }));
    };
    read(&mut world, 8.0);
    let due = world.now.boot + 60_000_000_000;
    assert_eq!(world.node(0).wake, Some(due));
    // The signs are counted shortly before, and are still fresh when the wish falls due.
    world.after_ms(59_950);
    read(&mut world, 8.0);
    world.tick(50);
    assert_eq!(world.now.boot, due);
    assert_eq!(wishes(&world, 0), [Some(Wish::More)]);
    assert!(world.node(0).wake.is_none_or(|wake| wake > due), "{:?}", world.node(0).wake);
}
