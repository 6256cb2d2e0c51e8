//! Which jobs get the free places of this machine.
//!
//! Jobs share fairly: a free place goes to the job that has the fewest tasks in hand; among equals they take turns in
//! the order in which they were accepted. No job gets more than its own `parallel` allows, and a job that may stop
//! early (`--halt`) gets no more than can run at once, so that it stops exactly.

use alloc::vec;
use alloc::vec::Vec;

use crate::words::{Needs, Span};

/// Tasks of mean length that the warden is given ahead: it reports only once a commit interval (20 ms), so that 20 ms of
/// work would leave it idle while the report is on its way; 40 ms do not.
pub const AHEAD: Span = Span::ms(40);
/// Tasks in the warden's hands at most, however short they are.
pub const AHEAD_MAX: u32 = 8_192;
/// Jobs looked at in one round; the others have their turn in the next.
pub const LANES_MAX: usize = 256;
/// A task that is given ahead waits for this many times [`AHEAD`] at most.
const WAITS_MOST: u64 = 8;
/// No task is believed to be shorter than a spawn.
const SHORTEST: Span = Span(200_000);

/// One job (or one borrowed range) that has tasks to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lane {
    pub queued: u32,
    pub in_hand: u32,
    /// Tasks in hand at most; none: as many as there is room for.
    pub cap: Option<u32>,
    /// What one of its tasks takes.
    pub takes: Takes,
}

/// What one task takes of a machine, or what is left of it for tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Takes {
    pub slots: u32,
    pub memory_mib: u32,
    pub gpus: u32,
}

impl Takes {
    /// A task like any other: one slot, and of the rest what it finds.
    pub const PLAIN: Self = Self { slots: 1, memory_mib: 0, gpus: 0 };

    #[must_use]
    pub fn of(needs: &Needs) -> Self {
        Self { slots: needs.slots(), memory_mib: needs.memory_mib, gpus: needs.gpus.into() }
    }

    #[must_use]
    pub fn is_plain(&self) -> bool {
        *self == Self::PLAIN
    }

    /// This without `tasks` times `each`.
    #[must_use]
    pub const fn without(self, each: Self, tasks: u32) -> Self {
        Self {
            slots: self.slots.saturating_sub(each.slots.saturating_mul(tasks)),
            memory_mib: self.memory_mib.saturating_sub(each.memory_mib.saturating_mul(tasks)),
            gpus: self.gpus.saturating_sub(each.gpus.saturating_mul(tasks)),
        }
    }

    /// Whether such a task fits.
    #[must_use]
    pub const fn holds(self, task: Self) -> bool {
        self.slots >= task.slots && self.has(task)
    }

    /// Whether a task fits whose memory and devices are as free as these.
    const fn has(self, task: Self) -> bool {
        self.memory_mib >= task.memory_mib && self.gpus >= task.gpus
    }
}

/// What is known when places are given away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Tasks that may be in the warden's hands.
    pub ahead: u32,
    /// Tasks that are.
    pub in_hand: u32,
    /// In order of turns: the next one first.
    pub lanes: Vec<Lane>,
    /// What is left for tasks, where some of them take more than a slot: then none is given to the warden ahead.
    pub left: Option<Takes>,
}

impl Lane {
    /// How many tasks this one could still take.
    #[must_use]
    pub fn room(&self) -> u32 {
        self.queued.min(self.cap.map_or(u32::MAX, |cap| cap.saturating_sub(self.in_hand)))
    }
}

impl Picture {
    #[must_use]
    pub const fn free(&self) -> u32 {
        self.ahead.saturating_sub(self.in_hand)
    }
}

/// How many tasks should be in the warden's hands: [`AHEAD`] of work more than run; none more where tasks are so long that one
/// would wait there for long, and could run elsewhere meanwhile. Two a slot while nobody knows how long they take.
#[must_use]
pub fn ahead(slots: u32, mean_ns: Option<u64>) -> u32 {
    let Some(mean) = mean_ns else { return slots.saturating_mul(2) };
    let all = u64::from(slots) * AHEAD.0;
    if all * WAITS_MOST < mean {
        return slots;
    }
    let more = all.div_ceil(mean.max(SHORTEST.0)).max(1);
    slots.saturating_add(u32::try_from(more).unwrap_or(u32::MAX)).min(AHEAD_MAX)
}

/// The number of tasks that each lane may start now, in the order of the picture.
#[must_use]
pub fn share(picture: &Picture) -> Vec<u32> {
    let mut starts = vec![0; picture.lanes.len()];
    if let Some(left) = picture.left {
        return share_exactly(picture, left);
    }
    let free = picture.free();
    if let [only] = picture.lanes.as_slice() {
        starts[0] = only.room().min(free);
        return starts;
    }
    let up_to = |level: u32, lane: &Lane| lane.room().min(level.saturating_sub(lane.in_hand));
    let needed = |level: u32| picture.lanes.iter().map(|lane| u64::from(up_to(level, lane))).sum::<u64>();
    // The highest level to which all lanes can be filled.
    let (mut low, mut high) = (0, picture.ahead.saturating_add(picture.in_hand).saturating_add(1));
    while low + 1 < high {
        let middle = low + (high - low) / 2;
        if needed(middle) <= u64::from(free) { low = middle } else { high = middle }
    }
    let mut left = free;
    for (start, lane) in starts.iter_mut().zip(&picture.lanes) {
        *start = up_to(low, lane);
        left = left.saturating_sub(*start);
    }
    // What is left is less than one task a lane that can take more.
    for (start, lane) in starts.iter_mut().zip(&picture.lanes) {
        if left > 0 && lane.room() > *start && lane.in_hand + *start <= low {
            *start += 1;
            left -= 1;
        }
    }
    starts
}

/// One task after the other, to the job that has the fewest slots. A task that waits for several slots keeps them free for
/// itself: else the small ones of other jobs would always be there first. For memory and devices nobody waits so.
fn share_exactly(picture: &Picture, mut left: Takes) -> Vec<u32> {
    let mut starts = vec![0u32; picture.lanes.len()];
    while left.slots > 0 {
        let open =
            picture.lanes.iter().enumerate().filter(|(at, lane)| lane.room() > starts[*at] && left.has(lane.takes));
        let slots = |at: usize, lane: &Lane| lane.in_hand.saturating_add(starts[at]).saturating_mul(lane.takes.slots);
        let Some((at, lane)) = open.min_by_key(|(at, lane)| slots(*at, lane)) else { break };
        if lane.takes.slots > left.slots {
            break;
        }
        left = left.without(lane.takes, 1);
        starts[at] += 1;
    }
    starts
}
