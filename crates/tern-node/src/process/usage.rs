//! What a task used, as far as the kernel can tell it.
//!
//! Until its program begins, a child lives in the warden's memory (it is not copied), and the kernel counts the warden's
//! peak as the child's. So a figure up to that peak says nothing of the task, and is given as unknown.

use std::fs;
use std::time::{Duration, Instant};

/// How old the known peak may be. It hardly grows after the start.
const AGE_MAX: Duration = Duration::from_secs(1);
/// What it may grow by in that time.
const GROWTH_KIB: u32 = 512;

/// What an attempt used.
#[derive(Default)]
pub struct Usage {
    pub ran_ns: u64,
    /// Microseconds; 0 where unknown.
    pub cpu_us: u64,
    /// KiB; 0 where unknown.
    pub rss_kib: u32,
}

/// The peak of this process, under which a child's cannot be seen.
#[derive(Default)]
pub struct Floor {
    kib: u32,
    read: Option<Instant>,
}

impl Floor {
    /// The status and usage of a child that has ended; None if it has not.
    #[expect(unsafe_code, reason = "no safe wait tells what the child used")]
    pub fn reap(&mut self, pid: i32) -> Option<(i32, Usage)> {
        let mut status = 0;
        // SAFETY: the kernel fills both.
        let (reaped, used) = unsafe {
            let mut used: libc::rusage = std::mem::zeroed();
            (libc::wait4(pid, &raw mut status, libc::WNOHANG, &raw mut used), used)
        };
        let micros = |time: libc::timeval| time.tv_sec.unsigned_abs() * 1_000_000 + time.tv_usec.unsigned_abs();
        (reaped == pid).then(|| {
            let peak = u32::try_from(used.ru_maxrss).unwrap_or(0);
            let cpu_us = micros(used.ru_utime) + micros(used.ru_stime);
            (status, Usage { ran_ns: 0, cpu_us, rss_kib: if peak > self.floor() { peak } else { 0 } })
        })
    }

    fn floor(&mut self) -> u32 {
        if self.read.is_none_or(|read| read.elapsed() > AGE_MAX) {
            self.read = Some(Instant::now());
            // Without it nothing is known: then nothing is told either.
            self.kib = own_peak().map_or(u32::MAX, |peak| peak.saturating_add(GROWTH_KIB));
        }
        self.kib
    }
}

fn own_peak() -> Option<u32> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}
