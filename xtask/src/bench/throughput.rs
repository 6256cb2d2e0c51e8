//! Ten and a hundred thousand of the smallest task, beside the faster bare loop.
//!
//! All run the program without an argument (`-n0`, `-I`): with one, GNU `true` loads its messages first, which the bare
//! loops would not measure.

use std::fs::File;
use std::process::{Command, Stdio};

use super::command::Bench;
use super::loops::{Kind, TASK};
use super::node::{Agent, mebibytes};
use super::pairs::{Paired, pairs, seconds};
use super::table::Rows;

const TASKS: usize = 10_000;
const MANY: usize = 100_000;
const FEW: usize = 1_000;

/// `tern map` with nothing running before it: start-up and clean-up are in the figure.
pub fn without_agent(bench: &Bench, rows: &mut Rows) -> Result<(), String> {
    let home = bench.folder.path().join("alone");
    let tern = || {
        let mut command = Command::new(&bench.tern);
        command.env("TERN_HOME", &home);
        command
    };
    really_runs(bench, tern())?;
    let map = || {
        let mut command = tern();
        command.args(["map", "-n0", TASK]);
        command
    };
    let paired = against_loop(bench, TASKS / bench.size.divide, map)?;
    rows.ratio(&format!("{} × true, no agent", TASKS / bench.size.divide), &paired, 1.15);
    Ok(())
}

/// The same through an agent, whose results are durable and whose output is kept.
pub fn with_agent(bench: &Bench, rows: &mut Rows) -> Result<(), String> {
    let agent = Agent::start(bench)?;
    really_runs(bench, agent.command(&[]))?;
    let paired = against_loop(bench, TASKS / bench.size.divide, || agent.command(&["map", "-n0", TASK]))?;
    rows.ratio(&format!("{} × true, with an agent", TASKS / bench.size.divide), &paired, 1.10);
    Ok(())
}

/// Ten times as many, and what the two processes took at most.
pub fn many(bench: &Bench, rows: &mut Rows) -> Result<(), String> {
    let agent = Agent::start(bench)?;
    let tasks = MANY / bench.size.divide;
    let paired = against_loop(bench, tasks, || agent.command(&["map", "-n0", TASK]))?;
    rows.ratio(&format!("{tasks} × true, with an agent"), &paired, 1.10);
    let (agent_peak, warden_peak) = (mebibytes(agent.pid, "VmHWM")?, mebibytes(agent.warden_pid, "VmHWM")?);
    rows.at_most("peak RSS of the agent after it", agent_peak, 40.0, "MiB");
    rows.at_most("peak RSS of the warden after it", warden_peak, 4.0, "MiB");
    Ok(())
}

/// What others take for the same, for comparison; nothing to reach.
pub fn peers(bench: &Bench, rows: &mut Rows) {
    let width = bench.cores.to_string();
    let tasks = TASKS / bench.size.divide;
    let xargs = || {
        let mut command = Command::new("xargs");
        command.args(["-I{}", "-P", &width, TASK]);
        command
    };
    match against_loop(bench, tasks, xargs) {
        Ok(paired) => rows.peer(&format!("{tasks} × true, xargs -P{width}"), &paired),
        Err(message) => rows.absent("xargs", &message),
    }
    let parallel = || {
        let mut command = Command::new("parallel");
        command.args(["--will-cite", "-n0", "-j", &width, TASK]).stderr(Stdio::null());
        command
    };
    match against_loop(bench, FEW, parallel) {
        Ok(paired) => rows.peer(&format!("{FEW} × true, GNU parallel -j{width}"), &paired),
        Err(message) => rows.absent("GNU parallel", &message),
    }
}

/// A program that runs nothing would win every comparison: the same command must first show that it runs its tasks.
fn really_runs(bench: &Bench, mut map: Command) -> Result<(), String> {
    let lines = bench.folder.lines(3)?;
    let input = File::open(&lines).map_err(|error| format!("{}: {error}", lines.display()))?;
    let output = map.args(["map", "-k", "/bin/echo"]).stdin(input).output().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    if text == "1\n2\n3\n" { Ok(()) } else { Err(format!("tern map -k echo printed {text:?} for the lines 1, 2, 3")) }
}

/// Pairs of a command that reads its arguments from standard input, and the faster loop.
fn against_loop(bench: &Bench, tasks: usize, command: impl Fn() -> Command) -> Result<Paired, String> {
    let lines = bench.folder.lines(tasks)?;
    let reference: Kind = bench.loops.faster(tasks.min(TASKS), bench.cores)?;
    let own = || {
        let input = File::open(&lines).map_err(|error| format!("{}: {error}", lines.display()))?;
        let mut command = command();
        command.stdin(input);
        seconds(command)
    };
    pairs(bench.size.pairs, own, || bench.loops.run(reference, tasks, bench.cores))
}
