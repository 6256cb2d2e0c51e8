//! A time that no schedule can beat: from what all machines together can do, from the longest task, from the longest few.
//!
//! It knows the owners' habits and ignores the network, so that nobody can reach it exactly.

use super::model::Workload;

/// What all machines could have done by a time, as straight pieces.
struct Capacity {
    /// (time, work that could be done by then), ascending.
    points: Vec<(f64, f64)>,
}

impl Capacity {
    fn of(workload: &Workload) -> Self {
        let mut changes: Vec<(f64, f64)> = Vec::new();
        for node in &workload.nodes {
            let mut owner = 0.0;
            for (at, used) in &node.owner {
                changes.push((*at, (node.available(*used) - node.available(owner)) * node.speed));
                owner = *used;
            }
        }
        changes.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut rate: f64 = workload.nodes.iter().map(|node| f64::from(node.cores) * node.speed).sum();
        let (mut at, mut done, mut points) = (0.0, 0.0, vec![(0.0, 0.0)]);
        for (time, change) in changes {
            done += rate * (time - at);
            at = time;
            rate += change;
            points.push((at, done));
        }
        points.push((at + 1e7, done + rate.max(1e-9) * 1e7));
        Self { points }
    }

    fn between(&self, place: usize, known: impl Fn(&(f64, f64)) -> f64) -> ((f64, f64), (f64, f64), f64) {
        let place = place.clamp(1, self.points.len() - 1);
        let (from, to) = (self.points[place - 1], self.points[place]);
        (from, to, known(&to) - known(&from))
    }

    fn by(&self, time: f64) -> f64 {
        let place = self.points.partition_point(|point| point.0 <= time);
        let (from, to, span) = self.between(place, |point| point.0);
        if span <= 0.0 { from.1 } else { from.1 + (to.1 - from.1) * (time - from.0) / span }
    }

    fn when(&self, work: f64) -> f64 {
        let place = self.points.partition_point(|point| point.1 <= work);
        let (from, to, span) = self.between(place, |point| point.1);
        if span <= 0.0 { from.0 } else { from.0 + (to.0 - from.0) * (work - from.1) / span }
    }
}

/// Seconds from the beginning to the end of the last task, at least.
#[must_use]
pub fn lower_bound(workload: &Workload) -> f64 {
    let capacity = Capacity::of(workload);
    let fastest = workload.fastest();
    let (mut bound, mut later) = (0.0f64, 0.0);
    for task in workload.tasks.iter().rev() {
        later += task.work * f64::from(task.cores);
        bound = bound.max(capacity.when(capacity.by(task.arrival) + later));
        bound = bound.max(task.arrival + task.work / fastest);
    }
    bound.max(longest_few(workload))
}

/// The *k* longest tasks on the *k* fastest cores, for each *k*.
fn longest_few(workload: &Workload) -> f64 {
    let mut work: Vec<f64> = workload.tasks.iter().map(|task| task.work).collect();
    let cores = |node: &super::model::NodeSpec| std::iter::repeat_n(node.speed, node.cores as usize);
    let mut speeds: Vec<f64> = workload.nodes.iter().flat_map(cores).collect();
    work.sort_by(|a, b| b.total_cmp(a));
    speeds.sort_by(|a, b| b.total_cmp(a));
    let (mut bound, mut all_work, mut all_speed) = (0.0f64, 0.0, 0.0);
    for (work, speed) in work.into_iter().zip(speeds) {
        all_work += work;
        all_speed += speed;
        bound = bound.max(all_work / all_speed);
    }
    bound
}
