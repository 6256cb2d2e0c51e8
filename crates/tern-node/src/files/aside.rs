//! Work that waits for a disk, on threads of its own: a network file system that hangs keeps nobody else waiting.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::wire::{Kind, Trouble};

/// Says whether somebody still waits for a long work. The work looks now and then and ends by itself: a thread cannot be taken away.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// # Errors
    /// [`ErrorKind::Interrupted`]: nobody waits any more.
    pub fn check(&self) -> std::io::Result<()> {
        if self.0.load(Relaxed) {
            return Err(std::io::Error::new(ErrorKind::Interrupted, "nobody waits for it any more"));
        }
        Ok(())
    }
}

/// Held by who waits. Dropping it, at the end of a task or of the agent, ends the work.
#[derive(Debug, Default)]
pub struct Waiting(Stop);

impl Waiting {
    #[must_use]
    pub fn stop(&self) -> Stop {
        self.0.clone()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.0.store(true, Relaxed);
    }
}

/// Runs what waits for a disk where that disturbs nobody.
///
/// # Errors
/// Those of the work; [`Kind::Io`] if it panicked.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Trouble> + Send + 'static,
) -> Result<T, Trouble> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Trouble::new(Kind::Io, format!("a thread ended early: {error}")))?
}

/// The same for what may take minutes: it is told to stop when nobody waits for this any more.
///
/// # Errors
/// As [`blocking`].
pub async fn while_wanted<T: Send + 'static>(
    work: impl FnOnce(&Stop) -> Result<T, Trouble> + Send + 'static,
) -> Result<T, Trouble> {
    let waiting = Waiting::default();
    let stop = waiting.stop();
    let done = blocking(move || work(&stop)).await;
    drop(waiting);
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_that_nobody_waits_for_any_more_ends() {
        let (began, begins) = tokio::sync::oneshot::channel();
        let (ended, ends) = tokio::sync::oneshot::channel();
        let asked = tokio::spawn(while_wanted(move |stop| {
            let _heard = began.send(());
            while stop.check().is_ok() {
                std::thread::yield_now();
            }
            let _heard = ended.send(());
            Ok(())
        }));
        begins.await.expect("it begins");
        asked.abort();
        ends.await.expect("it ends");
    }
}
