//! The forms of the kernel's small files about processors, memory, pressure and TCP.
//!
//! Each function takes the text of one file and gives what is needed of it, or nothing where the form is not the known one:
//! what is read may be cut, or written by a container.

/// CPU time of the whole machine since boot, in clock ticks, and how many processors there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticks {
    /// user, nice, system, idle, iowait, irq, softirq, steal
    pub fields: [u64; 8],
    pub cpus: u32,
}

/// Microseconds since boot in which something waited, and in which everything did; the second is not kept by older kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Waited {
    pub some_us: u64,
    pub full_us: Option<u64>,
}

/// `/proc/stat`
pub(super) fn ticks(text: &str) -> Option<Ticks> {
    let all = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let mut fields = [0; 8];
    let mut words = all.split_ascii_whitespace();
    for (place, field) in fields.iter_mut().enumerate() {
        match words.next() {
            Some(word) => *field = word.parse().ok()?,
            // Kernels before 2.6.11 know no steal.
            None if place == 7 => {}
            None => return None,
        }
    }
    let one = |line: &&str| line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let cpus = u32::try_from(text.lines().filter(one).count()).ok().filter(|cpus| *cpus > 0)?;
    Some(Ticks { fields, cpus })
}

/// `/proc/loadavg`
pub(super) fn load1(text: &str) -> Option<f64> {
    let load: f64 = text.split_ascii_whitespace().next()?.parse().ok()?;
    (load.is_finite() && load >= 0.0).then_some(load)
}

/// `/proc/pressure/…`
pub(super) fn waited(text: &str) -> Option<Waited> {
    let total = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_ascii_whitespace().find_map(|word| word.strip_prefix("total="))?.parse().ok()
    };
    Some(Waited { some_us: total("some ")?, full_us: total("full ") })
}

/// `/proc/meminfo`: what a new process could have, per cent of all.
pub(super) fn available(text: &str) -> Option<f64> {
    let field = |name: &str| -> Option<u64> {
        let rest = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        rest.trim().strip_suffix("kB")?.trim().parse().ok()
    };
    let (total, available) = (field("MemTotal")?, field("MemAvailable")?);
    (total > 0).then(|| (available as f64 / total as f64 * 100.0).min(100.0))
}

/// A line `name number`, as in `/proc/vmstat`.
pub(super) fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

/// `/proc/net/snmp`: segments sent, and those sent again. Names stand in one line and numbers in the next.
pub(super) fn tcp(text: &str) -> Option<(u64, u64)> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Tcp:"));
    let (names, numbers) = (lines.next()?, lines.next()?);
    let number = |name: &str| {
        let place = names.split_ascii_whitespace().position(|other| other == name)?;
        numbers.split_ascii_whitespace().nth(place)?.parse().ok()
    };
    Some((number("OutSegs")?, number("RetransSegs")?))
}
