//! Work that crosses: batches with files over several machines, some of which die or stand still meanwhile.
//!
//! `TERN_KILLS` says how many machines die with a task on them (10; 100 in `cargo xtask soak`). What it took until their tasks
//! ran elsewhere is printed and not judged: a machine that runs other tests at the same time is late itself.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::ground::{Machine, Net, until};
use crate::mesh::{QUIET, admit, machines, until_all_reach_all};

/// Files of the batch, and bytes of each.
const FILES: usize = 36;
const BYTES: usize = 200_000;
/// What the design asks for: 99 of 100 tasks of a dead machine run elsewhere.
const ELSEWHERE: Duration = Duration::from_secs(2);

/// Writes files of different content, and a program that reads one and writes another.
fn prepare(machine: &Machine) {
    fs::create_dir(machine.file("in")).unwrap();
    fs::create_dir(machine.file("out")).unwrap();
    for number in 0..FILES {
        let content: Vec<u8> = (0..BYTES).map(|at| (at * (number + 3) / 7 + number) as u8).collect();
        fs::write(machine.file(&format!("in/{number:02}.bin")), content).unwrap();
    }
    let program = "#!/bin/sh\nset -e\nsleep 0.2\nsha256sum <\"$1\" >\"$2\"\necho \"did $1\"\necho \"note on $1\" >&2\n";
    fs::write(machine.file("work.sh"), program).unwrap();
    fs::set_permissions(machine.file("work.sh"), PermissionsExt::from_mode(0o755)).unwrap();
}

/// The batch's command line.
fn batch(travel: &[&'static str]) -> Vec<String> {
    let command = ["--", "./work.sh", "{}", "out/{/.}.sum", ":::"];
    let words = ["map", "-k"].iter().chain(travel).chain(&command).map(ToString::to_string);
    words.chain((0..FILES).map(|number| format!("in/{number:02}.bin"))).collect()
}

/// What the batch left behind, and the folder emptied for the next.
fn outputs(machine: &Machine) -> Vec<(String, Vec<u8>)> {
    let mut found: Vec<(String, Vec<u8>)> = fs::read_dir(machine.file("out"))
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let content = fs::read(&path).unwrap();
            fs::remove_file(&path).unwrap();
            (path.file_name().unwrap().to_string_lossy().into_owned(), content)
        })
        .collect();
    found.sort();
    found
}

/// Stops or continues all that belongs to a machine's node.
fn signal(machine: &Machine, pids: (i32, i32), signal: Signal) {
    for pid in [pids.0, pids.1] {
        kill(Pid::from_raw(pid), signal).unwrap_or_else(|error| panic!("{pid}: {error}\n{}", machine.log()));
    }
}

#[test]
fn a_batch_with_files_ends_as_on_one_machine_though_one_dies_and_one_stands_still() {
    let name = "a_batch_with_files_ends_as_on_one_machine_though_one_dies_and_one_stands_still";
    let Some(net) = Net::new(name, &[]) else { return };
    let grid = net.lan(&["a", "b", "c"]);
    let all = machines(&grid, ["a", "b", "c"]);
    let [a, b, c] = &all;
    admit(a, b);
    admit(a, c);
    until_all_reach_all(&all);
    prepare(a);
    let words = |travel: &[&'static str]| batch(travel);
    let alone = words(&[]);
    let alone = a.tern(&alone.iter().map(String::as_str).collect::<Vec<_>>());
    let expected = outputs(a);
    assert_eq!((alone.code, expected.len()), (0, FILES), "{alone:?}");

    let stopped = c.pids().unwrap();
    let shared = words(&["--stage"]);
    let running = a.start(&shared.iter().map(String::as_str).collect::<Vec<_>>());
    // Each of the others has brought something back: all three are at work.
    let ran = |machine: &Machine| {
        let key = machine.ask("/v1/status")?["node"].as_str()?.to_owned();
        let results = a.tern(&["job", "2", "--tasks", "--json"]).stdout;
        results.contains(&format!("\"node\":\"{key}\"")).then_some(())
    };
    until("b and c have run tasks", || ran(b).and(ran(c)));
    b.node().power_off();
    signal(c, stopped, Signal::SIGSTOP);
    let ended = running.end();
    signal(c, stopped, Signal::SIGCONT);
    assert_eq!((ended.code, &ended.stdout), (0, &alone.stdout), "{}\n{}", ended.stderr, a.log());
    let sorted = |text: &str| {
        let mut lines: Vec<String> =
            text.lines().filter(|line| line.starts_with("note on")).map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&ended.stderr), sorted(&alone.stderr));
    assert_eq!(outputs(a), expected);
    let work = |machine: &Machine| fs::read_dir(machine.home().join("work")).map_or(0, Iterator::count);
    until("work folders go with their loans", || (work(c) <= 1).then_some(()));
}

#[test]
fn tasks_of_a_machine_that_dies_run_elsewhere_within_seconds() {
    let name = "tasks_of_a_machine_that_dies_run_elsewhere_within_seconds";
    let Some(net) = Net::new(name, &[]) else { return };
    let grid = net.lan(&["a", "b", "c"]);
    let all = machines(&grid, ["a", "b", "c"]);
    let [a, b, c] = &all;
    admit(a, b);
    admit(a, c);
    let kills = std::env::var("TERN_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(10_usize);
    let mut took: Vec<Duration> = (0..kills).map(|_| dies_with_its_task(&all)).collect();
    took.sort();
    let at = |share: f64| took[((took.len() as f64 * share).ceil() as usize).clamp(1, took.len()) - 1];
    let (p50, p99) = (at(0.5), at(0.99));
    let met = if p99 <= ELSEWHERE { "met" } else { "missed" };
    println!(
        "{kills} machines died with a task, which ran elsewhere after p50 {p50:.2?}, p99 {p99:.2?} (to reach: {ELSEWHERE:?}: {met})"
    );
}

/// What tells the machines of one kernel apart: their network.
fn network(machine: &Machine) -> String {
    machine.node().inside(|| fs::read_link("/proc/thread-self/ns/net").unwrap().to_string_lossy().into_owned())
}

/// Lets the machine die that runs a task of `a`'s, and returns how long it took until the other one began it.
fn dies_with_its_task(all: &[Machine; 3]) -> Duration {
    until_all_reach_all(all);
    let a = &all[0];
    let log = a.file("begins");
    fs::write(&log, "").unwrap();
    let says = format!("echo $(readlink /proc/self/ns/net) $(date +%s%N) >>{}; sleep 1000", log.display());
    let job = a.good(&["submit", "--on", "b", "--on", "c", "--", "sh", "-c", &says]).trim().to_owned();
    let begins = |count: usize| {
        let text = fs::read_to_string(&log).unwrap();
        let line = text.lines().nth(count).filter(|_| text.ends_with('\n'))?;
        let (network, at) = line.split_once(' ').unwrap();
        Some((network.to_owned(), at.parse::<u64>().unwrap()))
    };
    let (first, _) = until("the task begins", || begins(0));
    let victim = all.iter().find(|machine| network(machine) == first).expect("one of them runs it");
    let died = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    victim.node().power_off();
    let (second, at) = until("the task begins elsewhere", || begins(1));
    assert_ne!(first, second);
    a.good(&["cancel", &job]);
    victim.up();
    Duration::from_nanos(at).saturating_sub(died)
}

/// Says in words that a shell reads how long output is, each line of which is its number.
const LONG: &str = "seq 1 300000; seq 400000 600000 >&2; exit 3";

#[test]
fn output_that_no_message_holds_comes_back_whole() {
    let name = "output_that_no_message_holds_comes_back_whole";
    let Some(net) = Net::new(name, &[]) else { return };
    let grid = net.lan(&["a", "b"]);
    let all = machines(&grid, ["a", "b"]);
    let [a, b] = &all;
    admit(a, b);
    until_all_reach_all(&all);
    let here = a.tern(&["run", "--", "sh", "-c", LONG]);
    let there = a.tern(&["map", "--on", "b", "-k", "--", "sh", "-c", LONG, ":::", "1"]);
    assert_eq!((here.code, there.code), (3, 1));
    assert!(here.stdout.len() > 1_000_000 && here.stderr.len() > 1_000_000);
    assert_eq!(there.stdout, here.stdout);
    assert!(there.stderr.contains(&here.stderr), "the error output is not whole");
    let ran = a.good(&["job", "2", "--tasks", "--json"]);
    assert!(ran.contains(b.ask("/v1/status").unwrap()["node"].as_str().unwrap()), "{ran}");
    // Both lie in files of their own, which outlive the agent, and go with their job.
    let kept = || fs::read_dir(a.home().join("out/peers")).map_or(0, Iterator::count);
    assert_eq!(kept(), 2);
    a.down();
    a.up();
    assert_eq!(a.good(&["logs", "2"]), here.stdout);
    let folders = || fs::read_dir(b.home().join("work")).map_or(0, Iterator::count);
    until("the folder of the loan goes with it", || (folders() <= 1).then_some(()));
}

#[test]
fn what_a_message_has_no_room_for_goes_with_the_next() {
    let name = "what_a_message_has_no_room_for_goes_with_the_next";
    let Some(net) = Net::new(name, &[]) else { return };
    let grid = net.lan(&["a", "b"]);
    let all = machines(&grid, ["a", "b"]);
    let [a, b] = &all;
    b.down();
    b.configure(&format!("slots = 6\n{QUIET}name = \"b\"\n"));
    b.up();
    admit(a, b);
    until_all_reach_all(&all);
    // 1.2 MB each, of which a message holds three. Each waits until all of them have begun.
    let rows: String = (0..6).map(|row| format!("{row}{}\n", "x".repeat(120_000))).collect();
    fs::write(a.file("rows"), rows).unwrap();
    let waits = "touch began.${1%%x*}; until [ $(ls began.* | wc -l) = 6 ]; do sleep 0.1; done; echo ${#1}";
    let words =
        [&["map", "--on", "b", "-k", "--", "sh", "-c", waits, "sh"][..], &["{}"; 10], &["::::", "rows"]].concat();
    let out = a.tern(&words);
    assert_eq!((out.code, out.stdout), (0, "120001\n".repeat(6)), "{}", out.stderr);
}

/// A file system of its own size, for as long as this lives.
struct Disk(std::path::PathBuf);

impl Disk {
    fn new(place: std::path::PathBuf, bytes: usize) -> Self {
        fs::create_dir(&place).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "tern-it"]).arg(&place);
        assert!(mount.status().unwrap().success(), "{} is no disk", place.display());
        Self(place)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _left = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn outputs_without_room_wait_for_it_and_say_so() {
    let name = "outputs_without_room_wait_for_it_and_say_so";
    let Some(net) = Net::new(name, &[]) else { return };
    let grid = net.lan(&["a", "b"]);
    let all = machines(&grid, ["a", "b"]);
    let [a, b] = &all;
    a.down();
    let disk = Disk::new(a.file("disk"), 1 << 20);
    a.up();
    admit(a, b);
    until_all_reach_all(&all);
    fs::write(disk.0.join("full"), vec![1; 800_000]).unwrap();
    let job = a.good(&["submit", "--on", "b", "--out", "disk/made", "--", "sh", "-c", "seq 1 80000 >disk/made"]);
    let job = job.trim();
    let waits = until("it is said", || a.ask("/v1/status")?["outputs_wait"].as_str().map(str::to_owned));
    assert!(waits.contains("no room") && waits.contains("disk/made"), "{waits}");
    assert!(a.good(&["status"]).contains(&waits));
    assert!(!disk.0.join("made").exists(), "a part of it was shown");
    fs::remove_file(disk.0.join("full")).unwrap();
    a.good(&["wait", job]);
    let lines = fs::read_to_string(disk.0.join("made")).unwrap();
    assert_eq!((lines.lines().count(), lines.lines().last()), (80_000, Some("80000")));
    assert_eq!(a.ask("/v1/status").unwrap()["outputs_wait"], serde_json::Value::Null);
}
