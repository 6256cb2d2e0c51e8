//! `tern status`: this node and all nodes of its grid, or one of them in full.

use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::json;
use tern_core::words::limits::ZONE_BYTES_MAX;
use tern_node::control::api::StatusView;
use tern_node::control::api::grid::{NodeEntry, NodesView};
use tern_node::control::api::machine::{FactsView, VitalsView};
use tern_node::control::{Door, DoorError, Entry};

use crate::cli::print::plain;
use crate::cli::tree::StatusArgs;
use crate::cli::{Context, Failure, Outcome};
use crate::grid::members::zones;
use crate::grid::table::{self, sign};

pub async fn status(context: &Context, args: StatusArgs) -> Outcome {
    if let Some(node) = args.node {
        return one(context, &node).await;
    }
    let door = Door::open(&context.home, Entry::AgentOrLook, None).await?;
    let agent = door.is_agent();
    let (status, nodes) = (door.status().await, door.nodes().await);
    door.close(true).await?;
    let (status, nodes) = (status?, meshed(nodes)?);
    if context.printer.json {
        let mut value = serde_json::to_value(&status)?;
        value["agent"] = json!(agent);
        value["grid"] = json!(nodes);
        if !agent {
            // It would be this very command's.
            value["agent_pid"] = json!(null);
        }
        context.printer.value(&value)?;
    } else {
        let mut out = context.printer.out();
        write_status(&status, agent, &mut out)?;
        if let Some(nodes) = nodes {
            write_grid(&nodes, &mut out)?;
        }
        out.flush()?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A node without a grid has a status all the same.
fn meshed(nodes: Result<NodesView, DoorError>) -> Result<Option<NodesView>, Failure> {
    match nodes {
        Err(DoorError::Refused { kind, .. }) if kind == "no_mesh" => Ok(None),
        nodes => Ok(Some(nodes?)),
    }
}

/// The node of this name, else the zone of this name.
async fn one(context: &Context, name: &str) -> Outcome {
    let door = Door::open(&context.home, Entry::Agent, None).await?;
    let entry = match door.node(name).await {
        Err(DoorError::Refused { kind, .. }) if kind == "no_such_node" => {
            let zone = zones::status(context, &door, name).await;
            door.close(true).await?;
            return zone;
        }
        entry => entry?,
    };
    door.close(true).await?;
    if context.printer.json {
        context.printer.value(&entry)?;
    } else {
        let mut out = context.printer.out();
        write_node(&entry, &mut out)?;
        out.flush()?;
    }
    Ok(ExitCode::SUCCESS)
}

fn write_status(status: &StatusView, agent: bool, out: &mut impl Write) -> io::Result<()> {
    let who = if agent { format!("agent {}", status.agent_pid) } else { "no agent runs".to_owned() };
    writeln!(out, "node {}  {} {}  {who}", status.node, sign(status.trit), status.trit_word)?;
    writeln!(out, "  folder    {}", status.home)?;
    writeln!(out, "  key       {}", status.key)?;
    writeln!(out, "  slots     {} of {} in use, {} tasks queued", status.running, status.slots, status.queued)?;
    if let (Some(ratio), Some(cpus)) = (status.load_ratio, status.cpus) {
        let smoothed = status.load_ratio_smoothed.map_or_else(String::new, |it| match status.load_source.as_str() {
            "tasks" => format!(" (not judged here: {it:.2} tasks a slot are)"),
            _ => format!(" (smoothed {it:.2})"),
        });
        writeln!(out, "  load      {ratio:.2} a CPU, of {cpus}{smoothed}")?;
    }
    if let (Some(free), Some(total)) = (status.memory_available_kib, status.memory_total_kib) {
        writeln!(out, "  memory    {} of {} MiB free", free / 1024, total / 1024)?;
    }
    if let Some(celsius) = status.celsius {
        writeln!(out, "  heat      {celsius} °C")?;
    }
    if status.power == "battery" || status.battery_percent.is_some() {
        let charge = status.battery_percent.map_or_else(String::new, |percent| format!(", battery at {percent} %"));
        writeln!(out, "  power     {}{charge}", status.power)?;
    }
    match status.warden_pid {
        Some(pid) => {
            let before = match status.warden_deaths {
                0 => String::new(),
                deaths => format!("; {deaths} died since the agent began"),
            };
            writeln!(out, "  warden    {pid}{before}")?;
        }
        None => writeln!(out, "  warden    none")?,
    }
    if let Some(because) = &status.because {
        writeln!(out, "  works     not as it could: {because}")?;
    }
    for (yes, text) in [(status.draining, "draining: nothing more is started"), (status.disk_full, "the disk is full")]
    {
        if yes {
            writeln!(out, "  {text}")?;
        }
    }
    if let Some(why) = &status.outputs_wait {
        writeln!(out, "  outputs   wait for room: {why}")?;
    }
    for note in &status.notes {
        writeln!(out, "  note      {note}")?;
    }
    Ok(())
}

fn write_grid(view: &NodesView, out: &mut impl Write) -> io::Result<()> {
    for note in &view.notes {
        writeln!(out, "  note      {note}")?;
    }
    if view.strangers > 0 {
        writeln!(out, "  strangers {} turned away", view.strangers)?;
    }
    // Old records are what is left over where floods meet; `tern netcheck` counts them, too.
    for refused in view.refused.iter().filter(|refused| refused.what != "old_record") {
        writeln!(out, "  refused   {} times: {}", refused.count, refused.what)?;
    }
    writeln!(out, "\ngrid {}", view.grid)?;
    table::write_nodes(&view.nodes, out)
}

fn write_node(entry: &NodeEntry, out: &mut impl Write) -> io::Result<()> {
    let member = &entry.member;
    let up = if member.up { "up" } else { "gone" };
    writeln!(out, "node {} ({})  {up}  {}", member.name, member.node, table::way(member))?;
    writeln!(out, "  key       {}", member.key)?;
    let admin = if member.admin { "an admin" } else { "no admin" };
    writeln!(out, "  member    {admin}{}", if member.disputed { "; two machines claim its key" } else { "" })?;
    if !member.zone.is_empty() {
        writeln!(out, "  zone      {}", plain(&member.zone, ZONE_BYTES_MAX))?;
    }
    if !entry.path.is_empty() {
        writeln!(out, "  path      {}", entry.path.join(" → "))?;
    }
    for (name, addresses) in [("links at", &entry.link_addresses), ("calls at", &entry.main_addresses)] {
        if !addresses.is_empty() {
            writeln!(out, "  {name}  {}", addresses.join(", "))?;
        }
    }
    match &entry.vitals {
        Some(vitals) => write_vitals(vitals, out)?,
        None => writeln!(out, "  vitals    none heard yet")?,
    }
    match &entry.facts {
        Some(facts) => write_facts(facts, out),
        None => writeln!(out, "  facts     none heard yet"),
    }
}

fn write_vitals(vitals: &VitalsView, out: &mut impl Write) -> io::Result<()> {
    let VitalsView { trit, trit_word, running, slots, queued, .. } = vitals;
    writeln!(out, "  vitals    {:.1} s old", vitals.age_ms as f64 / 1_000.0)?;
    writeln!(out, "  trit      {} {trit_word}", sign(*trit))?;
    if let Some(ratio) = vitals.load_ratio {
        let pressure = vitals.cpu_pressure.map_or_else(String::new, |it| format!(", pressure {it:.1} %"));
        writeln!(out, "  load      {ratio:.2} a CPU{pressure}")?;
    }
    writeln!(out, "  slots     {running} of {slots} in use, {queued} tasks queued")?;
    if let (Some(free), Some(total)) = (vitals.memory_available_mib, vitals.memory_total_mib) {
        writeln!(out, "  memory    {free} of {total} MiB free")?;
    }
    if let Some(celsius) = vitals.celsius {
        writeln!(out, "  heat      {celsius} °C")?;
    }
    for (yes, text) in [(vitals.draining, "draining: it starts nothing more"), (vitals.disk_full, "its disk is full")] {
        if yes {
            writeln!(out, "  {text}")?;
        }
    }
    Ok(())
}

fn write_facts(facts: &FactsView, out: &mut impl Write) -> io::Result<()> {
    let class = facts.class.as_deref().unwrap_or("machine");
    let kernel = facts.kernel.as_deref().map_or_else(String::new, |kernel| format!(" {kernel}"));
    writeln!(out, "  machine   {class}, {} {}{kernel}, tern {}", facts.arch, facts.os, facts.version)?;
    let model = facts.cpu_model.as_deref().map_or_else(String::new, |model| format!(" of {model}"));
    let speed = facts.speed.map_or_else(String::new, |speed| format!(", speed {speed:.2}"));
    writeln!(out, "  cores     {}{model}{speed}", facts.cores)?;
    let charge = facts.battery_percent.map_or_else(String::new, |percent| format!(", {percent} %"));
    writeln!(out, "  power     {}{charge}", facts.power)?;
    for gpu in &facts.gpus {
        writeln!(out, "  graphics  {gpu}")?;
    }
    if let Some(metered) = facts.metered {
        writeln!(out, "  network   {}", if metered { "metered" } else { "not metered" })?;
    }
    if !facts.capabilities.is_empty() {
        writeln!(out, "  can       {}", facts.capabilities.join(", "))?;
    }
    Ok(())
}
