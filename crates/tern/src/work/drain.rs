//! `tern drain` and `tern undrain`.

use std::process::ExitCode;

use serde_json::json;
use tern_node::control::api::work::StandingView;
use tern_node::control::{Door, Entry};

use super::args::{DrainArgs, UndrainArgs};
use crate::cli::{Context, Outcome};

pub async fn drain(context: &Context, args: DrainArgs) -> Outcome {
    let door = Door::open(&context.home, Entry::Agent, None).await?;
    let standing = match &args.node {
        Some(node) => door.drain_node(node, args.wait).await?,
        None => {
            door.drain(args.wait).await?;
            own(&door).await?
        }
    };
    door.close(true).await?;
    if context.printer.json {
        context.printer.value(&standing)?;
    } else {
        let runs = match standing.running {
            0 => "nothing runs there".to_owned(),
            1 => "1 task runs there to its end".to_owned(),
            count => format!("{count} tasks run there to their end"),
        };
        context.printer.line(&format!("{} starts nothing more; {runs}", standing.name))?;
    }
    Ok(ExitCode::SUCCESS)
}

pub async fn undrain(context: &Context, args: UndrainArgs) -> Outcome {
    let door = Door::open(&context.home, Entry::Agent, None).await?;
    let standing = match &args.node {
        Some(node) => door.undrain_node(node).await?,
        None => door.undrain().await?,
    };
    door.close(true).await?;
    if context.printer.json {
        context.printer.value(&json!(standing))?;
    } else {
        let text = match &standing.because {
            Some(because) => format!("{} is not drained by anybody, but {because}", standing.name),
            None => format!("{} starts tasks again", standing.name),
        };
        context.printer.line(&text)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// This node, by its name where it has one.
async fn own(door: &Door) -> Result<StandingView, tern_node::control::DoorError> {
    let status = door.status().await?;
    let name = match door.node(&status.node).await {
        Ok(entry) => entry.member.name,
        Err(_) => status.node.clone(),
    };
    let (draining, running, because) = (status.draining, status.running, status.because);
    Ok(StandingView { name, node: status.node, draining, running, because })
}
