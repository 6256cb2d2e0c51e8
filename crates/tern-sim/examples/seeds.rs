//! Lives many seeds and prints what they came to; exit status 1 if an oracle objected.
//!
//! `--seeds N` how many (10 000), `--from K` the first (0), `--seconds S` stop after that long, `--threads T`, `--tell K` one life.

use std::process::ExitCode;
use std::time::{Duration, Instant};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str| {
        let at = words.iter().position(|word| word == name)?;
        words.get(at + 1)?.parse::<u64>().ok()
    };
    if let Some(seed) = number("--tell") {
        print!("{}", tern_sim::life(seed, &tern_sim::Options::default()));
        return ExitCode::SUCCESS;
    }
    let began = Instant::now();
    let from = number("--from").unwrap_or(0);
    let end = from.saturating_add(number("--seeds").unwrap_or(10_000));
    let deadline = number("--seconds").map(|seconds| began + Duration::from_secs(seconds));
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    let threads = usize::try_from(number("--threads").unwrap_or(cores)).unwrap_or(1);
    let report = tern_sim::check_seeds(from..end, threads, deadline);
    println!("{report}");
    println!("{:.1} s on {threads} threads", began.elapsed().as_secs_f64());
    if report.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
