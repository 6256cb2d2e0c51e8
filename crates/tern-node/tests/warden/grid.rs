//! A client of a real warden, and the runner of these tests.

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use tern_core::promise::{Exit, Outcome, Output};
use tern_core::words::{Attempt, Bytes, Epoch, JobId, TaskSet};
use tern_node::home::Home;
use tern_node::process::link::{LinkEvent, WardenLink, spawn_warden};
use tern_node::process::protocol::{Context, FromWarden, Grant, Order, ToWarden};
use tern_node::process::warden::Options;

/// Where the test stands, its name, and the test.
pub type Test = (&'static str, &'static str, fn());

/// The tests of one file. They are functions without an attribute, since this program has a runner of its own.
macro_rules! tests {
    ($($name:ident),+ $(,)?) => {
        pub const TESTS: &[super::grid::Test] = &[$((module_path!(), stringify!($name), $name)),+];
    };
}
pub(crate) use tests;

/// This test cannot run here; `cargo xtask test` counts it as skipped.
pub fn skip(name: &str, reason: &str) {
    use std::io::Write;
    eprintln!("SKIP {name}: {reason}");
    if let Some(path) = std::env::var_os("TERN_SKIP_LOG") {
        let mut log = std::fs::OpenOptions::new().append(true).create(true).open(path).expect("the log of skips");
        log.write_all(format!("{name}\t{reason}\n").as_bytes()).expect("logged");
    }
}

/// Runs those whose names hold the filter, each with its own state folders, and says so in the lines of Rust's own runner,
/// which `cargo xtask test` counts.
pub fn run_all(tests: &[Test], filter: Option<&str>) -> ExitCode {
    let named = tests.iter().map(|(module, name, test)| {
        let module = module.split_once("::").map_or("", |(_, inner)| inner);
        (format!("{module}::{name}"), test)
    });
    let chosen: Vec<_> = named.filter(|(name, _)| filter.is_none_or(|filter| name.contains(filter))).collect();
    println!("\nrunning {} test{}", chosen.len(), if chosen.len() == 1 { "" } else { "s" });
    let began = Instant::now();
    let mut failed = Vec::new();
    for (name, test) in &chosen {
        let passed = std::panic::catch_unwind(test).is_ok();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        failed.extend((!passed).then_some(name));
    }
    for name in &failed {
        println!("    {name}");
    }
    println!(
        "\ntest result: {}. {} passed; {} failed; 0 ignored; 0 measured; {} filtered out; finished in {:.2}s\n",
        if failed.is_empty() { "ok" } else { "FAILED" },
        chosen.len() - failed.len(),
        failed.len(),
        tests.len() - chosen.len(),
        began.elapsed().as_secs_f64(),
    );
    ExitCode::from(u8::from(!failed.is_empty()))
}

/// Long enough for a loaded machine; nothing is measured by it.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub fn exe() -> PathBuf {
    std::env::current_exe().expect("our own path")
}

/// A state folder with one client of its warden.
pub struct Grid {
    pub home: Home,
    pub options: Options,
    pub slots: u32,
    link: Option<WardenLink>,
    from: Option<Receiver<LinkEvent>>,
    pub warden_pid: i32,
    pub outcomes: BTreeMap<Attempt, Outcome>,
    pub running: Vec<Attempt>,
    pub queued: Vec<Attempt>,
    pub lost: Vec<Attempt>,
    pub revoked: Vec<Attempt>,
    pub full: bool,
    /// Removed with the grid.
    folder: Option<tempfile::TempDir>,
}

pub const EPOCH: Epoch = Epoch { counter: 0, keeper: 7, incarnation: 0xabcd };
pub const JOB: JobId = JobId::new(7, 1);

impl Grid {
    pub fn new(slots: u32) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut grid = Self::at(folder.path().join("home"), slots, Options { node_tag: 7, ..Options::default() });
        grid.folder = Some(folder);
        grid.up();
        grid
    }

    /// Not started.
    pub fn at(path: PathBuf, slots: u32, options: Options) -> Self {
        std::fs::create_dir_all(&path).expect("a folder");
        Self {
            home: Home::new(path),
            options,
            slots,
            link: None,
            from: None,
            warden_pid: 0,
            outcomes: BTreeMap::new(),
            running: Vec::new(),
            queued: Vec::new(),
            lost: Vec::new(),
            revoked: Vec::new(),
            full: false,
            folder: None,
        }
    }

    /// Starts a warden if there is none, and connects; returns after its Welcome.
    pub fn up(&mut self) {
        let (to, from) = channel();
        let deliver = move |event| drop(to.send(event));
        let link = match WardenLink::connect(&self.home, self.slots, &[], deliver.clone()) {
            Ok(link) => link,
            Err(_) => {
                self.warden_pid = spawn_warden(&self.home, &exe(), &self.options).expect("a warden");
                WardenLink::connect(&self.home, self.slots, &[], deliver).expect("a line")
            }
        };
        (self.link, self.from) = (Some(link), Some(from));
        self.until("Welcome", |_, message| matches!(message, FromWarden::Welcome { .. }));
    }

    pub fn hang_up(&mut self) {
        (self.link, self.from) = (None, None);
    }

    pub fn send(&mut self, message: ToWarden) {
        self.link.as_mut().expect("a line").send(&[message]).expect("sent");
    }

    /// Takes in messages until one makes `done` true.
    pub fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self, &FromWarden) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.from.as_ref().expect("a line").recv_timeout(left) {
                Ok(LinkEvent::Message(message)) => {
                    self.note(&message);
                    if done(self, &message) {
                        return;
                    }
                }
                Ok(LinkEvent::Down(error)) => panic!("the line broke while waiting for {what}: {error}"),
                Err(RecvTimeoutError::Timeout) => panic!("no {what}; {} outcomes", self.outcomes.len()),
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// The warden answers in order: what was sent before was read when this returns.
    pub fn until_nothing_unread(&mut self) {
        self.send(ToWarden::ListThrottles);
        self.until("an answer", |_, message| matches!(message, FromWarden::Throttles(_)));
    }

    /// Takes in what is there until the line breaks.
    pub fn drain(&mut self) {
        let Some(from) = self.from.take() else { return };
        while let Ok(LinkEvent::Message(message)) = from.recv_timeout(PATIENCE) {
            self.note(&message);
        }
    }

    fn note(&mut self, message: &FromWarden) {
        match message {
            FromWarden::Welcome { warden_pid, running, queued, .. } => {
                self.warden_pid = *warden_pid as i32;
                (self.running, self.queued) = (running.clone(), queued.clone());
            }
            FromWarden::Finished { outcomes, .. } => {
                for outcome in outcomes {
                    let before = self.outcomes.insert(outcome.attempt, *outcome);
                    assert!(before.is_none(), "{:?} ended twice", outcome.attempt);
                }
            }
            FromWarden::Revoked(attempts) => self.revoked.extend(attempts),
            FromWarden::Lost(attempts) => self.lost.extend(attempts),
            FromWarden::Full(full) => self.full = *full,
            // Tests that want one look for it; for the others it is the reason why they fail.
            FromWarden::ThrottleRefused { pid, why } => println!("process {pid} was not throttled: {why}"),
            _ => {}
        }
    }

    pub fn until_ended(&mut self, count: usize) {
        if self.outcomes.len() < count {
            self.until(&format!("{count} ends"), |grid, _| grid.outcomes.len() >= count);
        }
    }

    /// The usual context: this process's environment and `/`.
    pub fn context(&self, change: impl FnOnce(&mut Context)) -> PathBuf {
        let env = std::env::vars_os().map(|(name, value)| (bytes(name), bytes(value))).collect();
        let mut context = Context { cwd: "/".into(), env, grace_ms: 300, ..Context::default() };
        change(&mut context);
        let path = self.home.path().join(format!("context-{}", fresh_number()));
        tern_node::store::context::write(&path, &context).expect("written");
        path
    }

    pub fn grant(&mut self, context: &Path, n: u32, tasks: impl IntoIterator<Item = (u32, Vec<Bytes>)>) {
        let tasks = tasks.into_iter().map(|(task, argv)| Order { task, argv, own: None }).collect();
        let grant = Grant { job: JOB, round: 0, epoch: EPOCH, n, context: context.to_owned(), tasks };
        self.send(ToWarden::Grant(grant));
    }

    /// Grants tasks 0, 1, … and returns their outcomes in that order.
    pub fn run(&mut self, context: &Path, commands: &[Vec<Bytes>]) -> Vec<Outcome> {
        self.grant(context, 1, (0..).zip(commands.iter().cloned()));
        self.until_ended(commands.len());
        self.outcomes.values().copied().collect()
    }

    pub fn stdout(&self, outcome: &Outcome) -> Vec<u8> {
        read(self.home.stdout(outcome.stdout.file), outcome.stdout)
    }

    pub fn stderr(&self, outcome: &Outcome) -> String {
        String::from_utf8_lossy(&read(self.home.stderr(outcome.stderr.file), outcome.stderr)).into_owned()
    }

    pub fn end(&mut self, tasks: &[u32]) {
        self.send(ToWarden::End { job: JOB, tasks: tasks.iter().copied().collect::<TaskSet>() });
    }
}

impl Drop for Grid {
    fn drop(&mut self) {
        if let Some(link) = &mut self.link {
            let _ = link.send(&[ToWarden::Quit { end_tasks: true }]);
            if !std::thread::panicking() {
                self.drain();
            }
        }
    }
}

fn fresh_number() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

fn read(path: PathBuf, range: Output) -> Vec<u8> {
    let mut bytes = vec![0; range.len as usize];
    if range.len > 0 {
        std::fs::File::open(path).expect("output").read_exact_at(&mut bytes, range.offset).expect("all of it");
    }
    bytes
}

fn bytes(text: std::ffi::OsString) -> Bytes {
    std::os::unix::ffi::OsStringExt::into_vec(text).into()
}

pub fn argv<const N: usize>(words: [&str; N]) -> Vec<Bytes> {
    words.into_iter().map(Bytes::from).collect()
}

/// A shell is what the *tests* use to make programs that misbehave.
pub fn sh(script: &str) -> Vec<Bytes> {
    argv(["/bin/sh", "-c", script])
}

pub fn attempt(task: u32, n: u32) -> Attempt {
    Attempt { job: JOB, task, round: 0, epoch: EPOCH, n }
}

pub fn exits(outcomes: &[Outcome]) -> Vec<Exit> {
    outcomes.iter().map(|outcome| outcome.exit).collect()
}
