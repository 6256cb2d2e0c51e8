//! The built-in workloads: a mix of phones, laptops, desktops, servers and virtual machines, tasks with a heavy tail, bursts.
//!
//! Laptops are used by their owners from time to time. A *batch* arrives within five seconds; *open* load arrives over a
//! stretch of time at a share of what the machines can do, with bursts.

use super::dice::Dice;
use super::model::{NodeSpec, TaskSpec, Workload};

/// How long owners' habits are drawn ahead; far beyond any run.
const TRACE_ENDS: f64 = 6_000.0;
/// A person's batch is submitted in parts of so many seconds.
const BATCH_PART: f64 = 0.25;
/// Median bytes of one task's input.
const INPUT_BYTES: f64 = 50e3;

/// Which workload.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// So many tasks for each core, all within five seconds.
    Batch { tasks_per_core: f64 },
    /// So much of the capacity (1 is all of it), for so many seconds.
    Open { load: f64, seconds: f64 },
}

/// Everything a built-in workload is drawn from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recipe {
    pub kind: Kind,
    pub nodes: usize,
    pub seed: u64,
    /// Deviation of the logarithm of estimates.
    pub sigma: f64,
}

/// Draws machines and tasks.
#[must_use]
pub fn generate(recipe: &Recipe) -> Workload {
    let (nodes, laptops) = draw_nodes(recipe.nodes, recipe.seed);
    let tasks = draw_tasks(recipe, &nodes, &laptops);
    Workload { nodes, tasks }
}

fn draw_nodes(count: usize, seed: u64) -> (Vec<NodeSpec>, Vec<bool>) {
    let mut dice = Dice(seed ^ 0xABCD);
    let zones = (count / 20).clamp(1, 16);
    let mut laptops = Vec::new();
    let nodes = (0..count).map(|index| {
        let class = if index == 0 { 0.3 } else { dice.unit() };
        let (cores, speed, bandwidth) = match class {
            ..0.2 => (4, 0.3, 5e6),
            ..0.55 => (8, 0.8, 12e6),
            ..0.8 => (12, 1.2, 110e6),
            ..0.92 => (32, 1.0, 120e6),
            _ => (8, 0.9, 60e6),
        };
        let laptop = (0.2..0.55).contains(&class);
        laptops.push(laptop);
        let speed = speed * (0.9 + 0.2 * dice.unit());
        let zone = dice.below(zones) as u32;
        let own = Dice(seed.wrapping_mul(7919) ^ (index as u64 * 104_729));
        let owner = if laptop { habits(own, f64::from(cores)) } else { Vec::new() };
        NodeSpec { cores, speed, zone, memory_mib: None, bandwidth, owner }
    });
    (nodes.collect(), laptops)
}

/// An owner comes after two minutes on average, uses a third of the cores or more, and stays for a minute.
fn habits(mut dice: Dice, cores: f64) -> Vec<(f64, f64)> {
    let (mut trace, mut at, mut away) = (Vec::new(), dice.exponential(60.0), true);
    while at < TRACE_ENDS {
        let (used, lasts) = if away {
            (cores * (0.3 + 0.7 * dice.unit()), dice.exponential(60.0))
        } else {
            (0.0, dice.exponential(120.0))
        };
        away = used == 0.0;
        trace.push((at, used));
        at += lasts;
    }
    trace
}

fn draw_tasks(recipe: &Recipe, nodes: &[NodeSpec], laptops: &[bool]) -> Vec<TaskSpec> {
    let mut dice = Dice(recipe.seed ^ 0x5555);
    let origins = draw_origins(nodes, &mut dice);
    let mut tasks = match recipe.kind {
        Kind::Batch { tasks_per_core } => {
            let cores: f64 = nodes.iter().map(|node| f64::from(node.cores)).sum();
            let count = (cores * tasks_per_core) as usize;
            (0..count)
                .map(|_| {
                    let arrival = dice.unit() * 5.0;
                    draw_task(arrival, recipe.sigma, &origins, &mut dice)
                })
                .collect()
        }
        Kind::Open { load, seconds } => {
            let capacity = usual_capacity(nodes, laptops);
            draw_stream(load * capacity, seconds, recipe.sigma, &origins, &mut dice)
        }
    };
    tasks.sort_by(|a, b| a.arrival.total_cmp(&b.arrival));
    number_jobs(&mut tasks, matches!(recipe.kind, Kind::Batch { .. }));
    tasks
}

/// A tenth of the machines, and none with a slow line: where people sit.
fn draw_origins(nodes: &[NodeSpec], dice: &mut Dice) -> Vec<usize> {
    let mut origins: Vec<usize> = (0..nodes.len()).filter(|index| nodes[*index].bandwidth > 10e6).collect();
    for place in 0..origins.len() {
        let other = dice.below(origins.len());
        origins.swap(place, other);
    }
    origins.truncate((nodes.len() / 10).max(1));
    if origins.is_empty() {
        origins.push(0);
    }
    origins
}

/// What the machines can do while their owners do what they usually do.
fn usual_capacity(nodes: &[NodeSpec], laptops: &[bool]) -> f64 {
    let one = |(node, laptop): (&NodeSpec, &bool)| {
        let cores = f64::from(node.cores);
        (cores - if *laptop { 0.65 * cores / 3.0 } else { 0.0 }) * node.speed
    };
    nodes.iter().zip(laptops).map(one).sum()
}

fn draw_task(arrival: f64, sigma: f64, origins: &[usize], dice: &mut Dice) -> TaskSpec {
    let work = dice.pareto(2.0, 100.0, 1.3);
    let bytes = (INPUT_BYTES * (1.5 * dice.normal()).exp()).min(250.0 * INPUT_BYTES);
    let estimate = Some(work * (sigma * dice.normal() - 0.5 * sigma * sigma).exp());
    let origin = origins[dice.below(origins.len())];
    TaskSpec {
        arrival,
        work,
        estimate,
        bytes,
        origin,
        cores: 1,
        memory_mib: 0,
        deadline: None,
        job: 0,
        class: None,
        deferred: false,
    }
}

/// Work for `wanted` cores of the reference machine: a base rate, and six times as much in bursts of ten seconds a minute.
fn draw_stream(wanted: f64, seconds: f64, sigma: f64, origins: &[usize], dice: &mut Dice) -> Vec<TaskSpec> {
    let base = wanted / 5.9 / (1.0 + 5.0 * 10.0 / 60.0);
    let (mut tasks, mut at, mut burst) = (Vec::new(), 0.0, false);
    let mut turns = dice.exponential(50.0);
    while at < seconds {
        let rate = if burst { 6.0 * base } else { base };
        at += dice.exponential(1.0 / rate);
        if at > turns {
            burst = !burst;
            turns = at + dice.exponential(if burst { 10.0 } else { 50.0 });
        }
        tasks.push(draw_task(at, sigma, origins, dice));
    }
    let drawn: f64 = tasks.iter().map(|task| task.work).sum();
    let scale = wanted * seconds / drawn;
    for task in &mut tasks {
        task.work *= scale;
        task.estimate = task.estimate.map(|estimate| estimate * scale);
    }
    tasks
}

/// A batch is submitted in parts, as a person's `map` would be; open load task by task.
fn number_jobs(tasks: &mut [TaskSpec], batch: bool) {
    let mut parts = std::collections::BTreeMap::new();
    for (index, task) in tasks.iter_mut().enumerate() {
        let next = parts.len();
        let part = (task.arrival / BATCH_PART) as usize;
        task.job = if batch { *parts.entry((task.origin, part)).or_insert(next) } else { index };
    }
}
