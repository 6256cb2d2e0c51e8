//! `tern members`, `tern remove`, `tern rotate`, `tern recover`.

pub mod zones;

use std::io::{self, Read, Write};
use std::process::ExitCode;

use serde_json::json;
use tern_node::control::api::entry::RecoverRequest;
use tern_node::control::api::grid::{MemberView, MembersView};
use tern_node::control::{Door, Entry};

use super::args::{NodeArgs, RecoverArgs};
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
    table.write(out)?;
    if !view.nearby.is_empty() {
        writeln!(out, "\nalso on this network, in grids of their own:")?;
    }
    for nearby in &view.nearby {
        let name = nearby.name.as_deref().unwrap_or("a machine");
        let grid = nearby.grid.as_ref().map_or_else(String::new, |grid| format!(", grid {grid}"));
        writeln!(out, "  {name} ({}{grid}): `tern invite` here, `tern join TICKET` there", nearby.node)?;
    }
    Ok(())
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

/// Bytes of a recovery key's file that are read; it has a few lines.
const RECOVERY_BYTES_MAX: u64 = 4_096;

pub async fn recover(context: &Context, args: RecoverArgs) -> Outcome {
    let mut recovery = String::new();
    if args.key.as_os_str() == "-" {
        io::stdin().lock().take(RECOVERY_BYTES_MAX).read_to_string(&mut recovery)?;
    } else {
        std::fs::File::open(&args.key)?.take(RECOVERY_BYTES_MAX).read_to_string(&mut recovery)?;
    }
    let door = Door::open(&context.home, Entry::Agent, None).await?;
    door.recover(&RecoverRequest { recovery, lost: args.lost.clone() }).await?;
    door.close(true).await?;
    if context.printer.json {
        context.printer.value(&json!({"recovered": true, "lost": args.lost}))?;
    } else {
        let lost = if args.lost.is_empty() { String::new() } else { format!("; sent away: {}", args.lost.join(", ")) };
        context.printer.line(&format!("this machine is an admin now{lost}"))?;
    }
    Ok(ExitCode::SUCCESS)
}
