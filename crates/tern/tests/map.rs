//! `tern map` where it goes its own way: bad input, closed pipes, interrupts, large output, JSON.
//!
//! What it shares with GNU parallel is in `parallel.rs`.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Long enough for a busy machine; only a fault waits that long.
const PATIENCE: Duration = Duration::from_secs(60);

fn tern(place: &TempDir, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tern"));
    command.arg("map").args(words).current_dir(place).env("TERN_HOME", place.path().join("state"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn place() -> TempDir {
    tempfile::tempdir().expect("a folder can be made")
}

fn ran(words: &[&str]) -> Output {
    tern(&place(), words).output().expect("tern is there")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Waits for what another process does.
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < PATIENCE, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn fed(place: &TempDir, words: &[&str], input: &[u8]) -> Output {
    let mut child = tern(place, words).stdin(Stdio::piped()).spawn().expect("tern is there");
    // The pipe is dropped after the write, which ends the input.
    child.stdin.take().expect("is piped").write_all(input).expect("it reads");
    child.wait_with_output().expect("it ends")
}

#[test]
fn bad_input_is_said_before_anything_runs() {
    let cases: [(&[&str], i32, &str); 11] = [
        (&["touch", "x", "::::", "/nonexistent/list"], 66, "/nonexistent/list"),
        (&["-a", "/nonexistent/list", "touch", "x"], 66, "/nonexistent/list"),
        (&["--sshlogin", "host", "touch", "x"], 64, "--sshlogin"),
        (&["--halt", "now", "touch", "x", ":::", "a"], 64, "--halt"),
        (&["--timeout", "200%", "touch", "x", ":::", "a"], 64, "percentage"),
        (&["--colsep", "(", "touch", "x", ":::", "a"], 64, "column separator"),
        (&["-j", "many", "touch", "x", ":::", "a"], 64, "many"),
        (&["touch x; rm x", ":::", "a"], 64, "--shell"),
        (&["touch x 'y", ":::", "a"], 64, "never closed"),
        (&["touch", "x", "{%}", ":::", "a"], 64, "{%}"),
        (&["touch", "x", "::::"], 64, "::::"),
    ];
    for (words, status, said) in cases {
        let place = place();
        let output = tern(&place, words).output().expect("tern is there");
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{words:?}: {stderr}");
        assert!(stderr.contains(said), "{words:?}: {stderr}");
        let left = std::fs::read_dir(place.path()).expect("is there").count();
        assert_eq!(left, 0, "{words:?} left something behind");
    }
}

#[test]
fn an_input_file_that_vanishes_is_named_and_nothing_is_started() {
    let place = place();
    let list = place.path().join("list");
    std::fs::write(&list, "a\n").expect("can be written");
    std::fs::remove_file(&list).expect("is there");
    let output = tern(&place, &["touch", "started", ":::", "1", "::::", "list"]).output().expect("tern is there");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(66), "{said}");
    assert!(said.contains("list") && said.contains("nothing was started"), "{said}");
    assert_eq!(std::fs::read_dir(place.path()).expect("is there").count(), 0);
}

#[test]
fn arguments_with_newlines_reach_the_program_as_one() {
    let output = ran(&["printf", "[%s][%s]", "a  b", "{}", ":::", "c\nd  e"]);
    assert_eq!(text(&output.stdout), "[a  b][c\nd  e]");
    let output = fed(&place(), &["-0", "-k", "printf", "[%s]", "{}"], b"a\nb\0\nc\0");
    assert_eq!(text(&output.stdout), "[a\nb][\nc]");
}

#[test]
fn arguments_that_are_not_text_reach_the_program_byte_for_byte() {
    let bytes = b"\xff a\xfe\x80'";
    let argument = std::ffi::OsStr::from_bytes(bytes);
    let output = tern(&place(), &["printf", "%s", "{}", ":::"]).arg(argument).output().expect("tern is there");
    assert_eq!(output.stdout, bytes, "{}", text(&output.stderr));
    let output =
        tern(&place(), &["--json", "printf", "%s", "{}", ":::"]).arg(argument).output().expect("tern is there");
    let stdout = text(&output.stdout);
    let line: serde_json::Value = serde_json::from_str(stdout.lines().next().expect("a line")).expect("is JSON");
    assert_eq!(line["stdout"], serde_json::json!(bytes));
    assert_eq!(line["args"], serde_json::json!([bytes]));
}

#[test]
fn an_argument_beyond_the_kernels_limit_starts_nothing() {
    let place = place();
    let output = fed(&place, &["touch", "x"], &vec![b'x'; 200_000]);
    assert_eq!(output.status.code(), Some(65), "{}", text(&output.stderr));
    assert_eq!(std::fs::read_dir(place.path()).expect("is there").count(), 0);
}

#[test]
fn arguments_of_megabytes_in_all_go_out_in_pieces_and_all_run() {
    let place = place();
    let line = "x".repeat(100_000);
    std::fs::write(place.path().join("long"), format!("{line}\n").repeat(60)).expect("can be written");
    let output = tern(&place, &["-k", "sh", "-c", "echo ${#1}", "sh", "{}", "::::", "long"]).output();
    let output = output.expect("tern is there");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "100000\n".repeat(60));
}

#[test]
fn a_nul_byte_is_refused_unless_it_separates() {
    let output = fed(&place(), &["echo"], b"a\nb\0c\n");
    assert_eq!(output.status.code(), Some(65));
    assert!(text(&output.stderr).contains("-0"), "{}", text(&output.stderr));
}

#[test]
fn a_program_that_does_not_exist_fails_its_task_with_127_and_the_job_goes_on() {
    let lines = ["no-such-program", "echo after", "no-such-program again"];
    let output = ran(&[&["--json", "-j1", "-k", ":::"], &lines[..]].concat());
    let stdout = text(&output.stdout);
    let ends: Vec<serde_json::Value> =
        stdout.lines().map(|line| serde_json::from_str(line).expect("is JSON")).collect();
    let statuses: Vec<_> = ends.iter().take(3).map(|end| &end["status"]).collect();
    assert_eq!((statuses, output.status.code()), (vec![&127.into(), &0.into(), &127.into()], Some(2)), "{stdout}");
    let output = ran(&["-j1", "no-such-program", ":::", "a", "b"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("no-such-program"), "{}", text(&output.stderr));
}

#[test]
fn output_of_gigabytes_is_passed_through_in_bounded_memory() {
    const BYTES: u64 = 2_200_000_000;
    const PEAK_KIB_MAX: i64 = 256 * 1024;
    let place = place();
    let free = nix::sys::statvfs::statvfs(place.path()).expect("is there");
    if free.blocks_available() * free.fragment_size() < 2 * BYTES {
        return skipped("output_of_gigabytes_is_passed_through_in_bounded_memory", "less than 5 GB free for it");
    }
    let mut child =
        tern(&place, &["head", "-c", "{}", "/dev/zero", ":::", &BYTES.to_string()]).spawn().expect("is there");
    let mut reader = child.stdout.take().expect("is piped");
    let passed = std::io::copy(&mut reader, &mut std::io::sink()).expect("it writes");
    let (status, said) = ended(child);
    assert_eq!((status, passed), (Some(0), BYTES), "{said}");
    let peak =
        nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_CHILDREN).expect("is known").max_rss();
    assert!(peak < PEAK_KIB_MAX, "{peak} KiB");
}

#[test]
fn output_of_megabytes_comes_whole_and_in_order() {
    let output = ran(&["-k", "-j2", "--tag", "seq", "{}", ":::", "400000", "3"]);
    let mut expected = String::new();
    for (last, tag) in [(400_000, "400000"), (3, "3")] {
        for number in 1..=last {
            expected.extend([tag, "\t", &number.to_string(), "\n"]);
        }
    }
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout) == expected, "{} bytes, not {}", output.stdout.len(), expected.len());
}

#[test]
fn json_is_one_object_a_task_and_a_summary() {
    let output = ran(&["--json", "-k", "--shell", "echo {}; exit {}", ":::", "0", "3"]);
    let stdout = text(&output.stdout);
    let lines: Vec<serde_json::Value> =
        stdout.lines().map(|line| serde_json::from_str(line).expect("is JSON")).collect();
    let [first, second, last] = lines.as_slice() else { panic!("{stdout}") };
    assert_eq!((&first["args"][0], &first["stdout"], &first["status"]), (&"0".into(), &"0\n".into(), &0.into()));
    assert_eq!((&second["number"], &second["status"]), (&2.into(), &3.into()));
    let summary = &last["summary"];
    assert_eq!((&summary["done"], &summary["failed"], &summary["status"]), (&1.into(), &1.into(), &1.into()));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let place = place();
    let numbers: String = (0..2000).map(|number| number.to_string() + "\n").collect();
    std::fs::write(place.path().join("numbers"), numbers).expect("can be written");
    let mut child = tern(&place, &["--shell", "seq 2000; : {}", "::::", "numbers"]).spawn().expect("tern is there");
    let mut first = String::new();
    let mut reader = BufReader::new(child.stdout.take().expect("is piped"));
    reader.read_line(&mut first).expect("it writes");
    drop(reader);
    let (status, said) = ended(child);
    assert_eq!((first.as_str(), status, said.as_str()), ("1\n", Some(141), ""));
}

#[test]
fn an_interrupt_ends_the_running_tasks_and_gives_130() {
    let place = place();
    let words = ["-j2", "--shell", "echo $$ > pid.{}; exec sleep 600", ":::", "1", "2", "3", "4"];
    let child = tern(&place, &words).spawn().expect("tern is there");
    let pid = |task: u32| -> Option<i32> {
        std::fs::read_to_string(place.path().join(format!("pid.{task}"))).ok()?.trim().parse().ok()
    };
    wait_until("two tasks to run", || pid(1).is_some() && pid(2).is_some());
    let own = nix::unistd::Pid::from_raw(i32::try_from(child.id()).expect("is a pid"));
    nix::sys::signal::kill(own, nix::sys::signal::Signal::SIGINT).expect("it runs");
    let (status, said) = ended(child);
    assert_eq!(status, Some(130), "{said}");
    for task in [1, 2] {
        let pid = pid(task).expect("was written");
        wait_until("the tasks to be gone", || !Path::new(&format!("/proc/{pid}")).exists());
    }
    assert_eq!((pid(3), pid(4)), (None, None), "no more tasks were started");
}

/// Says that a test could not run, where `cargo xtask test` counts it.
fn skipped(name: &str, why: &str) {
    eprintln!("skipped {name}: {why}");
    if let Some(log) = std::env::var_os("TERN_SKIP_LOG") {
        let log = std::fs::File::options().append(true).create(true).open(log);
        log.and_then(|mut log| writeln!(log, "{name}\t{why}")).expect("the skip can be logged");
    }
}

/// Exit status and standard error.
fn ended(mut child: Child) -> (Option<i32>, String) {
    let mut said = String::new();
    child.stderr.take().expect("is piped").read_to_string(&mut said).expect("is text");
    (child.wait().expect("it ends").code(), said)
}

/// A warden is the same program started again, from its file: without `/proc`, or where that file was removed, none can be.
#[test]
fn where_no_warden_can_be_started_it_is_said_and_nothing_waits() {
    let place = place();
    let copy = place.path().join("tern");
    std::fs::copy(env!("CARGO_BIN_EXE_tern"), &copy).expect("a copy");
    let program = std::fs::File::open(&copy).expect("it is there");
    std::fs::remove_file(&copy).expect("it goes");
    let name = format!("/proc/{}/fd/{}", std::process::id(), program.as_raw_fd());
    let marker = place.path().join("ran");
    let cases: [&[&str]; 2] = [&["map", "touch", ":::"], &["run", "touch"]];
    for words in cases {
        let mut command = Command::new(&name);
        command.args(words).arg(&marker).current_dir(&place).env("TERN_HOME", place.path().join("state"));
        let out = command.stdin(Stdio::null()).output().expect("it runs from its descriptor");
        let said = text(&out.stderr);
        assert_eq!(out.status.code(), Some(69), "{said}");
        for part in ["no warden can be started", "No task was started", "tern doctor"] {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert!(!marker.exists());
    }
}
