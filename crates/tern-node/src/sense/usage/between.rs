//! What lies between two looks: shares, rates and means, in the units in which they are judged.
//!
//! A counter that went backwards belongs to something that was replaced in between; its figure is absent then.

use std::time::Duration;

use tern_core::decide::bottleneck::{
    Absent, Cpu, CpuTime, Disk, Figure, Link, Measured, Memory, Pressure, Sample, Tcp,
};

use super::look::Look;
use super::text::{Ticks, Waited};
use super::{disks, links};
use crate::sense::facts::Root;

/// Looks at the machine, waits for `window`, and looks again. Blocks its thread for that long. The queue is not the machine's
/// to tell: it is absent.
#[must_use]
pub fn sample(root: &Root, window: Duration) -> Sample {
    if !cfg!(target_os = "linux") {
        return nothing(Absent::System);
    }
    let before = Look::at(root);
    std::thread::sleep(window);
    let after = Look::at(root);
    between(root, &before, &after, after.at.saturating_duration_since(before.at).as_secs_f64())
}

/// The file that a figure comes from; none for those of the queue.
#[must_use]
pub const fn source(figure: Figure) -> Option<&'static str> {
    Some(match figure {
        Figure::CpuBusy | Figure::CpuStolen => "/proc/stat",
        Figure::CpuPressure => "/proc/pressure/cpu",
        Figure::Load => "/proc/loadavg",
        Figure::MemoryAvailable => "/proc/meminfo",
        Figure::MemoryPressure | Figure::MemoryStalled => "/proc/pressure/memory",
        Figure::SwappedIn | Figure::Killed => "/proc/vmstat",
        Figure::DiskBusy | Figure::DiskWait | Figure::DiskInFlight => "/proc/diskstats",
        Figure::DiskPressure | Figure::DiskStalled => "/proc/pressure/io",
        Figure::FileSystemErrors => "/sys/fs/ext4",
        Figure::LinkUsed => "/sys/class/net",
        Figure::LinkErrors | Figure::LinkDropped => "/proc/net/dev",
        Figure::SentAgain => "/proc/net/snmp",
        Figure::SlotsUsed | Figure::SlotsOpen | Figure::Waiting | Figure::OldestWait => return None,
    })
}

fn nothing(why: Absent) -> Sample {
    Sample {
        seconds: 0.0,
        cpu: Cpu { time: Err(why), pressure: Err(why), load: Err(why) },
        memory: Memory { available: Err(why), pressure: Err(why), swapped_in: Err(why), killed: Err(why) },
        disks: Err(why),
        disk_pressure: Err(why),
        file_systems: Err(why),
        links: Err(why),
        tcp: Err(why),
        queue: Err(Absent::NoAgent),
    }
}

/// `seconds` lie between the looks.
pub(super) fn between(root: &Root, before: &Look, after: &Look, seconds: f64) -> Sample {
    let cpus = after.ticks.map(|ticks| f64::from(ticks.cpus));
    Sample {
        seconds,
        cpu: Cpu {
            time: both(&before.ticks, &after.ticks).and_then(|(before, after)| cpu_time(before, after)),
            pressure: pressure(&before.cpu, &after.cpu, seconds).map(|pressure| pressure.some),
            load: after.load1.and_then(|load| Ok(load / cpus?)),
        },
        memory: Memory {
            available: after.available,
            pressure: pressure(&before.memory, &after.memory, seconds),
            swapped_in: swapped_in(&before.swapped_in, &after.swapped_in, seconds),
            killed: both(&before.killed, &after.killed).and_then(|(before, after)| since(before, after)),
        },
        disks: all_disks(root, before, after, seconds),
        disk_pressure: pressure(&before.disk, &after.disk, seconds),
        file_systems: after.file_systems.clone(),
        links: all_links(root, before, after, seconds),
        tcp: both(&before.tcp, &after.tcp)
            .and_then(|(before, after)| Ok(Tcp { sent: since(before.0, after.0)?, again: since(before.1, after.1)? })),
        queue: Err(Absent::NoAgent),
    }
}

fn both<T: Copy>(before: &Measured<T>, after: &Measured<T>) -> Measured<(T, T)> {
    Ok(((*before)?, (*after)?))
}

fn since(before: u64, after: u64) -> Measured<u64> {
    after.checked_sub(before).ok_or(Absent::Restarted)
}

fn cpu_time(before: Ticks, after: Ticks) -> Measured<CpuTime> {
    // The time that was waited for a disk may count a little backwards: that is nothing, and no new beginning.
    let spent: Vec<u64> = before.fields.iter().zip(after.fields).map(|(then, now)| now.saturating_sub(*then)).collect();
    let all = spent.iter().sum::<u64>() as f64;
    let &[_, _, _, idle, iowait, _, _, steal] = spent.as_slice() else { return Err(Absent::Form) };
    if all <= 0.0 {
        return Err(Absent::Restarted);
    }
    let share = |ticks: f64| ticks / all * 100.0;
    Ok(CpuTime { busy: share(all - idle as f64 - iowait as f64), stolen: share(steal as f64) })
}

fn pressure(before: &Measured<Waited>, after: &Measured<Waited>, seconds: f64) -> Measured<Pressure> {
    let (before, after) = both(before, after)?;
    if seconds <= 0.0 {
        return Err(Absent::Restarted);
    }
    let share = |us: u64| (us as f64 / (seconds * 1e6) * 100.0).min(100.0);
    let full = before.full_us.zip(after.full_us).map(|(before, after)| since(before, after)).transpose()?;
    Ok(Pressure { some: share(since(before.some_us, after.some_us)?), full: full.map(share) })
}

/// KiB a second.
fn swapped_in(before: &Measured<u64>, after: &Measured<u64>, seconds: f64) -> Measured<f64> {
    let (before, after) = both(before, after)?;
    let pages = since(before, after)?;
    if seconds <= 0.0 {
        return Err(Absent::Restarted);
    }
    Ok(pages as f64 * page_kib() / seconds)
}

fn page_kib() -> f64 {
    let bytes = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten();
    bytes.filter(|bytes| *bytes > 0).unwrap_or(4096) as f64 / 1024.0
}

/// Those that were there at both looks.
fn all_disks(root: &Root, before: &Look, after: &Look, seconds: f64) -> Measured<Vec<Disk>> {
    let (before, after) = (before.disks.as_ref().map_err(|why| *why)?, after.disks.as_ref().map_err(|why| *why)?);
    let disk = |(name, now): (&String, &disks::Counters)| {
        let then = before.get(name)?;
        let rotating = root.number(format!("sys/block/{name}/queue/rotational")).map(|number| number != 0);
        Some(Disk { name: name.clone(), rotating, work: disks::work(*then, *now, seconds) })
    };
    some(after.iter().filter(|(_, now)| !now.is_unused()).filter_map(disk).collect())
}

fn all_links(root: &Root, before: &Look, after: &Look, seconds: f64) -> Measured<Vec<Link>> {
    let (before, after) = (before.links.as_ref().map_err(|why| *why)?, after.links.as_ref().map_err(|why| *why)?);
    let link = |(name, now): (&String, &links::Counters)| {
        let then = before.get(name)?;
        // Not said at all, or −1: a radio, or an interface of a virtual machine.
        let speed = root.number(format!("sys/class/net/{name}/speed")).and_then(|speed| u32::try_from(speed).ok());
        let speed_mbit = speed.filter(|speed| *speed > 0).ok_or(Absent::SpeedUnknown);
        Some(Link { name: name.clone(), speed_mbit, traffic: links::traffic(*then, *now, seconds) })
    };
    some(after.iter().filter(|(_, now)| !now.is_unused()).filter_map(link).collect())
}

fn some<T>(all: Vec<T>) -> Measured<Vec<T>> {
    if all.is_empty() { Err(Absent::NoneHere) } else { Ok(all) }
}
