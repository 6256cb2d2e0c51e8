use super::*;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

struct Ends(Child);
impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn sample(pid: i32, cpu_percent: f64, hours: u64) -> ProcessSample {
    ProcessSample {
        pid,
        parent: 1,
        start_time: 7,
        uid: nix::unistd::geteuid().as_raw(),
        name: format!("p{pid}"),
        command: format!("p{pid} \x1b[2J"),
        kernel_thread: false,
        cpu_percent,
        rss_kib: 2048,
        memory_percent: Some(0.0),
        age: Duration::from_secs(hours * 3600),
        same_program: false,
    }
}

#[test]
fn the_highest_score_comes_first_and_age_alone_makes_no_hog() {
    let rows =
        judge(vec![sample(20, 0.0, 84), sample(21, 800.0, 0), sample(22, 50.0, 0)], &ScumSettings::default(), &[]);
    let shown: Vec<_> = rows.iter().map(|row| (row.sample.pid, row.score, row.band)).collect();
    assert_eq!(shown, [(21, 0.6, ProcTrit::Hog), (22, 0.3, ProcTrit::Watch), (20, 0.1, ProcTrit::Quiet)]);
}

#[test]
fn the_table_names_the_band_in_words_and_lets_no_command_speak_to_the_terminal() {
    let rows = judge(vec![sample(21, 800.0, 84)], &ScumSettings::default(), &[]);
    let mut out = Vec::new();
    print_table(&rows, 1, &Where::default(), &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("+1 hog") && text.contains("  3d ") && !text.contains('\x1b'), "{text}");
    let mut json = Vec::new();
    print_json(&rows, &Where::default(), &mut json).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(
        (json[0]["band"].as_str(), json[0]["trit"].as_i64(), json[0]["score"].as_f64()),
        (Some("hog"), Some(1), Some(0.7))
    );
}

#[test]
fn the_matrix_says_what_belongs_done_and_leaves_the_protected_alone() {
    let mut rows = judge(vec![sample(21, 800.0, 84), sample(22, 50.0, 0)], &ScumSettings::default(), &[]);
    let says = |rows: &[Row], node, taker: Option<&str>| {
        let at = Where { node, taker: taker.map(str::to_owned) };
        rows.iter().map(|row| action_word(at.action(row))).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(says(&rows, NodeTrit::Overloaded, Some("attic")), "migrate -");
    assert_eq!(says(&rows, NodeTrit::Overloaded, None), "throttle -");
    assert_eq!(says(&rows, NodeTrit::Balanced, Some("attic")), "throttle -");
    assert_eq!(says(&rows, NodeTrit::Idle, Some("attic")), "allow -");
    rows[0].protected = Some(Protected::Own);
    assert_eq!(says(&rows, NodeTrit::Balanced, None), "- -");
}

#[test]
fn nothing_to_show_is_said() {
    let mut out = Vec::new();
    print_table(&[], 12, &Where::default(), &mut out).unwrap();
    assert!(String::from_utf8(out).unwrap().contains("no hogs among 12 processes"));
}

#[test]
fn a_real_burner_scores_six_tenths_within_two_seconds_and_process_1_is_protected() {
    // A session of its own, which root may have served first: a busy machine would else give it less than a core.
    let start =
        || Command::new("setsid").arg("yes").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let burner = Ends(start().unwrap());
    let pid = burner.0.id() as i32;
    // Not before it has its session: the group of this test would be served first instead.
    let runs = || std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "yes\n");
    let since = Instant::now();
    while !runs() && since.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(5));
    }
    let favoured = std::fs::write(format!("/proc/{pid}/autogroup"), "-20").is_ok();
    let mut best = 0.0f64;
    for _ in 0..8 {
        let begun = Instant::now();
        let rows = judge(sample_processes(Duration::from_secs(1)).unwrap(), &ScumSettings::default(), &[]);
        let row = rows.iter().find(|row| row.sample.pid == pid).unwrap();
        assert_eq!(row.protected, None);
        assert!(row.score < 0.65, "{row:?}");
        assert!(rows.iter().find(|row| row.sample.pid == 1).is_none_or(|row| row.protected == Some(Protected::Init)));
        best = best.max(row.score);
        if row.score >= 0.55 && begun.elapsed() < Duration::from_secs(2) {
            return;
        }
    }
    // Scored so, but the look itself was not served in time: that says something of the machine.
    assert!(!favoured || best >= 0.55, "a burner that is served first scored {best} at best");
    let name = "a_real_burner_scores_six_tenths_within_two_seconds_and_process_1_is_protected";
    skip(name, &format!("this machine is too busy: {best} at best"));
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
