//! How it is looked at: what the nodes are sorted by, and from which row on they are shown.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use std::cmp::Reverse;
use tern_node::control::api::grid::NodeEntry;
use tern_node::control::api::machine::VitalsView;

/// What nodes are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    #[default]
    Name,
    Load,
    Running,
    Queued,
    Memory,
}

/// Which key sorts by what, as the last line says it.
pub const SORTS: [(char, Sort, &str); 5] = [
    ('n', Sort::Name, "name"),
    ('l', Sort::Load, "load"),
    ('r', Sort::Running, "running"),
    ('w', Sort::Queued, "waiting"),
    ('m', Sort::Memory, "memory"),
];

/// How it is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    pub sort: Sort,
    /// Rows that are scrolled away.
    pub from: usize,
    pub colour: bool,
}

/// What a key means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Stay,
    Quit,
}

impl Look {
    pub fn key(&mut self, key: KeyEvent) -> Next {
        if key.kind == KeyEventKind::Release {
            return Next::Stay;
        }
        match key.code {
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return Next::Quit,
            KeyCode::Char('q' | 'Q') | KeyCode::Esc => return Next::Quit,
            KeyCode::Char(letter) => {
                let by = SORTS.iter().find(|(key, ..)| *key == letter);
                self.sort = by.map_or(self.sort, |(_, sort, _)| *sort);
            }
            KeyCode::Up => self.from = self.from.saturating_sub(1),
            KeyCode::Down => self.from = self.from.saturating_add(1),
            KeyCode::PageUp => self.from = self.from.saturating_sub(PAGE),
            KeyCode::PageDown => self.from = self.from.saturating_add(PAGE),
            KeyCode::Home => self.from = 0,
            _ => {}
        }
        Next::Stay
    }

    /// The nodes in their order; whoever is gone stands last.
    pub fn ordered<'a>(&self, nodes: &'a [NodeEntry]) -> Vec<&'a NodeEntry> {
        let mut nodes: Vec<&NodeEntry> = nodes.iter().collect();
        let number = |node: &NodeEntry, what: fn(&VitalsView) -> u64| {
            Reverse(node.vitals.as_ref().filter(|_| node.member.up).map(what))
        };
        let by: Option<fn(&VitalsView) -> u64> = match self.sort {
            Sort::Name => None,
            Sort::Load => Some(|vitals| (vitals.load_ratio.unwrap_or(0.0) * 1_000.0) as u64),
            Sort::Running => Some(|vitals| u64::from(vitals.running)),
            Sort::Queued => Some(|vitals| u64::from(vitals.queued)),
            Sort::Memory => Some(|vitals| {
                let (free, total) = (vitals.memory_available_mib.unwrap_or(0), vitals.memory_total_mib.unwrap_or(0));
                u64::from(total.saturating_sub(free)) * 1_000 / u64::from(total.max(1))
            }),
        };
        nodes.sort_by(|one, other| one.member.name.cmp(&other.member.name));
        nodes.sort_by_key(|node| (!node.member.up, by.map(|by| number(node, by))));
        nodes
    }
}

/// Rows of a page key.
const PAGE: usize = 10;
