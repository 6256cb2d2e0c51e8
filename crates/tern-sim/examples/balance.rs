//! Replays the built-in workloads and prints one line a policy.
//!
//! `batch|open`, `--nodes N` (100), `--seeds N` (3), `--from K` (1000), `--sigma S` (0.3), `--per-core T` (30), `--load L` (0.85), `--seconds S` (600),
//! `--lane fifo|interactive|batch|deadline`, `--only machines|control|literal|central`, `--threads T`.

use std::sync::atomic::{AtomicU64, Ordering};

use tern_core::words::spec::Discipline;
use tern_sim::workload::{Kind, Recipe, Report, Settings, central, control, generate, literal, run};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let after = |name: &str| words.iter().position(|word| word == name).and_then(|at| words.get(at + 1));
    let number = |name: &str, usual: f64| after(name).and_then(|word| word.parse().ok()).unwrap_or(usual);
    let open = words.first().is_some_and(|word| word == "open");
    let kind = if open {
        Kind::Open { load: number("--load", 0.85), seconds: number("--seconds", 600.0) }
    } else {
        Kind::Batch { tasks_per_core: number("--per-core", 30.0) }
    };
    let discipline = match after("--lane").map(String::as_str) {
        Some("interactive") => Discipline::Interactive,
        Some("batch") => Discipline::Batch,
        Some("deadline") => Discipline::Deadline,
        Some("fifo") => Discipline::Fifo,
        _ if open => Discipline::Fifo,
        _ => Discipline::Batch,
    };
    let (nodes, sigma) = (number("--nodes", 100.0) as usize, number("--sigma", 0.3));
    let (from, seeds) = (number("--from", 1000.0) as u64, number("--seeds", 3.0) as u64);
    let only = after("--only").cloned();
    let wanted = |name: &str| only.as_ref().is_none_or(|only| only == name);
    let next = AtomicU64::new(from);
    let one = |seed: u64| {
        let workload = generate(&Recipe { kind, nodes, seed, sigma });
        let mut lines = Vec::new();
        if wanted("central") {
            lines.push(("central", central(&workload)));
        }
        if wanted("control") {
            lines.push(("control", control(&workload, seed)));
        }
        if wanted("literal") {
            lines.push(("literal", literal(&workload, seed)));
        }
        if wanted("machines") {
            lines.push(("machines", run(&workload, &Settings { discipline, seed, ..Settings::default() })));
        }
        lines
    };
    let worker = || {
        let mut found = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= from + seeds {
                break found;
            }
            found.push((seed, one(seed)));
        }
    };
    let threads = number("--threads", 2.0) as usize;
    let mut all: Vec<(u64, Vec<(&str, Report)>)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a worker ends")).collect()
    });
    all.sort_by_key(|(seed, _)| *seed);
    print_all(&all);
}

fn print_all(all: &[(u64, Vec<(&str, Report)>)]) {
    println!(
        "policy    makespan/LB          p50     p95     p99   slowdown  moves   msgs   renew  jain  waste  clones unfinished faults Mevents"
    );
    for name in ["central", "control", "literal", "machines"] {
        let reports: Vec<&Report> =
            all.iter().flat_map(|(_, lines)| lines).filter(|line| line.0 == name).map(|line| &line.1).collect();
        if !reports.is_empty() {
            print_line(name, &reports);
        }
    }
}

fn print_line(name: &str, reports: &[&Report]) {
    let count = reports.len() as f64;
    let mean = |of: &dyn Fn(&Report) -> f64| reports.iter().map(|report| of(report)).sum::<f64>() / count;
    let ratio = mean(&|report| report.makespan_over_bound);
    let spread = mean(&|report| (report.makespan_over_bound - ratio).powi(2)).sqrt();
    println!(
        "{name:9} {ratio:6.3} ±{spread:.3} {:9.2} {:7.2} {:7.2} {:9.2} {:7.3} {:6.2} {:7.2} {:5.3} {:6.4} {:6.0} {} {} {:.1}",
        mean(&|report| report.wait_p50_s),
        mean(&|report| report.wait_p95_s),
        mean(&|report| report.wait_p99_s),
        mean(&|report| report.mean_slowdown),
        mean(&|report| report.moves_per_task),
        mean(&|report| report.messages_per_task),
        mean(&|report| report.renewals_per_task),
        mean(&|report| report.jain),
        mean(&|report| report.wasted_share),
        mean(&|report| report.clones as f64),
        reports.iter().map(|report| report.unfinished).sum::<usize>(),
        reports.iter().map(|report| report.faults).sum::<u64>(),
        mean(&|report| report.events as f64) / 1e6,
    );
    let each: Vec<String> = reports.iter().map(|report| format!("{:.3}", report.makespan_over_bound)).collect();
    println!("          {}", each.join(" "));
}
