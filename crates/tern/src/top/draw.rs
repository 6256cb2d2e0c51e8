//! From a picture to a screen full of cells. Nothing here knows a terminal.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use tern_core::view::JobState;
use tern_node::control::api::grid::NodeEntry;
use tern_node::control::words::state_word;

use super::look::{Look, SORTS};
use super::picture::Picture;
use crate::cli::print::{ago, plain, summary, title};
use crate::grid::table::{NODE_HEADS, cells, sign, way};

/// Blanks between columns.
const GAP: usize = 2;
/// Columns in the order in which they stand.
const COLUMNS: usize = 11;
/// The same, from what must be seen to what a narrow screen can do without: way, trit, load, places, queue, memory, kind, heat, power,
/// zone.
const WORTH: [usize; COLUMNS] = [0, 10, 1, 2, 3, 4, 5, 8, 6, 7, 9];
/// Rows of jobs at most, beside their head.
const JOBS_SHOWN: usize = 8;
/// Rows of work that moved at most.
const FLOWS_SHOWN: usize = 6;
const BAR: usize = 20;

/// Draws it. `trouble`: why the picture is not of now.
pub fn draw(picture: &Picture, look: &Look, trouble: Option<&str>, area: Rect, buffer: &mut Buffer) {
    let mut page = Page { area, buffer, row: 0, colour: look.colour };
    page.head(picture, trouble);
    let nodes = picture.grid.as_ref().map_or(&[][..], |grid| &grid.nodes);
    let jobs = picture.jobs.len().min(JOBS_SHOWN);
    // The last line, and the jobs with a blank line and their head, have their place before the nodes.
    let below = 1 + block(jobs);
    let room = usize::from(area.height).saturating_sub(usize::from(page.row) + 1 + below);
    // What moves takes what the nodes leave.
    let moved = flows(picture).min(room.saturating_sub(nodes.len() + 2));
    page.nodes(&look.ordered(nodes), look, room - block(moved));
    page.flow(picture, moved);
    page.jobs(picture);
    page.foot(look);
}

/// Rows that a whole picture takes.
pub fn rows(picture: &Picture) -> u16 {
    let jobs = picture.jobs.len().min(JOBS_SHOWN);
    let nodes = picture.grid.as_ref().map_or(0, |grid| grid.nodes.len());
    u16::try_from(3 + 1 + nodes + block(flows(picture)) + block(jobs) + 1).unwrap_or(u16::MAX)
}

/// Lines of a block of so many: a blank line, its head, and they.
const fn block(lines: usize) -> usize {
    if lines == 0 { 0 } else { lines + 2 }
}

/// Lines that tell who has tasks of whom.
fn flows(picture: &Picture) -> usize {
    picture.flow.flows.len().min(FLOWS_SHOWN)
}

struct Page<'a> {
    area: Rect,
    buffer: &'a mut Buffer,
    row: u16,
    colour: bool,
}

impl Page<'_> {
    fn style(&self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }

    fn put(&mut self, column: usize, row: u16, text: &str, style: Style) {
        let column = u16::try_from(column).unwrap_or(u16::MAX);
        if row < self.area.height && column < self.area.width {
            let room = usize::from(self.area.width - column);
            self.buffer.set_stringn(self.area.x + column, self.area.y + row, text, room, style);
        }
    }

    fn line(&mut self, text: &str, style: Style) {
        self.put(0, self.row, text, style);
        self.row += 1;
    }

    fn head(&mut self, picture: &Picture, trouble: Option<&str>) {
        let status = &picture.status;
        let grid = picture.grid.as_ref().map_or_else(
            || "in no grid".to_owned(),
            |grid| {
                let up = grid.nodes.iter().filter(|node| node.member.up).count();
                format!("grid {}  {up} of {} nodes up", grid.grid, grid.nodes.len())
            },
        );
        self.line(&format!("tern top  node {}  {grid}", status.node), Style::new().add_modifier(Modifier::BOLD));
        let ratio = status.load_ratio_smoothed.or(status.load_ratio);
        let full = ratio.map_or(0, |ratio| (ratio.clamp(0.0, 1.0) * BAR as f64).round() as usize);
        let load = ratio.map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}"));
        let bar = format!("{}{}", "█".repeat(full), "░".repeat(BAR - full));
        let (running, slots, queued) = (status.running, status.slots, status.queued);
        let text = format!(
            "load {bar} {load} a CPU  {} {}  {running} of {slots} slots in use, {queued} queued",
            sign(status.trit),
            status.trit_word
        );
        let style = self.style(trit_colour(status.trit));
        self.line(&text, style);
        let style = self.style(Color::Red);
        self.line(&trouble.map_or_else(String::new, |why| plain(why, usize::from(self.area.width))), style);
    }

    fn nodes(&mut self, nodes: &[&NodeEntry], look: &Look, room: usize) {
        let [a, b, c, d, e, f, g, h, i] = NODE_HEADS.map(str::to_owned);
        let heads = [a, b, c, d, e, f, g, h, i, "ZONE".to_owned(), "LINK".to_owned()];
        let rows: Vec<[String; COLUMNS]> = nodes.iter().map(|node| row(node)).collect();
        let width =
            |column: usize| rows.iter().chain([&heads]).map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: [usize; COLUMNS] = std::array::from_fn(width);
        let shown = columns(widths, usize::from(self.area.width));
        let from = look.from.min(rows.len().saturating_sub(room));
        self.row_of(&heads, widths, shown, Style::new().add_modifier(Modifier::REVERSED));
        for (cells, node) in rows.iter().zip(nodes).skip(from).take(room) {
            let style = match &node.vitals {
                _ if !node.member.up => self.style(Color::DarkGray),
                Some(vitals) => self.style(trit_colour(vitals.trit)),
                None => Style::new(),
            };
            let style = if node.member.here { style.add_modifier(Modifier::BOLD) } else { style };
            self.row_of(cells, widths, shown, style);
        }
    }

    fn row_of(&mut self, cells: &[String; COLUMNS], widths: [usize; COLUMNS], shown: [bool; COLUMNS], style: Style) {
        let mut column = 0;
        for at in (0..COLUMNS).filter(|at| shown[*at]) {
            let width = widths[at];
            self.put(column, self.row, &format!("{:<width$}{:GAP$}", cells[at], ""), style);
            column += width + GAP;
        }
        self.row += 1;
    }

    fn flow(&mut self, picture: &Picture, lines: usize) {
        if lines == 0 {
            return;
        }
        self.row += 1;
        self.line("WORK WITH OTHERS", Style::new().add_modifier(Modifier::REVERSED));
        for flow in picture.flow.flows.iter().take(lines) {
            let (from, to) = (plain(&flow.from, 30), plain(&flow.to, 30));
            let text = format!("{from} → {to}  {} tasks of {}", flow.tasks, flow.job);
            let style = self.style(Color::Cyan);
            self.line(&text, style);
        }
    }

    fn jobs(&mut self, picture: &Picture) {
        if picture.jobs.is_empty() {
            return;
        }
        self.row += 1;
        self.line("JOBS HERE", Style::new().add_modifier(Modifier::REVERSED));
        for job in picture.jobs.iter().take(JOBS_SHOWN) {
            let text = format!(
                "{:<14}  {:<8} {:>4}  {}  {}",
                job.job,
                state_word(job.state),
                ago(job.accepted_ms),
                summary(job),
                plain(title(job), 60)
            );
            let style = if job.state == JobState::Running { self.style(Color::Cyan) } else { Style::new() };
            self.line(&text, style);
        }
    }

    fn foot(&mut self, look: &Look) {
        let sorts =
            SORTS.iter().map(
                |(key, sort, word)| {
                    if *sort == look.sort { format!("[{key} {word}]") } else { format!("{key} {word}") }
                },
            );
        let text = format!("q quit   ↑↓ scroll   sort: {}", sorts.collect::<Vec<_>>().join("  "));
        self.put(0, self.area.height.saturating_sub(1), &text, self.style(Color::DarkGray));
    }
}

fn row(node: &NodeEntry) -> [String; COLUMNS] {
    let [a, b, c, d, e, f, g, h, i] = cells(node);
    let zone = if node.member.zone.is_empty() { "–".to_owned() } else { node.member.zone.clone() };
    [a, b, c, d, e, f, g, h, i, zone, way(&node.member)].map(|cell| plain(&cell, 40))
}

/// Which columns there is room for.
fn columns(widths: [usize; COLUMNS], room: usize) -> [bool; COLUMNS] {
    let mut shown = [false; COLUMNS];
    let mut taken = 0;
    for at in WORTH {
        if at == 0 || taken + widths[at] <= room {
            shown[at] = true;
            taken += widths[at] + GAP;
        }
    }
    shown
}

const fn trit_colour(trit: i8) -> Color {
    match trit {
        ..0 => Color::Green,
        0 => Color::Yellow,
        1.. => Color::Red,
    }
}
