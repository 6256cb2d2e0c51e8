//! Stopping and continuing in turn, so that a process gets its share of CPU time and no more.
//!
//! What counts is the CPU time that the process really used, not how long it was allowed to run: a process with four
//! busy threads is stopped four times as soon, and one that had to wait for a busy machine may run longer. Time is paid
//! in as it passes (share × time) and paid out as the process uses it; at nothing it is stopped, and it goes on when
//! enough for a turn has come together.

/// A turn and the pause after it, for one busy thread. Shorter is smoother and wakes the holder more often.
const PERIOD_NS: f64 = 100_000_000.0;
/// The shortest sleep between looks.
const STEP_NS_MIN: f64 = 1_000_000.0;
/// The least that must come together before the process goes on.
const TURN_NS_MIN: f64 = 1_000_000.0;

/// A look that is late by up to this costs the process nothing.
const LATE_NS: f64 = 50_000_000.0;
/// The most that a process can owe: what it used while the holder was late.
const DEBT_NS_MAX: f64 = 1_000_000_000.0;
/// Before it was seen running: short first turns, whatever it is.
const WIDTH_UNKNOWN: f64 = 16.0;

/// What the process shall do until the next look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    Run,
    Stop,
}

/// The account of one process.
#[derive(Clone, Debug)]
pub struct DutyCycle {
    /// CPUs, 0.01 to 1.
    share: f64,
    /// Nanoseconds of CPU time that it may still use; below nothing if a look came late.
    credit: f64,
    last: Option<(u64, u64)>,
    turn: Turn,
    /// CPUs that it used when it last ran. The next turn is as long as that suggests.
    width: f64,
}

impl DutyCycle {
    #[must_use]
    pub fn new(percent: u8) -> Self {
        let share = f64::from(percent.clamp(1, 100)) / 100.0;
        let mut new = Self { share, credit: 0.0, last: None, turn: Turn::Run, width: WIDTH_UNKNOWN };
        new.credit = new.full();
        new
    }

    /// What one busy thread uses up in a turn beyond what comes in meanwhile.
    fn full(&self) -> f64 {
        (PERIOD_NS * self.share * (1.0 - self.share)).max(TURN_NS_MIN)
    }

    /// The most that is saved: a turn, and what comes in while a look is late. A process that slept for an hour cannot
    /// burn for half of one.
    fn cap(&self) -> f64 {
        self.full() + LATE_NS * self.share
    }

    /// Takes the time and the CPU time that the process has used so far (nanoseconds), and says what it shall do for how
    /// many nanoseconds until the next look.
    pub fn look(&mut self, mono_ns: u64, cpu_ns: u64) -> (Turn, u64) {
        let (then, before) = self.last.replace((mono_ns, cpu_ns)).unwrap_or((mono_ns, cpu_ns));
        let (passed, used) = (mono_ns.saturating_sub(then) as f64, cpu_ns.saturating_sub(before) as f64);
        self.credit = (self.credit + passed * self.share - used).clamp(-DEBT_NS_MAX, self.cap());
        if self.turn == Turn::Run && passed > 0.0 {
            self.width = (used / passed).max(1.0);
        }
        if self.credit <= 0.0 {
            self.turn = Turn::Stop;
        } else if self.credit >= self.full() - 1.0 {
            self.turn = Turn::Run;
        }
        let wait = match self.turn {
            Turn::Stop => (self.full() - self.credit) / self.share,
            Turn::Run => (self.credit / (self.width - self.share).max(0.05)).min(PERIOD_NS),
        };
        // Rounded up: to look one nanosecond too early would cost a whole further look.
        (self.turn, wait.max(STEP_NS_MIN).ceil() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CPU time over time that a process with so many busy threads gets, where the machine gives it `given` of what it asks.
    fn gets(percent: u8, threads: f64, given: impl Fn(u64) -> f64, late_ns: u64) -> f64 {
        let (mut duty, mut now, mut cpu) = (DutyCycle::new(percent), 0u64, 0.0f64);
        let mut turns = 0;
        while now < 20_000_000_000 {
            let (turn, wait) = duty.look(now, cpu as u64);
            let step = wait + late_ns;
            now += step;
            if turn == Turn::Run {
                cpu += step as f64 * threads * given(now);
            }
            turns += 1;
        }
        assert!(turns < 20_000, "{turns} looks in 20 s");
        cpu / now as f64
    }

    #[test]
    fn a_busy_process_gets_its_share_whatever_its_threads_and_the_lateness_of_looks() {
        for percent in [1, 5, 20, 50, 80, 95] {
            for threads in [1.0, 2.0, 4.0, 16.0] {
                for late in [0, 200_000, 3_000_000] {
                    let (share, got) = (f64::from(percent) / 100.0, gets(percent, threads, |_| 1.0, late));
                    assert!(
                        (got - share).abs() <= 0.1 * share + 0.002,
                        "{percent} %, {threads} threads, late by {late}: {got}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_a_busy_machine_withheld_is_made_up_for() {
        let got = gets(50, 1.0, |now| if now / 70_000_000 % 2 == 0 { 1.0 } else { 0.45 }, 0);
        assert!((got - 0.5).abs() < 0.03, "{got}");
    }

    #[test]
    fn one_busy_thread_at_all_of_one_cpu_is_never_stopped() {
        let mut duty = DutyCycle::new(100);
        let mut now = 0;
        for _ in 0..1000 {
            let (turn, wait) = duty.look(now, now);
            assert_eq!(turn, Turn::Run);
            now += wait;
        }
    }

    #[test]
    fn an_idle_process_is_left_alone_and_a_long_sleep_saves_no_more_than_a_turn() {
        let mut duty = DutyCycle::new(50);
        assert_eq!(duty.look(0, 0).0, Turn::Run);
        assert_eq!(duty.look(3_600_000_000_000, 0).0, Turn::Run);
        assert_eq!(
            duty.look(3_600_100_000_000, 105_000_000).0,
            Turn::Stop,
            "an hour of sleep is not half an hour to burn"
        );
    }
}
