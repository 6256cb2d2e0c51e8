//! Interleaved pairs: A B A B …, and the ratio within each pair.

use std::process::{Command, Stdio};
use std::time::Instant;

/// Medians with the extremes beside them.
#[derive(Clone, Debug, PartialEq)]
pub struct Spread {
    pub median: f64,
    pub least: f64,
    pub most: f64,
}

impl Spread {
    /// None without samples.
    pub fn of(mut samples: Vec<f64>) -> Option<Self> {
        samples.sort_by(f64::total_cmp);
        let (least, most) = (*samples.first()?, *samples.last()?);
        Some(Self { median: quantile(&samples, 0.5), least, most })
    }
}

/// The quantile of sorted samples, by the nearest rank; 0 without samples.
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied().unwrap_or(0.0)
}

/// What came of the pairs.
pub struct Paired {
    /// Seconds of the first of each pair.
    pub own: Spread,
    /// Seconds of the reference.
    pub reference: Spread,
    /// First over reference, pair by pair.
    pub ratio: Spread,
}

/// Runs `own` and `reference` in turn, `count` times each.
pub fn pairs(
    count: usize,
    mut own: impl FnMut() -> Result<f64, String>,
    mut reference: impl FnMut() -> Result<f64, String>,
) -> Result<Paired, String> {
    let (mut first, mut second, mut ratio) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..count {
        let (a, b) = (own()?, reference()?);
        println!("{a:.3} s against {b:.3} s: {:.3}", a / b);
        first.push(a);
        second.push(b);
        ratio.push(a / b);
    }
    match (Spread::of(first), Spread::of(second), Spread::of(ratio)) {
        (Some(own), Some(reference), Some(ratio)) => Ok(Paired { own, reference, ratio }),
        _ => Err("no pairs were run".to_string()),
    }
}

/// Wall-clock seconds of a whole program, whose output is thrown away.
pub fn seconds(mut command: Command) -> Result<f64, String> {
    // The table shows errors, and no folder of this machine.
    let program = std::path::Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
    command.stdout(Stdio::null());
    let began = Instant::now();
    let status = command.status().map_err(|error| format!("{name}: {error}"))?;
    let took = began.elapsed().as_secs_f64();
    if status.success() { Ok(took) } else { Err(format!("{name}: {status}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_samples_that_were_taken() {
        let samples: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!((quantile(&samples, 0.5), quantile(&samples, 0.99), quantile(&[], 0.5)), (50.0, 99.0, 0.0));
        assert_eq!(Spread::of(vec![3.0, 1.0, 2.0]), Some(Spread { median: 2.0, least: 1.0, most: 3.0 }));
    }

    #[test]
    fn a_ratio_is_taken_within_its_pair() {
        let (mut own, mut reference) = ([2.0, 6.0, 30.0].into_iter(), [1.0, 2.0, 10.0].into_iter());
        let paired = pairs(3, || Ok(own.next().unwrap()), || Ok(reference.next().unwrap())).unwrap();
        assert_eq!(paired.ratio, Spread { median: 3.0, least: 2.0, most: 3.0 });
    }
}
