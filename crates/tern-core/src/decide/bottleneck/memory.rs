//! The memory: what of it is left, whether something waits for it, and what the kernel had to end.

use alloc::vec::Vec;

use super::finding::{Advice, Evidence, Figure, Kind, Resource, Severity, Verdict};
use super::sample::Memory;

/// Below so many per cent the next larger program makes the kernel look for pages to take from others.
const AVAILABLE: f64 = 5.0;
/// So many per cent of the time something waited for memory. A machine that is well waits for none at all, so that a tenth of
/// the time is already the beginning of thrashing.
const PRESSURE: f64 = 10.0;
/// KiB a second from swap. A program that was set aside and is used again makes more for an instant; whether somebody suffers
/// from it pressure tells, and where that is not kept this has to.
const SWAPPED_IN: f64 = 1024.0;
/// One process that the kernel had to end is one too many.
const KILLED: f64 = 1.0;

pub(super) fn look(memory: &Memory, verdict: &mut Verdict) {
    use Figure::{Killed, MemoryAvailable, MemoryPressure, MemoryStalled, SwappedIn};
    const IT: Resource = Resource::Memory;
    let available = verdict.have(IT, None, &[MemoryAvailable], &memory.available);
    let pressure = verdict.have(IT, None, &[MemoryPressure], &memory.pressure);
    let swapped_in = verdict.have(IT, None, &[SwappedIn], &memory.swapped_in);
    let killed = verdict.have(IT, None, &[Killed], &memory.killed);
    let mut evidence = Vec::new();
    if let Some(pressure) = pressure {
        evidence.push(Evidence::with(MemoryPressure, pressure.some, PRESSURE, Kind::Saturation, Severity::Holds));
        evidence.extend(pressure.full.map(|share| Evidence::beside(MemoryStalled, share)));
    }
    if let Some(share) = available {
        evidence.push(Evidence::with(MemoryAvailable, share, AVAILABLE, Kind::Utilisation, Severity::Watch));
    }
    if let Some(rate) = swapped_in {
        let severity = if pressure.is_some() { Severity::Watch } else { Severity::Holds };
        evidence.push(Evidence::with(SwappedIn, rate, SWAPPED_IN, Kind::Saturation, severity));
    }
    if let Some(count) = killed {
        evidence.push(Evidence::with(Killed, count as f64, KILLED, Kind::Errors, Severity::Holds));
    }
    verdict.enter(IT, None, evidence, |figure| match figure {
        Killed => Advice::SayMemory,
        _ => Advice::LessMemory,
    });
}
