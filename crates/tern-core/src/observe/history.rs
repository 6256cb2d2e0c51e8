//! What earlier runs took: of each command as it was written, and of each of its tasks.
//!
//! Lengths are kept as logarithms to base two, since runs differ by factors and not by differences. A node that remembers
//! more than its limits forgets what it has not run for the longest time.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::words::Bytes;
use crate::words::limits::{HISTORY_COMMANDS_MAX, HISTORY_TASKS_MAX, HISTORY_WINDOW};
use crate::words::template::Template;
use crate::words::work::{self, UNKNOWN};

/// The longest run that is believed, as a logarithm: what the last class of length stands for.
const LONGEST: f32 = 32.0;

/// What is known of one command, or of one task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Known {
    /// Runs that ended well.
    pub runs: u32,
    /// Mean of log2 of milliseconds on the reference core; the last runs weigh most.
    pub mean: f32,
    /// Variance of the same.
    pub variance: f32,
    /// Runs of which an estimate had been made.
    pub checked: u32,
    /// Mean square of log2 of what they took over what was estimated.
    pub error: f32,
}

impl Known {
    /// Milliseconds on the reference core.
    #[must_use]
    pub fn ms(&self) -> f64 {
        libm::exp2(f64::from(self.mean))
    }

    #[must_use]
    pub fn class(&self) -> u8 {
        if self.runs == 0 { UNKNOWN } else { work::class(self.ms()) }
    }

    /// The factor within which estimates usually were: two of three of them. None before one was compared with its run.
    #[must_use]
    pub fn within(&self) -> Option<f64> {
        (self.checked > 0).then(|| libm::exp2(libm::sqrt(f64::from(self.error))))
    }

    /// The factor by which runs usually differ from their mean.
    #[must_use]
    pub fn spread(&self) -> f64 {
        libm::exp2(libm::sqrt(f64::from(self.variance)))
    }

    fn learn(&mut self, took: f32, estimated: Option<f32>) {
        self.runs = self.runs.saturating_add(1);
        let (last, off) = (share(self.runs), took - self.mean);
        self.mean += last * off;
        self.variance = (1.0 - last) * (self.variance + last * off * off);
        if let Some(estimated) = estimated {
            self.checked = self.checked.saturating_add(1);
            let off = took - estimated;
            self.error += share(self.checked) * (off * off - self.error);
        }
    }

    /// Whether it can have come of runs. What was read from a file may be anything.
    fn is_sound(&self) -> bool {
        let sound = |value: f32, most: f32| value.is_finite() && (0.0..=most).contains(&value);
        self.runs > 0
            && sound(self.mean, LONGEST)
            && sound(self.variance, LONGEST * LONGEST)
            && sound(self.error, LONGEST * LONGEST)
    }
}

/// How much the last of so many counts.
fn share(count: u32) -> f32 {
    1.0 / count.clamp(1, HISTORY_WINDOW) as f32
}

/// One end of a run that counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Run {
    /// [`command_key`]
    pub command: u64,
    /// [`task_key`], where the task is to be remembered by itself.
    pub task: Option<u64>,
    /// Milliseconds, brought to the reference core.
    pub took_ms: f64,
    /// The [`class`](crate::words::work) that was estimated when its job was accepted.
    pub estimated: u8,
}

/// Everything that is remembered, in the form in which it outlives the node: what was used last stands last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Remembered {
    pub commands: Vec<(u64, Known)>,
    pub tasks: Vec<(u64, Known)>,
}

/// What earlier runs took.
#[derive(Clone, Debug)]
pub struct History {
    commands: Shelf,
    tasks: Shelf,
}

impl Default for History {
    fn default() -> Self {
        Self { commands: Shelf::new(HISTORY_COMMANDS_MAX), tasks: Shelf::new(HISTORY_TASKS_MAX) }
    }
}

impl History {
    /// What an earlier life remembered. What cannot be true is left out.
    #[must_use]
    pub fn recalled(remembered: &Remembered) -> Self {
        let mut history = Self::default();
        history.commands.fill(&remembered.commands);
        history.tasks.fill(&remembered.tasks);
        history
    }

    #[must_use]
    pub fn remembered(&self) -> Remembered {
        Remembered { commands: self.commands.list(), tasks: self.tasks.list() }
    }

    pub fn learn(&mut self, run: &Run) {
        // What is shorter than a millisecond counts as one, as in a class.
        let ms = if run.took_ms > 1.0 { run.took_ms } else { 1.0 };
        let took = (libm::log2(ms) as f32).min(LONGEST);
        let estimated = work::ms(run.estimated).map(|ms| libm::log2(ms) as f32);
        self.commands.learn(run.command, took, estimated);
        if let Some(task) = run.task {
            self.tasks.learn(task, took, estimated);
        }
    }

    #[must_use]
    pub fn command(&self, key: u64) -> Option<&Known> {
        self.commands.get(key)
    }

    #[must_use]
    pub fn task(&self, key: u64) -> Option<&Known> {
        self.tasks.get(key)
    }
}

/// A bounded number of entries. The one that was used longest ago goes first.
#[derive(Clone, Debug)]
struct Shelf {
    /// With the time of its last use, counted in uses of others.
    known: BTreeMap<u64, (Known, u64)>,
    by_use: BTreeMap<u64, u64>,
    clock: u64,
    most: usize,
}

impl Shelf {
    const fn new(most: usize) -> Self {
        Self { known: BTreeMap::new(), by_use: BTreeMap::new(), clock: 0, most }
    }

    fn get(&self, key: u64) -> Option<&Known> {
        self.known.get(&key).map(|(known, _)| known)
    }

    fn list(&self) -> Vec<(u64, Known)> {
        self.by_use.values().filter_map(|key| Some((*key, *self.get(*key)?))).collect()
    }

    fn fill(&mut self, entries: &[(u64, Known)]) {
        for (key, known) in entries.iter().filter(|(_, known)| known.is_sound()) {
            *self.used(*key) = *known;
        }
    }

    fn learn(&mut self, key: u64, took: f32, estimated: Option<f32>) {
        self.used(key).learn(took, estimated);
    }

    /// The entry, which is the last one used from now on.
    fn used(&mut self, key: u64) -> &mut Known {
        let last = self.clock;
        if !self.known.contains_key(&key) && self.known.len() >= self.most {
            let oldest = self.by_use.pop_first();
            oldest.map(|(_, key)| self.known.remove(&key));
        }
        let (known, at) = self.known.entry(key).or_default();
        // Of a million tasks of one command only the first moves it to the end.
        if *at != last || last == 0 {
            self.by_use.remove(at);
            self.clock = last + 1;
            *at = self.clock;
            self.by_use.insert(*at, key);
        }
        known
    }
}

/// The name of a command, as it was written, before anything is put into its places.
#[must_use]
pub fn command_key(command: &Template) -> u64 {
    let mut name = Name::default();
    // A template can always be written down; could it not, all such commands would share their estimates.
    name.bytes(&postcard::to_extend(command, Vec::new()).unwrap_or_default());
    name.end()
}

/// The name of a row of inputs.
#[must_use]
pub fn row_key(columns: &[Bytes]) -> u64 {
    let mut name = Name::default();
    for column in columns {
        name.bytes(column);
    }
    name.end()
}

/// The name of a task: its command with its row of inputs.
#[must_use]
pub fn task_key(command: u64, row: u64) -> u64 {
    let mut name = Name::default();
    name.number(command);
    name.number(row);
    name.end()
}

/// FNV-1a with a last mixing. Two that fall together would share their estimates, and nothing else.
struct Name(u64);

impl Default for Name {
    fn default() -> Self {
        Self(0xCBF2_9CE4_8422_2325)
    }
}

impl Name {
    /// With its length, so that two parts are never read as two others.
    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        for byte in bytes {
            self.byte(*byte);
        }
    }

    fn number(&mut self, number: u64) {
        for byte in number.to_le_bytes() {
            self.byte(byte);
        }
    }

    const fn byte(&mut self, byte: u8) {
        self.0 = (self.0 ^ byte as u64).wrapping_mul(0x0000_0100_0000_01B3);
    }

    const fn end(self) -> u64 {
        let mixed = (self.0 ^ (self.0 >> 33)).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
        mixed ^ (mixed >> 33)
    }
}

#[cfg(test)]
mod tests;
