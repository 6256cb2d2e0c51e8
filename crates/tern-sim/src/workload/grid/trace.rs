//! What became of each task, and what was counted on the way.

use crate::workload::report::{Counts, Course};

/// Where a task is, as an observer sees it who sees everything.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    /// The node where it waits in a queue (of a warden, or as borrowed).
    pub waits_on: Option<usize>,
    /// Runs of it just now.
    pub runs: u32,
    pub course: Option<Course>,
    /// Its result counted.
    pub counted: bool,
}

#[derive(Debug)]
pub(super) struct Trace {
    pub places: Vec<Place>,
    pub counts: Counts,
    pub left: usize,
}

impl Trace {
    pub(super) fn new(tasks: usize) -> Self {
        Self { places: vec![Place::default(); tasks], counts: Counts::default(), left: tasks }
    }

    /// It was put into the queue of this node.
    pub(super) fn queued(&mut self, task: usize, node: usize) {
        let place = &mut self.places[task];
        if place.runs == 0 && place.waits_on.is_some_and(|other| other != node) {
            self.counts.moves += 1;
        }
        if place.runs == 0 {
            place.waits_on = Some(node);
        } else {
            self.counts.clones += 1;
        }
    }

    pub(super) fn began(&mut self, task: usize) {
        let place = &mut self.places[task];
        place.waits_on = None;
        place.runs += 1;
    }

    /// A run ended: by itself, or because it was ended; `done` is the work that went into it.
    pub(super) fn ended(&mut self, task: usize, course: Option<Course>, done: f64) {
        let place = &mut self.places[task];
        place.runs -= 1;
        if course.is_some() && place.course.is_none() {
            place.course = course;
        } else {
            self.counts.wasted += done;
        }
    }

    pub(super) fn counted(&mut self, task: usize) {
        if std::mem::replace(&mut self.places[task].counted, true) {
            self.counts.faults += 1;
        } else {
            self.left -= 1;
        }
    }
}
