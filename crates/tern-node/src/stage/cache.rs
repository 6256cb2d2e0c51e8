//! Contents that came from other nodes, by their names, up to a limit: what is here is not sent again.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::OwnedMutexGuard;

use crate::files::outline::ContentId;

/// A folder of contents. Whole ones only have a name of 64 hexadecimal digits.
#[derive(Debug)]
pub struct Cache {
    folder: PathBuf,
    /// Bytes of all contents together. The one that came last may pass it.
    limit: u64,
    known: Mutex<Known>,
    /// Contents that somebody fetches.
    busy: Mutex<HashMap<ContentId, Weak<tokio::sync::Mutex<()>>>>,
}

#[derive(Debug, Default)]
struct Known {
    /// Size, and when it was used last, by the count of uses.
    contents: HashMap<ContentId, (u64, u64)>,
    bytes: u64,
    uses: u64,
}

impl Cache {
    /// # Errors
    /// The system's.
    pub fn open(folder: PathBuf, limit: u64) -> std::io::Result<Self> {
        crate::home::make_folder(&folder)?;
        let mut known = Known::default();
        for entry in std::fs::read_dir(&folder)?.flatten() {
            let Ok(meta) = entry.metadata() else { continue };
            match entry.file_name().to_str().and_then(id) {
                Some(id) => known.add(id, meta.len()),
                // What is not whole belongs to nobody after a start.
                None => drop(std::fs::remove_file(entry.path())),
            }
        }
        let cache = Self { folder, limit, known: Mutex::new(known), busy: Mutex::default() };
        cache.shrink(None);
        Ok(cache)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the content is or will be.
    #[must_use]
    pub fn place(&self, id: ContentId) -> PathBuf {
        self.folder.join(id.to_string())
    }

    /// The content, if it is here; it counts as used now.
    #[must_use]
    pub fn find(&self, id: ContentId) -> Option<PathBuf> {
        let mut known = self.known();
        known.uses += 1;
        let uses = known.uses;
        known.contents.get_mut(&id)?.1 = uses;
        let place = self.place(id);
        // Somebody may have emptied the folder.
        if !place.exists() {
            known.remove(id);
            return None;
        }
        Some(place)
    }

    /// Takes note of a content that is whole, and makes room for it.
    pub fn add(&self, id: ContentId, size: u64) {
        self.known().add(id, size);
        self.shrink(Some(id));
    }

    /// Whoever holds this fetches the content; others wait and find it.
    pub async fn alone(&self, id: ContentId) -> OwnedMutexGuard<()> {
        let turn = {
            let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
            busy.retain(|_, turn| turn.strong_count() > 0);
            let turn = busy.get(&id).and_then(Weak::upgrade).unwrap_or_default();
            busy.insert(id, Arc::downgrade(&turn));
            turn
        };
        turn.lock_owned().await
    }

    /// The disk is full: the half that was not used for longest goes, so that the next task finds room.
    pub fn make_room(&self) {
        let half = self.known().bytes / 2;
        self.shrink_to(half, None);
    }

    fn shrink(&self, keep: Option<ContentId>) {
        self.shrink_to(self.limit, keep);
    }

    /// Removes what was not used for longest, until all fits. What a task has was copied.
    fn shrink_to(&self, most: u64, keep: Option<ContentId>) {
        let mut known = self.known();
        while known.bytes > most {
            let others = known.contents.iter().filter(|(id, _)| Some(**id) != keep);
            let Some((id, _)) = others.min_by_key(|(_, (_, used))| *used) else { return };
            let id = *id;
            known.remove(id);
            remove(&self.place(id));
        }
    }
}

fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_file(path) {
        tracing::warn!(%error, path = %path.display(), "a content could not be removed from the cache");
    }
}

impl Known {
    fn add(&mut self, id: ContentId, size: u64) {
        self.remove(id);
        self.uses += 1;
        self.bytes += size;
        self.contents.insert(id, (size, self.uses));
    }

    fn remove(&mut self, id: ContentId) {
        if let Some((size, _)) = self.contents.remove(&id) {
            self.bytes -= size;
        }
    }
}

fn id(name: &str) -> Option<ContentId> {
    tern_core::words::NodeId::from_hex(name).map(|bytes| ContentId(bytes.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_for_longest_goes_first_also_after_a_start() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::open(folder.path().join("cache"), 25).expect("a cache");
        let ids = [1, 2, 3].map(|byte| ContentId([byte; 32]));
        for id in &ids[..2] {
            std::fs::write(cache.place(*id), [0; 10]).expect("a file");
            cache.add(*id, 10);
        }
        assert!(cache.find(ids[0]).is_some());
        std::fs::write(cache.place(ids[2]), [0; 10]).expect("a file");
        cache.add(ids[2], 10);
        assert!(cache.find(ids[1]).is_none() && !cache.place(ids[1]).exists());
        assert!(cache.find(ids[0]).is_some() && cache.find(ids[2]).is_some());
        std::fs::remove_file(cache.place(ids[2])).expect("it was there");
        assert!(cache.find(ids[2]).is_none(), "somebody else removed it");
        std::fs::write(cache.place(ids[2]), [0; 10]).expect("a file");

        std::fs::write(folder.path().join("cache/.half.tern-part"), b"x").expect("a file");
        let again = Cache::open(folder.path().join("cache"), 10).expect("a cache");
        assert_eq!(ids.iter().filter(|id| again.find(**id).is_some()).count(), 1);
        assert_eq!(std::fs::read_dir(folder.path().join("cache")).expect("a folder").count(), 1);
    }

    #[tokio::test]
    async fn one_fetches_and_the_other_waits() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::open(folder.path().join("cache"), 25).expect("a cache");
        let (one, other) = (ContentId([1; 32]), ContentId([2; 32]));
        let held = cache.alone(one).await;
        let _free = cache.alone(other).await;
        let mut second = std::pin::pin!(cache.alone(one));
        assert!(glance(second.as_mut()).await.is_none());
        drop(held);
        let _got = second.await;
    }

    /// One look at a future.
    async fn glance<F: Future + Unpin>(mut future: F) -> Option<F::Output> {
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(match std::pin::Pin::new(&mut future).poll(context) {
                std::task::Poll::Ready(value) => Some(value),
                std::task::Poll::Pending => None,
            })
        })
        .await
    }
}
