//! How a warden begins and ends, who it listens to, and what it does when the disk is full.

use std::fs;
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use tern_core::promise::Exit;
use tern_node::process::link::{WardenLink, spawn_warden};
use tern_node::process::protocol::{Asker, FromWarden, PROTOCOL_VERSION, Throttle, ThrottleMethod, ToWarden};
use tern_node::process::warden::Options;
use tern_node::store::segment::{HEADER_BYTES, Lane, numbers};

use super::driver::{one_outcome_each, segments};
use super::grid::{Grid, argv, attempt, exe, sh};
use super::kills::{await_end, kill};

super::grid::tests![
    a_second_warden_on_the_same_folder_gives_way,
    quit_with_end_tasks_ends_what_runs_and_writes_it_down,
    a_warden_without_an_agent_ends_its_tasks_at_sigterm,
    a_warden_that_is_to_die_with_its_client_does,
    the_newest_client_wins,
    a_client_of_another_version_is_told_and_the_warden_runs_dry,
    a_torn_tail_is_cut_off_and_what_stands_before_it_stays,
    the_agent_is_restarted_until_it_ends_well,
    files_are_removed_when_nothing_needs_them,
    a_long_path_to_the_state_folder_is_no_obstacle,
    a_throttle_is_held_listed_and_released_at_the_end,
    when_the_warden_is_killed_its_watchdog_lets_the_victim_go,
    a_full_disk_stops_the_start_of_tasks_and_voids_what_failed,
];

fn a_second_warden_on_the_same_folder_gives_way() {
    let grid = Grid::new(1);
    let status = Command::new(exe()).arg("warden").args(grid.options.to_args(&grid.home)).status().expect("started");
    assert_eq!(status.code(), Some(75));
}

fn quit_with_end_tasks_ends_what_runs_and_writes_it_down() {
    let mut grid = Grid::new(2);
    let context = grid.context(|_| {});
    grid.grant(&context, 1, (0..4).map(|task| (task, argv(["/bin/sleep", "600"]))));
    grid.send(ToWarden::Quit { end_tasks: true });
    grid.drain();
    await_end(grid.warden_pid);
    assert!(grid.outcomes.len() <= 2 && grid.outcomes.values().all(|it| it.exit == Exit::Cancelled));
    assert_eq!(one_outcome_each(&grid.home), grid.outcomes);
    assert!(!grid.home.warden_socket().exists());
}

fn a_warden_without_an_agent_ends_its_tasks_at_sigterm() {
    let mut grid = Grid::new(1);
    let context = grid.context(|_| {});
    grid.grant(&context, 1, [(0, sh("trap 'exit 9' TERM; echo up; while :; do sleep 0.01; done"))]);
    while fs::read_dir(grid.home.outputs())
        .expect("outputs")
        .all(|it| it.expect("a file").metadata().expect("meta").len() == 0)
    {
        std::thread::yield_now();
    }
    kill(grid.warden_pid, Signal::SIGTERM);
    await_end(grid.warden_pid);
    assert_eq!(segments(&grid.home)[0].exit, Exit::Cancelled);
}

fn a_warden_that_is_to_die_with_its_client_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = Options { node_tag: 7, die_with_client: true, ..Options::default() };
    let mut grid = Grid::at(folder.path().join("home"), 2, options);
    grid.up();
    let context = grid.context(|_| {});
    grid.grant(&context, 1, [(0, argv(["/bin/sleep", "600"])), (1, sh("exit 4"))]);
    grid.until_ended(1);
    grid.hang_up();
    await_end(grid.warden_pid);
    let ends: Vec<Exit> = one_outcome_each(&grid.home).values().map(|outcome| outcome.exit).collect();
    assert_eq!(ends, [Exit::Cancelled, Exit::Code(4)]);
}

fn the_newest_client_wins() {
    let mut grid = Grid::new(1);
    let context = grid.context(|_| {});
    grid.grant(&context, 1, [(0, argv(["/bin/sleep", "600"])), (1, argv(["/bin/true"]))]);
    // That it was read says only that it is queued; a slot takes it in its own time.
    let table = || tern_node::process::inflight::read(&grid.home).expect("a table");
    await_that("the first task runs", || {
        table().iter().any(|row| row.attempt == attempt(0, 1) && row.process.is_some())
    });
    let mut second = Grid::at(grid.home.path().to_owned(), 1, Options::default());
    second.up();
    assert_eq!((second.running.as_slice(), second.queued.as_slice()), (&[attempt(0, 1)][..], &[attempt(1, 1)][..]));
    grid.drain();
    second.end(&[0]);
    second.until_ended(1);
    assert!(grid.outcomes.is_empty());
}

fn a_client_of_another_version_is_told_and_the_warden_runs_dry() {
    let mut grid = Grid::new(1);
    let hello = ToWarden::Hello { version: PROTOCOL_VERSION + 1, agent_pid: 0, slots: 1, agent: Vec::new() };
    let mut bytes = Vec::new();
    tern_node::process::frame::push(&mut bytes, &hello).expect("encodes");
    let stream = tern_node::process::warden::connect(&grid.home.warden_socket()).expect("a line");
    std::io::Write::write_all(&mut &stream, &bytes).expect("written");
    await_end(grid.warden_pid);
    grid.hang_up();
    drop(stream);
}

fn a_torn_tail_is_cut_off_and_what_stands_before_it_stays() {
    let mut grid = Grid::new(1);
    let context = grid.context(|_| {});
    grid.run(&context, &[argv(["/bin/true"]), sh("exit 1")]);
    kill(grid.warden_pid, Signal::SIGKILL);
    await_end(grid.warden_pid);
    grid.hang_up();
    let number = *numbers(&grid.home, Lane::Warden).expect("segments").last().expect("one");
    let path = grid.home.segment(number);
    let file = fs::OpenOptions::new().write(true).open(&path).expect("a segment");
    let length = file.metadata().expect("meta").len();
    assert!(length > HEADER_BYTES);
    file.write_all_at(&[60, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7], length).expect("torn");
    grid.up();
    assert_eq!(fs::metadata(&path).expect("meta").len(), length);
    let context = grid.context(|_| {});
    grid.grant(&context, 2, [(9, argv(["/bin/true"]))]);
    grid.until_ended(3);
    assert_eq!(one_outcome_each(&grid.home), grid.outcomes);
}

/// `agent HOME`: fails, is killed, and at the third time ends its warden.
pub fn agent() -> std::process::ExitCode {
    let home = tern_node::home::Home::new(std::env::args().nth(2).expect("a home"));
    let marks = home.path().join("agents");
    let file = fs::OpenOptions::new().create(true).append(true).open(&marks).expect("marks");
    std::io::Write::write_all(&mut &file, b"+").expect("marked");
    match fs::metadata(&marks).expect("marks").len() {
        1 => return std::process::ExitCode::from(3),
        2 => kill(std::process::id() as i32, Signal::SIGKILL),
        _ => {}
    }
    let mut link = WardenLink::connect(&home, 1, &[], |_| {}).expect("a line");
    link.send(&[ToWarden::Quit { end_tasks: false }]).expect("sent");
    std::process::ExitCode::SUCCESS
}

fn the_agent_is_restarted_until_it_ends_well() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = folder.path().join("home");
    let argv = vec![exe().into(), "agent".into(), home.clone().into()];
    let grid = Grid::at(home.clone(), 1, Options { agent: Some(argv), ..Options::default() });
    let pid = spawn_warden(&grid.home, &exe(), &grid.options).expect("a warden");
    await_end(pid);
    assert_eq!(fs::read(home.join("agents")).expect("marks"), b"+++");
}

fn files_are_removed_when_nothing_needs_them() {
    let mut grid = Grid::new(1);
    let context = grid.context(|_| {});
    let outcomes = grid.run(&context, &[sh("echo one")]);
    let file = outcomes[0].stdout.file;
    let path = grid.home.stdout(file);
    let segment = *numbers(&grid.home, Lane::Warden).expect("segments").last().expect("one");
    // The slot may go on with it: the first time it only lets go.
    while path.exists() {
        grid.send(ToWarden::Drop { segments: vec![segment], outputs: vec![file] });
        std::thread::yield_now();
    }
    assert!(grid.home.segment(segment).exists(), "the newest segment stays");
    grid.grant(&context, 2, [(5, sh("echo two"))]);
    grid.until_ended(2);
    let outcome = grid.outcomes[&attempt(5, 2)];
    assert_eq!(grid.stdout(&outcome), b"two\n");
    assert!(outcome.stdout.file > file, "no number is used twice");
}

fn a_long_path_to_the_state_folder_is_no_obstacle() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = folder.path().join("x".repeat(120)).join("home");
    let mut grid = Grid::at(home, 1, Options::default());
    grid.up();
    let context = grid.context(|_| {});
    assert_eq!(grid.run(&context, &[argv(["/bin/true"])])[0].exit, Exit::Code(0));
}

fn a_throttle_is_held_listed_and_released_at_the_end() {
    let mut grid = Grid::new(1);
    let mut victim = Command::new("yes").stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a burner");
    let pid = victim.id() as i32;
    // One per cent of a process that burns: it is nearly always found stopped.
    grid.send(ToWarden::Throttle(Throttle {
        pid,
        percent: 1,
        method: Some(ThrottleMethod::DutyCycle),
        asked_by: Asker::Person,
    }));
    grid.until(
        "throttles",
        |_, message| matches!(message, FromWarden::Throttles(held) if held.len() == 1 && held[0].pid == pid),
    );
    grid.send(ToWarden::Throttle(Throttle { pid: 1, percent: 50, method: None, asked_by: Asker::Person }));
    grid.until("a refusal", |_, message| matches!(message, FromWarden::ThrottleRefused { pid: 1, .. }));
    let look = || tern_node::sense::stat(pid).expect("readable").expect("it lives");
    await_that("it is stopped", || look().state == 'T');
    grid.send(ToWarden::Quit { end_tasks: true });
    grid.drain();
    await_end(grid.warden_pid);
    let after = look();
    assert_ne!(after.state, 'T', "it goes on");
    await_that("it burns again", || look().cpu_ticks > after.cpu_ticks + 20);
    victim.kill().expect("killed");
    victim.wait().expect("ended");
}

fn when_the_warden_is_killed_its_watchdog_lets_the_victim_go() {
    let mut grid = Grid::new(1);
    let mut victim = Command::new("yes").stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a burner");
    let pid = victim.id() as i32;
    // One per cent: it is nearly always found stopped.
    grid.send(ToWarden::Throttle(Throttle {
        pid,
        percent: 1,
        method: Some(ThrottleMethod::DutyCycle),
        asked_by: Asker::Person,
    }));
    grid.until("throttles", |_, message| matches!(message, FromWarden::Throttles(held) if !held.is_empty()));
    let look = || tern_node::sense::stat(pid).expect("readable").expect("it lives");
    await_that("it is stopped", || look().state == 'T');
    kill(grid.warden_pid, Signal::SIGKILL);
    let before = look().cpu_ticks;
    await_that("it burns again", || look().cpu_ticks > before + 20);
    let list = || fs::read_to_string(grid.home.throttles()).expect("the list");
    await_that("the list is empty", || list().contains("\"throttles\": []"));
    victim.kill().expect("killed");
    victim.wait().expect("ended");
}

fn await_that(what: &str, so: impl Fn() -> bool) {
    for _ in 0..6000 {
        if so() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    panic!("never: {what}");
}

fn a_full_disk_stops_the_start_of_tasks_and_voids_what_failed() {
    let folder = tempfile::tempdir().expect("a folder");
    let mount = |words: &[&str]| {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).arg(folder.path()).stdin(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if !mount(&["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs"]) {
        let name = "a_full_disk_stops_the_start_of_tasks_and_voids_what_failed";
        return super::grid::skip(name, "a small file system could not be mounted (needs root)");
    }
    let outcome = std::panic::catch_unwind(|| on_small_disk(folder.path()));
    assert!(mount(&["umount", "-l"]), "unmounted");
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

fn on_small_disk(folder: &std::path::Path) {
    let mut grid = Grid::at(folder.join("home"), 1, Options::default());
    grid.up();
    let context = grid.context(|_| {});
    let filler = folder.join("filler");
    fs::write(&filler, vec![0; 6 << 20]).expect("room for it");
    grid.grant(&context, 1, [(0, sh("head -c 20000000 /dev/zero")), (1, sh("echo never while it is full"))]);
    grid.until("a full disk", |grid, _| grid.full);
    grid.until_ended(1);
    assert_eq!(grid.outcomes[&attempt(0, 1)].exit, Exit::Void);
    assert!(!grid.outcomes.contains_key(&attempt(1, 1)));
    fs::remove_file(filler).expect("removed");
    grid.until("room", |grid, _| !grid.full);
    grid.until_ended(2);
    assert_eq!(grid.outcomes[&attempt(1, 1)].exit, Exit::Code(0));
    assert_eq!(one_outcome_each(&grid.home), grid.outcomes);
    grid.send(ToWarden::Quit { end_tasks: true });
    grid.drain();
    await_end(grid.warden_pid);
}
