//! `kill -9` of the client, of the warden, of both, at instants that differ from run to run.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use tern_core::promise::Exit;
use tern_node::home::Home;
use tern_node::process::inflight::Table;
use tern_node::process::protocol::ToWarden;
use tern_node::process::warden::Options;

use super::driver::{self, never_two_copies, one_outcome_each};
use super::grid::{Grid, PATIENCE, argv, attempt, sh};

super::grid::tests![
    the_client_is_killed_nothing_runs_twice_and_nothing_is_lost,
    the_warden_is_killed_no_outcome_is_lost_and_no_task_has_two_copies,
    both_are_killed_no_outcome_is_lost_and_no_task_has_two_copies,
    the_next_warden_adopts_a_running_task_with_its_output_and_status,
    adopted_tasks_take_up_slots,
    an_adopted_task_can_be_cancelled,
    where_adopting_is_not_possible_the_task_is_killed_then_reported_as_lost,
    a_task_whose_process_was_not_noted_is_found_by_its_environment,
    a_task_that_ended_without_a_warden_is_lost_and_what_it_started_is_ended,
    of_a_task_that_ended_without_a_warden_and_was_not_collected_the_status_is_read,
    after_another_boot_everything_is_lost,
    an_outcome_that_was_written_is_not_lost_though_its_row_is_still_there,
];

/// Rounds of killing in each test. `TERN_KILL_ROUNDS` sets another number for a soak.
fn rounds() -> u32 {
    std::env::var("TERN_KILL_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(10)
}

/// A negative pid is a process group.
pub fn kill(pid: i32, signal: Signal) {
    let _ = nix::sys::signal::kill(Pid::from_raw(pid), signal);
}

/// Waits until a process is gone or a zombie.
pub fn await_end(pid: i32) {
    if let Ok(pidfd) = tern_node::process::pidfd::Pidfd::open(pid) {
        for _ in 0..PATIENCE.as_secs() {
            if pidfd.wait(1000) == Ok(true) {
                return;
            }
        }
        panic!("{pid} does not end");
    }
}

fn warden_of(home: &Path) -> Option<i32> {
    std::fs::read_to_string(home.join("warden/lock")).ok()?.trim().parse().ok()
}

/// Milliseconds, from what the kernel calls random.
fn random_ms(max: u16) -> Duration {
    let mut bytes = [0; 2];
    let file = std::fs::File::open("/dev/urandom").expect("random");
    std::io::Read::read_exact(&mut &file, &mut bytes).expect("random");
    Duration::from_millis(u64::from(u16::from_le_bytes(bytes) % max))
}

fn massacre(count: u32, client: bool, warden: bool) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let home = folder.path().join("home");
    std::fs::create_dir_all(&home).expect("a folder");
    let mut driver = driver::start(&home, count);
    for _ in 0..rounds() {
        // An instant is what is wanted here, not an event.
        std::thread::sleep(random_ms(150));
        if warden && let Some(pid) = warden_of(&home) {
            kill(pid, Signal::SIGKILL);
        }
        if client {
            kill(driver.id() as i32, Signal::SIGKILL);
            driver.wait().expect("killed");
            driver = driver::start(&home, count);
        }
    }
    assert!(driver.wait().expect("ended").success());
    let mut last = Grid::at(home.clone(), 1, Options::default());
    last.up();
    assert!(last.running.is_empty() && last.queued.is_empty());
    (folder, home)
}

fn the_client_is_killed_nothing_runs_twice_and_nothing_is_lost() {
    let count = 40 + 12 * rounds();
    let (_folder, home) = massacre(count, true, false);
    assert_eq!(never_two_copies(&home, count), 0, "nothing ran twice");
    assert_eq!(driver::seen(&home).len(), 2 * count as usize);
    assert_eq!(one_outcome_each(&Home::new(home)).len(), count as usize);
}

fn the_warden_is_killed_no_outcome_is_lost_and_no_task_has_two_copies() {
    let count = 40 + 12 * rounds();
    let (_folder, home) = massacre(count, false, true);
    let again = never_two_copies(&home, count);
    assert!(again <= 3 * rounds() as usize, "no more than what was running: {again}");
    check_outcomes(home, count);
}

fn both_are_killed_no_outcome_is_lost_and_no_task_has_two_copies() {
    let count = 40 + 12 * rounds();
    let (_folder, home) = massacre(count, true, true);
    never_two_copies(&home, count);
    check_outcomes(home, count);
}

fn check_outcomes(home: PathBuf, count: u32) {
    let grid = Grid::at(home, 1, Options::default());
    let outcomes = one_outcome_each(&grid.home);
    let tasks: std::collections::BTreeSet<u32> = outcomes.keys().map(|it| it.task).collect();
    assert_eq!(tasks.len(), count as usize);
    assert_eq!(outcomes.len(), count as usize, "what has ended is not run again");
    for outcome in outcomes.values() {
        let said = String::from_utf8(grid.stdout(outcome)).expect("text");
        assert!(said.starts_with("said ") && said.lines().count() == 1, "{said:?}");
    }
}

/// A task that says `start`, waits for the flag, says `end`, and exits with 5.
fn waiting(grid: &Grid) -> (PathBuf, Vec<tern_core::words::Bytes>) {
    let flag = grid.home.path().join("flag");
    let script = format!("echo start; while ! [ -e {} ]; do sleep 0.01; done; echo end; exit 5", flag.display());
    (flag, sh(&script))
}

fn until_said(grid: &Grid, what: &str) -> i32 {
    until_count_said(grid, what, 1)[0]
}

/// The pids of tasks that said it, when there are so many.
fn until_count_said(grid: &Grid, what: &str, count: usize) -> Vec<i32> {
    let deadline = std::time::Instant::now() + PATIENCE;
    while std::time::Instant::now() < deadline {
        let rows = tern_node::process::inflight::read(&grid.home).expect("a table");
        let said = rows.iter().filter_map(|row| {
            let text = std::fs::read_to_string(grid.home.stdout(row.file)).ok()?;
            row.process.filter(|_| text.contains(what)).map(|(pid, _)| pid)
        });
        let said: Vec<i32> = said.collect();
        if said.len() >= count {
            return said;
        }
        std::thread::yield_now();
    }
    panic!("nothing said {what}");
}

/// A warden with one waiting task, killed. Returns the task's pid and flag.
fn orphan(grid: &mut Grid) -> (i32, PathBuf) {
    let context = grid.context(|_| {});
    let (flag, command) = waiting(grid);
    grid.grant(&context, 1, [(0, command)]);
    let pid = until_said(grid, "start");
    kill(grid.warden_pid, Signal::SIGKILL);
    await_end(grid.warden_pid);
    grid.hang_up();
    (pid, flag)
}

fn the_next_warden_adopts_a_running_task_with_its_output_and_status() {
    let mut grid = Grid::new(1);
    let (_, flag) = orphan(&mut grid);
    grid.up();
    assert_eq!((grid.running.as_slice(), grid.lost.as_slice()), (&[attempt(0, 1)][..], &[][..]));
    // What starts now does not write into its files.
    let context = grid.context(|_| {});
    grid.send(ToWarden::SetSlots(2));
    grid.grant(&context, 2, [(1, sh("echo other"))]);
    grid.until_ended(1);
    std::fs::write(flag, "").expect("a flag");
    grid.until_ended(2);
    let outcome = grid.outcomes[&attempt(0, 1)];
    assert_eq!(outcome.exit, Exit::Code(5));
    assert_eq!(grid.stdout(&outcome), b"start\nend\n");
    assert_eq!(grid.stdout(&grid.outcomes[&attempt(1, 2)]), b"other\n");
}

fn adopted_tasks_take_up_slots() {
    let mut grid = Grid::new(2);
    let context = grid.context(|_| {});
    let (flag, command) = waiting(&grid);
    grid.grant(&context, 1, [(0, command.clone()), (1, command)]);
    until_count_said(&grid, "start", 2);
    kill(grid.warden_pid, Signal::SIGKILL);
    await_end(grid.warden_pid);
    grid.hang_up();
    grid.up();
    assert_eq!(grid.running.len(), 2);
    let third = format!("[ -e {} ]", flag.display());
    grid.grant(&context, 2, [(2, sh(&third)), (3, sh(&third)), (4, sh(&third))]);
    grid.until_nothing_unread();
    std::fs::write(flag, "").expect("a flag");
    grid.until_ended(5);
    assert!(
        (2..5).all(|task| grid.outcomes[&attempt(task, 2)].exit == Exit::Code(0)),
        "started while both slots were taken"
    );
}

fn an_adopted_task_can_be_cancelled() {
    let mut grid = Grid::new(1);
    let (pid, _) = orphan(&mut grid);
    grid.up();
    grid.end(&[0]);
    grid.until_ended(1);
    assert_eq!(grid.outcomes[&attempt(0, 1)].exit, Exit::Cancelled);
    await_end(pid);
}

fn where_adopting_is_not_possible_the_task_is_killed_then_reported_as_lost() {
    let mut grid = Grid::new(1);
    grid.options.no_adopt = true;
    let (pid, _) = orphan(&mut grid);
    grid.up();
    assert!(grid.running.is_empty());
    // It was dead before the warden answered at all.
    assert!(!alive(pid));
    grid.until("what was lost", |grid, _| grid.lost == [attempt(0, 1)]);
}

fn alive(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.contains(") Z ") && !stat.contains(") X "))
}

fn a_task_whose_process_was_not_noted_is_found_by_its_environment() {
    let mut grid = Grid::new(1);
    let (_, flag) = orphan(&mut grid);
    let table = Table::open(&grid.home).expect("a table");
    let (index, row) = table.rows().next().expect("a row");
    // As if its warden had died between the spawn and the note.
    table.starting(index, &row);
    assert_eq!(table.get(index).expect("the row").process, None);
    grid.up();
    assert_eq!(grid.running, [attempt(0, 1)]);
    std::fs::write(flag, "").expect("a flag");
    grid.until_ended(1);
    assert_eq!(grid.outcomes[&attempt(0, 1)].exit, Exit::Code(5));
}

/// While it lives, what a dead warden leaves is ours to collect, and nobody else's: when the first process of a machine
/// does it is that process's affair, and no test can tell before or after.
struct Collector;

impl Collector {
    fn new() -> Self {
        nix::sys::prctl::set_child_subreaper(true).expect("a subreaper");
        Self
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = nix::sys::prctl::set_child_subreaper(false);
    }
}

fn collect(pid: i32) {
    nix::sys::wait::waitpid(Pid::from_raw(pid), None).expect("ours to collect");
}

/// A task that started another process and then ended while there was no warden. Returns both pids.
fn ended_alone(grid: &mut Grid) -> (i32, i32) {
    let context = grid.context(|_| {});
    grid.grant(&context, 1, [(0, sh("sleep 600 & echo $!; wait"))]);
    let pid = until_said(grid, "\n");
    let row = tern_node::process::inflight::read(&grid.home).expect("a table").remove(0);
    let child: i32 =
        std::fs::read_to_string(grid.home.stdout(row.file)).expect("output").trim().parse().expect("a pid");
    kill(grid.warden_pid, Signal::SIGKILL);
    await_end(grid.warden_pid);
    grid.hang_up();
    kill(pid, Signal::SIGKILL);
    await_end(pid);
    assert!(alive(child));
    (pid, child)
}

/// The kernel keeps the status of a collected process only for those who held it before.
fn a_task_that_ended_without_a_warden_is_lost_and_what_it_started_is_ended() {
    let _collector = Collector::new();
    let mut grid = Grid::new(1);
    let (pid, child) = ended_alone(&mut grid);
    collect(pid);
    grid.up();
    assert!(!alive(child));
    grid.until("what was lost", |grid, _| grid.lost == [attempt(0, 1)]);
    assert_eq!(grid.outcomes.len(), 0);
    collect(child);
}

/// A process that nobody collects keeps its status where all can read it: nothing is lost, and nothing runs again.
fn of_a_task_that_ended_without_a_warden_and_was_not_collected_the_status_is_read() {
    let _collector = Collector::new();
    let mut grid = Grid::new(1);
    let (pid, child) = ended_alone(&mut grid);
    grid.up();
    if tern_node::process::pidfd::kernel_tells_status() {
        // What the Welcome does not name any more stands in a segment, and is not told again.
        if !grid.running.is_empty() {
            grid.until_ended(1);
        }
        assert_eq!(one_outcome_each(&grid.home)[&attempt(0, 1)].exit, Exit::Signal(9));
        assert_eq!(grid.lost, []);
    } else {
        // Nothing is adopted there, and so the status is not looked for.
        grid.until("what was lost", |grid, _| grid.lost == [attempt(0, 1)]);
    }
    kill(child, Signal::SIGKILL);
    collect(pid);
    collect(child);
}

fn after_another_boot_everything_is_lost() {
    let mut grid = Grid::new(1);
    let (pid, _) = orphan(&mut grid);
    Table::open(&grid.home).expect("a table").set_boot([1; 16]);
    grid.up();
    assert!(grid.running.is_empty());
    grid.until("what was lost", |grid, _| grid.lost == [attempt(0, 1)]);
    assert!(alive(pid), "pids of another boot are not ours to kill");
    kill(-pid, Signal::SIGKILL);
}

fn an_outcome_that_was_written_is_not_lost_though_its_row_is_still_there() {
    let mut grid = Grid::new(1);
    let context = grid.context(|_| {});
    grid.run(&context, &[argv(["/bin/true"])]);
    let (pid, _) = {
        let (flag, command) = waiting(&grid);
        grid.grant(&context, 2, [(1, command)]);
        (until_said(&grid, "start"), flag)
    };
    kill(grid.warden_pid, Signal::SIGKILL);
    await_end(grid.warden_pid);
    grid.hang_up();
    let table = Table::open(&grid.home).expect("a table");
    let (index, mut row) = table.rows().next().expect("a row");
    // The running task's row now names the attempt that has ended.
    row.attempt = attempt(0, 1);
    table.starting(index, &row);
    grid.up();
    assert!(grid.running.is_empty());
    assert!(grid.lost.is_empty());
    assert!(table.get(index).is_none());
    kill(-pid, Signal::SIGKILL);
}
