//! How far the batch is: a bar on a terminal, a line a second where `--bar` asks for it elsewhere, nothing in a pipe.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::halt::Tally;

/// Between two lines where there is no terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(1);
const FRAMES_PER_SECOND: u8 = 10;
const TEMPLATE: &str = "{bar:32} {pos}/{len} {msg} {per_sec} eta {eta}";

/// Where progress goes.
pub enum Progress {
    None,
    Bar { bar: ProgressBar, started: Instant },
    Lines { total: u32, started: Instant, last: Instant },
}

/// Whether somebody would see a bar: standard error is a terminal, and standard output is not piped on.
fn is_watched() -> bool {
    use std::os::unix::fs::FileTypeExt;
    let piped = std::fs::metadata("/dev/stdout").is_ok_and(|file| file.file_type().is_fifo());
    std::io::stderr().is_terminal() && !piped
}

impl Progress {
    /// `forced` by `--bar`; `silent` by `--quiet` and `--json`.
    #[must_use]
    pub fn new(total: u32, forced: bool, silent: bool) -> Self {
        let started = Instant::now();
        if !forced && (silent || !is_watched()) {
            return Self::None;
        }
        if !std::io::stderr().is_terminal() {
            return Self::Lines { total, started, last: started };
        }
        let target = ProgressDrawTarget::stderr_with_hz(FRAMES_PER_SECOND);
        let bar = ProgressBar::with_draw_target(Some(total.into()), target);
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(LINE_INTERVAL / 2);
        Self::Bar { bar, started }
    }

    /// Runs `write`, which writes to the terminal, without tearing the bar.
    pub fn beside<T>(&self, write: impl FnOnce() -> T) -> T {
        match self {
            Self::Bar { bar, .. } => bar.suspend(write),
            _ => write(),
        }
    }

    /// Shows where the batch is now; cheap, called once a batch of results.
    pub fn show(&mut self, tally: &Tally) {
        let ended = tally.ended();
        match self {
            Self::None => {}
            Self::Bar { bar, .. } => {
                bar.set_position(ended.into());
                if tally.failed > 0 {
                    bar.set_message(format!("({} failed)", tally.failed));
                }
            }
            Self::Lines { total, started, last } => {
                if last.elapsed() >= LINE_INTERVAL {
                    *last = Instant::now();
                    super::print::say(&line(ended, *total, tally.failed, started.elapsed()));
                }
            }
        }
    }

    /// Takes the bar away and leaves one line.
    pub fn finish(self, tally: &Tally) {
        let (started, bar) = match self {
            Self::None => return,
            Self::Bar { bar, started } => (started, Some(bar)),
            Self::Lines { started, .. } => (started, None),
        };
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
        super::print::say(&summary(tally, started.elapsed()));
    }
}

fn rate(ended: u32, elapsed: Duration) -> f64 {
    f64::from(ended) / elapsed.as_secs_f64().max(1e-3)
}

fn line(ended: u32, total: u32, failed: u32, elapsed: Duration) -> String {
    let rate = rate(ended, elapsed);
    let left = f64::from(total.saturating_sub(ended)) / rate;
    let eta = Duration::try_from_secs_f64(left).map_or("unknown".into(), |left| HumanDuration(left).to_string());
    let failed = if failed > 0 { format!(", {failed} failed") } else { String::new() };
    format!("{ended}/{total}{failed}, {rate:.1} a second, eta {eta}")
}

fn summary(tally: &Tally, elapsed: Duration) -> String {
    let failed = if tally.failed > 0 { format!(", {} failed", tally.failed) } else { String::new() };
    let open = if tally.cancelled > 0 { format!(", {} not finished", tally.cancelled) } else { String::new() };
    let (rate, seconds) = (rate(tally.ended(), elapsed), elapsed.as_secs_f64());
    format!("{} done{failed}{open} in {seconds:.1} s ({rate:.1} a second)", tally.succeeded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tern_core::promise::Exit;
    use tern_core::words::Halt;

    #[test]
    fn lines_give_rate_and_time_left() {
        let at = Duration::from_secs(10);
        assert_eq!(line(20, 100, 0, at), "20/100, 2.0 a second, eta 40 seconds");
        assert_eq!(line(0, 100, 0, at), "0/100, 0.0 a second, eta unknown");
        assert_eq!(line(50, 100, 3, at), "50/100, 3 failed, 5.0 a second, eta 10 seconds");
    }

    #[test]
    fn the_summary_names_what_there_was() {
        let mut tally = Tally::new(Halt::default(), 4);
        for code in [0, 0, 1] {
            tally.count(Exit::Code(code), code);
        }
        assert_eq!(summary(&tally, Duration::from_secs(2)), "2 done, 1 failed in 2.0 s (1.5 a second)");
    }
}
