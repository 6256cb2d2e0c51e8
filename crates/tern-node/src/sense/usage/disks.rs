//! The disks, as `/proc/diskstats` counts them.
//!
//! Whole disks only: a partition's work is its disk's, and what is stacked upon disks (`dm-`, `md`) or lies in memory or in a
//! file (`ram`, `zram`, `loop`) would name the same trouble twice. Disks that never did anything are not shown.

use std::collections::BTreeMap;

use tern_core::decide::bottleneck::{Absent, DiskWork, Measured};

/// Disks that are looked at.
const DISKS_MAX: usize = 64;
/// Bytes of a name; the kernel has 32.
const NAME_BYTES_MAX: usize = 32;
/// What their names begin with that are no disks of their own.
const NO_DISKS: [&str; 7] = ["loop", "ram", "zram", "dm-", "md", "sr", "fd"];

/// What a disk did since it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counters {
    /// Reads, writes and flushes that are done.
    done: [u64; 3],
    /// Milliseconds that each of them took together.
    took_ms: [u64; 3],
    busy_ms: u64,
    /// Milliseconds of all requests that waited or were worked on.
    in_flight_ms: u64,
}

impl Counters {
    /// It never did anything: an empty drive, or a name that nothing is behind.
    pub(super) fn is_unused(&self) -> bool {
        self.done.iter().all(|count| *count == 0) && self.in_flight_ms == 0
    }
}

/// Whole disks by name; none where no line has the known form.
pub(super) fn parse(text: &str) -> Option<BTreeMap<String, Counters>> {
    let all: BTreeMap<&str, Counters> = text.lines().filter_map(line).collect();
    let whole = |name: &str| !all.keys().any(|other| is_partition(name, other));
    let wanted = all.iter().filter(|(name, _)| {
        let other_kind = NO_DISKS.iter().any(|kind| name.starts_with(kind));
        !other_kind && whole(name)
    });
    (!all.is_empty()).then(|| wanted.take(DISKS_MAX).map(|(name, it)| ((*name).to_owned(), *it)).collect())
}

/// `major minor name reads merged sectors ms writes merged sectors ms now busy in-flight [4 of discards] [flushes ms]`
fn line(line: &str) -> Option<(&str, Counters)> {
    let mut words = line.split_ascii_whitespace();
    let name = words.nth(2).filter(|name| name.len() <= NAME_BYTES_MAX && name.chars().all(is_of_a_name))?;
    let numbers: Vec<u64> = words.map_while(|word| word.parse().ok()).collect();
    let &[reads, _, _, reads_ms, writes, _, _, writes_ms, _, busy_ms, in_flight_ms] = numbers.get(..11)? else {
        return None;
    };
    // Since Linux 5.5; before, they are part of the writes.
    let (flushes, flushes_ms) = numbers.get(15..17).map_or((0, 0), |pair| (pair[0], pair[1]));
    let counters =
        Counters { done: [reads, writes, flushes], took_ms: [reads_ms, writes_ms, flushes_ms], busy_ms, in_flight_ms };
    Some((name, counters))
}

/// A `/` in a name of a device is an `!` here, as in `/sys`.
fn is_of_a_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '!')
}

/// `sda1` of `sda`, `nvme0n1p2` of `nvme0n1`.
fn is_partition(name: &str, disk: &str) -> bool {
    let Some(rest) = name.strip_prefix(disk).filter(|rest| !rest.is_empty()) else { return false };
    let number = if disk.ends_with(|c: char| c.is_ascii_digit()) { rest.strip_prefix('p') } else { Some(rest) };
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// What a disk did in `seconds` between two looks.
pub(super) fn work(before: Counters, after: Counters, seconds: f64) -> Measured<DiskWork> {
    let mut done = 0;
    let mut took_ms = 0;
    for kind in 0..3 {
        done += after.done[kind].checked_sub(before.done[kind]).ok_or(Absent::Restarted)?;
        took_ms += since(before.took_ms[kind], after.took_ms[kind]).ok_or(Absent::Restarted)?;
    }
    let busy_ms = since(before.busy_ms, after.busy_ms).ok_or(Absent::Restarted)?;
    let in_flight_ms = since(before.in_flight_ms, after.in_flight_ms).ok_or(Absent::Restarted)?;
    let window_ms = seconds * 1e3;
    if window_ms <= 0.0 {
        return Err(Absent::Restarted);
    }
    let in_flight = in_flight_ms as f64 / window_ms;
    // Requests that are there and of which none ends take the whole window at least: so a disk that hangs is not a quick one.
    let hangs = done == 0 && in_flight >= 0.5;
    let wait_ms = if hangs { Some(window_ms) } else { (done > 0).then(|| took_ms as f64 / done as f64) };
    Ok(DiskWork { busy: (busy_ms as f64 / window_ms * 100.0).min(100.0), wait_ms, in_flight })
}

/// Milliseconds are counted in 32 bits, which are full after fifty days of one request, or sooner of many.
fn since(before: u64, after: u64) -> Option<u64> {
    match (u32::try_from(before), u32::try_from(after)) {
        (Ok(before), Ok(after)) => Some(after.wrapping_sub(before).into()),
        _ => after.checked_sub(before),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Option<Vec<String>> {
        parse(text).map(|disks| disks.into_keys().collect())
    }

    const WORK: &str = "9 0 100 40 5 0 200 60 0 80 100 0 0 0 0 2 10";

    #[test]
    fn whole_disks_are_told_from_partitions_and_from_what_is_no_disk() {
        let lines =
            ["sda", "sda1", "sda12", "nvme0n1", "nvme0n1p1", "loop0", "ram0", "zram0", "dm-0", "md127", "sr0", "sdb"];
        let text: String = lines.iter().map(|name| format!(" 8 0 {name} {WORK}\n")).collect();
        assert_eq!(names(&text).unwrap(), ["nvme0n1", "sda", "sdb"]);
        // A partition without its disk, as some containers show it, is all that there is.
        assert_eq!(names(&format!("8 1 sda1 {WORK}\n")).unwrap(), ["sda1"]);
        let unused = parse(&format!("8 0 sdq {}\n", "0 ".repeat(17))).unwrap();
        assert!(unused["sdq"].is_unused() && !parse(&text).unwrap()["sda"].is_unused());
    }

    #[test]
    fn lines_that_are_cut_or_strange_are_left_out_and_a_file_of_nothing_else_is_none() {
        let line = format!("8 0 sda {WORK}");
        let short = line.split(' ').take(13).collect::<Vec<_>>().join(" ");
        for strange in [
            "",
            "8 0",
            "nonsense",
            "8 0 sda",
            &short,
            "8 0 ../../x 1 2 3 4 5 6 7 8 9 10 11",
            "8 0 sda -1 0 0 0 0 0 0 0 0 0 0",
        ] {
            assert_eq!(parse(strange), None, "{strange:?}");
        }
        let both = format!("8 16 sdb 1 2 x\n{line}\n\u{fffd}\n");
        assert_eq!(names(&both).unwrap(), ["sda"]);
        // Kernels before 5.5, and before 4.18.
        for fields in [15, 11] {
            let old: Vec<_> = line.split(' ').take(3 + fields).collect();
            assert_eq!(parse(&old.join(" ")).unwrap()["sda"].done, [9, 5, 0]);
        }
    }

    #[test]
    fn a_disk_that_hangs_is_slow_and_one_that_begins_anew_is_not_known() {
        let at = |done, took_ms, busy_ms, in_flight_ms| Counters { done, took_ms, busy_ms, in_flight_ms };
        let before = at([10, 10, 1], [100, 100, 0], 1_000, 5_000);
        let did = |after| work(before, after, 2.0);
        let quiet = DiskWork { busy: 0.0, wait_ms: None, in_flight: 0.0 };
        assert_eq!(did(before), Ok(quiet));
        let busy = DiskWork { busy: 50.0, wait_ms: Some(20.0), in_flight: 0.25 };
        assert_eq!(did(at([20, 20, 1], [300, 300, 0], 2_000, 5_500)), Ok(busy));
        let hangs = DiskWork { busy: 100.0, wait_ms: Some(2_000.0), in_flight: 3.0 };
        assert_eq!(did(at([10, 10, 1], [100, 100, 0], 3_010, 11_000)), Ok(hangs));
        assert_eq!(did(at([9, 10, 1], [100, 100, 0], 1_000, 5_000)), Err(Absent::Restarted));
        assert_eq!(work(before, before, 0.0), Err(Absent::Restarted));
        // The counters of milliseconds are full and begin at 0.
        let full = at([0; 3], [u64::from(u32::MAX) - 9, 0, 0], u64::from(u32::MAX), 0);
        let wrapped = work(full, at([5, 0, 0], [90, 0, 0], 999, 0), 2.0);
        assert_eq!(wrapped, Ok(DiskWork { busy: 50.0, wait_ms: Some(20.0), in_flight: 0.0 }));
    }
}
