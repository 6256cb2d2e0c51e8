//! When a batch stops early, and with which status it ends: parallel's rules.
//!
//! Without `--halt` the status is the number of failed tasks, 101 for more than 100. With it, reaching the mark fixes
//! the status: that of the task itself where the mark was 1, else the number (or with `%` the share) that failed, and 0
//! where success was awaited.

use tern_core::promise::Exit;
use tern_core::words::Halt;
use tern_core::words::spec::{HaltWhat, HaltWhen};

/// More than 100 failed.
pub const MANY: u8 = 101;

/// Reads `--halt`: `never`, `soon|now,fail|success|done=N|N%`, and parallel's short forms `0 1 2 -1 -2 N%`.
///
/// # Errors
/// A sentence for the user.
pub fn parse(text: &str) -> Result<Halt, String> {
    let long = match text {
        "0" => "never".into(),
        "1" => "soon,fail=1".into(),
        "2" => "now,fail=1".into(),
        "-1" => "soon,success=1".into(),
        "-2" => "now,success=1".into(),
        _ if text.ends_with('%') && text.starts_with(|c: char| c.is_ascii_digit()) => format!("soon,fail={text}"),
        _ => text.to_string(),
    };
    let wrong = || format!("`{text}` is not never, nor soon|now,fail|success|done=N (from 1) or N% (1 to 100)");
    if long == "never" {
        return Ok(Halt::default());
    }
    let (when, rest) = long.split_once(',').ok_or_else(wrong)?;
    let (what, mark) = rest.split_once('=').ok_or_else(wrong)?;
    let when = match when {
        "soon" => HaltWhen::Soon,
        "now" => HaltWhen::Now,
        _ => return Err(wrong()),
    };
    let what = match what {
        "fail" => HaltWhat::Fail,
        "success" => HaltWhat::Success,
        "done" => HaltWhat::Done,
        _ => return Err(wrong()),
    };
    let (number, percent) = mark.strip_suffix('%').map_or((mark, false), |number| (number, true));
    let count = number.parse().ok().filter(|&count: &u32| count > 0 && !(percent && count > 100)).ok_or_else(wrong)?;
    Ok(Halt { when, what, count, percent })
}

/// Counts ends of tasks.
#[derive(Clone, Debug)]
pub struct Tally {
    halt: Halt,
    total: u32,
    pub succeeded: u32,
    pub failed: u32,
    pub cancelled: u32,
    /// Fixed when the mark of `--halt` was reached.
    fixed: Option<u8>,
}

/// What to do with a task's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Show,
    /// This end reached the mark of `--halt`: show it, and say so.
    ShowAndHalt,
    /// It ended because the batch was stopped.
    Drop,
}

impl Tally {
    #[must_use]
    pub fn new(halt: Halt, total: u32) -> Self {
        Self { halt, total, succeeded: 0, failed: 0, cancelled: 0, fixed: None }
    }

    /// Tasks that ran to their end.
    #[must_use]
    pub fn ended(&self) -> u32 {
        self.succeeded + self.failed
    }

    /// Counts one end.
    pub fn count(&mut self, exit: Exit, status: u8) -> Verdict {
        let by_us = matches!(exit, Exit::Cancelled | Exit::Checkpointed | Exit::Void);
        if by_us || (self.fixed.is_some() && self.halt.when == HaltWhen::Now) {
            self.cancelled += 1;
            return Verdict::Drop;
        }
        if exit.is_success() {
            self.succeeded += 1;
        } else {
            self.failed += 1;
        }
        if self.fixed.is_none() && self.reaches_mark(exit) {
            self.fixed = Some(self.status_at_mark(status));
            return Verdict::ShowAndHalt;
        }
        Verdict::Show
    }

    fn reaches_mark(&self, exit: Exit) -> bool {
        let reached = match self.halt.what {
            _ if self.halt.when == HaltWhen::Never => return false,
            HaltWhat::Fail if !exit.is_success() => self.failed,
            HaltWhat::Success if exit.is_success() => self.succeeded,
            HaltWhat::Done => self.ended(),
            HaltWhat::Fail | HaltWhat::Success => return false,
        };
        u64::from(reached) * 100 >= self.mark_in_hundredths()
    }

    fn mark_in_hundredths(&self) -> u64 {
        let unit = if self.halt.percent { self.total } else { 100 };
        u64::from(self.halt.count) * u64::from(unit)
    }

    fn status_at_mark(&self, status: u8) -> u8 {
        match self.halt.what {
            HaltWhat::Success => 0,
            HaltWhat::Fail | HaltWhat::Done if self.mark_in_hundredths() == 100 => status,
            HaltWhat::Fail | HaltWhat::Done if self.halt.percent => share(self.failed, self.total),
            HaltWhat::Fail | HaltWhat::Done => number(self.failed),
        }
    }

    /// The status of the whole.
    #[must_use]
    pub fn status(&self) -> u8 {
        self.fixed.unwrap_or_else(|| {
            let share_counts = self.halt.when != HaltWhen::Never && self.halt.percent;
            if share_counts { share(self.failed, self.ended().max(1)) } else { number(self.failed) }
        })
    }
}

fn number(failed: u32) -> u8 {
    failed.min(MANY.into()) as u8
}

/// Percent, rounded up.
fn share(failed: u32, of: u32) -> u8 {
    (u64::from(failed) * 100).div_ceil(u64::from(of)).min(100) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The status after tasks with these statuses ended in this order, and how many were shown.
    fn check(halt: &str, statuses: &[u8]) -> (u8, usize) {
        let mut tally = Tally::new(parse(halt).expect("is valid"), statuses.len() as u32);
        let shown = statuses.iter().filter(|&&status| tally.count(Exit::Code(status), status) != Verdict::Drop).count();
        (tally.status(), shown)
    }

    #[test]
    fn without_halt_failures_are_counted_up_to_101() {
        assert_eq!(check("never", &[0, 3, 4, 0]).0, 2);
        assert_eq!([100, 101, 150].map(|count| check("never", &vec![1; count]).0), [100, 101, 101]);
    }

    /// Statuses as GNU parallel 20221122 gave them for the same tasks with -j1.
    #[test]
    fn the_status_with_halt_is_parallels() {
        assert_eq!(check("now,fail=1", &[0, 3]).0, 3);
        assert_eq!(check("soon,fail=2", &[0, 3, 4]).0, 2);
        assert_eq!(check("now,success=1", &[4, 3, 0]).0, 0);
        assert_eq!(check("now,done=2", &[4, 3]).0, 2);
        assert_eq!(check("soon,done=1", &[0]).0, 0);
        assert_eq!(check("soon,success=2", &[0, 3, 4]).0, 2);
        assert_eq!(check("soon,fail=9", &[0, 3, 4]).0, 2);
        assert_eq!(check("soon,fail=100%", &[0, 3, 4]).0, 67);
        assert_eq!(check("soon,fail=1%", &[0, 3, 4]).0, 34);
        assert_eq!(check("now,fail=50%", &[3, 4, 5, 0]).0, 50);
        assert_eq!(check("1", &[0, 3]).0, 3);
        assert_eq!(check("-1", &[3, 0]).0, 0);
    }

    #[test]
    fn now_drops_what_ends_later_and_soon_shows_it() {
        assert_eq!(check("now,fail=1", &[0, 3, 5, 0]), (3, 2));
        assert_eq!(check("soon,fail=1", &[0, 3, 5, 0]), (3, 4));
        let mut tally = Tally::new(Halt::default(), 2);
        assert_eq!(tally.count(Exit::Cancelled, 130), Verdict::Drop);
        assert_eq!((tally.status(), tally.cancelled), (0, 1));
    }

    #[test]
    fn a_signal_gives_128_and_its_number() {
        let mut tally = Tally::new(parse("now,fail=1").expect("is valid"), 2);
        assert_eq!(tally.count(Exit::Signal(9), 137), Verdict::ShowAndHalt);
        assert_eq!(tally.status(), 137);
    }

    #[test]
    fn what_is_no_halt_is_refused() {
        for text in
            ["", "bad", "now", "soon,fail", "soon,fail=", "soon,fail=0", "soon,fail=101%", "now,bad=1", "x%", "-3"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(parse("5%"), parse("soon,fail=5%"));
    }
}
