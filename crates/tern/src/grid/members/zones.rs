//! `tern zones`, and a zone in `tern status`: where the nodes stand, each zone shown like one large node.

use std::io::{self, Write};
use std::process::ExitCode;

use tern_core::words::limits::ZONE_BYTES_MAX;
use tern_node::control::api::grid::{MemberView, NodeEntry};
use tern_node::control::api::zones::{ZoneEntry, ZoneVitalsView, ZonesView};
use tern_node::control::{Door, DoorError, Entry};

use crate::cli::failure::NOHOST;
use crate::cli::print::plain;
use crate::cli::{Context, Failure, Outcome};
use crate::grid::table::{Table, sign, write_nodes};

/// Names that a refusal lists of each kind.
const NAMES_MAX: usize = 12;

const HEADS: [&str; 9] = ["ZONE", "NODES", "TRIT", "LOAD", "+1/0/-1", "S", "RUNS", "QUEUED", "LINK"];

pub async fn zones(context: &Context) -> Outcome {
    let door = Door::open(&context.home, Entry::Agent, None).await?;
    let zones = door.zones().await?;
    door.close(true).await?;
    if context.printer.json {
        context.printer.value(&zones)?;
    } else {
        let mut out = context.printer.out();
        write_zones(&zones, &mut out)?;
        out.flush()?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What `tern status` says of a name that no node has.
pub async fn status(context: &Context, door: &Door, name: &str) -> Outcome {
    let zone = match door.zone(name).await {
        Err(DoorError::Refused { kind, .. }) if kind == "no_such_zone" => return Err(unknown(door, name).await?),
        zone => zone?,
    };
    if context.printer.json {
        context.printer.value(&zone)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut nodes = door.nodes().await?.nodes;
    nodes.retain(|node| stands_in(&node.member, &zone.zone));
    let mut out = context.printer.out();
    write_zone(&zone, &nodes, &mut out)?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn stands_in(member: &MemberView, zone: &str) -> bool {
    member.zone.strip_prefix(zone).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Neither a node nor a zone: which there are.
async fn unknown(door: &Door, name: &str) -> Result<Failure, Failure> {
    let (members, zones) = (door.members().await?, door.zones().await?);
    let nodes = listed(members.members.iter().map(|member| member.name.as_str()));
    let zones = listed(zones.zones.iter().map(|zone| zone.zone.as_str()));
    let message = format!(
        "no member and no zone is called {name:?}. Members (`tern members`): {nodes}. Zones (`tern zones`): {zones}"
    );
    Ok(Failure::new(NOHOST, "no_such_node", message))
}

/// The first of them by their letters, and how many more there are.
fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    let more = names.len().saturating_sub(NAMES_MAX);
    let shown: Vec<String> = names.into_iter().take(NAMES_MAX).map(|name| plain(name, ZONE_BYTES_MAX)).collect();
    match (shown.is_empty(), more) {
        (true, _) => "none".to_owned(),
        (false, 0) => shown.join(", "),
        (false, more) => format!("{} and {more} more", shown.join(", ")),
    }
}

fn write_zones(view: &ZonesView, out: &mut impl Write) -> io::Result<()> {
    if view.zones.is_empty() {
        writeln!(out, "grid {}, no zones", view.grid)?;
        writeln!(out, "`[mesh] zone` in the settings of a node says where it stands, such as home or home/attic;")?;
        return writeln!(
            out,
            "nodes of one private network that are near to each other are put together by themselves"
        );
    }
    let mut table = Table::new(&HEADS);
    for zone in &view.zones {
        table.row(cells(zone));
    }
    table.write(out)?;
    match view.left_out {
        0 => Ok(()),
        more => writeln!(out, "and {more} more: `tern status ZONE` shows one of them"),
    }
}

fn cells(entry: &ZoneEntry) -> [String; 9] {
    let of = |what: &dyn Fn(&ZoneVitalsView) -> Option<String>| {
        entry.vitals.as_ref().and_then(what).unwrap_or_else(|| "–".to_owned())
    };
    [
        entry.zone.clone(),
        entry.up.to_string(),
        of(&trit),
        of(&|it| Some(format!("{:.2}/{}", it.load?, it.cores?))),
        of(&|it| Some(format!("{}/{}/{}", it.overloaded, it.balanced, it.idle))),
        of(&|it| Some(surplus(it.surplus))),
        of(&|it| Some(format!("{}/{}", it.running, it.slots))),
        of(&|it| Some(it.queued.to_string())),
        link(entry),
    ]
}

fn trit(vitals: &ZoneVitalsView) -> Option<String> {
    Some(format!("{} {}", sign(vitals.trit?), vitals.trit_word.as_deref()?))
}

/// With its sign, and none at zero.
fn surplus(nodes: i64) -> String {
    if nodes == 0 { "0".to_owned() } else { format!("{nodes:+}") }
}

fn link(entry: &ZoneEntry) -> String {
    if entry.here { "here".to_owned() } else { format!("{} {}", sign(entry.link.trit), entry.link.word) }
}

/// In the form in which a node is shown, and the nodes that stand in it below.
fn write_zone(entry: &ZoneEntry, nodes: &[NodeEntry], out: &mut impl Write) -> io::Result<()> {
    let many = if entry.up == 1 { "node" } else { "nodes" };
    writeln!(out, "zone {}  {} {many} up  {}", plain(&entry.zone, ZONE_BYTES_MAX), entry.up, link(entry))?;
    if !entry.inner.is_empty() {
        writeln!(out, "  inside    {}", listed(entry.inner.iter().map(String::as_str)))?;
    }
    match &entry.vitals {
        Some(vitals) => write_vitals(vitals, out)?,
        None => writeln!(out, "  vitals    none heard yet")?,
    }
    if let Some(mib) = entry.memory_total_mib {
        writeln!(out, "  memory    {mib} MiB in all")?;
    }
    if nodes.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    write_nodes(nodes, out)
}

fn write_vitals(vitals: &ZoneVitalsView, out: &mut impl Write) -> io::Result<()> {
    let ZoneVitalsView { overloaded, balanced, idle, running, slots, queued, .. } = vitals;
    writeln!(out, "  trit      {}", trit(vitals).unwrap_or_else(|| "–".to_owned()))?;
    if let (Some(load), Some(cores), Some(ratio)) = (vitals.load, vitals.cores, vitals.load_ratio) {
        writeln!(out, "  load      {ratio:.2} a CPU: {load:.2} on {cores}")?;
    }
    let surplus = surplus(vitals.surplus);
    writeln!(out, "  nodes     {overloaded} overloaded, {balanced} balanced, {idle} idle; S = {surplus}")?;
    writeln!(out, "  slots     {running} of {slots} in use, {queued} tasks queued")
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use tern_core::machine::mesh::ZoneView;
    use tern_core::observe::{Facts, LinkTrit, NodeTrit, Vitals, ZoneLoad};

    fn node(cores: u16, rho_milli: u16, trit: NodeTrit) -> ZoneLoad {
        let facts = Facts { cores, memory_mib: Some(2_048), ..Facts::default() };
        let vitals = Vitals { rho_milli: Some(rho_milli), trit, slots: cores, queued: 3, ..Vitals::default() };
        ZoneLoad::of(Some(&facts), Some(&vitals))
    }

    fn zone(zone: &str, link: LinkTrit, up: u32, load: ZoneLoad) -> ZoneEntry {
        let (zone, here) = (zone.to_owned(), link == LinkTrit::Direct);
        ZoneEntry::new(&ZoneView { zone, here, up, link, load, inner: Vec::new() })
    }

    fn text(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_zone_is_shown_like_a_node_and_those_inside_it_by_their_whole_names() {
        let (large, small) = (node(30, 900, NodeTrit::Overloaded), node(1, 100, NodeTrit::Idle));
        let zones = Vec::from([
            zone("home", LinkTrit::Direct, 3, large.join(small).join(small)),
            zone("home/attic", LinkTrit::Direct, 2, small.join(small)),
            zone("lab\u{1b}[31m", LinkTrit::Relayed, 4, ZoneLoad::default()),
        ]);
        let view = ZonesView { grid: "01bdf36a".to_owned(), zones, left_out: 0 };
        expect![[r#"
            ZONE        NODES  TRIT           LOAD      +1/0/-1  S   RUNS  QUEUED  LINK
            home        3      +1 overloaded  27.20/32  1/0/2    -1  0/32  9       here
            home/attic  2      -1 idle        0.20/2    0/0/2    -2  0/2   6       here
            lab [31m    4      –              –         –        –   –     –       0 relayed
        "#]]
        .assert_eq(&text(|out| write_zones(&view, out)));
        let home = ZoneEntry { inner: Vec::from(["home/attic".to_owned()]), ..view.zones[0].clone() };
        expect![[r#"
            zone home  3 nodes up  here
              inside    home/attic
              trit      +1 overloaded
              load      0.85 a CPU: 27.20 on 32
              nodes     1 overloaded, 0 balanced, 2 idle; S = -1
              slots     0 of 32 in use, 9 tasks queued
              memory    6144 MiB in all
        "#]]
        .assert_eq(&text(|out| write_zone(&home, &[], out)));
        assert!(!text(|out| write_zone(&view.zones[2], &[], out)).contains('\u{1b}'));
    }

    #[test]
    fn without_zones_it_is_said_how_there_are_some() {
        let said = text(|out| write_zones(&ZonesView::default(), out));
        assert!(said.contains("no zones") && said.contains("`[mesh] zone` in the settings"), "{said}");
    }

    #[test]
    fn a_name_that_only_begins_like_a_zone_is_not_in_it() {
        let member = |zone: &str| MemberView { zone: zone.to_owned(), ..MemberView::default() };
        let within = ["home", "home/attic", "home-2", "", "lab/home"].map(|zone| stands_in(&member(zone), "home"));
        assert_eq!(within, [true, true, false, false, false]);
    }
}
