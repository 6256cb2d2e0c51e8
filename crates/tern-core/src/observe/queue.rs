//! The queue trit: +1 tasks wait, −1 a slot is free and nothing waits, else 0.
//!
//! Work moves by this one and not by the load average, which lags by a minute.

/// How a node's queue stands. No relative of the host's trit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum QueueTrit {
    /// −1: a free slot, and nothing waits for it.
    Hungry,
    /// 0: everything is placed, and no slot is free.
    Even,
    /// +1: tasks wait.
    Waiting,
}

impl QueueTrit {
    #[must_use]
    pub const fn of(waiting: u64, free_slots: u32) -> Self {
        match (waiting, free_slots) {
            (0, 0) => Self::Even,
            (0, _) => Self::Hungry,
            _ => Self::Waiting,
        }
    }
}
