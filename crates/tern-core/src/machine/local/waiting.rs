//! The tasks of a lane that wait, by how long they are expected to run.
//!
//! Where nothing is known of single tasks this is one set, however large; else there is a set for each class of length.

use alloc::collections::BTreeMap;

use crate::words::work::{self, UNKNOWN};
use crate::words::{Bytes, TaskSet};

/// Waiting tasks.
#[derive(Clone, Debug, Default)]
pub(in crate::machine) struct Waiting {
    all: TaskSet,
    /// The class of each task, and those that wait of each class.
    by_class: Option<(Bytes, BTreeMap<u8, TaskSet>)>,
    /// The class of all tasks where none is known of each.
    pub usual: u8,
}

impl Waiting {
    pub(in crate::machine) const fn new(all: TaskSet) -> Self {
        Self { all, by_class: None, usual: UNKNOWN }
    }

    /// With a class for each task; `work` as it stands in a spec, or empty.
    pub(in crate::machine) fn sorted(all: TaskSet, work: &Bytes, usual: u8) -> Self {
        let mut waiting = Self { usual, ..Self::new(all) };
        if !work.0.is_empty() {
            waiting.by_class = Some((work.clone(), BTreeMap::new()));
            let tasks = waiting.all.clone();
            waiting.file(&tasks);
        }
        waiting
    }

    pub(in crate::machine) const fn all(&self) -> &TaskSet {
        &self.all
    }
    pub(in crate::machine) fn len(&self) -> u32 {
        self.all.len()
    }
    pub(in crate::machine) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
    pub(in crate::machine) fn shared(&self, other: &TaskSet) -> u32 {
        self.all.shared(other)
    }
    /// Whether something is known of each task.
    pub(in crate::machine) const fn is_sorted(&self) -> bool {
        self.by_class.is_some()
    }

    pub(in crate::machine) fn class_of(&self, task: u32) -> u8 {
        match &self.by_class {
            Some((work, _)) => {
                work.0.get(task as usize).copied().filter(|class| *class != UNKNOWN).unwrap_or(self.usual)
            }
            None => self.usual,
        }
    }

    /// The classes of what waits, ascending.
    pub(in crate::machine) fn classes(&self) -> impl DoubleEndedIterator<Item = u8> {
        let one = (self.by_class.is_none() && !self.is_empty()).then_some(self.usual);
        one.into_iter().chain(self.by_class.iter().flat_map(|(_, sets)| sets.keys().copied()))
    }

    pub(in crate::machine) fn has(&self, class: u8) -> bool {
        match &self.by_class {
            Some((_, sets)) => sets.contains_key(&class),
            None => self.usual == class && !self.is_empty(),
        }
    }

    /// Milliseconds on the reference core, all tasks together; `typical` for those of which nothing is known.
    pub(in crate::machine) fn work_ms(&self, typical: f64) -> f64 {
        let one = |class: u8, tasks: u32| work::ms(class).unwrap_or(typical) * f64::from(tasks);
        match &self.by_class {
            Some((_, sets)) => sets.iter().map(|(class, tasks)| one(*class, tasks.len())).sum(),
            None => one(self.usual, self.len()),
        }
    }

    fn file(&mut self, tasks: &TaskSet) {
        let usual = self.usual;
        let Some((work, sets)) = &mut self.by_class else { return };
        for task in &tasks.0 {
            let class = work.0.get(task as usize).copied().filter(|class| *class != UNKNOWN).unwrap_or(usual);
            sets.entry(class).or_default().insert(task);
        }
    }

    fn unfile(&mut self, tasks: &TaskSet) {
        let usual = self.usual;
        let Some((work, sets)) = &mut self.by_class else { return };
        for task in &tasks.0 {
            let class = work.0.get(task as usize).copied().filter(|class| *class != UNKNOWN).unwrap_or(usual);
            if let Some(set) = sets.get_mut(&class) {
                set.remove(task);
                if set.is_empty() {
                    sets.remove(&class);
                }
            }
        }
    }

    /// Returns whether the task was not there before.
    pub(in crate::machine) fn insert(&mut self, task: u32) -> bool {
        let new = self.all.insert(task);
        if new && self.is_sorted() {
            self.file(&[task].into_iter().collect());
        }
        new
    }

    /// Returns whether the task was there.
    pub(in crate::machine) fn remove(&mut self, task: u32) -> bool {
        let was = self.all.remove(task);
        if was && self.is_sorted() {
            self.unfile(&[task].into_iter().collect());
        }
        was
    }

    pub(in crate::machine) fn union(&mut self, tasks: &TaskSet) {
        self.all.union(tasks);
        self.file(tasks);
    }

    pub(in crate::machine) fn take_all(&mut self) -> TaskSet {
        if let Some((_, sets)) = &mut self.by_class {
            sets.clear();
        }
        core::mem::take(&mut self.all)
    }

    /// Takes what is in both.
    pub(in crate::machine) fn take_these(&mut self, these: &TaskSet) -> TaskSet {
        let mut taken = self.all.clone();
        taken.intersect(these);
        self.all.subtract(&taken);
        self.unfile(&taken);
        taken
    }

    /// Takes up to `count` tasks from the front.
    pub(in crate::machine) fn take_first(&mut self, count: u32) -> TaskSet {
        let taken = self.all.take_first(count);
        self.unfile(&taken);
        taken
    }

    /// Takes up to `count` tasks from the back.
    pub(in crate::machine) fn take_last(&mut self, count: u32) -> TaskSet {
        let taken = self.all.take_last(count);
        self.unfile(&taken);
        taken
    }

    /// Takes up to `count` tasks of a class, the first ones.
    pub(in crate::machine) fn take_class(&mut self, class: u8, count: u32) -> TaskSet {
        let Some((_, sets)) = &mut self.by_class else {
            return if class == self.usual { self.all.take_first(count) } else { TaskSet::new() };
        };
        let Some(set) = sets.get_mut(&class) else { return TaskSet::new() };
        let taken = set.take_first(count);
        if set.is_empty() {
            sets.remove(&class);
        }
        self.all.subtract(&taken);
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    /// Takes everything out, by whatever way each step says. Every task must come once.
    fn drain(mut waiting: Waiting, steps: &[(u8, u8, u32)]) -> Vec<u32> {
        let mut seen = Vec::new();
        for (way, class, count) in steps.iter().cycle() {
            let first = waiting.classes().next();
            let Some(first) = first else { break };
            let class = if waiting.has(*class) { *class } else { first };
            let taken = match way % 3 {
                0 => waiting.take_first(*count),
                1 => waiting.take_last(*count),
                _ => waiting.take_class(class, *count),
            };
            seen.extend(taken.0.iter());
        }
        assert!(waiting.is_empty() && waiting.classes().next().is_none());
        seen
    }

    proptest! {
        #[test]
        fn each_task_leaves_the_queue_once(
            work in prop::collection::vec(0u8..6, 0..300),
            tasks in 1u32..400,
            steps in prop::collection::vec((0u8..3, 0u8..6, 1u32..40), 1..20),
        ) {
            let waiting = Waiting::sorted(TaskSet::first(tasks), &Bytes(work), 3);
            let mut seen = drain(waiting, &steps);
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..tasks).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_million_tasks_of_known_length_leave_the_queue_once() {
        let work = Bytes((0..1_000_000u32).map(|task| (task % 97) as u8 + 1).collect());
        let waiting = Waiting::sorted(TaskSet::first(1_000_000), &work, UNKNOWN);
        let seen = drain(waiting, &[(2, 97, 1024), (2, 40, 1024)]);
        assert_eq!(seen.len(), 1_000_000);
        assert_eq!(seen.into_iter().collect::<TaskSet>().len(), 1_000_000);
    }
}
