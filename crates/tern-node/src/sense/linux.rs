//! The load of a Linux machine, from `/proc`.
//!
//! The load average counts the runnable and the uninterruptible threads of the *whole machine*, lagging by a minute.
//! It is divided by the CPUs that this process may use: those of its affinity mask, cut by the CPU quota of its control
//! group where there is one, and at least one. Where the two differ (a container with two of sixteen CPUs) the
//! ratio is too high rather than too low: such a node takes less work than it could, never more. Pressure (PSI) is given
//! beside it where the kernel keeps it; it reacts within ten seconds.

use std::path::Path;

use tern_core::observe::Reading;

use super::SenseError;
use crate::clock;

/// What the reading is made from, for people.
pub const SOURCE: &str = "/proc/loadavg";

/// Bytes of any of these files that are looked at.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// One look at this machine.
///
/// # Errors
/// If the load average cannot be read. Pressure and memory are left out instead, since a kernel may lack them.
pub fn read() -> Result<Reading, SenseError> {
    let load1 = load1(Path::new("/proc/loadavg"))?;
    let (memory_total_kib, memory_available_kib) = memory(Path::new("/proc/meminfo"));
    let cpu_pressure = text(Path::new("/proc/pressure/cpu")).ok().and_then(|text| pressure(&text));
    Ok(Reading { at: clock::now().boot, load1, cpus: cpus(), cpu_pressure, memory_total_kib, memory_available_kib })
}

/// The CPUs that this process may use; the standard library asks affinity and the quotas of both kinds of groups.
fn cpus() -> u32 {
    std::thread::available_parallelism().map_or(1, |cpus| u32::try_from(cpus.get()).unwrap_or(u32::MAX))
}

fn load1(path: &Path) -> Result<f64, SenseError> {
    let text = text(path)?;
    let load = text.split_ascii_whitespace().next().and_then(|word| word.parse::<f64>().ok());
    load.filter(|load| load.is_finite() && *load >= 0.0).ok_or_else(|| SenseError::form(path, "a load average", &text))
}

/// Total and available memory in KiB.
fn memory(path: &Path) -> (Option<u64>, Option<u64>) {
    let Ok(text) = text(path) else { return (None, None) };
    let field = |name: &str| {
        let rest = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        rest.trim().strip_suffix("kB")?.trim().parse().ok()
    };
    (field("MemTotal"), field("MemAvailable"))
}

/// `some avg10` of a pressure file, per cent.
fn pressure(text: &str) -> Option<f32> {
    let some = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let value: f32 = some.split_ascii_whitespace().find_map(|word| word.strip_prefix("avg10="))?.parse().ok()?;
    (0.0..=100.0).contains(&value).then_some(value)
}

fn text(path: &Path) -> Result<String, SenseError> {
    use std::io::Read as _;
    let mut text = String::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_string(&mut text));
    read.map(|_| text).map_err(|source| SenseError::Read { path: path.into(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn a_load_average_is_the_first_word_and_anything_else_is_refused() {
        assert_eq!(load1(file("1.25 0.22 0.27 1/94 16690\n").path()).unwrap(), 1.25);
        for bad in ["", "high 1 2", "NaN 0 0", "-1 0 0", "inf"] {
            let error = load1(file(bad).path()).unwrap_err().to_string();
            assert!(error.contains("a load average"), "{bad:?}: {error}");
        }
        assert!(load1(Path::new("/nonexistent/loadavg")).unwrap_err().to_string().contains("/nonexistent/loadavg"));
    }

    #[test]
    fn what_a_kernel_does_not_say_is_absent_and_not_zero() {
        assert_eq!(memory(file("MemTotal:  2048 kB\nMemFree: 1 kB\n").path()), (Some(2048), None));
        assert_eq!(memory(file("MemTotal: lots\nMemAvailable: 7 kB\n").path()), (None, Some(7)));
        assert_eq!(memory(Path::new("/nonexistent")), (None, None));
        assert_eq!(pressure("some avg10=1.60 avg60=1.16 avg300=0.60 total=24\nfull avg10=9.00\n"), Some(1.6));
        assert_eq!(pressure("full avg10=9.00"), None);
        assert_eq!(pressure("some avg10=nan"), None);
    }

    /// The load average as the C library reads it.
    #[expect(unsafe_code, reason = "an independent reader: the C library")]
    fn load_of_the_library() -> f64 {
        let mut load = [0f64; 1];
        // SAFETY: the array has room for the one average that is asked for.
        assert_eq!(unsafe { libc::getloadavg(load.as_mut_ptr(), 1) }, 1);
        load[0]
    }

    #[test]
    fn this_machine_can_be_read_and_agrees_with_an_independent_reader() {
        let reading = read().unwrap();
        assert!(reading.cpus >= 1 && reading.at > 0);
        assert!(reading.memory_available_kib <= reading.memory_total_kib && reading.memory_total_kib.is_some());
        // The file rounds to hundredths. Where the kernel's update, every five seconds, falls between the two looks, the
        // next two agree.
        let agree = || {
            let (own, other) = (read().unwrap().load1, load_of_the_library());
            println!("{own} and {other}");
            (own - other).abs() <= 0.05 * other + 0.01
        };
        assert!((0..3).any(|_| agree()));
    }
}
