//! Real processes, held back and let go. Where the machine cannot show something, the test says `SKIP` and why.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tern_core::decide::scum::Protected;

use super::*;
use crate::clock;
use crate::process::protocol::{Asker, Throttle, ThrottleMethod, ThrottleState};
use crate::sense::stat;
use watchdog::Start;

/// A child that ends with the test, whatever becomes of the test.
struct Ends(Child);
impl Ends {
    fn pid(&self) -> i32 {
        self.0.id() as i32
    }
    fn cpu_ticks(&self) -> u64 {
        stat(self.pid()).unwrap().unwrap().cpu_ticks
    }
}
impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program that holds none of the test's pipes: whoever reads them must not wait for it.
fn quiet(program: &str) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn burner() -> Ends {
    Ends(quiet("yes").spawn().unwrap())
}

/// A burner that a busy machine serves first, where the test may ask for that: what it gets is then what it may have.
fn favoured() -> Ends {
    let burner = Ends(quiet("setsid").arg("yes").spawn().unwrap());
    eventually("the burner runs", || stat(burner.pid()).unwrap().unwrap().name == "yes");
    // Only root may, and only where sessions have weights; without it the test takes longer to find a quiet moment.
    let _ = fs::write(format!("/proc/{}/autogroup", burner.pid()), "-10");
    burner
}

/// A group of ours is served first too.
fn favour_group(record: &Record) {
    if let Found::Group { group, .. } = &record.found {
        let _ = fs::write(group.join("cpu.shares"), "10000").or_else(|_| fs::write(group.join("cpu.weight"), "1000"));
    }
}

fn wish(pid: i32, percent: u8, method: Option<ThrottleMethod>) -> Throttle {
    Throttle { pid, percent, method, asked_by: Asker::Person }
}

/// Waits until something holds, at most half a minute.
fn eventually(what: &str, holds: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < until, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// CPUs that two burners used over a span in which the holder was kept going.
fn shares(of: [&Ends; 2], span: Duration, mut tick: impl FnMut(u64) -> u64) -> [f64; 2] {
    let (start, before) = (Instant::now(), of.map(Ends::cpu_ticks));
    while start.elapsed() < span {
        let now = clock::now().mono;
        let wait = Duration::from_nanos(tick(now).saturating_sub(now));
        std::thread::sleep(wait.min(span.saturating_sub(start.elapsed())));
    }
    let elapsed = start.elapsed().as_secs_f64();
    let after = of.map(Ends::cpu_ticks);
    [0, 1].map(|at| (after[at] - before[at]) as f64 / 100.0 / elapsed)
}

/// This test cannot run here; `cargo xtask test` counts it as skipped.
fn skip(reason: &str) {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("a throttle");
    eprintln!("SKIP {name}: {reason}");
    if let Some(path) = std::env::var_os("TERN_SKIP_LOG") {
        let mut log = fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
        // One write: tests of one program run at the same time.
        log.write_all(format!("{name}\t{reason}\n").as_bytes()).unwrap();
    }
}

/// Holds a burner back beside a free one, and compares both with what was promised.
fn keeps_to_its_share(method: ThrottleMethod, percent: u8) {
    /// One measurement at a time: two would measure each other.
    static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let (victim, free) = (favoured(), favoured());
    let group = fs::read_to_string(format!("/proc/{}/cgroup", victim.pid())).unwrap();
    let mut held = match apply(&wish(victim.pid(), percent, Some(method))) {
        Ok(held) => held,
        Err(ThrottleError::Unfit { why, .. } | ThrottleError::NoMethod { why, .. }) => {
            return skip(&format!("{method:?} at {percent} %: {why}"));
        }
        Err(error) => panic!("{error}"),
    };
    assert_eq!(held.state().method, method);
    favour_group(held.record());
    let share = f64::from(percent) / 100.0;
    // On a busy machine there may be less to get than was promised: then another try, and in the end a word about it.
    let mut judged = false;
    for _ in 0..5 {
        let [got, available] = shares([&victim, &free], Duration::from_millis(2500), |now| held.tick(now));
        eprintln!(
            "{method:?} at {percent} %: {:.1} % of a core, a free one got {:.1} %",
            got * 100.0,
            available * 100.0
        );
        assert!(got <= share * 1.1 + 0.01, "{got} of {share}");
        if available >= share * 1.2 {
            judged = got >= share * 0.9 - 0.01;
        }
        if judged {
            break;
        }
        assert!(available < 0.95, "{got} of {share} where {available} could be had");
    }
    if !judged {
        skip(&format!("the lower bound of {method:?} at {percent} %: this machine is too busy"));
    }
    held.release().unwrap();
    assert_eq!(fs::read_to_string(format!("/proc/{}/cgroup", victim.pid())).unwrap(), group, "back where it was");
    // Back to what a free one gets.
    let back = (0..5).any(|_| {
        let [got, available] = shares([&victim, &free], Duration::from_secs(1), |now| now + 1_000_000_000);
        eprintln!("released: {:.1} %, a free one {:.1} %", got * 100.0, available * 100.0);
        got > available * 0.8
    });
    assert!(back, "released, and still slower than a free one");
}

#[test]
fn a_quota_gives_a_burner_its_share_and_no_more_until_it_is_released() {
    keeps_to_its_share(ThrottleMethod::Quota, 50);
}

#[test]
fn stopping_and_continuing_in_turn_gives_a_burner_its_share_until_it_is_released() {
    keeps_to_its_share(ThrottleMethod::DutyCycle, 50);
    keeps_to_its_share(ThrottleMethod::DutyCycle, 20);
}

#[test]
fn a_lower_weight_and_a_nicer_session_are_put_back_as_they_were_found() {
    // A session of its own: the one of the test must not be held back with it.
    let victim = Ends(quiet("setsid").arg("yes").spawn().unwrap());
    eventually("the burner runs", || stat(victim.pid()).unwrap().unwrap().name == "yes");
    let pid = victim.pid();
    let look =
        || ["cgroup", "autogroup"].map(|file| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default());
    let before = look();
    for method in [ThrottleMethod::Weight, ThrottleMethod::Autogroup] {
        match apply(&wish(pid, 20, Some(method))) {
            Ok(held) => {
                assert_ne!(look(), before, "{method:?} changes something");
                held.release().unwrap();
                assert_eq!(look(), before, "{method:?}");
            }
            Err(ThrottleError::Unfit { why, .. } | ThrottleError::NoMethod { why, .. }) => {
                skip(&format!("{method:?}: {why}"));
            }
            Err(error) => panic!("{error}"),
        }
    }
}

fn child_of(pid: i32) -> Option<i32> {
    let pids = crate::sense::process_ids().unwrap();
    pids.into_iter().find(|child| stat(*child).ok().flatten().is_some_and(|stat| stat.parent == pid))
}

#[test]
fn what_must_never_be_touched_is_refused_by_name() {
    let refused = |pid: i32| apply(&wish(pid, 50, None)).map(|held| held.state()).unwrap_err();
    assert!(matches!(refused(1), ThrottleError::Protected { why: Protected::Init, .. }));
    assert!(matches!(refused(0), ThrottleError::NoProcess { .. }));
    assert!(matches!(refused(-1), ThrottleError::NoProcess { .. }));
    assert!(matches!(refused(i32::MAX), ThrottleError::NoProcess { .. }));
    let own = std::process::id() as i32;
    assert!(matches!(refused(own), ThrottleError::Protected { why: Protected::Own, .. }));
    let parent = std::os::unix::process::parent_id() as i32;
    assert!(matches!(refused(parent), ThrottleError::Protected { why: Protected::Own | Protected::Init, .. }));
    assert!(matches!(apply(&wish(1, 0, None)).unwrap_err(), ThrottleError::Percent { percent: 0 }));
    assert!(matches!(apply(&wish(own, 101, None)).unwrap_err(), ThrottleError::Percent { percent: 101 }));
    let agent = burner();
    let as_agent = inspect(&wish(agent.pid(), 50, None), &[agent.pid()]).unwrap_err();
    assert!(matches!(as_agent, ThrottleError::Protected { why: Protected::Own, .. }));
}

#[test]
fn a_kernel_thread_is_refused() {
    let Some(thread) = crate::sense::process_ids()
        .unwrap()
        .into_iter()
        .find(|pid| stat(*pid).ok().flatten().is_some_and(|s| s.kernel_thread && s.pid != 1))
    else {
        return skip("no kernel threads are visible here");
    };
    let error = apply(&wish(thread, 50, None)).unwrap_err();
    assert!(matches!(error, ThrottleError::Protected { why: Protected::KernelThread, .. }), "{error}");
}

#[test]
fn another_users_process_is_refused_also_for_root() {
    if !nix::unistd::geteuid().is_root() {
        return skip("only root can start a process of another user");
    }
    let other = Ends(quiet("yes").uid(65_534).gid(65_534).spawn().unwrap());
    let before = fs::read_to_string(format!("/proc/{}/cgroup", other.pid())).unwrap();
    let error = apply(&wish(other.pid(), 50, None)).unwrap_err();
    assert!(matches!(error, ThrottleError::Protected { why: Protected::OtherUser, .. }), "{error}");
    assert_eq!(fs::read_to_string(format!("/proc/{}/cgroup", other.pid())).unwrap(), before);
}

#[test]
fn a_dry_run_changes_nothing() {
    let victim = burner();
    let look = || ["cgroup", "autogroup"].map(|file| fs::read_to_string(format!("/proc/{}/{file}", victim.pid())).ok());
    let before = look();
    let found = inspect(&wish(victim.pid(), 50, None), &[]).unwrap();
    assert_eq!((found.state.pid, found.name.as_str(), found.methods.len()), (victim.pid(), "yes", 4));
    assert_eq!(look(), before);
    assert!(!matches!(stat(victim.pid()).unwrap().unwrap().state, 'T'));
}

#[test]
fn a_process_that_somebody_stopped_is_not_continued_in_turns() {
    let victim = burner();
    kill(Pid::from_raw(victim.pid()), Signal::SIGSTOP).unwrap();
    eventually("it is stopped", || stat(victim.pid()).unwrap().unwrap().state == 'T');
    let error = apply(&wish(victim.pid(), 50, Some(ThrottleMethod::DutyCycle))).unwrap_err();
    assert!(matches!(error, ThrottleError::Stopped { .. }), "{error}");
    assert_eq!(stat(victim.pid()).unwrap().unwrap().state, 'T');
}

#[test]
fn a_process_that_ends_while_it_is_held_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let (mut throttles, notes) = Throttles::open(&folder.path().join("throttles"), test_watchdog()).unwrap();
    assert!(notes.is_empty());
    let mut victim = burner();
    let state = throttles.throttle(&wish(victim.pid(), 50, None), &[]).unwrap();
    assert_eq!(throttles.list(), std::slice::from_ref(&state));
    let group = held_group(&folder.path().join("throttles"));
    victim.0.kill().unwrap();
    victim.0.wait().unwrap();
    assert!(throttles.list().is_empty());
    assert_eq!(throttles.tick(clock::now().mono), None);
    assert!(group.is_none_or(|group| !group.exists()));
    assert!(!throttles.release(state.pid).unwrap(), "it is not held any more");
}

/// The control group that the list names, if the method was one with a group.
fn held_group(list: &Path) -> Option<std::path::PathBuf> {
    let list: serde_json::Value = serde_json::from_slice(&fs::read(list).unwrap()).unwrap();
    Some(list["throttles"][0]["found"]["group"].as_str()?.into())
}

/// This test program again, as a watchdog.
fn test_watchdog() -> Start {
    let arguments = ["--ignored", "--exact", "process::throttle::tests::watchdog_entry", "--nocapture", "--"];
    Start { program: std::env::current_exe().unwrap(), arguments: arguments.map(Into::into).to_vec() }
}

#[test]
#[ignore = "the life of a watchdog that other tests start"]
fn watchdog_entry() {
    let words: Vec<_> = std::env::args_os().collect();
    if let Some(at) = words.iter().position(|word| word == "--") {
        let code = watchdog::main(words.into_iter().skip(at + 1));
        // At once: the test program would report to a holder that is dead.
        std::process::exit(i32::from(code != std::process::ExitCode::SUCCESS));
    }
}

#[test]
fn without_a_watchdog_nothing_is_held() {
    let folder = tempfile::tempdir().unwrap();
    let victim = burner();
    for program in ["true", "/nonexistent/tern"] {
        let start = Start { program: program.into(), arguments: Vec::new() };
        let (mut throttles, _) = Throttles::open(&folder.path().join("throttles"), start).unwrap();
        let error = throttles.throttle(&wish(victim.pid(), 50, None), &[]).unwrap_err();
        assert!(matches!(error, ThrottleError::Watchdog { .. }), "{error}");
        assert!(throttles.list().is_empty());
    }
}

const HOLD: &str = "TERN_TEST_HOLD";

#[test]
#[ignore = "the life of a holder that other tests start and kill"]
fn holder_entry() {
    let Ok(order) = std::env::var(HOLD) else { return };
    let (wish, list): (Throttle, String) = serde_json::from_str(&order).unwrap();
    let (mut throttles, notes) = Throttles::open(Path::new(&list), test_watchdog()).unwrap();
    let state = if wish.percent == 0 { None } else { Some(throttles.throttle(&wish, &[]).unwrap()) };
    println!("\nholding {}", serde_json::to_string(&(state, notes, throttles.list())).unwrap());
    std::io::stdout().flush().unwrap();
    while let Some(next) = throttles.tick(clock::now().mono) {
        std::thread::sleep(Duration::from_nanos(next.saturating_sub(clock::now().mono)));
    }
}

/// Starts a holder and waits until it holds; percent 0: only takes over.
fn holder(wish: &Throttle, list: &Path) -> (Ends, Option<ThrottleState>, Vec<String>, Vec<ThrottleState>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "process::throttle::tests::holder_entry", "--nocapture"])
        .env(HOLD, serde_json::to_string(&(wish, list)).unwrap())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.map_while(Result::ok).find_map(|line| line.strip_prefix("holding ").map(str::to_owned));
    let (state, notes, all) = serde_json::from_str(&line.expect("the holder says what it holds")).unwrap();
    (Ends(child), state, notes, all)
}

fn a_killed_holder_lets_go(method: ThrottleMethod) {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("throttles");
    let victim = burner();
    let group = fs::read_to_string(format!("/proc/{}/cgroup", victim.pid())).unwrap();
    if let Err(error) = inspect(&wish(victim.pid(), 1, Some(method)), &[]) {
        return skip(&format!("{method:?}: {error}"));
    }
    // One per cent: a victim that is left to the duty cycle is nearly always found stopped.
    let (mut holder, state, ..) = holder(&wish(victim.pid(), 1, Some(method)), &list);
    assert_eq!(state.unwrap().method, method);
    if method == ThrottleMethod::DutyCycle {
        eventually("the victim is stopped", || stat(victim.pid()).unwrap().unwrap().state == 'T');
    }
    holder.0.kill().unwrap();
    holder.0.wait().unwrap();
    eventually("the watchdog has emptied the list", || {
        let text = fs::read_to_string(&list).unwrap();
        serde_json::from_str::<serde_json::Value>(&text)
            .is_ok_and(|list| list["throttles"].as_array().unwrap().is_empty())
    });
    assert_eq!(fs::read_to_string(format!("/proc/{}/cgroup", victim.pid())).unwrap(), group);
    let before = victim.cpu_ticks();
    eventually("the victim burns again", || victim.cpu_ticks() > before + 20);
}

#[test]
fn when_the_holder_is_killed_its_stopped_victim_is_continued() {
    a_killed_holder_lets_go(ThrottleMethod::DutyCycle);
}

#[test]
fn when_the_holder_is_killed_the_quota_is_taken_away() {
    a_killed_holder_lets_go(ThrottleMethod::Quota);
}

#[test]
fn when_holder_and_watchdog_are_both_killed_the_next_holder_takes_over() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("throttles");
    let victim = burner();
    let (mut first, state, ..) = holder(&wish(victim.pid(), 30, Some(ThrottleMethod::DutyCycle)), &list);
    let watchdog = child_of(first.pid()).expect("a watchdog runs");
    // The holder is stopped first: it would start another one.
    for (pid, signal) in [(first.pid(), Signal::SIGSTOP), (watchdog, Signal::SIGKILL)] {
        kill(Pid::from_raw(pid), signal).unwrap();
    }
    eventually("the watchdog has ended", || stat(watchdog).unwrap().is_none_or(|stat| stat.is_over()));
    first.0.kill().unwrap();
    first.0.wait().unwrap();
    let (second, _, notes, held) = holder(&wish(victim.pid(), 0, None), &list);
    assert_eq!(held, [state.unwrap()], "{notes:?}");
    assert!(notes[0].contains("as before"), "{notes:?}");
    drop(second);
    let before = victim.cpu_ticks();
    eventually("the second watchdog continues it", || victim.cpu_ticks() > before + 20);
}

#[test]
fn a_number_that_was_given_to_another_process_is_never_touched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("throttles");
    let victim = burner();
    let started = stat(victim.pid()).unwrap().unwrap().start_time;
    // As a dead holder left it, of a process that had this number earlier.
    let list = record::ListFile::new(&path);
    let earlier = Record {
        pid: victim.pid(),
        start_time: started - 1,
        percent: 1,
        found: Found::Running,
        asked_by: Asker::Person,
    };
    list.write(record::Holder { pid: 1, start_time: 0 }, vec![earlier]).unwrap();
    kill(Pid::from_raw(victim.pid()), Signal::SIGSTOP).unwrap();
    eventually("it is stopped", || stat(victim.pid()).unwrap().unwrap().state == 'T');
    let (throttles, notes) = Throttles::open(&path, test_watchdog()).unwrap();
    assert!(notes[0].contains("has ended") && throttles.list().is_empty(), "{notes:?}");
    assert_eq!(stat(victim.pid()).unwrap().unwrap().state, 'T', "stopped by somebody else, and left so");
}
