//! The doors that trit, bottlenecks, scum and throttle need: an agent where one runs, none for what this machine knows by itself.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use tern_core::decide::bottleneck::{Absent, Measured, Queue};
use tern_core::observe::NodeTrit;
use tern_core::observe::trit::load_ratio;
use tern_node::config::{self, Flags};
use tern_node::control::{Door, DoorError, Entry};
use tern_node::sense::facts::Root;
use tern_node::sense::{self, usage};

use super::{Context, Outcome};
use crate::hogs::bottlenecks::BottlenecksArgs;
use crate::hogs::scum::{ScumArgs, Where};
use crate::hogs::throttle::{Ask, ThrottleArgs};
use crate::hogs::trit::{Together, Tracked, TritArgs};

pub async fn trit(context: &Context, args: TritArgs) -> Outcome {
    // A setting that cannot be read is said here too, though the bare thresholds have none.
    config::load(&context.home, &Flags::default())?;
    let json = context.printer.json;
    let Some(every) = args.watch else {
        let mut out = context.printer.out();
        return Ok(crate::hogs::trit::run(&args, json, tracked(context).await, &mut out)?);
    };
    // On a terminal the line stays where it is.
    let stays = !json && std::io::stdout().is_terminal();
    loop {
        let line = crate::hogs::trit::line(&args, json, tracked(context).await, together(context).await)?;
        let mut out = context.printer.out();
        if stays {
            write!(out, "\r\x1b[K{line}")?;
        } else {
            writeln!(out, "{line}")?;
        }
        out.flush()?;
        drop(out);
        tokio::time::sleep(Duration::from_secs(every)).await;
    }
}

/// The trits of the grid; none without an agent in one.
async fn together(context: &Context) -> Option<Together> {
    let door = Door::open(&context.home, Entry::Agent, None).await.ok()?;
    let shown = door.balance().await.ok();
    door.close(true).await.ok()?;
    shown.map(|it| Together { plus: it.plus, zero: it.zero, minus: it.minus, sum: it.sum })
}

/// What the agent makes of its readings; none without an agent that answers, since this machine can still be read.
async fn tracked(context: &Context) -> Option<Tracked> {
    let door = Door::open(&context.home, Entry::Agent, None).await.ok()?;
    let status = door.status().await.ok();
    door.close(true).await.ok()?;
    let status = status?;
    let trit = match status.trit {
        ..0 => NodeTrit::Idle,
        0 => NodeTrit::Balanced,
        1.. => NodeTrit::Overloaded,
    };
    Some(Tracked { trit, smoothed: status.load_ratio_smoothed, by_tasks: status.load_source == "tasks" })
}

pub async fn bottlenecks(context: &Context, args: BottlenecksArgs) -> Outcome {
    let mut sample = usage::sample(&Root::system(), Duration::from_secs(args.seconds));
    sample.queue = queue(context).await;
    Ok(crate::hogs::bottlenecks::run(&args, &sample, context.printer.json, &mut context.printer.out())?)
}

/// The queue of the agent of this state folder. The machine can be judged without one.
async fn queue(context: &Context) -> Measured<Queue> {
    let door = Door::open(&context.home, Entry::Agent, None).await.map_err(|error| match error {
        DoorError::Unreachable { kind: "no_agent", .. } => Absent::NoAgent,
        _ => Absent::AgentSilent,
    })?;
    let view = door.queue().await;
    // The agent's end is not this command's: what it said counts.
    let _closed = door.close(true).await;
    view.ok().and_then(|view| view.queue()).ok_or(Absent::AgentSilent)
}

pub async fn scum(context: &Context, args: ScumArgs) -> Outcome {
    let config = config::load(&context.home, &Flags::default())?;
    let literal = || sense::read().map_or(NodeTrit::default(), |reading| NodeTrit::literal(load_ratio(&reading)));
    let node = tracked(context).await.map_or_else(literal, |agent| agent.trit);
    let at = Where { node, taker: idle_other(context).await };
    Ok(crate::hogs::scum::run(&args, &config.scum, &at, context.printer.json, &mut context.printer.out())?)
}

/// The first idle node beside this one.
async fn idle_other(context: &Context) -> Option<String> {
    let door = Door::open(&context.home, Entry::Agent, None).await.ok()?;
    let shown = door.balance().await.ok();
    door.close(true).await.ok()?;
    let shown = shown?;
    let here = shown.nodes.iter().find(|node| node.here).map(|node| node.name.clone());
    shown.idle.into_iter().find(|name| Some(name) != here.as_ref())
}

/// A throttle outlives this command, so that only an agent's warden may hold it.
pub async fn throttle(context: &Context, args: ThrottleArgs) -> Outcome {
    let ask = async |ask| {
        let door = Door::open(&context.home, Entry::Agent, None).await?;
        let answer = match ask {
            Ask::Hold(wish) => door.throttle(wish).await.map(|state| vec![state]),
            Ask::Release(pid) => door.release_throttle(pid).await.map(|()| Vec::new()),
            Ask::List => door.throttles().await,
        };
        door.close(true).await?;
        answer
    };
    let mut out = context.printer.out();
    Ok(crate::hogs::throttle::run(&args, context.printer.json, ask, &mut out).await?)
}
