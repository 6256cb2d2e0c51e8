//! The thread that makes checkpoints durable, one after the other. An end that names one is the committer's only then.
//!
//! A checkpoint may be gigabytes, and the disk may take minutes for it. The committer does not wait for that: whatever else
//! ends meanwhile is durable, and told, as soon as ever.

use std::io;

use tern_core::promise::Exit;
use tern_core::words::Attempt;

use super::hub::{Ended, Hub};
use crate::home::Home;

/// The thread's life. `sync` makes the checkpoint of an attempt durable.
pub fn run(hub: &Hub, sync: impl Fn(&Home, &Attempt) -> io::Result<()>) {
    while let Some(ended) = hub.unsaved() {
        hub.saved(save(&hub.home, ended, &sync));
    }
}

/// What the disk lost does not count.
fn save(home: &Home, mut ended: Ended, sync: impl Fn(&Home, &Attempt) -> io::Result<()>) -> Ended {
    let attempt = ended.outcome.attempt;
    if let Err(error) = sync(home, &attempt) {
        let (job, task) = (attempt.job, attempt.task + 1);
        eprintln!(
            "tern warden: the checkpoint of {job}.{task} is not durable, and it goes on from the one before: {error}"
        );
        ended.outcome.exit = Exit::Void;
    }
    ended
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::inflight::Table;
    use crate::process::warden::commit;
    use crate::store::segment::{Lane, SegmentWriter};
    use nix::sys::eventfd::EventFd;
    use std::sync::{Arc, mpsc};
    use std::thread;
    use std::time::{Duration, Instant};
    use tern_core::promise::{Outcome, Output};
    use tern_core::words::{Epoch, JobId};

    /// What has not come by then will not come.
    const PATIENCE: Duration = Duration::from_secs(60);
    const TAG: u32 = 7;

    fn attempt(task: u32) -> Attempt {
        Attempt {
            job: JobId::new(TAG, 1),
            task,
            round: 0,
            epoch: Epoch { counter: 0, keeper: TAG, incarnation: 9 },
            n: 1,
        }
    }

    fn ended(task: u32, exit: Exit) -> Ended {
        let none = Output::default();
        let outcome = Outcome {
            attempt: attempt(task),
            exit,
            started_ms: 1,
            ran_ns: 1,
            cpu_us: 1,
            rss_kib: 1,
            ran_on: TAG,
            stdout: none,
            stderr: none,
        };
        Ended { row: task as usize, outcome, outputs: None }
    }

    fn until(hub: &Hub, held: usize) {
        let since = Instant::now();
        while hub.holds().0 != held {
            assert!(since.elapsed() < PATIENCE, "{:?} and not {held}", hub.holds());
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn what_else_ends_is_durable_while_a_checkpoint_is_saved() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::new(folder.path());
        crate::home::make_folder(home.path().join("warden")).expect("a folder");
        let (writer, _) = SegmentWriter::open(&home, Lane::Warden, TAG).expect("a segment");
        let rows: Vec<_> = (0..4).map(|row| (row, attempt(row as u32))).collect();
        let hub = Arc::new(Hub::new(&home, TAG, Table::open(&home).expect("a table"), &rows).expect("a hub"));
        let desk = hub.add_desk(Arc::new(EventFd::new().expect("a descriptor")), 4);
        hub.share_out(4);
        let (begun, begins) = mpsc::channel();
        let (go, goes) = mpsc::channel::<()>();
        let sync = move |_: &Home, attempt: &Attempt| {
            begun.send(attempt.task).expect("somebody listens");
            goes.recv().map_err(io::Error::other)
        };
        let (committing, saving) = (Arc::clone(&hub), Arc::clone(&hub));
        let threads =
            [thread::spawn(move || commit::run(&committing, writer)), thread::spawn(move || run(&saving, sync))];

        let mut all = vec![ended(0, Exit::Checkpointed), ended(1, Exit::Code(0)), ended(2, Exit::Code(85))];
        hub.exchange(desk, &mut all, 1, true);
        assert_eq!(begins.recv(), Ok(0));
        until(&hub, 3);
        // Another that ends later does not wait either.
        hub.exchange(desk, &mut vec![ended(3, Exit::Code(1))], 0, true);
        until(&hub, 2);
        assert_eq!(hub.holds(), (2, true), "neither checkpoint is durable, and the warden may not exit");
        go.send(()).expect("it waits");
        assert_eq!(begins.recv(), Ok(2));
        until(&hub, 1);
        go.send(()).expect("it waits");
        until(&hub, 0);
        hub.stop();
        for thread in threads {
            thread.join().expect("it ends");
        }
    }

    #[test]
    fn a_checkpoint_that_the_disk_lost_does_not_count() {
        let home = Home::new("/nowhere");
        let lost = save(&home, ended(0, Exit::Checkpointed), |_, _| Err(io::ErrorKind::StorageFull.into()));
        assert_eq!(lost.outcome.exit, Exit::Void);
        let saved = save(&home, ended(0, Exit::Code(85)), |_, _| Ok(()));
        assert_eq!(saved.outcome.exit, Exit::Code(85));
    }
}
