//! One line about a process, as the Linux kernel writes it in `/proc/PID/stat`.
//!
//! A process is known by its number *and* its start time: numbers are used again.

use std::io::{self, ErrorKind};

/// Processes that are looked at in one sweep; more than the kernel's usual highest number of them.
const PROCESSES_MAX: usize = 65_536;
/// Ancestors that are followed; a chain longer than this is a loop made by processes that came and went.
const ANCESTORS_MAX: usize = 64;
/// The kernel's mark of its own threads.
const PF_KTHREAD: u64 = 0x0020_0000;

/// What one line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    pub pid: i32,
    pub name: String,
    /// `R` running, `S` sleeping, `T` stopped, `Z` ended and not yet collected …
    pub state: char,
    pub parent: i32,
    pub kernel_thread: bool,
    /// User and system time together, clock ticks.
    pub cpu_ticks: u64,
    /// Clock ticks since boot.
    pub start_time: u64,
    pub rss_pages: u64,
}

impl Stat {
    /// Whether it has ended, though its parent has not collected it.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x')
    }
}

/// Reads the line of a process. None: there is no such process (any more).
///
/// # Errors
/// If the file cannot be read for another reason, or has a form that is not known.
pub fn stat(pid: i32) -> io::Result<Option<Stat>> {
    if pid <= 0 {
        return Ok(None);
    }
    match std::fs::read(format!("/proc/{pid}/stat")) {
        Ok(line) => match parse(&line) {
            Some(stat) => Ok(Some(stat)),
            None => Err(io::Error::new(ErrorKind::InvalidData, format!("/proc/{pid}/stat has an unknown form"))),
        },
        // ESRCH: it ended between open and read.
        Err(error) if error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The name may hold blanks, brackets and bytes that are no text: it ends at the *last* bracket.
fn parse(line: &[u8]) -> Option<Stat> {
    let open = line.iter().position(|byte| *byte == b'(')?;
    let close = line.iter().rposition(|byte| *byte == b')')?;
    let name = String::from_utf8_lossy(line.get(open + 1..close)?).into_owned();
    let pid = std::str::from_utf8(&line[..open]).ok()?.trim().parse().ok()?;
    let fields: Vec<&str> = std::str::from_utf8(&line[close + 1..]).ok()?.split_ascii_whitespace().collect();
    // Fields are numbered from 1 in the manual; the third, the state, is the first after the name.
    let field = |number: usize| fields.get(number - 3).copied();
    let number = |at: usize| field(at)?.parse::<u64>().ok();
    Some(Stat {
        pid,
        name,
        state: field(3)?.chars().next()?,
        parent: field(4)?.parse().ok()?,
        kernel_thread: number(9)? & PF_KTHREAD != 0,
        cpu_ticks: number(14)?.saturating_add(number(15)?),
        start_time: number(22)?,
        // The kernel may show a small negative number for an instant.
        rss_pages: field(24)?.parse::<i64>().ok()?.max(0).unsigned_abs(),
    })
}

/// The processes that there are now, in the order of their numbers.
///
/// # Errors
/// If `/proc` cannot be listed.
pub fn process_ids() -> io::Result<Vec<i32>> {
    let mut pids: Vec<i32> = std::fs::read_dir("/proc")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .take(PROCESSES_MAX)
        .collect();
    if pids.len() == PROCESSES_MAX {
        tracing::warn!(limit = PROCESSES_MAX, "more processes than are looked at; the rest is left out");
    }
    pids.sort_unstable();
    Ok(pids)
}

/// This process and those it descends from, nearest first.
#[must_use]
pub fn own_and_ancestors() -> Vec<i32> {
    let mut line = vec![i32::try_from(std::process::id()).unwrap_or(0)];
    while line.len() < ANCESTORS_MAX {
        match line.last().and_then(|pid| stat(*pid).ok().flatten()) {
            Some(stat) if stat.parent > 0 => line.push(stat.parent),
            _ => break,
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_full_of_brackets_cannot_forge_the_fields_behind_it() {
        let line = b"42 (a) R 1 (b) S 7 8 9 10 11 4194304 0 0 0 0 5 6 0 0 20 0 1 0 1234 99 77 18446744073709551615 1\n";
        let stat = parse(line).unwrap();
        assert_eq!((stat.pid, stat.name.as_str(), stat.state, stat.parent), (42, "a) R 1 (b", 'S', 7));
        assert_eq!((stat.cpu_ticks, stat.start_time, stat.rss_pages, stat.kernel_thread), (11, 1234, 77, false));
    }

    #[test]
    fn a_line_that_is_cut_is_refused_at_every_length() {
        let line = b"42 (x) S 7 8 9 10 11 4194304 0 0 0 0 5 6 0 0 20 0 1 0 1234 99 77";
        assert!(parse(line).is_some());
        for cut in 0..line.len() - 1 {
            assert!(parse(&line[..cut]).is_none(), "cut at {cut}");
        }
    }

    #[test]
    fn a_process_that_does_not_exist_is_none_and_no_error() {
        assert_eq!(stat(i32::MAX).unwrap(), None);
        assert_eq!(stat(-1).unwrap(), None);
        assert!(stat(std::process::id() as i32).unwrap().is_some());
        assert!(own_and_ancestors().len() > 1);
    }
}
