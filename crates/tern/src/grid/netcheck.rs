//! `tern netcheck`: what the network allows.

use std::io::{self, Write};
use std::process::ExitCode;

use tern_node::control::api::ways::NetcheckView;
use tern_node::control::{Door, Entry};

use super::table::{Table, micros};
use crate::cli::{Context, Outcome};

pub async fn netcheck(context: &Context) -> Outcome {
    let door = Door::open(&context.home, Entry::Agent, None).await?;
    let view = door.netcheck().await?;
    door.close(true).await?;
    if context.printer.json {
        context.printer.value(&view)?;
    } else {
        let mut out = context.printer.out();
        write(&view, &mut out)?;
        out.flush()?;
    }
    Ok(ExitCode::SUCCESS)
}

fn write(view: &NetcheckView, out: &mut impl Write) -> io::Result<()> {
    let switch = |on: bool| if on { "on" } else { "off" };
    let all = |addresses: &[String]| if addresses.is_empty() { "none".to_owned() } else { addresses.join(", ") };
    writeln!(out, "links at        {}", all(&view.link_addresses))?;
    writeln!(out, "calls at        {}", all(&view.main_addresses))?;
    writeln!(out, "port mapping    {}", switch(view.port_mapping))?;
    writeln!(out, "local search    {} (mDNS)", switch(view.mdns))?;
    match &view.tailscale_silent {
        Some(why) => writeln!(out, "tailscale       {why}")?,
        None => {
            let followed = if view.tailscale_followed { "" } else { "; members are not looked for there" };
            writeln!(out, "tailscale       {} machines online{followed}", view.tailscale.len())?;
        }
    }
    for machine in &view.tailscale {
        writeln!(out, "                {} {}", machine.host_name, machine.addresses.join(", "))?;
    }
    writeln!(out, "strangers       {} turned away", view.strangers)?;
    // Each record comes by several ways; all but the first time it is old.
    for refused in view.refused.iter().filter(|refused| refused.what != "old_record") {
        writeln!(out, "not believed    {} times: {}", refused.count, refused.what)?;
    }
    if !view.links.is_empty() {
        writeln!(out)?;
        let mut table = Table::new(&["LINK", "KEY", "STATE", "RTT", "DIALLED BY", "WANTED"]);
        for link in &view.links {
            let rtt = link.rtt_us.map_or_else(|| "–".to_owned(), |us| micros(u64::from(us)));
            let (by, wanted) =
                (if link.outgoing { "this node" } else { "that node" }, if link.wanted { "yes" } else { "no" });
            table.row([
                link.name.clone(),
                link.node.clone(),
                link.pulse.clone(),
                rtt,
                by.to_owned(),
                wanted.to_owned(),
            ]);
        }
        table.write(out)?;
    }
    for lost in &view.without_a_way {
        writeln!(out, "\nno way to {} ({}): {}", lost.name, lost.node, lost.why)?;
        for address in &lost.addresses {
            writeln!(out, "  {address}")?;
        }
    }
    Ok(())
}
