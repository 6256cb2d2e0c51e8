//! Tables of nodes: columns as wide as what stands in them, and a dash for what is not known.

use std::io::{self, Write};

use tern_node::control::api::grid::{MemberView, NodeEntry};
use tern_node::control::api::machine::{FactsView, VitalsView};

/// What a cell may have; what a zone or a name may be longer than is cut.
const CELL_CHARS_MAX: usize = 40;
/// What a sentence in a table may have.
const SENTENCE_CHARS_MAX: usize = 200;
/// Vitals that are older than this are of the past, and are shown as such.
const FRESH_MS: u64 = 30_000;

/// A table for people.
pub struct Table<const COLUMNS: usize> {
    rows: Vec<[String; COLUMNS]>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    pub fn new(heads: &[&str; COLUMNS]) -> Self {
        Self { rows: vec![heads.map(str::to_owned)] }
    }

    pub fn row(&mut self, cells: [String; COLUMNS]) {
        self.rows.push(cells.map(|cell| crate::cli::print::plain(&cell, CELL_CHARS_MAX)));
    }

    /// A row whose last cell is a sentence.
    pub fn wide(&mut self, mut cells: [String; COLUMNS]) {
        let last = cells.last().map(|cell| crate::cli::print::plain(cell, SENTENCE_CHARS_MAX)).unwrap_or_default();
        cells = cells.map(|cell| crate::cli::print::plain(&cell, CELL_CHARS_MAX));
        if let Some(cell) = cells.last_mut() {
            *cell = last;
        }
        self.rows.push(cells);
    }

    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let width = |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: [usize; COLUMNS] = std::array::from_fn(width);
        for row in &self.rows {
            let line: String = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}  ")).collect();
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// A trit as everywhere else: no sign at zero.
pub fn sign(trit: i8) -> String {
    if trit == 0 { "0".to_owned() } else { format!("{trit:+}") }
}

/// Microseconds as people read them.
pub fn micros(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..10_000 => format!("{:.2} ms", us as f64 / 1e3),
        10_000..1_000_000 => format!("{:.1} ms", us as f64 / 1e3),
        _ => format!("{:.2} s", us as f64 / 1e6),
    }
}

/// How a node is reached: `+1 direct, 210 µs`.
pub fn way(member: &MemberView) -> String {
    if member.here {
        return "here".to_owned();
    }
    let link = &member.link;
    let via = link.via.as_ref().map_or_else(String::new, |via| format!(" via {via}"));
    let time = link.rtt_us.filter(|_| link.trit >= 0).map_or_else(String::new, |us| format!(", {}", micros(us)));
    format!("{} {}{via}{time}", sign(link.trit), link.word)
}

pub const NODE_HEADS: [&str; 9] = ["NODE", "TRIT", "ρ", "RUNS", "QUEUED", "MEMORY", "HEAT", "POWER", "MACHINE"];

/// The first nine cells of a node; zone and way stand behind them.
pub fn cells(entry: &NodeEntry) -> [String; 9] {
    let dash = || "–".to_owned();
    let vitals = entry.vitals.as_ref().filter(|_| entry.member.up);
    let of = |what: &dyn Fn(&VitalsView) -> Option<String>| vitals.and_then(what).unwrap_or_else(dash);
    let trit = match vitals {
        Some(vitals) if vitals.age_ms > FRESH_MS => format!("{}s ago", vitals.age_ms / 1_000),
        Some(vitals) if vitals.draining => format!("{} draining", sign(vitals.trit)),
        Some(vitals) => format!("{} {}", sign(vitals.trit), vitals.trit_word),
        None if entry.member.up => dash(),
        None => "gone".to_owned(),
    };
    let name = if entry.member.disputed { format!("{} !", entry.member.name) } else { entry.member.name.clone() };
    [
        name,
        trit,
        of(&|vitals| Some(format!("{:.2}", vitals.load_ratio?))),
        of(&|vitals| Some(format!("{}/{}", vitals.running, vitals.slots))),
        of(&|vitals| Some(vitals.queued.to_string())),
        of(&memory),
        of(&|vitals| Some(format!("{} °C", vitals.celsius?))),
        entry.facts.as_ref().map_or_else(dash, power),
        entry.facts.as_ref().map_or_else(dash, machine),
    ]
}

fn memory(vitals: &VitalsView) -> Option<String> {
    let (free, total) = (vitals.memory_available_mib?, vitals.memory_total_mib?);
    let gib = |mib: u32| f64::from(mib) / 1024.0;
    Some(format!("{:.1}/{:.1} GiB", gib(total.saturating_sub(free)), gib(total)))
}

fn power(facts: &FactsView) -> String {
    match (facts.power.as_str(), facts.battery_percent) {
        ("battery", Some(percent)) => format!("{percent} %"),
        ("unknown", _) => "–".to_owned(),
        (word, _) => word.to_owned(),
    }
}

fn machine(facts: &FactsView) -> String {
    let class = facts.class.as_deref().unwrap_or("machine");
    format!("{class} {}", facts.arch)
}

/// All nodes.
pub fn write_nodes(nodes: &[NodeEntry], out: &mut impl Write) -> io::Result<()> {
    let [a, b, c, d, e, f, g, h, i] = NODE_HEADS;
    let mut table = Table::new(&[a, b, c, d, e, f, g, h, i, "ZONE", "LINK"]);
    for entry in nodes {
        let [a, b, c, d, e, f, g, h, i] = cells(entry);
        let zone = if entry.member.zone.is_empty() { "–".to_owned() } else { entry.member.zone.clone() };
        table.row([a, b, c, d, e, f, g, h, i, zone, way(&entry.member)]);
    }
    table.write(out)
}
