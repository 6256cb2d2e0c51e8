//! One simulated machine: cores that its owner may use, tasks that share what is left, a line that sends one thing after another.

use super::model::NodeSpec;

/// A task that runs.
#[derive(Clone, Debug)]
pub struct Run<T> {
    pub what: T,
    /// Seconds of work left, on the reference core.
    pub left: f64,
    pub began: f64,
    pub cores: u32,
}

/// A machine at a time.
#[derive(Clone, Debug)]
pub struct Host<T> {
    pub spec: NodeSpec,
    pub running: Vec<Run<T>>,
    /// Cores that the owner uses just now.
    pub owner: f64,
    /// Changes whenever the next end changes: an end planned under an older one is void.
    pub version: u64,
    /// When the line up is free again.
    pub line_free: f64,
    /// Work done, and work that could have been done.
    pub done: f64,
    pub capacity: f64,
    at: f64,
}

impl<T> Host<T> {
    #[must_use]
    pub const fn new(spec: NodeSpec) -> Self {
        let (owner, line_free) = (0.0, 0.0);
        Self { spec, running: Vec::new(), owner, version: 0, line_free, done: 0.0, capacity: 0.0, at: 0.0 }
    }

    #[must_use]
    pub fn available(&self) -> f64 {
        self.spec.available(self.owner)
    }

    /// Tasks of one core that should run at once.
    #[must_use]
    pub fn slots(&self) -> u32 {
        (self.available().floor() as u32).max(1)
    }

    /// Slots with a task.
    #[must_use]
    pub fn used(&self) -> u32 {
        self.running.iter().map(|run| run.cores).sum()
    }

    /// Slots without a task.
    #[must_use]
    pub fn free(&self) -> u32 {
        self.slots().saturating_sub(self.used())
    }

    /// How fast each task gets on.
    #[must_use]
    pub fn rate(&self) -> f64 {
        let used = f64::from(self.used().max(1));
        self.spec.speed * (self.available() / used).min(1.0)
    }

    /// Brings the figures up to this time.
    pub fn advance(&mut self, now: f64) {
        let passed = now - self.at;
        if passed <= 0.0 {
            return;
        }
        let rate = self.rate();
        for run in &mut self.running {
            run.left -= rate * passed;
        }
        self.done += rate * passed * f64::from(self.used());
        self.capacity += self.available() * self.spec.speed * passed;
        self.at = now;
    }

    pub fn start(&mut self, what: T, work: f64, cores: u32, now: f64) {
        self.advance(now);
        self.running.push(Run { what, left: work, began: now, cores });
    }

    /// When the next task ends if nothing changes, and the version under which that holds.
    pub fn next_end(&mut self, now: f64) -> Option<(f64, u64)> {
        self.version += 1;
        let rate = self.rate();
        let least = self.running.iter().map(|run| run.left).fold(f64::INFINITY, f64::min);
        (least < f64::INFINITY).then(|| (now + least.max(0.0) / rate, self.version))
    }

    /// Takes out what has ended by now.
    pub fn take_ended(&mut self, now: f64) -> Vec<Run<T>> {
        self.advance(now);
        self.running.extract_if(.., |run| run.left <= 1e-9).collect()
    }

    /// Sends so many bytes to a machine with this bandwidth as soon as the line is free. Returns when the last has left.
    pub fn send(&mut self, bytes: f64, bandwidth: f64, now: f64) -> f64 {
        let begins = now.max(self.line_free);
        self.line_free = begins + bytes / self.spec.bandwidth.min(bandwidth);
        self.line_free
    }
}
