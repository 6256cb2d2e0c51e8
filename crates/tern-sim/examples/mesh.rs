//! Lives of simulated meshes: `--seeds N`, `--from K`, `--tell K` one life as text.

use std::process::ExitCode;
use tern_sim::Story;
use tern_sim::mesh::{Life, live};

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
    let from = number("--from").unwrap_or(0);
    let (mut bad, mut took) = (0, Vec::new());
    for seed in from..from + number("--seeds").unwrap_or(500) {
        match live(&Life::of(seed), Story::default()).0 {
            Ok(report) => took.push(report.well_after_ms),
            Err(why) => {
                bad += 1;
                println!("{why}");
            }
        }
    }
    took.sort_unstable();
    let at = |part: usize| took.get(took.len() * part / 100).copied().unwrap_or_default();
    println!(
        "{bad} of {} lives end badly; well after {} / {} / {} ms (p50, p90, p99)",
        bad + took.len(),
        at(50),
        at(90),
        at(99)
    );
    if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
