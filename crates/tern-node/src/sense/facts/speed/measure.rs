//! A fixed piece of work, timed: arithmetic, branches that cannot be foreseen, and a table that fits the first cache.
//!
//! The best of many short runs counts, in processor time: a machine that is busy with other things does not look slow,
//! and one that was asleep has the time to wake up.

use std::hint::black_box;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use tern_core::observe::facts;

/// Version of the work; a speed that was measured with another is measured again.
pub(super) const LOOP: &str = "speed-1";
/// One piece of the work on the reference machine: one core of an AMD EPYC 9004 (Zen 4) in a virtual machine, with
/// others at work beside it. Eight runs there needed 520 to 537 µs.
pub const REFERENCE: Duration = Duration::from_micros(520);

/// For this long pieces are begun.
const BUDGET: Duration = Duration::from_millis(25);
const PIECES_MIN: u32 = 5;
const PIECES_MAX: u32 = 200;
/// 16 KiB of numbers.
const NUMBERS: usize = 4096;
const ROUNDS: usize = 10;

/// The speed of the core that this runs on, in the steps that facts are told in. Absent where the system has no clock for
/// it. Takes about 25 ms; a very slow machine needs longer.
#[must_use]
pub fn measure() -> Option<u16> {
    best().and_then(told)
}

/// The time of the fastest of many pieces.
fn best() -> Option<Duration> {
    let began = Instant::now();
    let mut best: Option<Duration> = None;
    for piece in 0..PIECES_MAX {
        if piece >= PIECES_MIN && began.elapsed() > BUDGET {
            break;
        }
        let before = processor_time()?;
        black_box(work(black_box(1)));
        let took = processor_time()?.saturating_sub(before);
        best = Some(best.map_or(took, |best| best.min(took)));
    }
    best
}

fn told(best: Duration) -> Option<u16> {
    facts::speed(REFERENCE.as_secs_f64() / best.as_secs_f64())
}

/// What this thread used of the processor.
fn processor_time() -> Option<Duration> {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).ok()?;
    Some(Duration::new(u64::try_from(time.tv_sec()).ok()?, u32::try_from(time.tv_nsec()).ok()?))
}

/// One piece of the work. The number at its end depends on every step, so that no compiler can leave one out.
fn work(seed: u64) -> u64 {
    let mut state = seed;
    let mut sum = 0.5f64;
    let mut table = vec![0u32; NUMBERS];
    for _ in 0..ROUNDS {
        for entry in &mut table {
            // Marsaglia's xorshift.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *entry = (state >> 32) as u32;
        }
        table.sort_unstable();
        for pair in table.windows(2) {
            sum = sum * 0.75 + f64::from(pair[1] - pair[0]);
            state = state.rotate_left(5).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(pair[0]);
        }
    }
    // The whole part of the sum: its last bits may differ between processors.
    state ^ sum as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_work_is_the_same_at_every_measurement() {
        assert_eq!((work(1), work(2)), (work(1), work(2)));
        assert_ne!(work(1), work(2));
    }

    #[test]
    fn the_reference_has_the_speed_one_thousand_and_half_the_time_is_twice_the_speed() {
        assert_eq!(told(REFERENCE), Some(1000));
        assert_eq!([told(REFERENCE / 2), told(REFERENCE * 2)], [Some(2000), Some(500)]);
        assert_eq!(told(Duration::ZERO), Some(20_000));
    }

    #[test]
    fn this_machine_has_a_speed_that_others_believe() {
        let best = best().unwrap();
        println!("one piece of the work: {best:?}, speed {:?}", told(best));
        let speed = told(best).unwrap();
        assert!((facts::SPEED_STEP..=tern_core::words::limits::SPEED_MAX).contains(&speed));
    }
}
