//! The queue of tasks: what waits on this node, and why.
//!
//! Each cause is a part of its own, since each is undone in its own way. Tasks that wait for a slot hold nothing back until
//! there are as many as slots: then the last of them waits for a whole round of others.

use alloc::vec::Vec;

use super::finding::{Advice, Evidence, Figure, Kind, Resource, Severity, Verdict};
use super::sample::{Cause, Cpu, Measured, Queue, Wait};

/// Below so many per cent busy the processors have room for more slots.
const ROOM_BUSY: f64 = 70.0;

const IT: Resource = Resource::Queue;

pub(super) fn look(queue: &Measured<Queue>, cpu: &Cpu, verdict: &mut Verdict) {
    use Figure::{SlotsUsed, Waiting};
    let Some(queue) = verdict.have(IT, None, &[SlotsUsed, Waiting], queue) else { return };
    let slots = slots(&queue);
    if queue.waits.is_empty() {
        let mut evidence = slots;
        evidence.push(Evidence::beside(Waiting, 0.0));
        verdict.enter(IT, None, evidence, |_| Advice::MoreMachines);
        return;
    }
    let room = cpu.time.is_ok_and(|time| time.busy < ROOM_BUSY);
    for wait in &queue.waits {
        let mut evidence: Vec<Evidence> = [waiting(wait, &queue)].into();
        evidence.extend(wait.oldest_ms.map(|ms| Evidence::beside(Figure::OldestWait, ms as f64 / 1e3)));
        evidence.extend(slots.iter().copied());
        verdict.enter(IT, Some(wait.cause.word()), evidence, |_| match wait.cause {
            Cause::Slots if room => Advice::MoreSlots,
            Cause::Slots => Advice::MoreMachines,
            cause => Advice::Undo(cause),
        });
    }
}

fn slots(queue: &Queue) -> Vec<Evidence> {
    let mut evidence = Vec::new();
    if queue.open > 0 {
        let used = f64::from(queue.running) / f64::from(queue.open) * 100.0;
        evidence.push(Evidence::beside(Figure::SlotsUsed, used.min(100.0)));
    }
    evidence.push(Evidence::beside(Figure::SlotsOpen, f64::from(queue.open)));
    evidence
}

/// How many wait, with what that many mean by this cause.
fn waiting(wait: &Wait, queue: &Queue) -> Evidence {
    // One task that waits for a slot is nothing; one that nothing here will ever start is something.
    let (at, kind, severity) = match wait.cause {
        Cause::Slots | Cause::Together | Cause::Elsewhere => {
            (f64::from(queue.open.max(1)), Kind::Saturation, Severity::Holds)
        }
        Cause::Drained | Cause::Battery | Cause::Owner => (1.0, Kind::Saturation, Severity::Holds),
        Cause::NoMachine | Cause::WardenAway => (1.0, Kind::Errors, Severity::Holds),
        // A full disk refuses also what nobody has submitted yet.
        Cause::DiskFull => (0.0, Kind::Errors, Severity::Holds),
        // Somebody wanted it so.
        Cause::Held | Cause::AtParallel | Cause::PutOff => (1.0, Kind::Saturation, Severity::Watch),
    };
    Evidence::with(Figure::Waiting, wait.tasks as f64, at, kind, severity)
}
