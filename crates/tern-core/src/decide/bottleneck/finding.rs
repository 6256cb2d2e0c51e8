//! What is said of a machine: its parts with their figures, those that hold it back, and what is not known.
//!
//! Evidence is a figure with its bound. A figure without a bound explains the others and names nobody.

use alloc::string::String;
use alloc::vec::Vec;

use serde::Serialize;

use super::sample::{Absent, Cause};

/// A part that can be short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    Cpu,
    Memory,
    Disk,
    Network,
    /// The tasks that wait on this node.
    Queue,
}

/// How a part shows that it is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Nearly all of it is used.
    Utilisation,
    /// Something waits for it.
    Saturation,
    /// Something of it went wrong.
    Errors,
}

/// How bad that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nothing waits for it yet, or only what somebody wanted to wait.
    Watch,
    /// Work waits or fails for it.
    Holds,
}

/// What a number is. The word in JSON is stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// Per cent of the time.
    CpuBusy,
    /// Per cent of the time in which something waited for a processor.
    CpuPressure,
    /// Per cent of the time that the host gave to others.
    CpuStolen,
    /// Load average over processors.
    Load,
    /// Per cent of the memory; less is worse.
    MemoryAvailable,
    /// Per cent of the time in which something waited for memory.
    MemoryPressure,
    /// Per cent of the time in which everything did.
    MemoryStalled,
    /// KiB a second.
    SwappedIn,
    /// Processes.
    Killed,
    /// Per cent of the time.
    DiskBusy,
    /// Milliseconds a request.
    DiskWait,
    /// Requests.
    DiskInFlight,
    /// Per cent of the time in which something waited for a disk.
    DiskPressure,
    /// Per cent of the time in which everything did.
    DiskStalled,
    /// Errors of a file system since its last check.
    FileSystemErrors,
    /// Per cent of the link, in the busier direction.
    LinkUsed,
    /// Per cent of the packets.
    LinkErrors,
    /// Per cent of the packets.
    LinkDropped,
    /// Per cent of the segments of all connections.
    SentAgain,
    /// Per cent of the open slots.
    SlotsUsed,
    /// Slots.
    SlotsOpen,
    /// Tasks.
    Waiting,
    /// Seconds since the oldest job of which tasks wait was accepted.
    OldestWait,
}

impl Figure {
    /// Whether less of it is worse.
    #[must_use]
    pub const fn falls(self) -> bool {
        matches!(self, Self::MemoryAvailable)
    }
}

/// From where on a figure says something, and what it says then.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    /// In the unit of the figure; the bound itself is beyond it.
    pub at: f64,
    pub kind: Kind,
    pub severity: Severity,
}

/// A figure as it was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evidence {
    pub figure: Figure,
    pub value: f64,
    /// None: it explains the others.
    pub bound: Option<Bound>,
}

impl Evidence {
    /// A figure that explains others.
    #[must_use]
    pub const fn beside(figure: Figure, value: f64) -> Self {
        Self { figure, value, bound: None }
    }

    /// A figure that counts from `at` on.
    #[must_use]
    pub const fn with(figure: Figure, value: f64, at: f64, kind: Kind, severity: Severity) -> Self {
        Self { figure, value, bound: Some(Bound { at, kind, severity }) }
    }

    /// The bound, where the figure is beyond it. What is not a number is beyond nothing.
    #[must_use]
    pub fn beyond(&self) -> Option<Bound> {
        let over = |bound: &Bound| if self.figure.falls() { self.value <= bound.at } else { self.value >= bound.at };
        self.bound.filter(over)
    }

    /// How many times the bound it is: what orders figures of different units. At least 1 beyond the bound, and finite.
    pub(super) fn strength(&self) -> f64 {
        /// A whole times what no measure tells apart any more.
        const MOST: f64 = 1e6;
        let Some(bound) = self.bound else { return 0.0 };
        let (part, whole) = if self.figure.falls() { (bound.at, self.value) } else { (self.value, bound.at) };
        // Nothing over nothing is as bad as nothing at all.
        if whole > 0.0 { (part / whole).clamp(0.0, MOST) } else { MOST }
    }
}

/// What may be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Advice {
    /// Run less at once, or elsewhere; see who takes the processors.
    LessCpu,
    /// The host of this virtual machine has to give it more.
    AskHost,
    /// Run less at once; see who takes the memory.
    LessMemory,
    /// See what the kernel ended, and give tasks their need of memory.
    SayMemory,
    /// Write and read less at once, or use a faster disk.
    LessDisk,
    /// Something waits for storage, and no disk here is busy: a limit of its group, or storage on another machine.
    LookBehind,
    /// Check the file system and the disk below it.
    CheckDisk,
    /// Send less at once, or over a faster link.
    LessTraffic,
    /// Check cable, port and driver.
    CheckLink,
    /// Packets get lost on the way: look for the hop that loses them.
    LookAtWay,
    /// The processors have room: more slots would use it.
    MoreSlots,
    /// All slots work: another machine would help.
    MoreMachines,
    /// By why tasks wait.
    Undo(Cause),
}

/// A part that was looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    pub resource: Resource,
    /// Which of several: a disk, an interface, a cause of waiting. None: there is one.
    pub which: Option<String>,
    pub evidence: Vec<Evidence>,
}

/// A part that is named.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    pub part: Part,
    /// Of the figure that is worst.
    pub kind: Kind,
    pub severity: Severity,
    pub advice: Advice,
    pub(super) strength: f64,
}

/// A figure that nobody has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    pub resource: Resource,
    pub which: Option<String>,
    pub figure: Figure,
    pub because: Absent,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// What holds work back first, then what is worth watching; each the strongest first.
    pub findings: Vec<Finding>,
    /// Parts that were looked at and are well.
    pub well: Vec<Part>,
    pub missing: Vec<Missing>,
}

impl Verdict {
    /// Whether anything was measured at all.
    #[must_use]
    pub const fn saw_something(&self) -> bool {
        !self.findings.is_empty() || !self.well.is_empty()
    }

    /// Enters a part: named where a figure is beyond its bound. `advise` is asked for the worst of them.
    pub(super) fn enter(
        &mut self,
        resource: Resource,
        which: Option<&str>,
        evidence: Vec<Evidence>,
        advise: impl Fn(Figure) -> Advice,
    ) {
        if evidence.is_empty() {
            return;
        }
        let beyond = evidence.iter().filter_map(|it| Some((it, it.beyond()?)));
        let worst = beyond.max_by(|(one, one_bound), (other, other_bound)| {
            let rank = |bound: &Bound| (bound.severity, bound.kind);
            rank(one_bound).cmp(&rank(other_bound)).then(one.strength().total_cmp(&other.strength()))
        });
        let named = worst.map(|(worst, bound)| (worst.figure, worst.strength(), bound));
        let part = Part { resource, which: which.map(String::from), evidence };
        match named {
            None => self.well.push(part),
            Some((figure, strength, Bound { kind, severity, .. })) => {
                self.findings.push(Finding { part, kind, severity, advice: advise(figure), strength });
            }
        }
    }

    pub(super) fn miss(&mut self, resource: Resource, which: Option<&str>, figures: &[Figure], because: Absent) {
        let missing = |figure: &Figure| Missing { resource, which: which.map(String::from), figure: *figure, because };
        self.missing.extend(figures.iter().map(missing));
    }

    /// The figure, or an entry of what is missing.
    pub(super) fn have<T: Clone>(
        &mut self,
        resource: Resource,
        which: Option<&str>,
        figures: &[Figure],
        measured: &Result<T, Absent>,
    ) -> Option<T> {
        match measured {
            Ok(value) => Some(value.clone()),
            Err(because) => {
                self.miss(resource, which, figures, *because);
                None
            }
        }
    }
}
