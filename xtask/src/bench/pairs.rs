//! Interleaved rounds: everybody once, then both bare loops, then again from the start. A contender and the faster loop of the
//! same round are a pair, and what counts is the ratio within a pair.

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
        Some(Self { median: median(&samples), least, most })
    }
}

/// The quantile of sorted samples, by the nearest rank; 0 without samples.
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied().unwrap_or(0.0)
}

/// The middle of sorted samples; of an even number the mean of the two in the middle; 0 without samples.
pub fn median(sorted: &[f64]) -> f64 {
    let half = sorted.len() / 2;
    match (sorted.get(half.wrapping_sub(1)), sorted.get(half)) {
        (Some(lower), Some(upper)) if sorted.len().is_multiple_of(2) => f64::midpoint(*lower, *upper),
        (_, middle) => middle.copied().unwrap_or(0.0),
    }
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

/// Somebody who is measured.
pub struct Contender<'a> {
    pub name: &'static str,
    /// Seconds of one run.
    pub run: Box<dyn FnMut() -> Result<f64, String> + 'a>,
}

/// Runs each contender and then both loops, `count` times over. One that fails is left out from then on, with its reason.
pub fn rounds(
    count: usize,
    mut contenders: Vec<Contender<'_>>,
    mut loops: impl FnMut() -> Result<[f64; 2], String>,
) -> Result<Vec<Result<Paired, String>>, String> {
    let mut taken: Vec<Result<Vec<f64>, String>> = contenders.iter().map(|_| Ok(Vec::new())).collect();
    let mut reference = Vec::new();
    for _ in 0..count {
        for (contender, taken) in contenders.iter_mut().zip(&mut taken) {
            let Ok(samples) = taken else { continue };
            match (contender.run)() {
                Ok(seconds) => samples.push(seconds),
                Err(message) => *taken = Err(message),
            }
        }
        let [one, other] = loops()?;
        let faster = one.min(other);
        println!("loops: {one:.3} s and {other:.3} s");
        for (contender, samples) in contenders.iter().zip(&taken) {
            if let Some(seconds) = samples.as_ref().ok().and_then(|samples| samples.last()) {
                println!("{}: {seconds:.3} s, {:.3}", contender.name, seconds / faster);
            }
        }
        reference.push(faster);
    }
    Ok(taken.into_iter().map(|samples| paired(samples?, &reference)).collect())
}

fn paired(own: Vec<f64>, reference: &[f64]) -> Result<Paired, String> {
    let ratio = own.iter().zip(reference).map(|(own, reference)| own / reference).collect();
    match (Spread::of(own), Spread::of(reference.to_vec()), Spread::of(ratio)) {
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
    fn the_median_of_an_even_number_lies_between_the_two_in_the_middle() {
        let medians = [&[][..], &[7.0], &[1.0, 4.0], &[1.0, 2.0, 9.0], &[1.0, 2.0, 3.0, 9.0]].map(median);
        assert_eq!(medians, [0.0, 7.0, 2.5, 2.0, 2.5]);
    }

    #[test]
    fn a_ratio_is_taken_to_the_faster_loop_of_the_same_round() {
        let mut own = [2.0, 6.0, 30.0].into_iter();
        let mut loops = [[1.0, 1.5], [3.0, 2.0], [10.0, 10.0]].into_iter();
        let good = Contender { name: "good", run: Box::new(|| Ok(own.next().unwrap())) };
        let absent = Contender { name: "absent", run: Box::new(|| Err("it is not there".to_string())) };
        let both = rounds(3, vec![good, absent], || Ok(loops.next().unwrap())).unwrap();
        let ratio = both[0].as_ref().ok().map(|paired| paired.ratio.clone());
        assert_eq!(ratio, Some(Spread { median: 3.0, least: 2.0, most: 3.0 }));
        assert_eq!(both[1].as_ref().err().map(String::as_str), Some("it is not there"));
    }
}
