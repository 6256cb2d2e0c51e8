//! How much of the contents on their way a node has in memory, counted in bytes: the groups of huge files are huge.
//!
//! Each stream has room for one group of its own from its beginning to its end, so that it goes on however slow others are, also
//! when two nodes pass on for each other. What is read ahead of that comes out of a room that all share. Nobody waits for the shared
//! room, since who holds a part of it may be waiting for another node that waits for this one.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::files::wire::{Kind, Trouble};

/// Bytes of the groups that streams have for their own: four streams of the largest files, or more of smaller ones. Who comes later
/// is told to try again.
const OWN_BYTES_MAX: usize = 64 << 20;
/// Bytes of the groups that are read while others before them are still being written.
const AHEAD_BYTES_MAX: usize = 32 << 20;

/// A node's memory for contents on their way.
#[derive(Debug)]
pub struct Memory {
    most: usize,
    own: Arc<Semaphore>,
    ahead: Arc<Semaphore>,
}

impl Default for Memory {
    fn default() -> Self {
        Self::of(OWN_BYTES_MAX, AHEAD_BYTES_MAX)
    }
}

impl Memory {
    fn of(own: usize, ahead: usize) -> Self {
        Self { most: own, own: Arc::new(Semaphore::new(own)), ahead: Arc::new(Semaphore::new(ahead)) }
    }

    /// Room for a stream whose groups have at most so many bytes. A group that is larger than all of it passes alone.
    ///
    /// # Errors
    /// [`Kind::Busy`]
    pub fn hand(&self, group: usize) -> Result<Hand, Trouble> {
        let bytes = u32::try_from(group).unwrap_or(u32::MAX);
        let counted = bytes.min(u32::try_from(self.most).unwrap_or(u32::MAX));
        let own = self.own.clone().try_acquire_many_owned(counted).map_err(|_| {
            let message = format!("a node on the way has {} MiB of other contents in memory already", self.most >> 20);
            Trouble::new(Kind::Busy, message)
        })?;
        Ok(Hand { bytes, own: Arc::new(own), first: Arc::new(Semaphore::new(1)), ahead: self.ahead.clone() })
    }
}

/// What one stream may have in memory.
#[derive(Debug)]
pub struct Hand {
    bytes: u32,
    own: Arc<OwnedSemaphorePermit>,
    /// The one group for which there is room in any case.
    first: Arc<Semaphore>,
    ahead: Arc<Semaphore>,
}

/// Room for one group; whoever drops it has the group no more. The stream's own room lasts as long as any of these.
#[derive(Debug)]
pub struct Room {
    _permit: Option<OwnedSemaphorePermit>,
    _own: Arc<OwnedSemaphorePermit>,
}

impl Hand {
    /// Room for one more group. At worst this waits until a group of the same stream has gone on.
    pub async fn room(&self) -> Room {
        let first = self.first.clone();
        let at_once = first.clone().try_acquire_owned();
        let at_once = at_once.or_else(|_| self.ahead.clone().try_acquire_many_owned(self.bytes));
        let permit = match at_once {
            Ok(permit) => Some(permit),
            // It is never closed.
            Err(_) => first.acquire_owned().await.ok(),
        };
        Room { _permit: permit, _own: self.own.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: usize = 4;

    /// Whether there is room at once.
    async fn now(hand: &Hand) -> Option<Room> {
        let mut room = std::pin::pin!(hand.room());
        std::future::poll_fn(|context| match room.as_mut().poll(context) {
            std::task::Poll::Ready(room) => std::task::Poll::Ready(Some(room)),
            std::task::Poll::Pending => std::task::Poll::Ready(None),
        })
        .await
    }

    #[tokio::test]
    async fn a_stream_goes_on_whatever_others_hold() {
        let memory = Memory::of(2 * GROUP, 2 * GROUP);
        let (slow, other) = (memory.hand(GROUP).expect("the first"), memory.hand(GROUP).expect("the second"));
        let held = [now(&slow).await, now(&slow).await, now(&slow).await];
        assert!(held.iter().all(Option::is_some), "one of its own and two ahead");
        assert!(now(&slow).await.is_none(), "that was all");
        for _ in 0..3 {
            let room = now(&other).await;
            assert!(room.is_some(), "its own is left");
            assert!(now(&other).await.is_none(), "nothing ahead is");
        }
    }

    #[tokio::test]
    async fn who_comes_too_late_is_told_so_until_the_last_group_has_gone() {
        let memory = Memory::of(GROUP, 0);
        let hand = memory.hand(GROUP).expect("the first");
        let room = hand.room().await;
        drop(hand);
        assert_eq!(memory.hand(1).expect_err("it has a group yet").kind, Kind::Busy);
        drop(room);
        assert!(memory.hand(1).is_ok());
    }

    #[tokio::test]
    async fn a_group_larger_than_all_memory_passes_alone() {
        let memory = Memory::of(GROUP, GROUP);
        let hand = memory.hand(3 * GROUP).expect("it passes");
        let room = now(&hand).await;
        assert!(room.is_some() && now(&hand).await.is_none());
        assert_eq!(memory.hand(1).expect_err("it has all").kind, Kind::Busy);
    }
}
