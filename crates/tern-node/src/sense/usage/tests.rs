//! Machines as they were recorded, two looks each, and machines whose files are missing, cut, or nonsense.

use std::path::Path;

use tern_core::decide::bottleneck::{Absent, Figure, Kind, Measured, Resource, Sample, Severity, Verdict, judge};

use super::between::between;
use super::look::Look;
use super::{sample, source};
use crate::sense::facts::Root;

const SLOW_DISK: &str = include_str!("recorded/slow_disk.txt");
const BURNERS: &str = include_str!("recorded/burners.txt");
const WELL: &str = include_str!("recorded/well.txt");

/// The files of one look: name and text.
type Files = Vec<(String, String)>;

/// What `@before NAME`, `@after NAME` or `@both NAME` stands before, and how many seconds lie between the looks.
fn recorded(text: &str) -> (Files, Files, f64) {
    let mut lines = text.lines().skip_while(|line| line.starts_with('#'));
    let seconds = lines.next().and_then(|line| line.strip_prefix("seconds ")?.parse().ok()).unwrap();
    let (mut before, mut after) = (Files::new(), Files::new());
    let mut open: Vec<(String, Vec<&str>)> = Vec::new();
    for line in lines {
        match line.strip_prefix('@') {
            Some(head) => open.push((head.to_owned(), Vec::new())),
            None => open.last_mut().unwrap().1.push(line),
        }
    }
    for (head, lines) in open {
        let (when, name) = head.split_once(' ').unwrap();
        let file = (name.to_owned(), lines.join("\n") + "\n");
        if when != "after" {
            before.push(file.clone());
        }
        if when != "before" {
            after.push(file);
        }
    }
    (before, after, seconds)
}

fn written(files: &Files) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

fn sampled(before: &Files, after: &Files, seconds: f64) -> Sample {
    let (before, after) = (written(before), written(after));
    let root = |folder: &Path| Root::at(folder);
    let first = Look::at(&root(before.path()));
    let after = root(after.path());
    between(&after, &first, &Look::at(&after), seconds)
}

fn replayed(text: &str) -> Sample {
    let (before, after, seconds) = recorded(text);
    sampled(&before, &after, seconds)
}

/// Each part that is named, and by how much.
fn named(verdict: &Verdict) -> Vec<(Resource, Option<&str>, Kind, Severity)> {
    let name = |it: &'_ tern_core::decide::bottleneck::Finding| (it.part.resource, it.kind, it.severity);
    let each = verdict.findings.iter().map(|it| (name(it), it.part.which.as_deref()));
    each.map(|((resource, kind, severity), which)| (resource, which, kind, severity)).collect()
}

fn absent<T>(measured: &Measured<T>) -> Option<Absent> {
    measured.as_ref().err().copied()
}

#[test]
fn a_recorded_disk_that_cannot_keep_up_is_named_and_nothing_else() {
    let sample = replayed(SLOW_DISK);
    let verdict = judge(&sample, None);
    assert_eq!(named(&verdict), [(Resource::Disk, Some("vda"), Kind::Saturation, Severity::Holds)]);
    let figures: Vec<_> = verdict.findings[0].part.evidence.iter().map(|it| (it.figure, it.value as u32)).collect();
    // By hand from the two looks: 57.4 % waited for, 98.7 % busy, 35,455 ms for 12,334 requests, 35,614 ms in flight of 2,001.
    for figure in
        [(Figure::DiskPressure, 57), (Figure::DiskBusy, 98), (Figure::DiskWait, 2), (Figure::DiskInFlight, 17)]
    {
        assert!(figures.contains(&figure), "{figure:?} in {figures:?}");
    }
}

#[test]
fn recorded_burners_on_all_processors_are_named_and_nothing_else() {
    let verdict = judge(&replayed(BURNERS), None);
    assert_eq!(named(&verdict), [(Resource::Cpu, None, Kind::Saturation, Severity::Holds)]);
}

#[test]
fn of_a_recorded_machine_that_is_well_nothing_is_named() {
    let verdict = judge(&replayed(WELL), None);
    assert_eq!(named(&verdict), []);
    for resource in [Resource::Cpu, Resource::Memory, Resource::Disk, Resource::Network] {
        assert!(verdict.well.iter().any(|part| part.resource == resource), "{resource:?}");
    }
    let missing: Vec<_> = verdict.missing.iter().map(|it| (it.resource, it.figure, it.because)).collect();
    let expected = [
        (Resource::Network, Figure::LinkUsed, Absent::SpeedUnknown),
        (Resource::Queue, Figure::SlotsUsed, Absent::NoAgent),
        (Resource::Queue, Figure::Waiting, Absent::NoAgent),
    ];
    assert_eq!(missing, expected);
}

#[test]
fn any_file_may_be_missing_empty_or_nonsense_and_only_what_stood_in_it_is_absent() {
    let (before, after, seconds) = recorded(WELL);
    let names: Vec<String> =
        after.iter().map(|(name, _)| name.clone()).filter(|name| name.starts_with("proc/")).collect();
    assert_eq!(names.len(), 10, "{names:?}");
    let all = judge(&sampled(&before, &after, seconds), None);
    for name in &names {
        let (_, whole) = after.iter().find(|(other, _)| other == name).unwrap();
        // A file of lines may be cut in the middle of a number, and is the same file then with a smaller one.
        let half = whole.chars().take(7).collect::<String>();
        for (text, why) in [
            (None, Absent::NoFile),
            (Some(""), Absent::Unreadable),
            (Some("\0\u{fffd} x\n= 99999999999999999999999"), Absent::Form),
            (Some(half.as_str()), Absent::Form),
        ] {
            if name == "proc/loadavg" && text == Some(half.as_str()) {
                continue;
            }
            let mut after = after.clone();
            after.retain(|(other, _)| other != name);
            after.extend(text.map(|text| (name.clone(), text.to_owned())));
            let verdict = judge(&sampled(&before, &after, seconds), None);
            assert_eq!(verdict.findings, [], "{name} {text:?}");
            let lost: Vec<_> = verdict.missing.iter().filter(|it| !all.missing.contains(it)).collect();
            assert!(!lost.is_empty() && lost.iter().all(|it| it.because == why), "{name} {text:?}: {lost:?}");
        }
    }
}

#[test]
fn a_machine_without_any_file_is_not_measured_and_not_well() {
    let none = Files::new();
    let verdict = judge(&sampled(&none, &none, 2.0), None);
    assert!(!verdict.saw_something() && verdict.findings.is_empty());
    let no_file =
        verdict.missing.iter().filter(|it| it.resource != Resource::Queue && it.figure != Figure::FileSystemErrors);
    assert!(
        no_file.clone().count() > 8 && no_file.clone().all(|it| it.because == Absent::NoFile),
        "{:?}",
        verdict.missing
    );
}

#[test]
fn counters_that_begin_anew_are_absent_and_not_huge() {
    let (before, after, seconds) = recorded(SLOW_DISK);
    let sample = sampled(&after, &before, seconds);
    assert_eq!(absent(&sample.cpu.pressure), Some(Absent::Restarted));
    assert_eq!(absent(&sample.cpu.time), Some(Absent::Restarted));
    assert_eq!(absent(&sample.disks.unwrap()[0].work), Some(Absent::Restarted));
    // No time between the looks, no rate.
    let sample = sampled(&before, &before, 0.0);
    assert_eq!(absent(&sample.disk_pressure), Some(Absent::Restarted));
    assert_eq!(absent(&sample.memory.swapped_in), Some(Absent::Restarted));
}

#[test]
fn interfaces_without_a_device_count_only_where_there_is_no_other_and_those_that_are_down_never() {
    let line = |name: &str, packets: u32| format!("{name}: 1000 {packets} 0 0 0 0 0 0 1000 {packets} 0 0 0 0 0 0\n");
    let files = |packets, with_device| {
        let dev: String = ["eth0", "docker0", "veth1"].map(|name| line(name, packets)).concat();
        let mut files = vec![("proc/net/dev".to_owned(), dev)];
        files.push(("sys/class/net/veth1/operstate".to_owned(), "down\n".to_owned()));
        files.push(("sys/class/net/eth0/speed".to_owned(), "2500\n".to_owned()));
        if with_device {
            files.push(("sys/class/net/eth0/device".to_owned(), String::new()));
        }
        files
    };
    let links = |with_device| {
        let sample = sampled(&files(10, with_device), &files(30, with_device), 1.0);
        let links = sample.links.unwrap();
        links.iter().map(|link| (link.name.clone(), link.speed_mbit, link.traffic.unwrap().packets)).collect::<Vec<_>>()
    };
    let unknown = Err(Absent::SpeedUnknown);
    assert_eq!(links(true), [("eth0".to_owned(), Ok(2500), 40)]);
    assert_eq!(links(false), [("docker0".to_owned(), unknown, 40), ("eth0".to_owned(), Ok(2500), 40)]);
}

#[test]
fn this_machine_can_be_looked_at_and_every_figure_has_its_file() {
    let sample = sample(&Root::system(), std::time::Duration::from_millis(300));
    assert!(sample.seconds >= 0.3);
    let time = sample.cpu.time.expect("every Linux counts the time of its processors");
    assert!((0.0..=100.0).contains(&time.busy) && time.stolen <= time.busy, "{time:?}");
    assert!(sample.memory.available.is_ok_and(|share| share > 0.0 && share <= 100.0));
    let verdict = judge(&sample, None);
    let parts = verdict.findings.iter().map(|it| &it.part).chain(&verdict.well);
    for evidence in parts.flat_map(|part| &part.evidence) {
        assert!(evidence.value.is_finite() && evidence.value >= 0.0, "{evidence:?}");
        assert!(source(evidence.figure).is_some_and(|file| Path::new(file).exists()), "{evidence:?}");
    }
}
