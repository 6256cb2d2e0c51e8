//! What bad input gets from the real program: a sentence with what, where and what to do, an exit code, and no half state.
//!
//! `docs/bad-input.md` is the list. What can be shown without the program is tested beside the code it concerns.

#[path = "bad_input/disk.rs"]
mod disk;
mod grid;
#[path = "bad_input/journal.rs"]
mod journal;
#[path = "bad_input/others.rs"]
mod others;

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::process::Stdio;

use grid::{Out, Tern};

/// It said each of `parts` on standard error, and ended with `code`.
fn said(out: &Out, code: i32, parts: &[&str]) {
    assert_eq!(out.code, code, "{out:?}");
    for part in parts {
        assert!(out.stderr.contains(part), "no {part:?} in {out:?}");
    }
}

/// Names in the state folder.
fn left(tern: &Tern) -> Vec<String> {
    let names = fs::read_dir(tern.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

/// This test cannot run here; `cargo xtask test` counts it as skipped.
fn skip(name: &str, reason: &str) {
    use std::io::Write;
    eprintln!("SKIP {name}: {reason}");
    if let Some(path) = std::env::var_os("TERN_SKIP_LOG") {
        let mut log = fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
        // One write: tests of one program run at the same time.
        log.write_all(format!("{name}\t{reason}\n").as_bytes()).unwrap();
    }
}

#[test]
fn every_command_names_an_unknown_key_its_file_and_line_and_starts_nothing() {
    let tern = Tern::new();
    let config = tern.path().join("config.toml");
    fs::write(&config, "slots = 2\n\nslotz = 3\n").unwrap();
    let place = format!("{}:3: slotz", config.display());
    for words in [
        &["up"][..],
        &["up", "--detach"],
        &["agent"],
        &["submit", "--", "true"],
        &["run", "--", "true"],
        &["map", "true", ":::", "a"],
        &["scum"],
        &["trit"],
        &["trit", "--literal", "--json"],
        &["jobs"],
        &["config", "check"],
    ] {
        said(&tern.run(words), 78, &[&place, "slots", "tern config check"]);
    }
    assert!(!tern.path().join("journal.redb").exists() && !tern.path().join("jobs").exists(), "{:?}", left(&tern));
    fs::write(&config, "slots = 2\n").unwrap();
    tern.good(&["run", "--", "true"]);
}

#[test]
fn a_program_that_is_not_there_gives_127_and_the_job_goes_on_as_its_halt_says() {
    for agent in [false, true] {
        let tern = Tern::new();
        if agent {
            tern.up();
        }
        let lines = tern.file("lines", "no-such-program\ntrue\n/nonexistent/program\n");
        let job = tern.submit(&["--each-line", &lines, "--", "{}"]);
        assert_eq!(tern.run(&["wait", &job]).code, 1);
        let job = tern.json(&["job", &job, "--tasks", "--json"]);
        let mut statuses: Vec<_> =
            job["results"].as_array().unwrap().iter().map(|end| end["status"].as_u64()).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [Some(0), Some(127), Some(127)], "{job}");

        said(&tern.run(&["run", "--", "no-such-program"]), 127, &["no-such-program"]);
        let halted = tern.path().join("halted");
        let touch = format!("touch {}", halted.display());
        let out = tern.run(&["map", "-j1", "--halt", "now,fail=1", ":::", "no-such-program", &touch]);
        assert_eq!((out.code, halted.exists()), (127, false), "{out:?}");
        let out = tern.run(&["map", "-j1", ":::", "no-such-program", &touch]);
        assert_eq!((out.code, halted.exists()), (1, true), "{out:?}");
        if agent {
            tern.good(&["down"]);
        }
    }
}

#[test]
fn bytes_that_are_no_text_and_newlines_reach_the_program_as_they_are() {
    let argument = b"\xff a\n\xfeb\t'";
    for agent in [false, true] {
        let tern = Tern::new();
        if agent {
            tern.up();
        }
        let out = tern.command(&["run", "--", "printf", "%s|"]).arg(OsStr::from_bytes(argument)).output().unwrap();
        assert_eq!((out.stdout.as_slice(), out.status.code()), (&[&argument[..], b"|"].concat()[..], Some(0)));

        let lines = tern.path().join("../lines");
        fs::write(&lines, b"\xff\xfe {}\n").unwrap();
        let job = tern.submit(&["--each-line", lines.to_str().unwrap(), "--", "printf", "%s|"]);
        tern.good(&["wait", &job]);
        assert_eq!(tern.command(&["logs", &job]).output().unwrap().stdout, b"\xff\xfe {}|");
        // Whatever it is, the view stays readable for machines.
        assert_eq!(tern.json(&["job", &job, "--tasks", "--json"])["state"], "done");
        if agent {
            tern.good(&["down"]);
        }
    }
}

#[test]
fn an_argument_beyond_the_kernels_limit_is_refused_with_its_task_and_nothing_is_accepted() {
    let tern = Tern::new();
    tern.up();
    let long = tern.file("long", &format!("fine\n{}\n", "x".repeat(131_072)));
    let mark = tern.path().join("../mark").to_str().unwrap().to_owned();
    let out = tern.run(&["submit", "--each-line", &long, "--", "touch", &mark]);
    said(&out, 65, &["task 2", "131072 bytes", "131071", "Nothing was accepted"]);
    said(&tern.run(&["map", "touch", &mark, "::::", &long]), 65, &["task 2", "131072 bytes", "131071"]);
    assert_eq!(tern.json(&["jobs", "--json"]), serde_json::json!([]));
    assert!(!fs::exists(&mark).unwrap());
    let fits = tern.file("fits", &format!("{}\n", "x".repeat(131_071)));
    tern.good(&["map", "true", "::::", &fits]);
    tern.good(&["down"]);
}

#[test]
fn a_task_whose_arguments_and_environment_are_too_much_together_fails_alone_and_says_so() {
    let tern = Tern::new();
    let row = "x".repeat(100_000) + "\n";
    let rows = tern.file("rows", &(row.repeat(9) + "short\n"));
    let mut command = tern.command(&["map", "-n9", "-j1", "-k", "echo", "::::", &rows]);
    for number in 0..13 {
        command.env(format!("TERN_TEST_{number}"), row.trim_end());
    }
    let out = command.output().unwrap();
    let stderr = String::from_utf8(out.stderr).unwrap();
    assert_eq!((out.status.code(), out.stdout.as_slice()), (Some(1), &b"short\n"[..]), "{stderr}");
    assert!(stderr.contains("arguments and environment") && stderr.contains("stack limit"), "{stderr}");
}

#[test]
fn an_input_file_that_is_gone_is_named_and_nothing_is_accepted_and_one_that_goes_later_is_not_missed() {
    let tern = Tern::new();
    tern.up();
    let folder = tern.path().to_str().unwrap();
    for (words, name) in [
        (&["submit", "--each-line", "gone", "--", "true"][..], "gone"),
        (&["submit", "--each-line", folder, "--", "true"], folder),
        (&["map", "true", ":::", "a", "::::", "gone"], "gone"),
        (&["map", "-a", folder, "true"], folder),
    ] {
        said(&tern.run(words), 66, &[name, "nothing was s"]);
    }
    assert_eq!(tern.json(&["jobs", "--json"]), serde_json::json!([]));
    let list = tern.file("list", "a\nb\n");
    let job = tern.submit(&["--hold", "--each-line", &list, "--", "echo"]);
    fs::remove_file(list).unwrap();
    tern.good(&["release", &job]);
    tern.good(&["wait", &job]);
    let logs = tern.good(&["logs", &job]);
    let mut lines: Vec<_> = logs.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["a", "b"]);
    tern.good(&["down"]);
}

#[test]
fn a_reader_that_goes_away_cancels_what_was_run_for_it_quietly() {
    for agent in [false, true] {
        let tern = Tern::new();
        if agent {
            tern.up();
        }
        for words in [&["run", "--", "yes"][..], &["map", "seq", ":::", "9999999"]] {
            let mut child = tern.command(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            let mut reader = BufReader::new(child.stdout.take().unwrap());
            reader.read_line(&mut String::new()).unwrap();
            drop(reader);
            let mut stderr = String::new();
            child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
            assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(141), ""), "{words:?}");
        }
        if agent {
            // What was running for the reader ends, and the agent is as before.
            tern.until(|| tern.json(&["status", "--json"])["running"] == 0);
            tern.good(&["run", "--", "true"]);
            tern.good(&["down"]);
        }
    }
}

#[test]
fn a_demo_without_tasks_is_refused_before_anything_is_started() {
    let tern = Tern::new();
    for count in ["0", "x"] {
        said(&tern.run(&["demo", "--tasks", count]), 64, &["--tasks"]);
    }
}

#[test]
fn a_task_that_is_not_there_is_no_input_whoever_asks_for_it() {
    let tern = Tern::new();
    tern.up();
    let job = tern.submit(&["--", "true"]);
    tern.good(&["wait", &job]);
    let second = format!("{job}/2");
    for words in [&["explain", &second][..], &["migrate", &second]] {
        said(&tern.run(words), 66, &["no task 2"]);
    }
    tern.good(&["down"]);
}

#[test]
fn what_takes_no_more_is_said_to_be_standard_output() {
    let tern = Tern::new();
    for words in [&["trit"][..], &["trit", "--json"], &["jobs", "--json"]] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let out = tern.command(words).stdout(full).output().unwrap();
        let stderr = String::from_utf8(out.stderr).unwrap();
        assert_eq!(out.status.code(), Some(75), "{words:?}: {stderr}");
        assert!(stderr.contains("standard output takes no more: No space left"), "{words:?}: {stderr}");
    }
}
