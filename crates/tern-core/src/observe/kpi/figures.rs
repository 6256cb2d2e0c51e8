//! The formulas behind the figures of a benchmark, of a simulated grid and of `tern kpi`: one of each, with its exact definition.
//!
//! What cannot be said of so few values is none, never 0.

/// The value at the nearest rank: the smallest that at least `percent` of a hundred of all values do not exceed. `sorted` ascending;
/// the rank is ⌈percent · n / 100⌉, in whole numbers. 0 counts as the first.
#[must_use]
pub fn percentile<T: Copy>(sorted: &[T], percent: u32) -> Option<T> {
    let count = sorted.len() as u128;
    let rank = (u128::from(percent.min(100)) * count).div_ceil(100).max(1);
    sorted.get(usize::try_from(rank).ok()? - 1).copied()
}

#[must_use]
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// σ² = (1/n) Σ (x − x̄)²: of all there are, not of a sample.
#[must_use]
pub fn variance(values: &[f64]) -> Option<f64> {
    let mean = mean(values)?;
    Some(values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / values.len() as f64)
}

/// The coefficient of variation σ / x̄; none where the mean is not above 0.
#[must_use]
pub fn variation(values: &[f64]) -> Option<f64> {
    let mean = mean(values).filter(|mean| *mean > 0.0)?;
    Some(libm::sqrt(variance(values)?) / mean)
}

/// Jain's index of fairness J = (Σx)² / (n Σx²): 1 where all have the same (or nobody has anything), 1/n where one has all.
#[must_use]
pub fn jain(shares: &[f64]) -> f64 {
    let (sum, squares) = shares.iter().fold((0.0, 0.0), |(sum, squares), x| (sum + x, squares + x * x));
    if squares > 0.0 { sum * sum / (shares.len() as f64 * squares) } else { 1.0 }
}

/// The shortest time in which nodes of this capacity could do this work: neither faster than all together, nor than the longest task.
#[must_use]
pub fn lower_bound(work: f64, capacity: f64, longest: f64) -> f64 {
    if capacity > 0.0 { (work / capacity).max(longest) } else { longest }
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
    use std::vec::Vec;

    fn is(got: impl Into<Option<f64>>, wanted: f64) {
        let got = got.into().expect("a figure");
        assert!((got - wanted).abs() < 1e-9, "{got} and not {wanted}");
    }

    #[test]
    fn a_percentile_is_the_value_at_its_rank() {
        let ten: Vec<f64> = (1..=10).map(f64::from).collect();
        assert_eq!(
            [0, 50, 90, 95, 99, 100].map(|part| percentile(&ten, part)),
            [1.0, 5.0, 9.0, 10.0, 10.0, 10.0].map(Some)
        );
        let many: Vec<u32> = (1..=101).collect();
        assert_eq!([50, 95, 99].map(|part| percentile(&many, part)), [51, 96, 100].map(Some));
        assert_eq!((percentile(&[7], 99), percentile::<u64>(&[], 50)), (Some(7), None));
    }

    #[test]
    fn variance_is_of_all_nodes_and_variation_has_no_scale() {
        is(variance(&[1.0, 3.0]), 1.0);
        is(variation(&[1.0, 3.0]), 0.5);
        is(variation(&[100.0, 300.0]), 0.5);
        is(variance(&[0.4]), 0.0);
        assert_eq!((variance(&[]), variation(&[0.0, 0.0])), (None, None));
    }

    #[test]
    fn fairness_is_one_where_all_have_the_same() {
        is(jain(&[3.0, 3.0, 3.0]), 1.0);
        is(jain(&[1.0, 0.0, 0.0, 0.0]), 0.25);
        is(jain(&[]), 1.0);
        is(jain(&[0.0, 0.0]), 1.0);
        assert!(jain(&[2.0, 1.0]) > jain(&[3.0, 1.0]));
    }

    #[test]
    fn no_schedule_is_shorter_than_its_longest_task_or_than_all_the_work() {
        is(lower_bound(100.0, 4.0, 10.0), 25.0);
        is(lower_bound(100.0, 4.0, 40.0), 40.0);
        is(lower_bound(100.0, 0.0, 40.0), 40.0);
        is(apart(0.0, 0.0), 0.0);
        is(apart(2.0, 1.0), 0.5);
    }
}
