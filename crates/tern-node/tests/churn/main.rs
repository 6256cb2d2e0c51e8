//! Fifty nodes in a few processes, of which a fifth is killed and started again at random: afterwards all have one picture.
//!
//! Forty nodes live in four processes to the end, two each in five others that are killed without a word, again and again. How
//! long is said by `TERN_CHURN_SECONDS` (30; 300 in `cargo xtask soak`).

mod nodes;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// Processes that live on, and nodes in each of them.
const STEADY: (usize, usize) = (4, 10);
/// Those that are killed, together a fifth of all nodes.
const RESTLESS: (usize, usize) = (5, 2);
const NODES: usize = STEADY.0 * STEADY.1 + RESTLESS.0 * RESTLESS.1;
/// MiB of memory a node.
const MEMORY_MAX: u64 = 60;
/// What the design asks for, after the last node has started.
const ONE_PICTURE: Duration = Duration::from_secs(3);
/// A picture that has not become one by then will not; generous, since other tests may run on the same cores.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a process lives, and how long it is gone, milliseconds.
const LIVES: std::ops::Range<u64> = 1_000..7_000;
const GONE: std::ops::Range<u64> = 0..1_500;

/// A process with some of the nodes.
struct Process {
    nodes: std::ops::Range<usize>,
    folder: PathBuf,
    running: Option<Running>,
}

struct Running {
    child: Child,
    to: ChildStdin,
    from: Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn new(nodes: std::ops::Range<usize>, folder: &Path) -> Self {
        let mut process = Self { nodes, folder: folder.to_owned(), running: None };
        process.start();
        process
    }

    /// Returns when its nodes listen.
    fn start(&mut self) {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["--exact", nodes::CHILD, "--ignored", "--nocapture"]);
        command.env(nodes::FOLDER, &self.folder);
        command.env(nodes::NUMBERS, format!("{} {}", self.nodes.start, self.nodes.end));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a process");
        let (to, from) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        let mut running = Running { child, to, from: BufReader::new(from).lines() };
        running.hear();
        self.running = Some(running);
    }

    fn kill(&mut self) {
        drop(self.running.take());
    }

    fn ask(&mut self, command: &str) -> String {
        let running = self.running.as_mut().expect("it runs");
        writeln!(running.to, "{command}").expect("it listens");
        running.hear()
    }

    /// What its nodes see, each picture once.
    fn pictures(&mut self) -> BTreeSet<String> {
        self.ask("pictures").split(' ').map(str::to_owned).collect()
    }

    /// MiB of memory a node.
    fn memory(&self) -> u64 {
        let pid = self.running.as_ref().expect("it runs").child.id();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the kernel says");
        let kib: u64 = line.split_whitespace().next().and_then(|word| word.parse().ok()).expect("a number");
        kib / 1024 / self.nodes.len() as u64
    }
}

impl Running {
    /// The next line that is meant for us; the harness of tests says things of its own.
    fn hear(&mut self) -> String {
        let mut lines = self.from.by_ref().map(|line| line.expect("text"));
        let line = lines.find_map(|line| line.split_once(nodes::MARK).map(|(_, rest)| rest.to_owned()));
        line.expect("the process lives")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A grid of all these processes.
fn grown(folder: &Path) -> Vec<Process> {
    let kinds = [STEADY; STEADY.0].into_iter().chain([RESTLESS; RESTLESS.0]);
    let mut first = 0;
    let mut processes: Vec<Process> = kinds
        .map(|(_, count)| {
            let nodes = first..first + count;
            first = nodes.end;
            Process::new(nodes, folder)
        })
        .collect();
    let (first, others) = processes.split_first_mut().expect("there are some");
    for process in &mut *others {
        let ticket = first.ask("invite admin");
        process.ask(&format!("join {} {ticket}", process.nodes.start));
    }
    // Each process lets its own nodes in.
    for process in &mut processes {
        for node in process.nodes.clone().skip(1) {
            let ticket = process.ask("invite member");
            process.ask(&format!("join {node} {ticket}"));
        }
    }
    processes
}

/// Kills and starts those that have no rest; at the end all run. Returns how often.
fn churn(restless: &mut [Process], lasts: Duration) -> usize {
    let (began, mut count) = (Instant::now(), 0);
    let mut dice = fastrand::Rng::with_seed(50);
    let mut due: Vec<Instant> = restless.iter().map(|_| began + Duration::from_millis(dice.u64(LIVES))).collect();
    while began.elapsed() < lasts {
        for (process, due) in restless.iter_mut().zip(&mut due) {
            if *due > Instant::now() {
                continue;
            }
            let next = if process.running.is_some() {
                process.kill();
                count += process.nodes.len();
                GONE
            } else {
                process.start();
                LIVES
            };
            *due = Instant::now() + Duration::from_millis(dice.u64(next));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    for process in restless.iter_mut().filter(|process| process.running.is_none()) {
        process.start();
    }
    count
}

/// Waits until all nodes have one picture in which everybody is up.
fn until_one_picture(processes: &mut [Process]) -> Duration {
    let began = Instant::now();
    loop {
        let all: BTreeSet<String> = processes.iter_mut().flat_map(Process::pictures).collect();
        let whole = format!("{NODES}:");
        let kinds: BTreeSet<&str> = all.iter().filter_map(|one| one.rsplit_once(':')).map(|(kind, _)| kind).collect();
        if kinds.len() == 1 && all.iter().all(|picture| picture.starts_with(&whole)) {
            return began.elapsed();
        }
        assert!(began.elapsed() < PATIENCE, "{} pictures: {kinds:?}; {all:?}", kinds.len());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn fifty_nodes_of_which_a_fifth_restarts_at_random_have_one_picture_soon_afterwards() {
    let seconds = std::env::var("TERN_CHURN_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(30);
    let folder = tempfile::tempdir().expect("a folder");
    let began = Instant::now();
    let mut processes = grown(folder.path());
    let took = until_one_picture(&mut processes);
    println!("{NODES} nodes joined in {:.1?}, one picture {took:.1?} later", began.elapsed().saturating_sub(took));
    let restarts = churn(&mut processes[STEADY.0..], Duration::from_secs(seconds));
    let took = until_one_picture(&mut processes);
    let met = if took <= ONE_PICTURE { "met" } else { "missed" };
    println!(
        "{restarts} restarts in {seconds} s; one picture {took:.2?} afterwards (to reach: {ONE_PICTURE:?}: {met})"
    );
    let disputes = processes.iter_mut().map(|process| process.ask("disputes").parse::<usize>().expect("a number"));
    println!("keys that a node took for copied: {} (to reach: 0)", disputes.sum::<usize>());
    let memory = processes.iter().map(|process| (process.memory(), process.nodes.len()));
    let worst = memory.clone().map(|(each, _)| each).max().unwrap_or(0);
    let most = memory.map(|(each, count)| each * count as u64).sum::<u64>() / NODES as u64;
    println!("memory a node: {most} MiB, at most {worst} (to reach: {MEMORY_MAX})");
    // The worst is a process that two nodes share, with all that a process has but once.
    assert!(most <= MEMORY_MAX, "{most} MiB a node");
}
