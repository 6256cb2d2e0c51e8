//! The strategy that Tern chooses against each fixed order: three workloads, three choices, and none much worse than the best.

use tern_core::words::Discipline;
use tern_sim::workload::{Kind, NodeSpec, Recipe, Report, Settings, TaskSpec, Workload, generate, run};

const ORDERS: [Discipline; 4] = [Discipline::Fifo, Discipline::Interactive, Discipline::Batch, Discipline::Deadline];
/// The seeds of each workload.
const SEEDS: std::ops::Range<u64> = 1..5;

/// The mean of a figure over the seeds.
fn mean(make: &dyn Fn(u64) -> Workload, settings: &Settings, figure: &dyn Fn(&Report) -> f64) -> f64 {
    let seeds = SEEDS.map(|seed| {
        let report = run(&make(seed), &Settings { seed, ..*settings });
        assert_eq!((report.unfinished, report.faults), (0, 0), "seed {seed}: {report}");
        figure(&report)
    });
    seeds.sum::<f64>() / SEEDS.count() as f64
}

/// The figure with the chosen order, and with each fixed one; less is better. The order that is best by itself is named.
fn compare(make: &dyn Fn(u64) -> Workload, figure: &dyn Fn(&Report) -> f64) -> (f64, f64, Discipline) {
    let fixed = ORDERS.map(|discipline| {
        let settings = Settings { discipline, ..Settings::default() };
        (mean(make, &settings, figure), discipline)
    });
    let (best, order) = fixed.into_iter().min_by(|one, other| one.0.total_cmp(&other.0)).expect("there are some");
    (mean(make, &Settings { adaptive: true, ..Settings::default() }, figure), best, order)
}

fn built_in(kind: Kind) -> impl Fn(u64) -> Workload {
    move |seed| generate(&Recipe { kind, nodes: 10, seed, sigma: 0.3 })
}

#[test]
fn a_batch_is_as_good_as_with_the_best_order() {
    let make = built_in(Kind::Batch { tasks_per_core: 30.0 });
    let (chosen, best, order) = compare(&make, &|report| report.makespan_over_bound);
    assert_eq!(order, Discipline::Batch);
    assert!(chosen <= 1.05 * best, "{chosen} with the chosen order, {best} with the best");
}

#[test]
fn open_load_is_as_good_as_with_the_best_order() {
    let make = built_in(Kind::Open { load: 0.85, seconds: 60.0 });
    let (chosen, best, order) = compare(&make, &|report| report.mean_slowdown);
    assert_eq!(order, Discipline::Interactive);
    assert!(chosen <= 1.05 * best, "{chosen} with the chosen order, {best} with the best");
}

/// Jobs of some tasks on few cores: a third of them are long and due soon, the others late.
fn due(seed: u64) -> Workload {
    let mut dice = fastrand::Rng::with_seed(seed);
    let node = NodeSpec { cores: 4, speed: 1.0, zone: 0, memory_mib: None, bandwidth: 1e8, owner: Vec::new() };
    let mut tasks = Vec::new();
    for job in 0..60 {
        let (arrival, urgent) = (f64::from(dice.u32(0..200)), dice.u32(..3) == 0);
        let work = f64::from(if urgent { dice.u32(8..14) } else { dice.u32(2..10) });
        let deadline = Some(if urgent { work + 18.0 } else { 400.0 });
        for _ in 0..3 {
            let estimate = Some(work * (0.8 + 0.4 * dice.f64()));
            let (bytes, origin, cores, memory_mib, class, deferred) = (0.0, 0, 1, 0, None, false);
            tasks.push(TaskSpec {
                arrival,
                work,
                estimate,
                bytes,
                origin,
                cores,
                memory_mib,
                deadline,
                job,
                class,
                deferred,
            });
        }
    }
    tasks.sort_by(|one, other| one.arrival.total_cmp(&other.arrival));
    Workload { nodes: vec![node; 2], tasks }
}

#[test]
fn deadlines_are_kept_as_with_the_best_order() {
    let (chosen, best, order) = compare(&due, &|report| report.deadlines_missed as f64);
    assert_eq!(order, Discipline::Deadline);
    assert!(chosen <= 1.05 * best, "{chosen} missed with the chosen order, {best} with the best");
}
