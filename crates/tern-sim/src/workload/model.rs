//! What is simulated: machines and tasks, as plain figures. Times are seconds, sizes bytes.

use serde::Serialize;

/// One machine.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NodeSpec {
    pub cores: u32,
    /// Of one core, where 1 is the reference machine.
    pub speed: f64,
    /// Machines of one zone are near each other.
    pub zone: u32,
    /// Memory that tasks may have; none: more than any asks for.
    pub memory_mib: Option<u32>,
    /// Bytes a second, up and down alike.
    pub bandwidth: f64,
    /// From when on its owner uses how many cores, in ascending order of time.
    pub owner: Vec<(f64, f64)>,
}

impl NodeSpec {
    /// Cores that are left for the grid while the owner uses so many: a tenth stays in any case.
    #[must_use]
    pub fn available(&self, owner: f64) -> f64 {
        let cores = f64::from(self.cores);
        (cores - owner).max(0.1 * cores)
    }
}

/// One task.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TaskSpec {
    pub arrival: f64,
    /// Seconds on one core of the reference machine.
    pub work: f64,
    /// What is known of that before it runs; none: nothing.
    pub estimate: Option<f64>,
    /// Input that travels to where it runs.
    pub bytes: f64,
    /// The node where it is submitted.
    pub origin: usize,
    pub cores: u32,
    pub memory_mib: u32,
    /// Seconds after its arrival by which it should be over.
    pub deadline: Option<f64>,
    /// Tasks with the same number were submitted as one job.
    pub job: usize,
    /// The lane that it asks for itself; none: that of the whole run.
    pub class: Option<tern_core::words::spec::Discipline>,
    /// Put off until there is nothing else to do.
    pub deferred: bool,
}

/// Machines and tasks; the tasks are in the order of their arrival.
#[derive(Clone, Debug, Default)]
pub struct Workload {
    pub nodes: Vec<NodeSpec>,
    pub tasks: Vec<TaskSpec>,
}

impl Workload {
    /// The speed of the fastest core.
    #[must_use]
    pub fn fastest(&self) -> f64 {
        self.nodes.iter().map(|node| node.speed).fold(0.0, f64::max)
    }
}

/// Seconds between two machines, one way.
#[must_use]
pub fn latency(from: &NodeSpec, to: &NodeSpec) -> f64 {
    if from.zone == to.zone { 0.001 } else { 0.02 }
}

/// How long tasks of nobody-knows-what are taken to run, in seconds on the reference core.
pub const TYPICAL: f64 = 6.5;
