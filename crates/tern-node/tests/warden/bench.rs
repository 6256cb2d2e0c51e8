//! How fast the warden is by itself: `bench [COUNT] [SLOTS] [PROGRAM ARG…]` prints seconds and the warden's peak memory.
//! No test: it asserts nothing about time.

use std::process::ExitCode;
use std::time::Instant;

use tern_core::words::Bytes;

use super::grid::Grid;

/// Orders ahead of the warden, as a node keeps them.
const AHEAD: u32 = 512;

pub fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(2).collect();
    let number = |at: usize, default: u32| args.get(at).and_then(|word| word.parse().ok()).unwrap_or(default);
    let (count, slots) = (number(0, 10_000), number(1, 2));
    let command: Vec<Bytes> = match args.get(2..) {
        Some(words) if !words.is_empty() => words.iter().map(|word| word.as_str().into()).collect(),
        _ => vec!["/bin/true".into()],
    };
    let mut grid = Grid::new(slots);
    let context = grid.context(|_| {});
    let began = Instant::now();
    let mut granted = 0;
    while granted < count {
        let batch = (AHEAD / 2).min(count - granted);
        grid.grant(&context, granted, (granted..granted + batch).map(|task| (task, command.clone())));
        granted += batch;
        let enough = granted.saturating_sub(AHEAD / 2) as usize;
        grid.until_ended(enough);
    }
    grid.until_ended(count as usize);
    let seconds = began.elapsed().as_secs_f64();
    let status = std::fs::read_to_string(format!("/proc/{}/status", grid.warden_pid)).unwrap_or_default();
    let peak = status.lines().filter(|line| line.starts_with("VmHWM") || line.starts_with("RssAnon"));
    println!("{seconds:.4} s  {}", peak.collect::<Vec<_>>().join("  ").replace('\t', " "));
    ExitCode::SUCCESS
}
