//! What a run came to, as figures that can be compared with those of anybody else's scheduler.

use std::fmt;

use serde::Serialize;
use tern_core::observe::kpi::figures::{jain, percentile};

use super::bound::lower_bound;
use super::model::Workload;

/// What became of one task.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Course {
    /// When the run began that counted, and when it ended.
    pub began: f64,
    pub ended: f64,
}

/// What is counted while a run goes on.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Counts {
    /// Tasks that left a node on which they waited for another one.
    pub moves: u64,
    /// Messages that decide where something runs and tell how it ended.
    pub messages: u64,
    /// Renewals of leases and their answers.
    pub renewals: u64,
    /// Tellings of how loaded a node is, each to all others.
    pub vitals: u64,
    /// Second copies of running tasks.
    pub clones: u64,
    /// Work that was done and did not count, in seconds of the reference core.
    pub wasted: f64,
    /// Events that the machines handled.
    pub events: u64,
    /// Runs that began twice without need, or results that counted twice: always 0.
    pub faults: u64,
}

/// The figures of one run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    pub nodes: usize,
    pub tasks: usize,
    /// Tasks that did not end: 0 unless a task fits nowhere.
    pub unfinished: usize,
    pub makespan_s: f64,
    pub lower_bound_s: f64,
    pub makespan_over_bound: f64,
    pub wait_p50_s: f64,
    pub wait_p95_s: f64,
    pub wait_p99_s: f64,
    /// Time from arrival to end, over the time on the fastest idle core.
    pub mean_slowdown: f64,
    pub p99_slowdown: f64,
    pub moves_per_task: f64,
    pub messages_per_task: f64,
    pub renewals_per_task: f64,
    pub vitals_told: u64,
    /// Jain's index of the shares of their capacity that the nodes used.
    pub jain: f64,
    /// Of the work that counted.
    pub wasted_share: f64,
    pub clones: u64,
    /// Tasks with a deadline that ended after it.
    pub deadlines_missed: u64,
    pub events: u64,
    pub faults: u64,
}

/// Of nothing: 0.
fn share(sorted: &[f64], percent: u32) -> f64 {
    percentile(sorted, percent).unwrap_or(0.0)
}

impl Report {
    /// `used`: of each node the share of its capacity; `courses`: of each task what became of it.
    #[must_use]
    pub fn new(workload: &Workload, courses: &[Option<Course>], used: &[f64], counts: &Counts) -> Self {
        let fastest = workload.fastest();
        let (mut waits, mut slow) = (Vec::new(), Vec::new());
        let (mut makespan, mut missed, mut unfinished) = (0.0f64, 0, 0);
        for (task, course) in workload.tasks.iter().zip(courses) {
            let Some(course) = course else {
                unfinished += 1;
                continue;
            };
            waits.push((course.began - task.arrival).max(0.0));
            slow.push((course.ended - task.arrival) / (task.work / fastest).max(1e-9));
            makespan = makespan.max(course.ended);
            missed += u64::from(task.deadline.is_some_and(|deadline| course.ended > task.arrival + deadline));
        }
        waits.sort_by(f64::total_cmp);
        slow.sort_by(f64::total_cmp);
        let tasks = workload.tasks.len();
        let each = |count: u64| count as f64 / tasks.max(1) as f64;
        let work: f64 = workload.tasks.iter().map(|task| task.work).sum();
        let bound = lower_bound(workload);
        Self {
            nodes: workload.nodes.len(),
            tasks,
            unfinished,
            makespan_s: makespan,
            lower_bound_s: bound,
            makespan_over_bound: if bound > 0.0 { makespan / bound } else { 1.0 },
            wait_p50_s: share(&waits, 50),
            wait_p95_s: share(&waits, 95),
            wait_p99_s: share(&waits, 99),
            mean_slowdown: slow.iter().sum::<f64>() / slow.len().max(1) as f64,
            p99_slowdown: share(&slow, 99),
            moves_per_task: each(counts.moves),
            messages_per_task: each(counts.messages),
            renewals_per_task: each(counts.renewals),
            vitals_told: counts.vitals,
            jain: jain(used),
            wasted_share: counts.wasted / work.max(1e-9),
            clones: counts.clones,
            deadlines_missed: missed,
            events: counts.events,
            faults: counts.faults,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "tasks       {} on {} nodes, {} unfinished", self.tasks, self.nodes, self.unfinished)?;
        let ratio = self.makespan_over_bound;
        writeln!(
            f,
            "makespan    {:.1} s, {ratio:.3} times the lower bound of {:.1} s",
            self.makespan_s, self.lower_bound_s
        )?;
        let waits = (self.wait_p50_s, self.wait_p95_s, self.wait_p99_s);
        writeln!(f, "waits       p50 {:.2} s, p95 {:.2} s, p99 {:.2} s", waits.0, waits.1, waits.2)?;
        writeln!(f, "slowdown    mean {:.2}, p99 {:.2}", self.mean_slowdown, self.p99_slowdown)?;
        writeln!(f, "a task      {:.3} moves, {:.2} messages", self.moves_per_task, self.messages_per_task)?;
        writeln!(f, "besides     {:.1} renewals a task, {} vitals", self.renewals_per_task, self.vitals_told)?;
        writeln!(f, "fairness    Jain's index {:.3}", self.jain)?;
        writeln!(f, "wasted      {:.2} % of the work, {} copies", self.wasted_share * 100.0, self.clones)?;
        writeln!(f, "deadlines   {} missed", self.deadlines_missed)
    }
}
