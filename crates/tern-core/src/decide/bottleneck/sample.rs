//! What is known of a machine over a short window: how its parts were used, and how the queue on it stands.
//!
//! Each figure is there, or the reason is why it is not: nothing is zero because nobody could look.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

/// A figure, or why there is none.
pub type Measured<T> = Result<T, Absent>;

/// Why a figure was not measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Absent {
    /// There are no sensors for this system yet.
    System,
    /// There is no such file: this kernel does not keep the figure, or the container does not show it.
    NoFile,
    /// The file cannot be read, or there is nothing in it.
    Unreadable,
    /// What is in it has a form that is not known.
    Form,
    /// The counter began anew between the two looks, or did not move where it always does.
    Restarted,
    /// The driver does not say how fast its link is.
    SpeedUnknown,
    /// There is no such part here.
    NoneHere,
    /// No agent runs on this state folder.
    NoAgent,
    /// The agent did not answer what it was asked.
    AgentSilent,
}

/// A machine over a window.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// How long the window was.
    pub seconds: f64,
    pub cpu: Cpu,
    pub memory: Memory,
    /// Whole disks; neither partitions nor what is stacked upon disks.
    pub disks: Measured<Vec<Disk>>,
    /// Waiting for any disk, or for a file system that lies elsewhere.
    pub disk_pressure: Measured<Pressure>,
    /// Those that count their errors.
    pub file_systems: Measured<Vec<FileSystem>>,
    pub links: Measured<Vec<Link>>,
    pub tcp: Measured<Tcp>,
    pub queue: Measured<Queue>,
}

/// The processors.
#[derive(Clone, Debug, PartialEq)]
pub struct Cpu {
    pub time: Measured<CpuTime>,
    /// In this part of the time, per cent, something could have run and did not.
    pub pressure: Measured<f64>,
    /// The one-minute load average over the processors.
    pub load: Measured<f64>,
}

/// Where the time of all processors went, per cent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CpuTime {
    /// Neither idle nor waiting for a disk.
    pub busy: f64,
    /// Part of `busy`: the host of this virtual machine gave it to others.
    pub stolen: f64,
}

/// The memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Memory {
    /// What a new process could have, per cent of all.
    pub available: Measured<f64>,
    pub pressure: Measured<Pressure>,
    /// Read back from swap, KiB a second.
    pub swapped_in: Measured<f64>,
    /// Processes that the kernel ended within the window since no memory was left.
    pub killed: Measured<u64>,
}

/// Per cent of the time in which some tasks waited, and in which all of them did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pressure {
    pub some: f64,
    /// Absent: the kernel does not keep it.
    pub full: Option<f64>,
}

/// A disk.
#[derive(Clone, Debug, PartialEq)]
pub struct Disk {
    pub name: String,
    /// It has an arm that must move; absent: nobody says.
    pub rotating: Option<bool>,
    pub work: Measured<DiskWork>,
}

/// What a disk did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DiskWork {
    /// Per cent of the time in which it had something to do.
    pub busy: f64,
    /// From being asked for to being done, milliseconds on the mean. Absent: nothing was asked for.
    pub wait_ms: Option<f64>,
    /// Requests that waited or were worked on, on the mean.
    pub in_flight: f64,
}

/// A file system that counts its errors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSystem {
    /// The device on which it lies.
    pub name: String,
    /// Since it was last checked.
    pub errors: u64,
}

/// A network interface.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    pub name: String,
    /// Megabits a second.
    pub speed_mbit: Measured<u32>,
    pub traffic: Measured<Traffic>,
}

/// What went through an interface.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Traffic {
    /// Bytes a second of the busier direction.
    pub bytes: f64,
    /// Packets of the window, in both directions.
    pub packets: u64,
    pub errors: u64,
    pub dropped: u64,
}

/// Segments of all TCP connections of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tcp {
    pub sent: u64,
    /// Sent once more, since nobody acknowledged them in time.
    pub again: u64,
}

/// The queue of a node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Queue {
    pub slots: u32,
    /// Slots that are for tasks now.
    pub open: u32,
    pub running: u32,
    /// One entry a cause, in the order of the causes.
    pub waits: Vec<Wait>,
}

/// Tasks that wait for the same cause.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wait {
    pub cause: Cause,
    pub tasks: u64,
    /// Jobs of this node to which they belong.
    pub jobs: u32,
    /// Milliseconds since the oldest of these jobs was accepted; absent for tasks of other nodes' jobs.
    pub oldest_ms: Option<u64>,
}

/// Why tasks wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// All slots are taken.
    Slots,
    /// More than one slot a task is wanted, or memory or GPUs besides, and that much is not free at once.
    Together,
    /// They may not run here, and those that may run them have no room.
    Elsewhere,
    /// They may not run here, and no node that is connected may run them.
    NoMachine,
    /// Somebody drained the node, or it is about to end.
    Drained,
    /// The battery is low.
    Battery,
    /// The owner of the machine uses it.
    Owner,
    /// The disk of the state folder is full.
    DiskFull,
    /// The process that starts tasks is away.
    WardenAway,
    /// Somebody holds the job.
    Held,
    /// So many of its tasks as it wished run at once.
    AtParallel,
    /// Its job gives way to all others, until machines are idle.
    PutOff,
}

impl Cause {
    /// All causes, in their order.
    pub const ALL: [Self; 12] = [
        Self::Slots,
        Self::Together,
        Self::Elsewhere,
        Self::NoMachine,
        Self::Drained,
        Self::Battery,
        Self::Owner,
        Self::DiskFull,
        Self::WardenAway,
        Self::Held,
        Self::AtParallel,
        Self::PutOff,
    ];

    /// The word for programs; stable.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Slots => "slots",
            Self::Together => "together",
            Self::Elsewhere => "elsewhere",
            Self::NoMachine => "no_machine",
            Self::Drained => "drained",
            Self::Battery => "battery",
            Self::Owner => "owner",
            Self::DiskFull => "disk_full",
            Self::WardenAway => "warden_away",
            Self::Held => "held",
            Self::AtParallel => "at_parallel",
            Self::PutOff => "put_off",
        }
    }

    /// The cause of this word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.word() == word)
    }
}
