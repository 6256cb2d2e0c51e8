//! Real agents on this machine: how long a new one takes to be of use, and what five of them cost while nothing happens.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::battery;
use super::command::Bench;
use super::sheet::{Goal, Sheet};
use crate::bench::node::{Agent, Folder, cpu_seconds, find, mebibytes};
use crate::run::capture;

/// Machines of the grid that idles.
const GRID: usize = 5;
/// Links that are not needed any more close, and heartbeats become rare.
const SETTLE: Duration = Duration::from_secs(15);
/// The kernel counts in hundredths of a second: over this time one of them is 0.03 % of a core.
const WATCHED: Duration = Duration::from_secs(30);
/// A node that is not of use by then never will be.
const PATIENCE: Duration = Duration::from_secs(30);

/// An agent that looks for nobody, under this name; `starter` as in [`Agent::on`].
pub fn named(
    tern: &Path,
    folder: &Folder,
    name: &str,
    slots: usize,
    starter: Option<Command>,
) -> Result<Agent, String> {
    let home = folder.path().join(name);
    let settings = format!("slots = {slots}\n[mesh]\nmdns = false\nport_mapping = false\nname = \"{name}\"\n");
    let failed = |error: std::io::Error| format!("{}: {error}", home.display());
    let _fresh = std::fs::remove_dir_all(&home);
    std::fs::create_dir_all(&home).map_err(failed)?;
    std::fs::set_permissions(&home, std::os::unix::fs::PermissionsExt::from_mode(0o700)).map_err(failed)?;
    std::fs::write(home.join("config.toml"), settings).map_err(failed)?;
    Agent::on(tern.to_path_buf(), home, starter)
}

fn agent(bench: &Bench, name: &str, on_battery: bool) -> Result<Agent, String> {
    let starter = if on_battery { Some(battery::command(&bench.tern)?) } else { None };
    named(&bench.tern, &bench.folder, name, 2, starter)
}

/// Lets somebody into this agent's grid.
pub fn ticket(of: &Agent) -> Result<String, String> {
    let invited = of.json(&["invite", "--json"])?;
    let ticket = find(&invited, "ticket").and_then(serde_json::Value::as_str);
    Ok(ticket.ok_or_else(|| format!("tern invite --json names no ticket: {invited}"))?.to_string())
}

/// From `tern join TICKET` on a running agent until a ping of the grid's first machine was answered, commands included.
pub fn joins(bench: &Bench, sheet: &mut Sheet) -> Result<(), String> {
    let first = agent(bench, "first", false)?;
    let mut taken = Vec::new();
    for round in 0..bench.pairs {
        let new = agent(bench, &format!("new-{round}"), false)?;
        let ticket = ticket(&first)?;
        let began = Instant::now();
        capture(new.command(&["join", &ticket]))?;
        while let Err(why) = capture(new.command(&["ping", "first", "-c", "1"])) {
            if began.elapsed() > PATIENCE {
                return Err(why);
            }
        }
        taken.push(began.elapsed().as_secs_f64());
        capture(new.command(&["leave", "--yes"]))?;
    }
    sheet.value("join with a ticket, until a ping is answered", &taken, "s", Goal::Most(1.0));
    Ok(())
}

/// Five agents that know each other and have nothing to do.
pub fn idle(bench: &Bench, on_battery: bool, sheet: &mut Sheet) -> Result<(), String> {
    let kind = if on_battery { "battery" } else { "mains" };
    let mut agents = Vec::new();
    for at in 0..GRID {
        agents.push(agent(bench, &format!("{kind}-{at}"), on_battery)?);
    }
    for new in &agents[1..] {
        capture(new.command(&["join", &ticket(&agents[0])?]))?;
    }
    let nodes = agents[0].json(&["members", "--json"])?["members"].as_array().map_or(0, Vec::len);
    if nodes != GRID {
        return Err(format!("the grid has {nodes} members instead of {GRID}"));
    }
    std::thread::sleep(SETTLE);
    let used = |agent: &Agent| Ok::<f64, String>(cpu_seconds(agent.pid)? + cpu_seconds(agent.warden_pid)?);
    let all = || agents.iter().map(used).collect::<Result<Vec<f64>, String>>();
    let (before, began) = (all()?, Instant::now());
    std::thread::sleep(WATCHED / bench.divide as u32);
    let seconds = began.elapsed().as_secs_f64();
    let shares: Vec<f64> =
        all()?.iter().zip(&before).map(|(after, before)| (after - before) / seconds * 100.0).collect();
    let most = if on_battery { 0.3 } else { 1.0 };
    let words =
        if on_battery { "the same on battery" } else { "an idle node in a grid of five, agent and warden, of a core" };
    sheet.value(words, &shares, "%", Goal::Most(most));
    if !on_battery {
        let memory = |agent: &Agent| mebibytes(agent.pid, "VmRSS");
        let memory = agents.iter().map(memory).collect::<Result<Vec<f64>, String>>()?;
        sheet.value("RSS of such an agent", &memory, "MiB", Goal::Most(60.0));
    }
    Ok(())
}
