//! `tern members`, `tern remove`, `tern rotate`.

use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::json;
use tern_node::control::api::grid::{MemberView, MembersView};
use tern_node::control::{Door, Entry};

use super::args::NodeArgs;
use super::table::{Table, way};
use crate::cli::{Context, Outcome};

pub async fn members(context: &Context) -> Outcome {
    let door = Door::open(&context.home, Entry::Agent, None).await?;
    let members = door.members().await?;
    door.close(true).await?;
    if context.printer.json {
        context.printer.value(&members)?;
    } else {
        let mut out = context.printer.out();
        write_members(&members, &mut out)?;
        out.flush()?;
    }
    Ok(ExitCode::SUCCESS)
}

fn write_members(view: &MembersView, out: &mut impl Write) -> io::Result<()> {
    let open = match view.open_invitations {
        0 => String::new(),
        1 => ", 1 open invitation".to_owned(),
        count => format!(", {count} open invitations"),
    };
    let may = if view.admin { "" } else { "; this machine is no admin of it" };
    writeln!(out, "grid {}, {} members{open}{may}", view.grid, view.members.len())?;
    let mut table = Table::new(&["NAME", "KEY", "ADMIN", "ZONE", "REACHED"]);
    for member in &view.members {
        let MemberView { name, node, admin, zone, .. } = member;
        let admin = if *admin { "admin" } else { "–" };
        let zone = if zone.is_empty() { "–" } else { zone };
        let disputed = if member.disputed { ", and two machines claim its key" } else { "" };
        table.row([name.clone(), node.clone(), admin.to_owned(), zone.to_owned(), way(member) + disputed]);
    }
    table.write(out)
}

pub async fn remove(context: &Context, args: NodeArgs) -> Outcome {
    let door = Door::open(&context.home, Entry::Agent, None).await?;
    let removed = door.remove(&args.node).await?;
    door.close(true).await?;
    if context.printer.json {
        context.printer.value(&removed)?;
    } else {
        let line = format!("removed {} ({}): its key does not come back", removed.name, removed.node);
        context.printer.line(&line)?;
    }
    Ok(ExitCode::SUCCESS)
}

pub async fn rotate(context: &Context) -> Outcome {
    let door = Door::open(&context.home, Entry::Agent, None).await?;
    door.rotate().await?;
    door.close(true).await?;
    if context.printer.json {
        context.printer.value(&json!({"rotated": true}))?;
    } else {
        context.printer.line("this machine has a new admin key; the old one counts no more")?;
    }
    Ok(ExitCode::SUCCESS)
}
