//! The weight of a whole session: `/proc/PID/autogroup`.
//!
//! Where the kernel groups processes by session, `nice` changes nothing between two sessions; this file does. It holds
//! back every process of the victim's session, and it is no quota: on an idle machine the session runs at full speed.

use std::io;
use std::time::Duration;

use super::super::target::Target;
use crate::sense::process_ids;

/// What the file says: the number of the group, never used twice until the next boot, and its nice value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Autogroup {
    pub id: u64,
    pub nice: i32,
}

/// Tries to set a value: a user's second change within 100 ms is refused by the kernel.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(110);
/// Ratio of CPU time between two neighbouring nice values.
const STEP: f64 = 1.25;

/// Reads the group of a process; `self` stands for this one. None: it has none.
pub fn read(process: &str) -> Option<Autogroup> {
    parse(&std::fs::read_to_string(format!("/proc/{process}/autogroup")).ok()?)
}

fn parse(text: &str) -> Option<Autogroup> {
    let (id, nice) = text.trim().strip_prefix("/autogroup-")?.split_once(" nice ")?;
    Some(Autogroup { id: id.parse().ok()?, nice: nice.parse().ok().filter(|nice| (-20..=19).contains(nice))? })
}

/// The group of a process for which this method works, or why it does not.
pub fn prepare(target: &Target, in_cpu_group: bool) -> Result<Autogroup, String> {
    let enabled = std::fs::read_to_string("/proc/sys/kernel/sched_autogroup_enabled").unwrap_or_default();
    if enabled.trim() != "1" {
        return Err("the kernel does not group processes by session".into());
    }
    if in_cpu_group {
        return Err("its control group decides its CPU time, not its session".into());
    }
    let found = read(&target.pid.to_string()).ok_or("the kernel names no session group for it")?;
    if read("self").is_some_and(|own| own.id == found.id) {
        return Err("it is in the same session as the holder, which would be held back with it".into());
    }
    Ok(found)
}

/// The nice value at which a session gets about `percent` of what an equal neighbour gets.
pub fn lowered(nice: i32, percent: u8) -> i32 {
    let steps = (100.0 / f64::from(percent.clamp(1, 100))).ln() / STEP.ln();
    (nice + steps.round().max(1.0) as i32).clamp(-20, 19)
}

/// Sets the value of a group through any process that is in it: the first one may have ended.
pub fn write(group: Autogroup, first: i32) -> io::Result<()> {
    let others = process_ids()?.into_iter().filter(|pid| *pid != first);
    for pid in std::iter::once(first).chain(others) {
        if read(&pid.to_string()).is_none_or(|found| found.id != group.id) {
            continue;
        }
        match set(pid, group.nice) {
            Err(error) if matches!(error.raw_os_error(), Some(libc::ESRCH | libc::ENOENT)) => {}
            done => return done,
        }
    }
    // Nobody is left in the session: the group has gone with its last process.
    Ok(())
}

fn set(pid: i32, nice: i32) -> io::Result<()> {
    let mut last = Ok(());
    for _ in 0..TRIES {
        last = std::fs::write(format!("/proc/{pid}/autogroup"), nice.to_string());
        match &last {
            Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => std::thread::sleep(PAUSE),
            _ => break,
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_line_is_read_and_anything_else_is_none() {
        assert_eq!(parse("/autogroup-9 nice -3\n"), Some(Autogroup { id: 9, nice: -3 }));
        for bad in ["", "/autogroup-9", "/autogroup-x nice 0", "/autogroup-9 nice 99", "autogroup-9 nice 0"] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_smaller_share_is_a_nicer_value_and_no_share_leaves_the_scale() {
        assert_eq!([100, 80, 50, 20, 1].map(|percent| lowered(0, percent)), [1, 1, 3, 7, 19]);
        assert_eq!(lowered(15, 10), 19);
        assert_eq!(lowered(-20, 50), -17);
    }
}
