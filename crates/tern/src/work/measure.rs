//! The arithmetic of a benchmark: what is made of the times of tasks.
//!
//! *Little's law* compares two measurements that know nothing of each other: how many tasks were in the system, looked at
//! again and again, and how long each took from its submission to its result.

/// The value below which the share `q` of all lies; `sorted` ascending. Nothing: 0.
#[must_use]
pub fn quantile(sorted: &[f64], q: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let at = (q.clamp(0.0, 1.0) * last as f64).round() as usize;
    sorted.get(at).copied().unwrap_or(0.0)
}

#[must_use]
pub fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

/// Jain's index of fairness: 1 where all have the same, 1/n where one has all.
#[must_use]
pub fn jain(shares: &[f64]) -> f64 {
    let (sum, squares) = shares.iter().fold((0.0, 0.0), |(sum, squares), x| (sum + x, squares + x * x));
    if squares > 0.0 { sum * sum / (shares.len() as f64 * squares) } else { 1.0 }
}

/// The shortest time in which nodes of this capacity could do this work: neither faster than all together, nor than the
/// longest task.
#[must_use]
pub fn lower_bound(work: f64, capacity: f64, longest: f64) -> f64 {
    if capacity > 0.0 { (work / capacity).max(longest) } else { longest }
}

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

/// How far two measurements of the same thing are apart, of the greater.
#[must_use]
pub fn apart(one: f64, other: f64) -> f64 {
    let most = one.abs().max(other.abs());
    if most > 0.0 { (one - other).abs() / most } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(got: f64, wanted: f64) {
        assert!((got - wanted).abs() < 1e-9, "{got} and not {wanted}");
    }

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let values: Vec<f64> = (1..=101).map(f64::from).collect();
        is(quantile(&values, 0.5), 51.0);
        is(quantile(&values, 0.95), 96.0);
        is(quantile(&values, 1.0), 101.0);
        is(quantile(&[7.0], 0.99), 7.0);
        is(quantile(&[], 0.5), 0.0);
    }

    #[test]
    fn fairness_is_one_where_all_have_the_same() {
        is(jain(&[3.0, 3.0, 3.0]), 1.0);
        is(jain(&[1.0, 0.0, 0.0, 0.0]), 0.25);
        is(jain(&[]), 1.0);
        assert!(jain(&[2.0, 1.0]) > jain(&[3.0, 1.0]));
    }

    #[test]
    fn no_schedule_is_shorter_than_its_longest_task_or_than_all_the_work() {
        is(lower_bound(100.0, 4.0, 10.0), 25.0);
        is(lower_bound(100.0, 4.0, 40.0), 40.0);
        is(lower_bound(100.0, 0.0, 40.0), 40.0);
    }

    #[test]
    fn the_law_of_little_holds_for_a_batch_that_is_worked_off_evenly() {
        // A thousand come at once and one leaves each millisecond.
        let mut census = Census::default();
        for look in 0..=20 {
            census.look(f64::from(look) * 0.05, 1_000 - look * 50);
        }
        let latencies: Vec<f64> = (1..=1_000).map(|task| f64::from(task) / 1_000.0).collect();
        let (rate, wait) = (1_000.0 / 1.0, mean(&latencies));
        assert!(apart(census.mean(), rate * wait) < 0.01, "{} and {}", census.mean(), rate * wait);
        is(apart(0.0, 0.0), 0.0);
    }
}
