//! The processors: how busy they are, whether something waits for one, and what the host of a virtual machine takes.

use alloc::vec::Vec;

use super::finding::{Advice, Evidence, Figure, Kind, Resource, Severity, Verdict};
use super::sample::Cpu;

/// So busy, per cent, processors have nothing left for more. A batch that uses every core and makes nobody wait is as it should
/// be, so that this alone is worth watching and no more.
const BUSY: f64 = 95.0;
/// So many per cent of the time something could have run and did not. Two programs that wake at the same moment make a few
/// per cent on a machine that is well; as many burners as cores, with a desktop beside them, about ten; two a core, nearly a
/// hundred.
const PRESSURE: f64 = 25.0;
/// So many per cent taken by the host are no longer its own bookkeeping: the machine is a tenth slower than it believes.
const STOLEN: f64 = 10.0;
/// Load average over processors from which on something waits, where the kernel keeps no pressure. It lags by a minute and
/// counts those who wait for a disk, too, so that it counts only while the processors are busy.
const LOAD: f64 = 1.5;

pub(super) fn look(cpu: &Cpu, verdict: &mut Verdict) {
    use Figure::{CpuBusy, CpuPressure, CpuStolen, Load};
    const IT: Resource = Resource::Cpu;
    let time = verdict.have(IT, None, &[CpuBusy, CpuStolen], &cpu.time);
    let pressure = verdict.have(IT, None, &[CpuPressure], &cpu.pressure);
    let load = verdict.have(IT, None, &[Load], &cpu.load);
    let mut evidence = Vec::new();
    if let Some(share) = pressure {
        evidence.push(Evidence::with(CpuPressure, share, PRESSURE, Kind::Saturation, Severity::Holds));
    }
    if let Some(time) = time {
        evidence.push(Evidence::with(CpuBusy, time.busy, BUSY, Kind::Utilisation, Severity::Watch));
        evidence.push(Evidence::with(CpuStolen, time.stolen, STOLEN, Kind::Saturation, Severity::Holds));
    }
    if let Some(load) = load {
        let stands_in = pressure.is_none() && time.is_some_and(|time| time.busy >= BUSY);
        evidence.push(if stands_in {
            Evidence::with(Load, load, LOAD, Kind::Saturation, Severity::Holds)
        } else {
            Evidence::beside(Load, load)
        });
    }
    verdict.enter(IT, None, evidence, |figure| match figure {
        CpuStolen => Advice::AskHost,
        _ => Advice::LessCpu,
    });
}
