//! Lives of simulated meshes: `--seeds N`, `--from K`, `--seconds S` stop after that long, `--tell K` one life as text.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tern_sim::Story;
use tern_sim::mesh::{Life, Report, live};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str| {
        let at = words.iter().position(|word| word == name)?;
        words.get(at + 1)?.parse::<u64>().ok()
    };
    if let Some(seed) = number("--tell") {
        let (end, text) = live(&Life::of(seed), Story::told());
        println!("{text}{end:?}");
        return ExitCode::SUCCESS;
    }
    let began = Instant::now();
    let from = number("--from").unwrap_or(0);
    let end = from.saturating_add(number("--seeds").unwrap_or(500));
    let limit = number("--seconds").map(Duration::from_secs);
    let (next, ends) = (AtomicU64::new(from), Mutex::new(Vec::new()));
    let lives = || {
        while limit.is_none_or(|limit| began.elapsed() < limit) {
            let seed = next.fetch_add(1, Relaxed);
            if seed >= end {
                return;
            }
            let life = live(&Life::of(seed), Story::default()).0;
            ends.lock().expect("no life panics").push(life);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(lives);
        }
    });
    tell(ends.into_inner().expect("no life panics"))
}

fn tell(ends: Vec<Result<Report, String>>) -> ExitCode {
    let (lives, mut took) = (ends.len(), Vec::new());
    for end in ends {
        match end {
            Ok(report) => took.push(report.well_after_ms),
            Err(why) => println!("{why}"),
        }
    }
    took.sort_unstable();
    let at = |part: usize| took.get(took.len() * part / 100).copied().unwrap_or_default();
    let bad = lives - took.len();
    println!("{bad} of {lives} lives end badly; well after {} / {} / {} ms (p50, p90, p99)", at(50), at(90), at(99));
    if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
