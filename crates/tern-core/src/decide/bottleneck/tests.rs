use super::*;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

/// A machine of which everything was measured, and which is well: some work on every part.
fn well() -> Sample {
    let pressure = |some| Ok(Pressure { some, full: Some(some / 2.0) });
    let disk = |name: &str, rotating| Disk {
        name: name.to_string(),
        rotating: Some(rotating),
        work: Ok(DiskWork { busy: 30.0, wait_ms: Some(8.0), in_flight: 0.5 }),
    };
    Sample {
        seconds: 2.0,
        cpu: Cpu { time: Ok(CpuTime { busy: 60.0, stolen: 1.0 }), pressure: Ok(8.0), load: Ok(0.7) },
        memory: Memory { available: Ok(40.0), pressure: pressure(0.5), swapped_in: Ok(4.0), killed: Ok(0) },
        disks: Ok(vec![disk("sda", true), disk("nvme0n1", false)]),
        disk_pressure: pressure(6.0),
        file_systems: Ok(vec![FileSystem { name: "nvme0n1p2".to_string(), errors: 0 }]),
        links: Ok(vec![Link { name: "eth0".to_string(), speed_mbit: Ok(1000), traffic: Ok(traffic()) }]),
        tcp: Ok(Tcp { sent: 10_000, again: 12 }),
        queue: Ok(Queue { slots: 4, open: 4, running: 3, waits: Vec::new() }),
    }
}

/// A third of a gigabit link.
fn traffic() -> Traffic {
    Traffic { bytes: 40e6, packets: 60_000, errors: 0, dropped: 4 }
}

fn unmeasured(why: Absent) -> Sample {
    Sample {
        seconds: 2.0,
        cpu: Cpu { time: Err(why), pressure: Err(why), load: Err(why) },
        memory: Memory { available: Err(why), pressure: Err(why), swapped_in: Err(why), killed: Err(why) },
        disks: Err(why),
        disk_pressure: Err(why),
        file_systems: Err(why),
        links: Err(why),
        tcp: Err(why),
        queue: Err(why),
    }
}

fn disk(sample: &mut Sample, place: usize, busy: f64, wait_ms: f64, in_flight: f64) {
    sample.disks.as_mut().unwrap()[place].work = Ok(DiskWork { busy, wait_ms: Some(wait_ms), in_flight });
}

fn link(sample: &mut Sample, change: impl Fn(&mut Traffic)) {
    change(sample.links.as_mut().unwrap()[0].traffic.as_mut().unwrap());
}

fn wait(cause: Cause, tasks: u64) -> Wait {
    Wait { cause, tasks, jobs: 1, oldest_ms: Some(90_000) }
}

fn waits(sample: &mut Sample, waits: &[Wait]) {
    sample.queue.as_mut().unwrap().waits = waits.to_vec();
}

/// What is named, each as `disk sda: Saturation Holds LessDisk, for DiskPressure`.
fn named(sample: &Sample) -> Vec<String> {
    let say = |finding: &Finding| {
        let Finding { part, kind, severity, advice, .. } = finding;
        let beyond: Vec<String> =
            part.evidence.iter().filter(|it| it.beyond().is_some()).map(|it| format!("{:?}", it.figure)).collect();
        let which = part.which.as_deref().unwrap_or("-");
        format!("{:?} {which}: {kind:?} {severity:?} {advice:?}, for {}", part.resource, beyond.join(" "))
    };
    judge(sample, None).findings.iter().map(say).collect()
}

/// A fault that is put into a machine that is well, and all that may be named for it.
type Fault = (&'static str, fn(&mut Sample));

const FAULTS: [Fault; 23] = [
    ("Cpu -: Utilisation Watch LessCpu, for CpuBusy", |it| it.cpu.time = Ok(CpuTime { busy: 99.0, stolen: 0.0 })),
    ("Cpu -: Saturation Holds LessCpu, for CpuPressure CpuBusy", |it| {
        it.cpu = Cpu { time: Ok(CpuTime { busy: 100.0, stolen: 0.0 }), pressure: Ok(93.0), load: Ok(3.0) };
    }),
    ("Cpu -: Saturation Holds AskHost, for CpuStolen", |it| it.cpu.time = Ok(CpuTime { busy: 70.0, stolen: 35.0 })),
    ("Memory -: Utilisation Watch LessMemory, for MemoryAvailable", |it| it.memory.available = Ok(3.0)),
    ("Memory -: Saturation Holds LessMemory, for MemoryPressure", |it| {
        it.memory.pressure = Ok(Pressure { some: 41.0, full: Some(20.0) });
    }),
    ("Memory -: Saturation Watch LessMemory, for SwappedIn", |it| it.memory.swapped_in = Ok(9_000.0)),
    ("Memory -: Errors Holds SayMemory, for Killed", |it| it.memory.killed = Ok(1)),
    ("Disk sda: Utilisation Watch LessDisk, for DiskBusy", |it| disk(it, 0, 97.0, 12.0, 1.0)),
    ("Disk sda: Saturation Watch LessDisk, for DiskWait", |it| disk(it, 0, 80.0, 400.0, 9.0)),
    ("Disk sda: Saturation Holds LessDisk, for DiskPressure DiskBusy DiskWait", |it| {
        disk(it, 0, 99.0, 220.0, 12.0);
        it.disk_pressure = Ok(Pressure { some: 88.0, full: Some(60.0) });
    }),
    // What would be quick for an arm is slow for flash.
    ("Disk nvme0n1: Saturation Watch LessDisk, for DiskWait", |it| disk(it, 1, 60.0, 30.0, 9.0)),
    ("Disk -: Saturation Holds LookBehind, for DiskPressure", |it| {
        disk(it, 0, 1.0, 4.0, 0.1);
        disk(it, 1, 0.0, 0.1, 0.0);
        it.disk_pressure = Ok(Pressure { some: 70.0, full: Some(70.0) });
    }),
    ("Disk nvme0n1: Errors Watch CheckDisk, for FileSystemErrors", |it| {
        it.file_systems = Ok(vec![FileSystem { name: "nvme0n1p2".to_string(), errors: 2 }]);
    }),
    ("Disk dm-0: Errors Watch CheckDisk, for FileSystemErrors", |it| {
        it.file_systems = Ok(vec![FileSystem { name: "dm-0".to_string(), errors: 2 }]);
    }),
    ("Network eth0: Utilisation Holds LessTraffic, for LinkUsed", |it| link(it, |it| it.bytes = 118e6)),
    ("Network eth0: Errors Holds CheckLink, for LinkErrors", |it| link(it, |it| it.errors = 300)),
    ("Network eth0: Saturation Holds LessTraffic, for LinkDropped", |it| link(it, |it| it.dropped = 3_000)),
    ("Network -: Saturation Holds LookAtWay, for SentAgain", |it| it.tcp = Ok(Tcp { sent: 900, again: 100 })),
    ("Queue slots: Saturation Holds MoreSlots, for Waiting", |it| waits(it, &[wait(Cause::Slots, 4)])),
    ("Queue drained: Saturation Holds Undo(Drained), for Waiting", |it| waits(it, &[wait(Cause::Drained, 1)])),
    ("Queue no_machine: Errors Holds Undo(NoMachine), for Waiting", |it| waits(it, &[wait(Cause::NoMachine, 7)])),
    ("Queue disk_full: Errors Holds Undo(DiskFull), for Waiting", |it| waits(it, &[wait(Cause::DiskFull, 0)])),
    ("Queue held: Saturation Watch Undo(Held), for Waiting", |it| waits(it, &[wait(Cause::Held, 1)])),
];

#[test]
fn of_a_machine_that_is_well_nothing_is_named_and_everything_is_shown() {
    let verdict = judge(&well(), None);
    assert_eq!(verdict.findings, []);
    assert_eq!(verdict.missing, []);
    let shown: Vec<_> = verdict.well.iter().map(|part| (part.resource, part.which.as_deref())).collect();
    use Resource::{Cpu, Disk, Memory, Network, Queue};
    let all = [
        (Cpu, None),
        (Memory, None),
        (Disk, Some("sda")),
        (Disk, Some("nvme0n1")),
        (Network, Some("eth0")),
        (Network, None),
        (Queue, None),
    ];
    assert_eq!(shown, all);
    assert!(
        verdict.well.iter().all(|part| part.evidence.len() > usize::from(part.which.is_some())),
        "with its figures"
    );
}

#[test]
fn one_fault_names_that_part_and_no_other() {
    for (words, fault) in FAULTS {
        let mut sample = well();
        fault(&mut sample);
        assert_eq!(named(&sample), [words]);
    }
}

#[test]
fn every_cause_of_waiting_is_named_by_its_own_word() {
    for cause in Cause::ALL {
        assert_eq!(Cause::of(cause.word()), Some(cause));
        let mut sample = well();
        waits(&mut sample, &[wait(cause, 100)]);
        let verdict = judge(&sample, None);
        let found: Vec<_> = verdict.findings.iter().map(|it| it.part.which.as_deref()).collect();
        assert_eq!(found, [Some(cause.word())]);
    }
    assert_eq!(Cause::of("nonsense"), None);
}

#[test]
fn one_kind_of_part_is_asked_for_and_the_others_are_not_mentioned() {
    let mut sample = well();
    sample.cpu.pressure = Ok(80.0);
    sample.disk_pressure = Err(Absent::NoFile);
    let of = |only| judge(&sample, Some(only));
    assert_eq!(of(Resource::Cpu).findings.len(), 1);
    let disk = of(Resource::Disk);
    assert!(disk.findings.is_empty() && disk.well.iter().all(|part| part.resource == Resource::Disk));
    let missing: Vec<_> = disk.missing.iter().map(|it| (it.figure, it.because)).collect();
    assert_eq!(missing, [(Figure::DiskPressure, Absent::NoFile)]);
    assert_eq!(of(Resource::Memory).missing, []);
}

#[test]
fn what_holds_work_back_comes_first_and_memory_before_what_it_causes() {
    let mut sample = well();
    disk(&mut sample, 0, 100.0, 900.0, 60.0);
    sample.disk_pressure = Ok(Pressure { some: 99.0, full: Some(90.0) });
    sample.cpu.time = Ok(CpuTime { busy: 100.0, stolen: 0.0 });
    sample.memory.pressure = Ok(Pressure { some: 12.0, full: Some(3.0) });
    waits(&mut sample, &[wait(Cause::Slots, 8)]);
    let parts: Vec<_> = judge(&sample, None).findings.iter().map(|it| it.part.resource).collect();
    // The disk's figures are four times their bound, the queue's twice; the processors only have nothing left.
    assert_eq!(parts, [Resource::Memory, Resource::Disk, Resource::Queue, Resource::Cpu]);
}

#[test]
fn what_was_not_measured_names_nobody_and_is_listed_with_its_reason() {
    let verdict = judge(&unmeasured(Absent::System), None);
    assert!(verdict.findings.is_empty() && verdict.well.is_empty() && !verdict.saw_something());
    assert!(verdict.missing.iter().all(|it| it.because == Absent::System));
    for resource in [Resource::Cpu, Resource::Memory, Resource::Disk, Resource::Network, Resource::Queue] {
        assert!(verdict.missing.iter().any(|it| it.resource == resource), "{resource:?}");
    }
    assert!(judge(&well(), None).saw_something());
}

#[test]
fn part_of_the_figures_is_enough_and_the_rest_is_listed() {
    let mut sample = well();
    sample.links.as_mut().unwrap()[0].speed_mbit = Err(Absent::SpeedUnknown);
    link(&mut sample, |it| (it.bytes, it.errors) = (900e6, 500));
    assert_eq!(named(&sample), ["Network eth0: Errors Holds CheckLink, for LinkErrors"]);
    let missing = judge(&sample, None).missing;
    let [only] = missing.as_slice() else { panic!("{missing:?}") };
    assert_eq!(
        (only.which.as_deref(), only.figure, only.because),
        (Some("eth0"), Figure::LinkUsed, Absent::SpeedUnknown)
    );

    // Of disks that could not be looked at nobody says that they are at rest.
    let mut sample = well();
    sample.disk_pressure = Ok(Pressure { some: 60.0, full: None });
    sample.disks = Err(Absent::Form);
    assert_eq!(named(&sample), ["Disk -: Saturation Holds LessDisk, for DiskPressure"]);
    sample.disks = Err(Absent::NoneHere);
    assert_eq!(named(&sample), ["Disk -: Saturation Holds LookBehind, for DiskPressure"]);

    // One disk that was replaced while it was looked at says nothing of the other.
    let mut sample = well();
    sample.disks.as_mut().unwrap()[0].work = Err(Absent::Restarted);
    disk(&mut sample, 1, 95.0, 3.0, 3.0);
    assert_eq!(named(&sample), ["Disk nvme0n1: Utilisation Watch LessDisk, for DiskBusy"]);
}

#[test]
fn where_no_pressure_is_kept_load_swap_and_slow_requests_stand_in_for_it() {
    let mut sample = well();
    sample.cpu = Cpu { time: Ok(CpuTime { busy: 99.0, stolen: 0.0 }), pressure: Err(Absent::NoFile), load: Ok(4.0) };
    assert_eq!(named(&sample), ["Cpu -: Saturation Holds LessCpu, for CpuBusy Load"]);
    // A load of those who wait for a disk is none of the processors'.
    sample.cpu.time = Ok(CpuTime { busy: 20.0, stolen: 0.0 });
    assert!(named(&sample).is_empty());

    let mut sample = well();
    sample.memory.pressure = Err(Absent::NoFile);
    sample.memory.swapped_in = Ok(5_000.0);
    assert_eq!(named(&sample), ["Memory -: Saturation Holds LessMemory, for SwappedIn"]);

    let mut sample = well();
    sample.disk_pressure = Err(Absent::NoFile);
    disk(&mut sample, 0, 99.0, 300.0, 30.0);
    assert_eq!(named(&sample), ["Disk sda: Saturation Holds LessDisk, for DiskBusy DiskWait"]);
}

#[test]
fn a_few_of_many_are_no_share_and_what_is_no_number_is_beyond_nothing() {
    let mut sample = well();
    link(&mut sample, |it| (it.packets, it.errors, it.dropped) = (4, 2, 9));
    sample.tcp = Ok(Tcp { sent: 10, again: 19 });
    sample.cpu.pressure = Ok(f64::NAN);
    sample.memory.available = Ok(f64::NAN);
    disk(&mut sample, 0, f64::NAN, f64::NAN, f64::NAN);
    assert!(named(&sample).is_empty(), "{:?}", named(&sample));
    link(&mut sample, |it| (it.packets, it.errors, it.dropped) = (0, 0, 0));
    sample.tcp = Ok(Tcp { sent: 0, again: 0 });
    assert!(named(&sample).is_empty());
}

#[test]
fn a_queue_whose_processors_have_room_wants_slots_and_else_machines() {
    let mut sample = well();
    waits(&mut sample, &[wait(Cause::Slots, 3)]);
    assert!(named(&sample).is_empty(), "fewer than a round of them");
    waits(&mut sample, &[wait(Cause::Slots, 4), wait(Cause::Held, 2)]);
    assert_eq!(judge(&sample, None).findings[0].advice, Advice::MoreSlots);
    sample.cpu.time = Ok(CpuTime { busy: 90.0, stolen: 0.0 });
    assert_eq!(judge(&sample, None).findings[0].advice, Advice::MoreMachines);
    sample.cpu.time = Err(Absent::NoFile);
    assert_eq!(judge(&sample, None).findings[0].advice, Advice::MoreMachines, "nobody knows that there is room");
    assert_eq!(judge(&sample, None).findings[1].part.which.as_deref(), Some("held"));
}
