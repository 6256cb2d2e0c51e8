//! Ten and a hundred thousand of the smallest task, beside the faster of both bare loops in the same round.
//!
//! All run the program without an argument (`-n0`, `-I`): with one, GNU `true` loads its messages first, which the bare
//! loops would not measure.

use std::fs::File;
use std::process::{Command, Stdio};

use super::command::Bench;
use super::loops::TASK;
use super::node::{Agent, mebibytes};
use super::pairs::{Contender, Paired, rounds, seconds};
use super::table::Rows;

const TASKS: usize = 10_000;
const MANY: usize = 100_000;
const FEW: usize = 1_000;

/// Ratios to reach: through an agent, and without one, start-up and clean-up included.
const WITH_AGENT: f64 = 1.10;
const ALONE: f64 = 1.15;

/// Ten thousand tasks: `tern map` alone and through an agent, and xargs for comparison.
pub fn ten_thousand(bench: &Bench, rows: &mut Rows) -> Result<(), String> {
    let agent = Agent::start(bench)?;
    really_runs(bench, alone(bench))?;
    really_runs(bench, agent.command(&[]))?;
    let (tasks, width) = (TASKS / bench.size.divide, bench.cores.to_string());
    let xargs = || {
        let mut command = Command::new("xargs");
        command.args(["-I{}", "-P", &width, TASK]);
        command
    };
    let map = || map(alone(bench));
    let own = || agent.command(&["map", "-n0", TASK]);
    let contenders: [(_, &dyn Fn() -> Command); 3] = [("no agent", &map), ("with an agent", &own), ("xargs", &xargs)];
    let mut paired = against_loops(bench, tasks, &contenders)?.into_iter();
    let mut next = || paired.next().unwrap_or_else(|| Err("not run".to_string()));
    rows.ratio(&format!("{tasks} × true, no agent"), &next()?, ALONE);
    rows.ratio(&format!("{tasks} × true, with an agent"), &next()?, WITH_AGENT);
    rows.peer(&format!("{tasks} × true, xargs -P{width}"), next());
    Ok(())
}

/// Ten times as many, and what agent and warden took at most.
pub fn many(bench: &Bench, rows: &mut Rows) -> Result<(), String> {
    let agent = Agent::start(bench)?;
    let tasks = MANY / bench.size.divide;
    let map = || map(alone(bench));
    let own = || agent.command(&["map", "-n0", TASK]);
    let contenders: [(_, &dyn Fn() -> Command); 2] = [("no agent", &map), ("with an agent", &own)];
    let mut paired = against_loops(bench, tasks, &contenders)?.into_iter();
    let mut next = || paired.next().unwrap_or_else(|| Err("not run".to_string()));
    rows.ratio(&format!("{tasks} × true, no agent"), &next()?, ALONE);
    rows.ratio(&format!("{tasks} × true, with an agent"), &next()?, WITH_AGENT);
    let (agent_peak, warden_peak) = (mebibytes(agent.pid, "VmHWM")?, mebibytes(agent.warden_pid, "VmHWM")?);
    rows.at_most("peak RSS of the agent after it", agent_peak, 40.0, "MiB");
    rows.at_most("peak RSS of the warden after it", warden_peak, 4.0, "MiB");
    Ok(())
}

/// GNU parallel is so much slower that fewer tasks say the same.
pub fn parallel(bench: &Bench, rows: &mut Rows) {
    let width = bench.cores.to_string();
    let parallel = || {
        let mut command = Command::new("parallel");
        command.args(["--will-cite", "-n0", "-j", &width, TASK]).stderr(Stdio::null());
        command
    };
    let paired = against_loops(bench, FEW, &[("parallel", &parallel)]).map(|mut paired| paired.swap_remove(0));
    rows.peer(&format!("{FEW} × true, GNU parallel -j{width}"), paired.flatten());
}

/// `tern` with no agent: each run starts and ends its own node.
fn alone(bench: &Bench) -> Command {
    let mut command = Command::new(&bench.tern);
    command.env("TERN_HOME", bench.folder.path().join("alone"));
    command
}

fn map(mut tern: Command) -> Command {
    tern.args(["map", "-n0", TASK]);
    tern
}

/// A program that runs nothing would win every comparison: the same command must first show that it runs its tasks.
fn really_runs(bench: &Bench, mut map: Command) -> Result<(), String> {
    let lines = bench.folder.lines(3)?;
    let input = File::open(&lines).map_err(|error| format!("{}: {error}", lines.display()))?;
    let output = map.args(["map", "-k", "/bin/echo"]).stdin(input).output().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    if text == "1\n2\n3\n" { Ok(()) } else { Err(format!("tern map -k echo printed {text:?} for the lines 1, 2, 3")) }
}

/// Rounds of commands that read their arguments from standard input, and both loops.
fn against_loops(
    bench: &Bench,
    tasks: usize,
    commands: &[(&'static str, &dyn Fn() -> Command)],
) -> Result<Vec<Result<Paired, String>>, String> {
    let lines = bench.folder.lines(tasks)?;
    let mut contenders = Vec::new();
    for &(name, command) in commands {
        let lines = &lines;
        let run = move || {
            let input = File::open(lines).map_err(|error| format!("{}: {error}", lines.display()))?;
            let mut command = command();
            command.stdin(input);
            seconds(command)
        };
        contenders.push(Contender { name, run: Box::new(run) });
    }
    rounds(bench.size.pairs, contenders, || bench.loops.both(tasks, bench.cores))
}
