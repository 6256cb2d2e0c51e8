//! One look at all counters of the kernel that tell how the machine is used.
//!
//! Every counter is there, or the reason is why it is not. A look takes a few milliseconds; it wakes no disk and no device.

use std::collections::BTreeMap;
use std::time::Instant;

use tern_core::decide::bottleneck::{Absent, FileSystem, Measured};

use super::text::{self, Ticks, Waited};
use super::{disks, links};
use crate::sense::facts::Root;

/// File systems that are looked at.
const FILE_SYSTEMS_MAX: usize = 64;

/// The counters at one instant.
pub(super) struct Look {
    pub at: Instant,
    pub ticks: Measured<Ticks>,
    pub load1: Measured<f64>,
    pub cpu: Measured<Waited>,
    pub memory: Measured<Waited>,
    pub disk: Measured<Waited>,
    /// Per cent of the memory.
    pub available: Measured<f64>,
    /// Pages read from swap since boot.
    pub swapped_in: Measured<u64>,
    /// Processes that were ended for want of memory since boot.
    pub killed: Measured<u64>,
    pub disks: Measured<BTreeMap<String, disks::Counters>>,
    pub file_systems: Measured<Vec<FileSystem>>,
    pub links: Measured<BTreeMap<String, links::Counters>>,
    /// Segments sent, and sent again, since boot.
    pub tcp: Measured<(u64, u64)>,
}

impl Look {
    pub(super) fn at(root: &Root) -> Self {
        let vmstat = read(root, "proc/vmstat");
        let of_vmstat =
            |name| vmstat.as_ref().map_err(|why| *why).and_then(|it| text::field(it, name).ok_or(Absent::Form));
        Self {
            at: Instant::now(),
            disks: known(root, "proc/diskstats", disks::parse),
            ticks: known(root, "proc/stat", text::ticks),
            cpu: known(root, "proc/pressure/cpu", text::waited),
            memory: known(root, "proc/pressure/memory", text::waited),
            disk: known(root, "proc/pressure/io", text::waited),
            links: known(root, "proc/net/dev", links::parse).map(|all| with_device(root, all)),
            tcp: known(root, "proc/net/snmp", text::tcp),
            load1: known(root, "proc/loadavg", text::load1),
            available: known(root, "proc/meminfo", text::available),
            swapped_in: of_vmstat("pswpin"),
            killed: of_vmstat("oom_kill"),
            file_systems: file_systems(root),
        }
    }
}

fn read(root: &Root, path: &str) -> Measured<String> {
    // Where the kernel was told to keep no pressure the file is there and cannot be read.
    let absent = || if root.has(path) { Absent::Unreadable } else { Absent::NoFile };
    root.text(path).ok_or_else(absent)
}

fn known<T>(root: &Root, path: &str, parse: impl Fn(&str) -> Option<T>) -> Measured<T> {
    read(root, path).and_then(|text| parse(&text).ok_or(Absent::Form))
}

/// Those with a device behind them that are up; all, where none has one.
fn with_device(root: &Root, all: BTreeMap<String, links::Counters>) -> BTreeMap<String, links::Counters> {
    let has = |name: &String| root.has(format!("sys/class/net/{name}/device"));
    let any = all.keys().any(has);
    let down =
        |name: &String| root.text(format!("sys/class/net/{name}/operstate")).is_some_and(|state| state == "down");
    all.into_iter().filter(|(name, _)| (!any || has(name)) && !down(name)).collect()
}

/// Of the kinds of file systems only this one tells its errors in a file.
fn file_systems(root: &Root) -> Measured<Vec<FileSystem>> {
    let names = root.names("sys/fs/ext4").ok_or(Absent::NoneHere)?;
    let counted = names.into_iter().filter_map(|name| {
        let errors = root.number(format!("sys/fs/ext4/{name}/errors_count"))?;
        Some(FileSystem { name, errors: u64::try_from(errors).ok()? })
    });
    let counted: Vec<FileSystem> = counted.take(FILE_SYSTEMS_MAX).collect();
    if counted.is_empty() { Err(Absent::NoneHere) } else { Ok(counted) }
}
