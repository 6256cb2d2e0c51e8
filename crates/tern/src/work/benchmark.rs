//! `tern benchmark`: two batches on the live grid, one of tasks that do nothing and one of tasks that compute, and what
//! they tell of throughput, latency, makespan and fairness. Their jobs are forgotten when they are over.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::json;
use tern_core::observe::kpi::figures::{apart, jain, lower_bound, mean, percentile};
use tern_node::control::api::grid::NodesView;
use tern_node::control::api::{SubmitRequest, TaskResult};
use tern_node::control::{Door, DoorError, Entry};

use super::args::BenchmarkArgs;
use super::measure::Census;
use crate::cli::{Context, Failure, Outcome};
use crate::grid::table::Table;

/// Between two looks at how many tasks are left.
const LOOK_EVERY: Duration = Duration::from_millis(40);
/// How long one task of the second batch shall compute on this machine.
const TASK: Duration = Duration::from_millis(100);
/// Rounds of the loop by which the length of a task is found.
const PROBE_ROUNDS: u64 = 1_000_000;
/// Tasks of the second batch.
const TASKS_MAX: u32 = 100_000;
/// L and λW that are further apart were not both measured well.
const LITTLE_WITHIN: f64 = 0.05;

/// A node that may take part.
#[derive(Clone, Debug, Serialize)]
struct Machine {
    name: String,
    node: String,
    slots: u32,
    /// 1.0 where it was not measured.
    speed: f64,
}

/// What one batch came to.
#[derive(Clone, Debug, Serialize)]
struct Report {
    batch: &'static str,
    tasks: u32,
    failed: u32,
    seconds: f64,
    tasks_per_second: f64,
    latency_p50_ms: f64,
    latency_p95_ms: f64,
    latency_p99_ms: f64,
    /// Tasks in the system on average, as counted, and as rate times mean latency.
    little_l: f64,
    little_lambda_w: f64,
    little_apart: f64,
    little_holds: bool,
    lower_bound_seconds: f64,
    over_lower_bound: f64,
    jain: f64,
    shares: Vec<Share>,
}

/// What one node did of it.
#[derive(Clone, Debug, Serialize)]
struct Share {
    name: String,
    node: String,
    slots: u32,
    speed: f64,
    tasks: u32,
    of_all: f64,
    /// Tasks for each slot of the reference machine's speed.
    tasks_per_weighted_slot: f64,
    mean_ran_ms: f64,
}

pub async fn benchmark(context: &Context, args: BenchmarkArgs) -> Outcome {
    let door = Door::open(&context.home, Entry::Agent, None).await?;
    let machines = machines(&door).await?;
    let mut reports = vec![batch(&door, "nothing", vec!["true".to_owned()], args.tasks, &machines).await?];
    show(context, &reports)?;
    match probe() {
        Ok(per_round) => {
            let rounds = (TASK.as_secs_f64() / per_round).max(1.0) as u64;
            let slots: u32 = machines.iter().map(|machine| machine.slots).sum();
            let tasks = args.seconds.as_secs_f64() * f64::from(slots.max(1)) / TASK.as_secs_f64();
            let words = vec!["awk".to_owned(), work(rounds)];
            let tasks = (tasks as u32).clamp(1, TASKS_MAX);
            let computed = batch(&door, "computing", words, tasks, &machines).await?;
            show(context, std::slice::from_ref(&computed))?;
            reports.push(computed);
        }
        Err(error) => context.printer.remark(&format!("awk cannot be run ({error}): there is no second batch")),
    }
    door.close(true).await?;
    if context.printer.json {
        context.printer.value(&json!({"nodes": machines, "batches": reports}))?;
    }
    let failed: u32 = reports.iter().map(|report| report.failed).sum();
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A program of fixed work that every system has.
fn work(rounds: u64) -> String {
    format!("BEGIN {{ for (i = 0; i < {rounds}; i++) n += i }}")
}

/// Seconds of one round on this machine.
fn probe() -> io::Result<f64> {
    let run = |rounds| {
        let began = Instant::now();
        let status = std::process::Command::new("awk").arg(work(rounds)).status()?;
        if status.success() { Ok(began.elapsed().as_secs_f64()) } else { Err(io::Error::other("it failed")) }
    };
    // Its start is no work.
    let start = run(1)?;
    Ok(((run(PROBE_ROUNDS)? - start) / PROBE_ROUNDS as f64).max(1e-10))
}

/// All nodes that are up; this one alone where it is in no grid.
async fn machines(door: &Door) -> Result<Vec<Machine>, Failure> {
    let status = door.status().await?;
    let here = Machine { name: "here".to_owned(), node: status.node.clone(), slots: status.slots_open, speed: 1.0 };
    let nodes: NodesView = match door.nodes().await {
        Err(DoorError::Refused { kind, .. }) if kind == "no_mesh" => return Ok(vec![here]),
        nodes => nodes?,
    };
    let up = nodes.nodes.into_iter().filter(|entry| entry.member.up);
    let machine = |entry: tern_node::control::api::grid::NodeEntry| {
        let told = entry.vitals.as_ref().map_or(0, |vitals| u32::from(vitals.slots));
        let slots = if entry.member.here { status.slots_open } else { told };
        let speed = entry.facts.as_ref().and_then(|facts| facts.speed).unwrap_or(1.0);
        Machine { name: entry.member.name, node: entry.member.node, slots, speed }
    };
    Ok(up.map(machine).collect())
}

/// One task as it was seen from here.
struct Seen {
    node: String,
    /// From the submission to its result.
    latency: f64,
    ran_ms: f64,
    good: bool,
}

async fn batch(
    door: &Door,
    name: &'static str,
    words: Vec<String>,
    tasks: u32,
    machines: &[Machine],
) -> Result<Report, Failure> {
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
    let path = std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()).into();
    let request = SubmitRequest {
        name: format!("benchmark: {name}"),
        argv: words.iter().map(|word| word.as_bytes().into()).collect(),
        array: Some((1, i64::from(tasks))),
        tries: 1,
        cwd: b"/".as_slice().into(),
        environment: vec![(b"PATH".as_slice().into(), path)],
        ..SubmitRequest::default()
    };
    let began = Instant::now();
    let job = door.submit(&request).await?;
    let mut census = Census::default();
    census.look(0.0, tasks);
    let seen = tokio::select! {
        seen = watch(door, &job, began, &mut census) => seen,
        _ = tokio::signal::ctrl_c() => Err(Failure::new(130, "interrupted", "ended before its time; nothing is left of it")),
    };
    // Whatever happened, nothing of it stays.
    if seen.is_err() {
        let _over_already = door.cancel(&job).await;
        let _gone = door.wait(&job).await;
    }
    door.forget(&job).await?;
    Ok(report(name, &seen?, &census, machines))
}

/// Takes results as they come, and looks at how many are left between them.
async fn watch(door: &Door, job: &str, began: Instant, census: &mut Census) -> Result<Vec<Seen>, Failure> {
    let mut results = door.results(job, true, false).await?;
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut seen = Vec::new();
    loop {
        tokio::select! {
            batch = results.next() => {
                let Some(batch) = batch? else { break };
                let latency = began.elapsed().as_secs_f64();
                let one = |result: &TaskResult| Seen {
                    node: result.node.clone(),
                    latency,
                    ran_ms: result.ran_ms,
                    good: result.status == 0,
                };
                seen.extend(batch.iter().map(one));
            }
            _ = look.tick() => {
                let tasks = door.job(job).await?.tasks;
                census.look(began.elapsed().as_secs_f64(), tasks.total - tasks.done - tasks.failed - tasks.cancelled);
            }
        }
    }
    let last = seen.iter().map(|task| task.latency).fold(0.0, f64::max);
    census.look(last, 0);
    Ok(seen)
}

fn report(batch: &'static str, seen: &[Seen], census: &Census, machines: &[Machine]) -> Report {
    let mut latencies: Vec<f64> = seen.iter().map(|task| task.latency).collect();
    latencies.sort_by(f64::total_cmp);
    let seconds = latencies.last().copied().unwrap_or(0.0);
    let tasks = u32::try_from(seen.len()).unwrap_or(u32::MAX);
    let rate = if seconds > 0.0 { f64::from(tasks) / seconds } else { 0.0 };
    let mut by_node: BTreeMap<&str, (u32, f64)> = BTreeMap::new();
    for task in seen {
        let (count, ran) = by_node.entry(&task.node).or_default();
        *count += 1;
        *ran += task.ran_ms;
    }
    let shares: Vec<Share> = machines.iter().map(|machine| share(machine, &by_node, tasks)).collect();
    let speed = |node: &str| machines.iter().find(|machine| machine.node == node).map_or(1.0, |machine| machine.speed);
    let work: f64 = seen.iter().map(|task| task.ran_ms / 1e3 * speed(&task.node)).sum();
    let capacity: f64 = machines.iter().map(|machine| f64::from(machine.slots) * machine.speed).sum();
    let longest = seen.iter().map(|task| task.ran_ms / 1e3).fold(0.0, f64::max);
    let bound = lower_bound(work, capacity, longest);
    let (little_l, little_lambda_w) = (census.mean(), rate * mean(&latencies).unwrap_or(0.0));
    let little_apart = apart(little_l, little_lambda_w);
    let able: Vec<f64> =
        shares.iter().filter(|share| share.slots > 0).map(|share| share.tasks_per_weighted_slot).collect();
    Report {
        batch,
        tasks,
        failed: u32::try_from(seen.iter().filter(|task| !task.good).count()).unwrap_or(u32::MAX),
        seconds,
        tasks_per_second: rate,
        latency_p50_ms: percentile(&latencies, 50).unwrap_or(0.0) * 1e3,
        latency_p95_ms: percentile(&latencies, 95).unwrap_or(0.0) * 1e3,
        latency_p99_ms: percentile(&latencies, 99).unwrap_or(0.0) * 1e3,
        little_l,
        little_lambda_w,
        little_apart,
        little_holds: little_apart <= LITTLE_WITHIN,
        lower_bound_seconds: bound,
        over_lower_bound: if bound > 0.0 { seconds / bound } else { 0.0 },
        jain: jain(&able),
        shares,
    }
}

fn share(machine: &Machine, by_node: &BTreeMap<&str, (u32, f64)>, all: u32) -> Share {
    let (tasks, ran) = by_node.get(machine.node.as_str()).copied().unwrap_or_default();
    let weighted = f64::from(machine.slots) * machine.speed;
    Share {
        name: machine.name.clone(),
        node: machine.node.clone(),
        slots: machine.slots,
        speed: machine.speed,
        tasks,
        of_all: f64::from(tasks) / f64::from(all.max(1)),
        tasks_per_weighted_slot: if weighted > 0.0 { f64::from(tasks) / weighted } else { 0.0 },
        mean_ran_ms: if tasks > 0 { ran / f64::from(tasks) } else { 0.0 },
    }
}

fn show(context: &Context, reports: &[Report]) -> io::Result<()> {
    if context.printer.json {
        return Ok(());
    }
    let mut out = context.printer.out();
    reports.iter().try_for_each(|report| write(report, &mut out))?;
    out.flush()
}

fn write(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let Report { batch, tasks, seconds, .. } = report;
    writeln!(out, "{tasks} tasks, {batch}: {seconds:.2} s, {:.0} a second", report.tasks_per_second)?;
    if report.failed > 0 {
        writeln!(out, "  failed      {} of them", report.failed)?;
    }
    let [p50, p95, p99] = [report.latency_p50_ms, report.latency_p95_ms, report.latency_p99_ms];
    writeln!(
        out,
        "  latency     p50 {p50:.1} ms, p95 {p95:.1} ms, p99 {p99:.1} ms, from the submission to the result"
    )?;
    let holds = if report.little_holds { "as it must be" } else { "MORE THAN 5 %: do not trust these numbers" };
    writeln!(
        out,
        "  L = λW      {:.1} in the system, {:.1} by rate and latency: {:.1} % apart, {holds}",
        report.little_l,
        report.little_lambda_w,
        report.little_apart * 100.0
    )?;
    writeln!(
        out,
        "  makespan    {:.2} × its lower bound of {:.2} s",
        report.over_lower_bound, report.lower_bound_seconds
    )?;
    writeln!(out, "  fairness    {:.3} (Jain's index of tasks for each slot by speed)", report.jain)?;
    let mut table = Table::new(&["  NODE", "SLOTS", "SPEED", "TASKS", "SHARE", "MEAN RUN"]);
    for share in &report.shares {
        table.row([
            format!("  {}", share.name),
            share.slots.to_string(),
            format!("{:.2}", share.speed),
            share.tasks.to_string(),
            format!("{:.1} %", share.of_all * 100.0),
            format!("{:.2} ms", share.mean_ran_ms),
        ]);
    }
    table.write(out)?;
    writeln!(out)
}
