//! `tern ping` and `tern path`.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;
use tern_node::control::api::ways::{PathView, PingRequest, RoundView};
use tern_node::control::{Door, Entry};

use super::args::{NodeArgs, PingArgs};
use super::table::{Table, micros, sign};
use crate::cli::failure::UNAVAILABLE;
use crate::cli::{Context, Failure, Outcome};

/// Between two round trips.
const PING_GAP: Duration = Duration::from_millis(200);

pub async fn ping(context: &Context, args: PingArgs) -> Outcome {
    let door = Door::open(&context.home, Entry::Agent, None).await?;
    let mut rounds: Vec<RoundView> = Vec::new();
    let mut gap = tokio::time::interval(PING_GAP);
    let mut name = String::new();
    for _ in 0..args.count {
        gap.tick().await;
        let pinged = door.ping(&args.node, PingRequest { count: 1, bytes: args.size }).await?;
        for round in pinged.rounds {
            if !context.printer.json {
                context.printer.line(&format!("{}  {}  {}", pinged.name, micros(round.time_us), how(&round)))?;
            }
            rounds.push(round);
        }
        name = pinged.name;
    }
    door.close(true).await?;
    let times: Vec<u64> = rounds.iter().map(|round| round.time_us).collect();
    let (least, most) = (times.iter().min().copied().unwrap_or(0), times.iter().max().copied().unwrap_or(0));
    let mean = times.iter().sum::<u64>() / (times.len() as u64).max(1);
    if context.printer.json {
        let value = json!({"name": name, "rounds": rounds, "min_us": least, "avg_us": mean, "max_us": most});
        context.printer.value(&value)?;
    } else {
        let [least, mean, most] = [least, mean, most].map(micros);
        context.printer.line(&format!("{} round trips: min {least}, avg {mean}, max {most}", times.len()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn how(round: &RoundView) -> String {
    if round.direct { "direct".to_owned() } else { format!("by {} hops", round.hops) }
}

pub async fn path(context: &Context, args: NodeArgs) -> Outcome {
    let door = Door::open(&context.home, Entry::Agent, None).await?;
    let path = door.path(&args.node).await?;
    door.close(true).await?;
    if context.printer.json {
        context.printer.value(&path)?;
    } else {
        let mut out = context.printer.out();
        write_path(&path, &mut out)?;
        out.flush()?;
    }
    let here = path.link.hops == 0 && path.link.trit > 0;
    if path.hops.is_empty() && !here {
        let message = format!("there is no way to {} now. `tern netcheck` shows links and addresses", path.name);
        return Err(Failure::new(UNAVAILABLE, "unreachable", message));
    }
    Ok(ExitCode::SUCCESS)
}

fn write_path(path: &PathView, out: &mut impl Write) -> std::io::Result<()> {
    if path.link.hops == 0 && path.link.trit > 0 {
        return writeln!(out, "{} is this very node", path.name);
    }
    writeln!(out, "{}  {} {}", path.name, sign(path.link.trit), path.link.word)?;
    let mut table = Table::new(&["", "HOP", "KEY", "RTT"]);
    for (at, hop) in path.hops.iter().enumerate() {
        let rtt = hop.rtt_us.map_or_else(|| "–".to_owned(), micros);
        table.row([(at + 1).to_string(), hop.name.clone(), hop.node.clone(), rtt]);
    }
    if path.hops.is_empty() { Ok(()) } else { table.write(out) }
}
