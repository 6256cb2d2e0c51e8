//! The cases of `tests/parallel/`, run by `tern map` and by GNU parallel: output and exit status must be equal byte by byte.
//!
//! A case is one file of sections: `--- args` (one a line), `--- stdin`, `--- file NAME`, `--- env NAME=VALUE`, and what
//! came out: `--- stdout`, `--- stderr` (compared only where it stands), `--- status N`. A section that ends in
//! `encoded`, and an argument that begins with `%`, are percent-encoded. `--shell` is left out for parallel, which
//! always has one. What is committed came from GNU parallel 20221122, so that the cases hold where it is not installed;
//! `UPDATE_PARALLEL=1` asks the installed one again.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

/// Cases that there are at least; fewer mean that the folder was not found.
const CASES_MIN: usize = 60;
/// Cases run at once.
const WORKERS: usize = 4;

/// One file.
struct Case {
    path: PathBuf,
    /// Lines before the first section.
    comment: String,
    args: Vec<Vec<u8>>,
    stdin: Vec<u8>,
    files: BTreeMap<String, Vec<u8>>,
    env: Vec<(String, String)>,
    golden: Ran,
}

/// What came out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Ran {
    stdout: Vec<u8>,
    /// Only where the case compares it.
    stderr: Option<Vec<u8>>,
    status: Option<i32>,
}

fn decoded(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match code {
            Some(code) if byte == b'%' => {
                bytes.push(code);
                rest = &after[2..];
            }
            _ => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    bytes
}

fn encoded(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, &byte| {
        if byte.is_ascii_graphic() && byte != b'%' || byte == b' ' {
            text.push(char::from(byte));
        } else {
            write!(text, "%{byte:02X}").expect("a string can be written");
        }
        text
    })
}

impl Case {
    fn read(path: PathBuf) -> Self {
        let text = std::fs::read_to_string(&path).expect("a case is text");
        let mut lines = text.split_inclusive('\n').peekable();
        let mut case = Self {
            comment: String::new(),
            args: Vec::new(),
            stdin: Vec::new(),
            files: BTreeMap::new(),
            env: Vec::new(),
            golden: Ran::default(),
            path,
        };
        while let Some(line) = lines.next_if(|line| !line.starts_with("--- ")) {
            case.comment.push_str(line);
        }
        while let Some(head) = lines.next() {
            let mut body = String::new();
            while let Some(line) = lines.next_if(|line| !line.starts_with("--- ")) {
                body.push_str(line);
            }
            case.section(head.trim_start_matches("--- ").trim_end_matches('\n'), &body);
        }
        case
    }

    fn section(&mut self, head: &str, body: &str) {
        let (head, content) = match head.strip_suffix(" encoded") {
            Some(head) => (head, decoded(body.trim_end_matches('\n').as_bytes())),
            None => (head, body.as_bytes().to_vec()),
        };
        match head.split_once(' ').unwrap_or((head, "")) {
            ("args", "") => {
                let argument = |line: &str| line.strip_prefix('%').map_or(line.into(), |code| decoded(code.as_bytes()));
                self.args = body.lines().map(argument).collect();
            }
            ("stdin", "") => self.stdin = content,
            ("file", name) => drop(self.files.insert(name.into(), content)),
            ("env", pair) => {
                let (name, value) = pair.split_once('=').expect("NAME=VALUE");
                self.env.push((name.into(), value.into()));
            }
            ("stdout", "") => self.golden.stdout = content,
            ("stderr", "") => self.golden.stderr = Some(content),
            ("status", code) => self.golden.status = code.parse().ok(),
            _ => panic!("{}: no section `{head}`", self.path.display()),
        }
    }

    fn name(&self) -> String {
        self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Runs the case in a folder of its own that holds its files.
    fn run(&self, mut command: Command) -> Ran {
        let place = tempfile::tempdir().expect("a folder can be made");
        let work = place.path().join("work");
        std::fs::create_dir(&work).expect("a folder can be made");
        for (name, content) in &self.files {
            std::fs::write(work.join(name), content).expect("a file can be written");
        }
        command.current_dir(&work).env("HOME", place.path()).env("TERN_HOME", place.path().join("state"));
        command.env("SHELL", "/bin/sh").env("PARALLEL_SHELL", "/bin/sh").env("LC_ALL", "C");
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program is there");
        let mut stdin = child.stdin.take().expect("stdin is piped");
        // It may end without having read its input.
        drop(stdin.write_all(&self.stdin));
        drop(stdin);
        let output = child.wait_with_output().expect("it ends");
        let stderr = self.golden.stderr.is_some().then_some(output.stderr);
        Ran { stdout: output.stdout, stderr, status: output.status.code() }
    }

    fn under_tern(&self) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tern"));
        command.arg("map").args(self.args.iter().cloned().map(OsString::from_vec));
        self.run(command)
    }

    fn under_parallel(&self) -> Ran {
        let mut command = Command::new("parallel");
        let args = self.args.iter().filter(|arg| *arg != b"--shell").cloned();
        command.arg("--will-cite").args(args.map(OsString::from_vec));
        self.run(command)
    }

    /// Writes the file anew with `ran` as what came out.
    fn write(&self, ran: &Ran) {
        let mut text = self.comment.clone() + "--- args\n";
        for arg in &self.args {
            match std::str::from_utf8(arg) {
                Ok(plain) if !plain.contains('\n') && !plain.starts_with('%') => text.push_str(plain),
                _ => text.push_str(&format!("%{}", encoded(arg))),
            }
            text.push('\n');
        }
        let mut section = |head: &str, content: &[u8]| match std::str::from_utf8(content) {
            Ok(plain) if (plain.is_empty() || plain.ends_with('\n')) && !plain.contains(['\0', '\r']) => {
                text.push_str(&format!("--- {head}\n{plain}"));
            }
            _ => text.push_str(&format!("--- {head} encoded\n{}\n", encoded(content))),
        };
        for (name, value) in &self.env {
            section(&format!("env {name}={value}"), b"");
        }
        for (name, content) in &self.files {
            section(&format!("file {name}"), content);
        }
        if !self.stdin.is_empty() {
            section("stdin", &self.stdin);
        }
        section("stdout", &ran.stdout);
        if let Some(stderr) = &ran.stderr {
            section("stderr", stderr);
        }
        section(&format!("status {}", ran.status.expect("it was not killed")), b"");
        std::fs::write(&self.path, text).expect("a case can be written");
    }
}

fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/parallel");
    let entries = std::fs::read_dir(folder).expect("tests/parallel is there");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be read").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "case"));
    paths.sort();
    assert!(paths.len() >= CASES_MIN, "only {} cases", paths.len());
    paths.into_iter().map(Case::read).collect()
}

/// Runs `test` for every case, several at once; panics with all that it says.
fn for_all(test: impl Fn(&Case) -> Option<String> + Sync) {
    let cases = cases();
    let next = Mutex::new(cases.iter());
    let faults = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let case = next.lock().expect("nobody panicked").next();
                    let Some(case) = case else { break };
                    if let Some(fault) = test(case) {
                        faults.lock().expect("nobody panicked").push(format!("{}: {fault}", case.name()));
                    }
                }
            });
        }
    });
    let faults = faults.into_inner().expect("nobody panicked");
    assert!(faults.is_empty(), "{} of {} cases differ:\n{}", faults.len(), cases.len(), faults.join("\n"));
}

fn difference(what: &str, ran: &Ran, golden: &Ran) -> Option<String> {
    if ran == golden {
        return None;
    }
    let shown = |ran: &Ran| {
        let stderr = ran.stderr.as_deref().map(encoded).unwrap_or_default();
        format!("status {:?}\n    stdout {}\n    stderr {stderr}", ran.status, encoded(&ran.stdout))
    };
    Some(format!("\n  {what}: {}\n  expected: {}", shown(ran), shown(golden)))
}

fn has_parallel() -> bool {
    let version = Command::new("parallel").args(["--will-cite", "--version"]).output();
    version.is_ok_and(|output| output.stdout.starts_with(b"GNU parallel"))
}

#[test]
fn tern_map_gives_what_gnu_parallel_gave() {
    if std::env::var_os("UPDATE_PARALLEL").is_some() {
        return;
    }
    for_all(|case| difference("tern map", &case.under_tern(), &case.golden));
}

#[test]
fn gnu_parallel_still_gives_the_same() {
    if !has_parallel() {
        let reason = "gnu_parallel_still_gives_the_same\tGNU parallel is not installed\n";
        eprint!("skipped: {reason}");
        if let Some(log) = std::env::var_os("TERN_SKIP_LOG") {
            let log = std::fs::File::options().append(true).create(true).open(log);
            log.and_then(|mut log| log.write_all(reason.as_bytes())).expect("the skip can be logged");
        }
        return;
    }
    let update = std::env::var_os("UPDATE_PARALLEL").is_some();
    for_all(|case| {
        let ran = case.under_parallel();
        if update {
            case.write(&ran);
            return None;
        }
        difference("parallel", &ran, &case.golden)
    });
}
