//! The disks: how busy each is, how long its requests take, whether something waits, and what its file systems counted.
//!
//! Whether somebody suffers is told by the pressure of the whole machine, not of one disk: it is entered beside the disk with
//! the most requests in flight. A disk may be slow and nobody wait, as when the kernel writes back at leisure; that is worth
//! watching. Where no disk is at work and something waits all the same, no disk is named: it waits for storage that is not here.

use alloc::vec::Vec;

use super::finding::{Advice, Evidence, Figure, Kind, Resource, Severity, Verdict};
use super::sample::{Absent, Disk, DiskWork, FileSystem, Pressure, Sample};

/// So busy, per cent, a disk that does one thing at a time has no room. Flash does many at once, and may have some left.
const BUSY: f64 = 90.0;
/// Milliseconds from being asked for to being done, on the mean. An arm needs about ten for one request: from fifty on there is
/// a queue before it. Flash needs less than one, and twenty when it tidies up.
const WAIT_ROTATING_MS: f64 = 50.0;
const WAIT_FLASH_MS: f64 = 20.0;
/// Below so many per cent busy a slow request or two say nothing.
const WAIT_COUNTS_BUSY: f64 = 50.0;
/// So many per cent of the time something waited for a disk. A build or a journal that is written through makes about ten.
const PRESSURE: f64 = 25.0;
/// A disk that is less busy than this, per cent, is not what others wait for.
const WAITED_FOR_BUSY: f64 = 10.0;
/// One error of a file system is one too many.
const ERRORS: f64 = 1.0;

const IT: Resource = Resource::Disk;

pub(super) fn look(sample: &Sample, verdict: &mut Verdict) {
    use Figure::{DiskBusy, DiskPressure, DiskWait, FileSystemErrors};
    let disks = verdict.have(IT, None, &[DiskBusy, DiskWait], &sample.disks).unwrap_or_default();
    let pressure = verdict.have(IT, None, &[DiskPressure], &sample.disk_pressure);
    let systems = verdict.have(IT, None, &[FileSystemErrors], &sample.file_systems).unwrap_or_default();
    let waited_for = waited_for(&disks);
    for (place, disk) in disks.iter().enumerate() {
        let name = disk.name.as_str();
        let work = verdict.have(IT, Some(name), &[DiskBusy, DiskWait], &disk.work);
        let here = pressure.filter(|_| waited_for == Some(place));
        let mut evidence = here.map_or_else(Vec::new, waiting);
        if let Some(work) = work {
            evidence.extend(at_work(&work, disk.rotating, pressure.is_some()));
        }
        evidence.extend(systems.iter().filter(|system| lies_on(system, name)).map(errors));
        verdict.enter(IT, Some(name), evidence, advise);
    }
    if let Some(pressure) = pressure.filter(|_| waited_for.is_none()) {
        // Disks that could not be looked at may be busy all the same.
        let blind = sample.disks.as_ref().is_err_and(|why| *why != Absent::NoneHere);
        verdict.enter(IT, None, waiting(pressure), |_| if blind { Advice::LessDisk } else { Advice::LookBehind });
    }
    // Of a stacked device, or of one that is left out above.
    let elsewhere = |system: &&FileSystem| !disks.iter().any(|disk| lies_on(system, &disk.name));
    for system in systems.iter().filter(elsewhere) {
        verdict.enter(IT, Some(system.name.as_str()), [errors(system)].into(), advise);
    }
}

fn waiting(pressure: Pressure) -> Vec<Evidence> {
    let some = Evidence::with(Figure::DiskPressure, pressure.some, PRESSURE, Kind::Saturation, Severity::Holds);
    let full = pressure.full.map(|share| Evidence::beside(Figure::DiskStalled, share));
    [some].into_iter().chain(full).collect()
}

/// `told`: pressure says whether somebody waits.
fn at_work(work: &DiskWork, rotating: Option<bool>, told: bool) -> Vec<Evidence> {
    let mut evidence = Vec::new();
    evidence.push(Evidence::with(Figure::DiskBusy, work.busy, BUSY, Kind::Utilisation, Severity::Watch));
    if let Some(wait) = work.wait_ms {
        let at = if rotating == Some(false) { WAIT_FLASH_MS } else { WAIT_ROTATING_MS };
        let severity = if told { Severity::Watch } else { Severity::Holds };
        evidence.push(if work.busy >= WAIT_COUNTS_BUSY {
            Evidence::with(Figure::DiskWait, wait, at, Kind::Saturation, severity)
        } else {
            Evidence::beside(Figure::DiskWait, wait)
        });
    }
    evidence.push(Evidence::beside(Figure::DiskInFlight, work.in_flight));
    evidence
}

fn errors(system: &FileSystem) -> Evidence {
    Evidence::with(Figure::FileSystemErrors, system.errors as f64, ERRORS, Kind::Errors, Severity::Watch)
}

/// The place of the disk that others wait for, if they wait for a disk.
fn waited_for(disks: &[Disk]) -> Option<usize> {
    let working = disks.iter().enumerate().filter_map(|(place, disk)| Some((place, disk.work.ok()?)));
    let busy = working.filter(|(_, work)| work.busy >= WAITED_FOR_BUSY);
    let longest = busy.max_by(|(_, one), (_, other)| one.in_flight.total_cmp(&other.in_flight));
    longest.map(|(place, _)| place)
}

/// Whether a file system lies on this disk or on a partition of it: `sda1` on `sda`, `nvme0n1p2` on `nvme0n1`.
fn lies_on(system: &FileSystem, disk: &str) -> bool {
    let Some(rest) = system.name.strip_prefix(disk) else { return false };
    let number = if disk.ends_with(|c: char| c.is_ascii_digit()) { rest.strip_prefix('p') } else { Some(rest) };
    rest.is_empty() || number.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

fn advise(figure: Figure) -> Advice {
    match figure {
        Figure::FileSystemErrors => Advice::CheckDisk,
        _ => Advice::LessDisk,
    }
}
