//! The command line with real processes: the same commands with and without an agent, and what bad input gets.

mod grid;

use std::io::Read;
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::Stdio;

use grid::Tern;
use serde_json::Value;

/// What scripts rely on, once: submit, wait, logs, job, retry, forget.
fn a_job_goes_through_its_life(tern: &Tern) {
    let lines = tern.file("lines", "1\n0\n3\n");
    let submitted = tern.json(&["submit", "--each-line", &lines, "--shell", "--json", "--", "echo out {}; exit {}"]);
    let job = submitted["job"].as_str().unwrap().to_owned();

    let waited = tern.run(&["wait", &job, "--json"]);
    assert_eq!(waited.code, 1, "{waited:?}");
    let view: Value = serde_json::from_str(&waited.stdout).unwrap();
    assert_eq!(view["job"], job.as_str());
    assert_eq!(view["state"], "failed");
    assert_eq!(view["tasks"]["total"], 3);
    assert_eq!(view["tasks"]["done"], 1);
    assert_eq!(view["tasks"]["failed"], 2);
    assert_eq!(view["tasks"]["cancelled"], 0);

    let mut said: Vec<_> = tern.good(&["logs", &job]).lines().map(str::to_owned).collect();
    said.sort();
    assert_eq!(said, ["out 0", "out 1", "out 3"]);
    assert_eq!(tern.good(&["logs", &job, "3"]), "out 3\n");

    let shown = tern.json(&["job", &job, "--tasks", "--json"]);
    let mut codes: Vec<_> =
        shown["results"].as_array().unwrap().iter().map(|it| it["status"].as_i64().unwrap()).collect();
    codes.sort_unstable();
    assert_eq!(codes, [0, 1, 3]);

    assert_eq!(tern.json(&["retry", &job, "--json"])["tasks"], 2);
    assert_eq!(tern.run(&["wait", &job]).code, 1);
    assert_eq!(tern.json(&["job", &job, "--json"])["round"], 1);
    tern.good(&["forget", &job]);
    assert_eq!(tern.run(&["job", &job]).code, 66);
}

#[test]
fn a_job_goes_through_its_life_without_an_agent() {
    a_job_goes_through_its_life(&Tern::new());
}

#[test]
fn a_job_goes_through_its_life_with_an_agent() {
    let tern = Tern::new();
    tern.up();
    a_job_goes_through_its_life(&tern);
    tern.good(&["down"]);
}

#[test]
fn run_passes_output_and_exit_code_through() {
    let tern = Tern::new();
    let run = || {
        let out = tern.run(&["run", "--shell", "--", "echo out; echo err >&2; exit 7"]);
        assert_eq!((out.code, out.stdout.as_str(), out.stderr.as_str()), (7, "out\n", "err\n"));
        let out = tern.run(&["run", "--", "/nonexistent/program"]);
        assert_eq!(out.code, 127, "{out:?}");
        let out = tern.run(&["run", "--shell", "--", "kill -9 $$"]);
        assert_eq!(out.code, 137, "{out:?}");
        let out = tern.run(&["run", "--timeout", "200ms", "--", "sleep", "30"]);
        assert_eq!(out.code, 124, "{out:?}");
    };
    run();
    tern.up();
    run();
    tern.good(&["down"]);
}

#[test]
fn run_shows_output_while_the_task_runs() {
    let tern = Tern::new();
    let gate = tern.path().join("gate");
    let text = format!("echo first; while [ ! -e {} ]; do sleep 0.02; done; echo second", gate.display());
    let mut child = tern.command(&["run", "--shell", "--", &text]).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut first = [0; 6];
    // Were the output shown at the end only, this would wait for ever: the gate opens after it.
    stdout.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"first\n");
    std::fs::write(gate, "").unwrap();
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "second\n");
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_held_job_waits_for_its_release_and_a_cancelled_one_never_runs() {
    let tern = Tern::new();
    tern.up();
    let held = tern.submit(&["--hold", "--", "true"]);
    assert_eq!(tern.json(&["job", &held, "--json"])["state"], "held");
    let other = tern.submit(&["--hold", "--", "true"]);
    tern.good(&["release", &held]);
    tern.good(&["wait", &held]);
    tern.good(&["cancel", &other]);
    assert_eq!(tern.run(&["wait", &other]).code, 1);
    let view = tern.json(&["job", &other, "--json"]);
    assert_eq!((view["state"].as_str(), view["tasks"]["cancelled"].as_u64()), (Some("cancelled"), Some(1)));
    tern.good(&["down"]);
}

#[test]
fn cancel_ends_what_runs() {
    let tern = Tern::new();
    tern.up();
    let job = tern.submit(&["--", "sleep", "600"]);
    tern.until(|| tern.json(&["job", &job, "--json"])["state"] == "running");
    tern.good(&["cancel", &job]);
    assert_eq!(tern.run(&["wait", &job]).code, 1);
    tern.good(&["down"]);
}

#[test]
fn an_array_of_a_million_is_one_small_request() {
    let tern = Tern::new();
    tern.up();
    let job = tern.submit(&["--hold", "--array", "1-1000000", "--", "echo"]);
    assert_eq!(tern.json(&["job", &job, "--json"])["tasks"]["total"], 1_000_000);
    let journal = std::fs::metadata(tern.path().join("journal.redb")).unwrap().len();
    assert!(journal < 8 << 20, "the journal has {journal} bytes");
    tern.good(&["down"]);
}

#[test]
fn a_job_survives_the_agent_and_goes_on_with_the_next() {
    let tern = Tern::new();
    tern.up();
    let job = tern.submit(&["--hold", "--", "echo", "kept"]);
    tern.good(&["down"]);
    assert_eq!(tern.json(&["job", &job, "--json"])["state"], "held");
    tern.good(&["release", &job]);
    tern.up();
    tern.good(&["wait", &job]);
    assert_eq!(tern.good(&["logs", &job]), "kept\n");
    tern.good(&["down"]);
}

#[test]
fn a_running_task_outlives_its_agent_and_runs_once() {
    let tern = Tern::new();
    let (log, gate) = (tern.path().join("log"), tern.path().join("gate"));
    let text =
        format!("echo begun >> {}; while [ ! -e {} ]; do sleep 0.02; done; echo ended", log.display(), gate.display());
    tern.up();
    let job = tern.submit(&["--shell", "--", &text]);
    tern.until(|| log.exists());
    tern.good(&["down", "--keep-tasks"]);
    tern.up();
    std::fs::write(gate, "").unwrap();
    tern.good(&["wait", &job]);
    assert_eq!(tern.good(&["logs", &job]), "ended\n");
    assert_eq!(std::fs::read_to_string(log).unwrap(), "begun\n");
    tern.good(&["down"]);
}

#[test]
fn down_waits_for_what_runs_and_down_now_does_not() {
    let tern = Tern::new();
    let gate = tern.path().join("gate");
    let text = format!("while [ ! -e {} ]; do sleep 0.02; done", gate.display());
    tern.up();
    let job = tern.submit(&["--shell", "--", &text]);
    tern.until(|| tern.json(&["job", &job, "--json"])["state"] == "running");
    let mut down = tern.command(&["down"]).stdout(Stdio::null()).spawn().unwrap();
    tern.until(|| tern.json(&["status", "--json"])["draining"] == true);
    let refused = tern.run(&["submit", "--", "true"]);
    assert_eq!(refused.code, 75, "{refused:?}");
    std::fs::write(&gate, "").unwrap();
    assert!(down.wait().unwrap().success());
    assert_eq!(tern.json(&["job", &job, "--json"])["state"], "done");

    tern.up();
    tern.submit(&["--", "sleep", "600"]);
    tern.until(|| tern.json(&["status", "--json"])["running"] == 1);
    tern.good(&["down", "--now"]);
}

#[test]
fn a_second_agent_on_one_folder_is_refused_with_the_pid_of_the_first() {
    let tern = Tern::new();
    let pid = tern.up();
    for words in [&["up"][..], &["up", "--detach"], &["agent"]] {
        let out = tern.run(words);
        assert_eq!(out.code, 75, "{words:?}: {out:?}");
        assert!(out.stderr.contains(&format!("process {pid}")), "{out:?}");
    }
    tern.good(&["down"]);
    let out = tern.run(&["down"]);
    assert_eq!(out.code, 69, "{out:?}");
    assert!(out.stderr.contains("tern up --detach"));
}

#[test]
fn an_agent_that_cannot_start_says_why() {
    let tern = Tern::new();
    std::fs::write(tern.path().join("config.toml"), "\nslotz = 2\n").unwrap();
    let out = tern.run(&["up", "--detach"]);
    assert_eq!(out.code, 78, "{out:?}");
    assert!(out.stderr.contains("config.toml:2: slotz"), "{out:?}");

    let tern = Tern::new();
    std::fs::create_dir(tern.path().join("control.sock")).unwrap();
    let out = tern.run(&["up", "--detach"]);
    assert_ne!(out.code, 0);
    assert!(out.stderr.contains("is no socket"), "{out:?}");
}

#[test]
fn a_socket_of_another_user_is_left_alone() {
    if !nix::unistd::geteuid().is_root() {
        return skip("a_socket_of_another_user_is_left_alone", "only root can make a socket of another user");
    }
    let tern = Tern::new();
    let socket = tern.path().join("control.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    chown(&socket, Some(12_345), None).unwrap();
    for words in [&["jobs"][..], &["status"], &["submit", "--", "true"], &["down"], &["up", "--detach"]] {
        let out = tern.run(words);
        assert_eq!(out.code, 77, "{words:?}: {out:?}");
        assert!(out.stderr.contains("12345"), "{out:?}");
    }
    assert!(socket.exists());
}

#[test]
fn the_socket_and_its_folder_are_closed_to_others() {
    let tern = Tern::new();
    tern.up();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&tern.path().join("control.sock")), 0o600);
    assert_eq!(mode(tern.path()), 0o700);
    tern.good(&["down"]);
    assert!(!tern.path().join("control.sock").exists());
}

#[test]
fn a_closed_pipe_ends_a_command_quietly() {
    let tern = Tern::new();
    for words in [
        &["completion", "bash"][..],
        &["man"],
        &["--help"],
        &["doctor"],
        &["config", "show"],
        &["jobs", "--json"],
        &["bottlenecks", "--component", "cpu", "--seconds", "1"],
    ] {
        let mut command = tern.command(words);
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let out = command.stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&out.stderr), "", "{words:?}");
        assert_eq!(out.status.code(), Some(141), "{words:?}");
    }
}

#[test]
fn misuse_is_told_apart_by_exit_codes_of_sysexits() {
    let tern = Tern::new();
    let code = |words: &[&str]| tern.run(words).code;
    assert_eq!(code(&["frobnicate"]), 64);
    assert_eq!(code(&["submit", "--array", "9-1", "--", "echo"]), 64);
    assert_eq!(code(&["submit", "--each-line", "/nonexistent", "--", "echo"]), 66);
    assert_eq!(code(&["submit", "--", "echo a | wc"]), 64);
    assert_eq!(code(&["job", "77"]), 66);
    assert_eq!(code(&["job", "../../etc/passwd"]), 64);
    assert_eq!(code(&["run", "--env", "TERN_TEST_IS_NOT_SET", "--", "true"]), 64);
    assert_eq!(code(&["--help"]), 0);
    assert_eq!(code(&["--version"]), 0);
    let out = tern.run(&["--json", "job", "77"]);
    let error: Value = serde_json::from_str(&out.stderr).unwrap();
    assert_eq!(error["error"]["kind"], "no_such_job");
}

#[test]
fn a_private_run_leaves_nothing_when_all_was_done() {
    let tern = Tern::new();
    tern.good(&["run", "--", "true"]);
    let left = std::fs::read_dir(tern.path().join("runs")).unwrap().count();
    assert_eq!(left, 0);
}

#[test]
fn settings_are_shown_with_where_they_come_from() {
    let tern = Tern::new();
    std::fs::write(tern.path().join("config.toml"), "slots = 3\n").unwrap();
    let out = tern
        .command(&["config", "show", "--origin", "--json"])
        .env("TERN_KEEP_JOBS", "5")
        .env("TERN_TRIT__HYSTERESIS", "0.05")
        .output()
        .unwrap();
    let value: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!((value["config"]["slots"].as_u64(), value["config"]["keep_jobs"].as_u64()), (Some(3), Some(5)));
    assert!(value["origin"]["slots"].as_str().unwrap().ends_with("config.toml:1"));
    assert_eq!(value["origin"]["keep_jobs"], "TERN_KEEP_JOBS");
    assert_eq!(value["config"]["trit"]["hysteresis"], 0.05);
    assert_eq!(value["origin"]["trit.hysteresis"], "TERN_TRIT__HYSTERESIS");
    let out = tern.command(&["config", "check"]).env("TERN_SLOTS", "many").output().unwrap();
    assert!(String::from_utf8(out.stderr).unwrap().contains("TERN_SLOTS: slots"));
    assert_eq!(out.status.code(), Some(78));
    assert_eq!(tern.run(&["config", "check", "/nonexistent.toml"]).code, 66);
}

#[test]
fn completions_for_five_shells_and_a_man_page_for_each_command_are_made() {
    let tern = Tern::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = tern.good(&["completion", shell]);
        assert!(script.contains("each-line"), "{shell}");
        // `tern agent` is started by `tern up` and by nobody else.
        assert!(!script.contains("The agent itself") && !script.contains("tern,agent"), "{shell}: a hidden command");
    }
    let folder = tern.path().join("man");
    tern.good(&["man", folder.to_str().unwrap()]);
    for page in ["tern.1", "tern-map.1", "tern-submit.1"] {
        assert!(std::fs::read_to_string(folder.join(page)).unwrap().contains(".TH"), "{page}");
    }
}

#[test]
fn the_doctor_names_what_it_looked_at() {
    let tern = Tern::new();
    let checks = tern.json(&["doctor", "--json"]);
    let names: Vec<_> = checks.as_array().unwrap().iter().map(|check| check["check"].as_str().unwrap()).collect();
    for name in ["version", "kernel", "cgroups", "pressure", "disk", "folder", "clock", "ulimits", "agent", "settings"]
    {
        assert!(names.contains(&name), "{name}");
    }
}

/// This test cannot run here; `cargo xtask test` counts it as skipped.
fn skip(name: &str, reason: &str) {
    use std::io::Write;
    eprintln!("SKIP {name}: {reason}");
    if let Some(path) = std::env::var_os("TERN_SKIP_LOG") {
        let mut log = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
        // One write: tests of one program run at the same time.
        log.write_all(format!("{name}\t{reason}\n").as_bytes()).unwrap();
    }
}
