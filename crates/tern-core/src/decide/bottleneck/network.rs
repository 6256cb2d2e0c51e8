//! The network: how much of each link is used, what its interface dropped or got wrong, and what had to be sent again.

use alloc::vec::Vec;

use super::finding::{Advice, Evidence, Figure, Kind, Resource, Severity, Verdict};
use super::sample::{Link, Sample, Traffic};

/// So many per cent of a link in one direction: what sends over it waits for it, as one cannot see otherwise.
const USED: f64 = 90.0;
/// Per cent of the packets that an interface got wrong. A cable that is well makes none in days.
const ERRORS: f64 = 0.1;
/// Fewer than so many may be one bad moment.
const ERRORS_LEAST: u64 = 3;
/// Per cent of the packets that were dropped. Some frames that a home router sends to everybody are dropped by everybody, and
/// stay below.
const DROPPED: f64 = 1.0;
const DROPPED_LEAST: u64 = 10;
/// Per cent of the segments that were sent again: from about one on a stream slows down, at five it crawls.
const AGAIN: f64 = 5.0;
const AGAIN_LEAST: u64 = 20;

const IT: Resource = Resource::Network;

pub(super) fn look(sample: &Sample, verdict: &mut Verdict) {
    use Figure::{LinkDropped, LinkErrors, LinkUsed, SentAgain};
    let links = verdict.have(IT, None, &[LinkUsed, LinkErrors, LinkDropped], &sample.links).unwrap_or_default();
    for link in &links {
        look_at(link, verdict);
    }
    if let Some(tcp) = verdict.have(IT, None, &[SentAgain], &sample.tcp) {
        let all = tcp.sent.saturating_add(tcp.again);
        let again = share(tcp.again, all, SentAgain, AGAIN, AGAIN_LEAST, Kind::Saturation);
        verdict.enter(IT, None, [again].into(), |_| Advice::LookAtWay);
    }
}

fn look_at(link: &Link, verdict: &mut Verdict) {
    use Figure::{LinkDropped, LinkErrors, LinkUsed};
    let name = Some(link.name.as_str());
    let Some(traffic) = verdict.have(IT, name, &[LinkUsed, LinkErrors, LinkDropped], &link.traffic) else { return };
    let mut evidence = Vec::new();
    if let Some(speed) = verdict.have(IT, name, &[LinkUsed], &link.speed_mbit) {
        let used = used(&traffic, speed);
        evidence.push(Evidence::with(LinkUsed, used, USED, Kind::Utilisation, Severity::Holds));
    }
    let Traffic { packets, errors, dropped, .. } = traffic;
    let all = packets.saturating_add(errors).saturating_add(dropped);
    evidence.push(share(errors, all, LinkErrors, ERRORS, ERRORS_LEAST, Kind::Errors));
    evidence.push(share(dropped, all, LinkDropped, DROPPED, DROPPED_LEAST, Kind::Saturation));
    verdict.enter(IT, name, evidence, |figure| match figure {
        LinkErrors => Advice::CheckLink,
        _ => Advice::LessTraffic,
    });
}

/// Per cent of a link of so many megabits a second.
fn used(traffic: &Traffic, speed_mbit: u32) -> f64 {
    let bits = f64::from(speed_mbit.max(1)) * 1e6;
    (traffic.bytes * 8.0 / bits * 100.0).min(100.0)
}

/// `part` of `all` in per cent; fewer than `least` decide nothing.
fn share(part: u64, all: u64, figure: Figure, at: f64, least: u64, kind: Kind) -> Evidence {
    let value = if all > 0 { part as f64 / all as f64 * 100.0 } else { 0.0 };
    let evidence = Evidence::with(figure, value, at, kind, Severity::Holds);
    if part == 0 || part >= least { evidence } else { Evidence::beside(figure, value) }
}
