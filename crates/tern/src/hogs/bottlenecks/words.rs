//! The words for bottlenecks: figures with their units, what each finding means, what to do, and why something is not known.

use tern_core::decide::bottleneck::{
    Absent, Advice, Cause, Evidence, Figure, Finding, Kind, Missing, Resource, Severity,
};
use tern_node::sense::usage;

pub const fn part(resource: Resource) -> &'static str {
    match resource {
        Resource::Cpu => "cpu",
        Resource::Memory => "memory",
        Resource::Disk => "disk",
        Resource::Network => "network",
        Resource::Queue => "queue",
    }
}

pub const fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Utilisation => "utilisation",
        Kind::Saturation => "saturation",
        Kind::Errors => "errors",
    }
}

/// What is said of a part that is named.
pub fn headline(finding: &Finding) -> String {
    if finding.part.resource == Resource::Queue {
        let cause = finding.part.which.as_deref().and_then(Cause::of);
        return cause.map_or("tasks wait", why).to_owned();
    }
    match (finding.kind, finding.severity) {
        (Kind::Utilisation, Severity::Watch) => "hardly anything of it is left; nothing waits for it yet",
        (Kind::Utilisation, Severity::Holds) => "all of it is used, and what uses it waits",
        (Kind::Saturation, Severity::Watch) => "it is slow, but nothing waits for it",
        (Kind::Saturation, Severity::Holds) => "work waits for it",
        (Kind::Errors, Severity::Watch) => "it has counted errors",
        (Kind::Errors, Severity::Holds) => "it fails",
    }
    .to_owned()
}

const fn why(cause: Cause) -> &'static str {
    match cause {
        Cause::Slots => "tasks wait, and all slots are taken",
        Cause::Together => "tasks wait until several slots, memory or GPUs are free at once",
        Cause::Elsewhere => "tasks wait that may not run here, and those that may have no room",
        Cause::NoMachine => "tasks wait that no machine that is connected may run",
        Cause::Drained => "tasks wait, and the node is drained",
        Cause::Battery => "tasks wait, and the battery is low",
        Cause::Owner => "tasks wait, and the slots are left to whoever uses the machine",
        Cause::DiskFull => "the disk of the state folder is full: nothing is accepted and nothing starts",
        Cause::WardenAway => "tasks wait, and the process that starts them is away",
        Cause::Held => "tasks wait since somebody holds their job",
        Cause::AtParallel => "tasks wait since their job wished for no more at once",
        Cause::PutOff => "tasks wait since their job gives way to all others",
    }
}

/// The name of a figure in a column.
pub const fn label(figure: Figure) -> &'static str {
    match figure {
        Figure::CpuBusy | Figure::DiskBusy => "busy",
        Figure::CpuPressure => "waited for a CPU",
        Figure::CpuStolen => "taken by the host",
        Figure::Load => "load",
        Figure::MemoryAvailable => "available",
        Figure::MemoryPressure => "waited for memory",
        Figure::MemoryStalled => "all waited for memory",
        Figure::SwappedIn => "read from swap",
        Figure::Killed => "ended for want of it",
        Figure::DiskWait => "a request took",
        Figure::DiskInFlight => "in flight",
        Figure::DiskPressure => "waited for a disk",
        Figure::DiskStalled => "all waited for a disk",
        Figure::FileSystemErrors => "file system errors",
        Figure::LinkUsed => "used",
        Figure::LinkErrors => "wrong",
        Figure::LinkDropped => "dropped",
        Figure::SentAgain => "sent again",
        Figure::SlotsUsed => "slots used",
        Figure::SlotsOpen => "slots open",
        Figure::Waiting => "tasks waiting",
        Figure::OldestWait => "oldest",
    }
}

/// The unit in JSON.
pub const fn unit(figure: Figure) -> &'static str {
    match figure {
        Figure::CpuBusy
        | Figure::CpuPressure
        | Figure::CpuStolen
        | Figure::MemoryAvailable
        | Figure::MemoryPressure
        | Figure::MemoryStalled
        | Figure::DiskBusy
        | Figure::DiskPressure
        | Figure::DiskStalled
        | Figure::LinkUsed
        | Figure::LinkErrors
        | Figure::LinkDropped
        | Figure::SentAgain
        | Figure::SlotsUsed => "percent",
        Figure::Load => "load_per_cpu",
        Figure::SwappedIn => "kib_per_second",
        Figure::Killed => "processes",
        Figure::DiskWait => "milliseconds",
        Figure::DiskInFlight => "requests",
        Figure::FileSystemErrors => "errors",
        Figure::SlotsOpen => "slots",
        Figure::Waiting => "tasks",
        Figure::OldestWait => "seconds",
    }
}

/// A value with its unit.
fn value(figure: Figure, value: f64) -> String {
    match figure {
        Figure::CpuBusy
        | Figure::CpuPressure
        | Figure::CpuStolen
        | Figure::MemoryPressure
        | Figure::MemoryStalled
        | Figure::DiskBusy
        | Figure::DiskPressure
        | Figure::DiskStalled => format!("{value:.1} % of the time"),
        Figure::MemoryAvailable => format!("{value:.1} % of it"),
        Figure::LinkUsed => format!("{value:.1} % of the link"),
        Figure::LinkErrors | Figure::LinkDropped => format!("{value:.2} % of the packets"),
        Figure::SentAgain => format!("{value:.2} % of the segments"),
        Figure::SlotsUsed => format!("{value:.0} %"),
        Figure::Load => format!("{value:.2} a CPU"),
        Figure::SwappedIn => format!("{value:.0} KiB/s"),
        Figure::Killed => format!("{value:.0} processes"),
        Figure::DiskWait => format!("{value:.2} ms"),
        Figure::DiskInFlight => format!("{value:.2} requests"),
        Figure::FileSystemErrors | Figure::SlotsOpen | Figure::Waiting => format!("{value:.0}"),
        Figure::OldestWait => format!("{value:.1} s"),
    }
}

/// A figure behind its label, with the bound that it has.
pub fn line(evidence: &Evidence) -> String {
    let text = value(evidence.figure, evidence.value);
    let Some(bound) = evidence.bound else { return text };
    let at = trimmed(bound.at);
    if evidence.figure.falls() {
        format!("{text}  (too little at {at} and below)")
    } else {
        format!("{text}  (too much from {at} on)")
    }
}

/// `25`, `0.1`: a bound as it was set.
fn trimmed(bound: f64) -> String {
    let text = format!("{bound:.1}");
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}

/// A figure within a line of others.
pub fn short(evidence: &Evidence) -> String {
    let text = value(evidence.figure, evidence.value);
    format!("{} {}", label(evidence.figure), text.strip_suffix(" of the time").unwrap_or(&text))
}

pub const fn advice(advice: Advice) -> &'static str {
    match advice {
        Advice::LessCpu => {
            "Run less at once (-j, or `slots` in the settings), let another machine in (`tern invite`), or hold somebody back: \
             `tern scum` shows who takes it."
        }
        Advice::AskHost => {
            "The host of this virtual machine gives its processors to others: ask for more there. Nothing in here helps."
        }
        Advice::LessMemory => "Run less at once, or say what tasks need (--mem): `tern scum` shows who takes it.",
        Advice::SayMemory => {
            "Say what tasks need (--mem), so that fewer run at once; the kernel's log (`dmesg`) names what it ended."
        }
        Advice::LessDisk => "Read and write less at once (-j), keep temporary files in memory, or use a faster disk.",
        Advice::LookBehind => {
            "No disk here is busy: look at network file systems, and at what this control group may use (`io.max`)."
        }
        Advice::CheckDisk => {
            "Copy what matters, then check the file system (`e2fsck`) and the disk below it (`smartctl -a`)."
        }
        Advice::LessTraffic => "Send and receive less at once, or over a faster link.",
        Advice::CheckLink => "Check cable, port and driver: `ethtool -S` counts errors by their kind.",
        Advice::LookAtWay => {
            "Packets get lost on the way, as over a bad radio or a full router: `tern ping` and `tern path` show ways to nodes."
        }
        Advice::MoreSlots => "The processors have room: more `slots` in the settings would use it.",
        Advice::MoreMachines => "All slots work: let another machine in (`tern invite`), or wait.",
        Advice::Undo(cause) => undo(cause),
    }
}

const fn undo(cause: Cause) -> &'static str {
    match cause {
        Cause::Slots => "Wait, or let another machine in (`tern invite`).",
        Cause::Together => "Wait, or ask for less at once (--cpus, --mem, --gpus): `tern explain JOB`.",
        Cause::Elsewhere => "`tern explain JOB` names who may run them, and what this machine lacks.",
        Cause::NoMachine => "`tern explain JOB` says what each machine lacks: add one that has it, or cancel the job.",
        Cause::Drained => "`tern undrain` lets the node start tasks again.",
        Cause::Battery => {
            "Plug the machine in; the setting `work.drain_below` says from which charge on it stands back."
        }
        Cause::Owner => {
            "They start when the machine is used less; the setting `work.yield_to_owner` keeps it from standing back."
        }
        Cause::DiskFull => "Make room on the disk of the state folder: `tern doctor` says how much there is.",
        Cause::WardenAway => "`tern status` says why there is none, and `tern doctor` what it needs.",
        Cause::Held => "`tern release JOB` lets it start; `tern jobs` shows those that are held.",
        Cause::AtParallel => "Nothing: the job was submitted with that -j.",
        Cause::PutOff => "Nothing: it was put off until machines are idle, and starts then.",
    }
}

/// Why a figure is not there, with the file that would have it.
pub fn absence(missing: &Missing) -> String {
    let source = usage::source(missing.figure).unwrap_or("the agent");
    match missing.because {
        Absent::System => "there are no sensors for this system yet".to_owned(),
        Absent::NoFile => {
            format!("there is no {source}: this kernel does not keep it, or the container does not show it")
        }
        Absent::Unreadable => format!("{source} cannot be read, or is empty"),
        Absent::Form => format!("{source} has a form that is not known"),
        Absent::Restarted => format!("the counters of {source} began anew, or stood still, while it was looked"),
        Absent::SpeedUnknown => "its driver does not say how fast the link is".to_owned(),
        Absent::NoneHere => format!("{source} has none"),
        Absent::NoAgent => "no agent runs here, so there is no queue to look at".to_owned(),
        Absent::AgentSilent => "the agent did not answer, or in words that this version does not know".to_owned(),
    }
}
