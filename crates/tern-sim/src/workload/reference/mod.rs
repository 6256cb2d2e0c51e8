//! What the machines are compared with: the same tasks on the same hosts, spread by somebody else.

mod central;
mod control;
mod literal;

pub use central::central;
pub use control::control;
pub use literal::literal;

use super::agenda::Agenda;
use super::dice::Dice;
use super::host::Host;
use super::model::Workload;
use super::report::{Counts, Course, Report};

/// Which task, and whether this is its second copy.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Copy {
    task: usize,
    second: bool,
}

/// Draws nodes, those with more capacity more often.
struct Lots(Vec<f64>);

impl Lots {
    fn of(workload: &Workload) -> Self {
        let mut sum = 0.0;
        let up_to = workload.nodes.iter().map(|node| {
            sum += f64::from(node.cores) * node.speed;
            sum
        });
        Self(up_to.collect())
    }

    fn draw(&self, dice: &mut Dice) -> usize {
        let drawn = dice.unit() * self.0.last().copied().unwrap_or(0.0);
        self.0.partition_point(|sum| *sum <= drawn).min(self.0.len() - 1)
    }
}

/// What happens to every reference alike.
enum Common {
    Arrives(usize),
    Ends(usize, u64),
    Owner(usize),
}

/// Hosts and tasks without anybody who spreads them.
struct Bench<'a> {
    workload: &'a Workload,
    hosts: Vec<Host<Copy>>,
    courses: Vec<Option<Course>>,
    counts: Counts,
    left: usize,
}

impl<'a> Bench<'a> {
    fn new<E: From<Common>>(workload: &'a Workload, agenda: &mut Agenda<E>) -> Self {
        for (index, task) in workload.tasks.iter().enumerate() {
            agenda.plan(task.arrival, E::from(Common::Arrives(index)));
        }
        for (index, node) in workload.nodes.iter().enumerate() {
            for (at, _) in &node.owner {
                agenda.plan(*at, E::from(Common::Owner(index)));
            }
        }
        Self {
            workload,
            hosts: workload.nodes.iter().cloned().map(Host::new).collect(),
            courses: vec![None; workload.tasks.len()],
            counts: Counts::default(),
            left: workload.tasks.len(),
        }
    }

    /// What is known of a task's length.
    fn estimate(&self, task: usize) -> f64 {
        self.workload.tasks[task].estimate.unwrap_or(super::model::TYPICAL)
    }

    fn replan<E: From<Common>>(&mut self, node: usize, agenda: &mut Agenda<E>) {
        let now = agenda.seconds();
        self.hosts[node].advance(now);
        if let Some((at, version)) = self.hosts[node].next_end(now) {
            agenda.plan(at, E::from(Common::Ends(node, version)));
        }
    }

    fn start(&mut self, node: usize, copy: Copy, now: f64) {
        let task = &self.workload.tasks[copy.task];
        self.hosts[node].start(copy, task.work, task.cores, now);
    }

    fn owner(&mut self, node: usize, now: f64) {
        let host = &mut self.hosts[node];
        host.advance(now);
        let passed = host.spec.owner.iter().take_while(|(at, _)| *at <= now + 1e-9).count();
        host.owner = passed.checked_sub(1).map_or(0.0, |last| host.spec.owner[last].1);
    }

    /// Notes the first end of a task. False: it had ended before.
    fn done(&mut self, task: usize, began: f64, now: f64) -> bool {
        let first = self.courses[task].is_none();
        if first {
            self.courses[task] = Some(Course { began, ended: now });
            self.left -= 1;
        }
        first
    }

    fn report(mut self, now: f64) -> Report {
        self.hosts.iter_mut().for_each(|host| host.advance(now));
        let used: Vec<f64> = self.hosts.iter().map(|host| host.done / host.capacity.max(1e-9)).collect();
        Report::new(self.workload, &self.courses, &used, &self.counts)
    }
}
