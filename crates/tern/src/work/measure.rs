//! How many tasks a benchmark finds in the system.
//!
//! *Little's law* compares two measurements that know nothing of each other: how many tasks were in the system, looked at
//! again and again, and how long each took from its submission to its result.

/// How many were in the system, by looks at it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Census {
    last: Option<(f64, f64)>,
    /// Number times seconds.
    area: f64,
    span: f64,
}

impl Census {
    /// So many at this time. Between two looks they are believed to change evenly.
    pub fn look(&mut self, seconds: f64, count: u32) {
        let count = f64::from(count);
        if let Some((before, was)) = self.last {
            let time = (seconds - before).max(0.0);
            self.area += f64::midpoint(was, count) * time;
            self.span += time;
        }
        self.last = Some((seconds, count));
    }

    /// The mean over time.
    #[must_use]
    pub fn mean(&self) -> f64 {
        if self.span > 0.0 { self.area / self.span } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tern_core::observe::kpi::figures::{apart, mean};

    #[test]
    fn the_law_of_little_holds_for_a_batch_that_is_worked_off_evenly() {
        // A thousand come at once and one leaves each millisecond.
        let mut census = Census::default();
        for look in 0..=20 {
            census.look(f64::from(look) * 0.05, 1_000 - look * 50);
        }
        let latencies: Vec<f64> = (1..=1_000).map(|task| f64::from(task) / 1_000.0).collect();
        let (rate, wait) = (1_000.0 / 1.0, mean(&latencies).expect("a thousand"));
        assert!(apart(census.mean(), rate * wait) < 0.01, "{} and {}", census.mean(), rate * wait);
    }
}
