//! A set of tasks of one job: ranges while it is ranges, bits where it is not, never a row a task.
//!
//! A million tasks, half of them done, is about a kilobyte when they were done in order and 131 KB at worst.

use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;
use roaring::RoaringBitmap;
use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize, Serializer};

use super::limits::TASKS_PER_JOB_MAX;

/// Task indices, from 0. Serialised as inclusive ranges `(gap from the last end, length − 1)`.
#[derive(Clone, Default, PartialEq)]
pub struct TaskSet(pub RoaringBitmap);

impl TaskSet {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
    /// All tasks of a job of `count`.
    #[must_use]
    pub fn first(count: u32) -> Self {
        let mut set = Self::new();
        set.0.insert_range(0..count);
        set
    }
    /// The ranges in ascending order, none touching the next.
    #[must_use]
    pub fn ranges(&self) -> Vec<RangeInclusive<u32>> {
        let mut ranges = Vec::new();
        let mut iter = self.0.iter();
        while let Some(range) = iter.next_range() {
            ranges.push(range);
        }
        ranges
    }
    #[must_use]
    pub fn len(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    #[must_use]
    pub fn contains(&self, task: u32) -> bool {
        self.0.contains(task)
    }
    /// How many tasks are in both.
    #[must_use]
    pub fn shared(&self, other: &Self) -> u32 {
        u32::try_from(self.0.intersection_len(&other.0)).unwrap_or(u32::MAX)
    }
    /// Returns whether the task was not there before.
    pub fn insert(&mut self, task: u32) -> bool {
        self.0.insert(task)
    }
    /// Returns whether the task was there.
    pub fn remove(&mut self, task: u32) -> bool {
        self.0.remove(task)
    }
    pub fn union(&mut self, other: &Self) {
        self.0 |= &other.0;
    }
    pub fn subtract(&mut self, other: &Self) {
        self.0 -= &other.0;
    }
    pub fn intersect(&mut self, other: &Self) {
        self.0 &= &other.0;
    }
    /// Takes up to `count` tasks from the front.
    pub fn take_first(&mut self, count: u32) -> Self {
        let mut taken = Self::new();
        let mut left = u64::from(count);
        for range in self.0.iter().by_ranges() {
            if left == 0 {
                break;
            }
            let size = (u64::from(range.end() - range.start()) + 1).min(left);
            let start = *range.start();
            taken.0.insert_range(start..=start + (size as u32 - 1));
            left -= size;
        }
        self.0 -= &taken.0;
        taken
    }
    /// Takes up to `count` tasks from the back: what a thief is given, so that the owner goes on in order.
    pub fn take_last(&mut self, count: u32) -> Self {
        let keep = self.len().saturating_sub(count);
        let kept = self.take_first(keep);
        core::mem::replace(self, kept)
    }
}

/// Iterates by ranges without collecting them.
trait ByRanges {
    fn by_ranges(self) -> impl Iterator<Item = RangeInclusive<u32>>;
}
impl ByRanges for roaring::bitmap::Iter<'_> {
    fn by_ranges(mut self) -> impl Iterator<Item = RangeInclusive<u32>> {
        core::iter::from_fn(move || self.next_range())
    }
}

impl FromIterator<u32> for TaskSet {
    fn from_iter<I: IntoIterator<Item = u32>>(tasks: I) -> Self {
        Self(tasks.into_iter().collect())
    }
}

impl fmt::Debug for TaskSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (index, range) in self.ranges().iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            if range.start() == range.end() {
                write!(f, "{comma}{}", range.start())?;
            } else {
                write!(f, "{comma}{}-{}", range.start(), range.end())?;
            }
        }
        f.write_str("}")
    }
}

impl Serialize for TaskSet {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut pairs = Vec::new();
        let mut next = 0u32;
        for range in self.0.iter().by_ranges() {
            pairs.push((range.start() - next, range.end() - range.start()));
            next = range.end().saturating_add(1);
        }
        pairs.serialize(to)
    }
}

impl<'de> Deserialize<'de> for TaskSet {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let pairs = Vec::<(u32, u32)>::deserialize(from)?;
        let mut set = RoaringBitmap::new();
        let mut next = 0u32;
        for (gap, extra) in pairs {
            let range = next
                .checked_add(gap)
                .and_then(|start| Some((start, start.checked_add(extra)?)))
                .filter(|(_, end)| *end < TASKS_PER_JOB_MAX);
            let Some((start, end)) = range else {
                return Err(de::Error::custom("a task beyond the limit of a job"));
            };
            set.insert_range(start..=end);
            next = end + 1;
        }
        Ok(Self(set))
    }
}
