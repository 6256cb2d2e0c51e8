//! Keeping what was learnt of how long tasks run.

use std::path::PathBuf;

use tern_core::machine::{Effect, Event};
use tern_core::words::{Now, Span};

use crate::home::Home;
use crate::node::run::Loop;
use crate::store;

/// How often what was learnt is written, if anything was.
const KEEP_EVERY: Span = Span::secs(30);

/// Where it is kept, and when it is written next.
#[derive(Debug)]
pub(in crate::node) struct History {
    path: PathBuf,
    pub due: Option<u64>,
}

impl History {
    /// A run of its own learns for all that its user runs. Where two run side by side, what stays is what
    /// the one learnt that wrote last: an estimate is the poorer, and nothing else.
    pub fn of(home: &Home, private: bool) -> Self {
        let above = home.shared().filter(|_| private);
        Self { path: above.as_ref().unwrap_or(home).history(), due: None }
    }
}

impl Loop {
    /// What an earlier life learnt; the first thing after the start.
    pub(in crate::node) fn recall(&mut self, effects: &mut Vec<Effect>) {
        match store::history::read(&self.history.path) {
            Ok(Some(remembered)) => self.handle(Event::Recalled(Box::new(remembered)), effects),
            Ok(None) => {}
            Err(note) => self.note(vec![note]),
        }
    }

    /// Writes it, if it is time and there is something.
    pub(in crate::node) fn tend_history(&mut self, now: Now) {
        if !self.machine.has_learnt() {
            return;
        }
        if *self.history.due.get_or_insert(now.boot + KEEP_EVERY) <= now.boot {
            self.keep_history();
        }
    }

    pub(in crate::node) fn keep_history(&mut self) {
        self.history.due = None;
        let Some(remembered) = self.machine.take_history() else { return };
        if let Err(error) = store::history::write(&self.history.path, &remembered) {
            let path = self.history.path.display();
            tracing::warn!(%error, %path, "what was learnt of run times could not be kept; it is tried again when more is");
        }
    }
}
