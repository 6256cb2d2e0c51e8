//! The whole of it: every part is asked, and what was found is put into an order.

use super::finding::{Finding, Resource, Verdict};
use super::sample::Sample;
use super::{cpu, disk, memory, network, queue};

/// What holds this machine back. `only`: one kind of part, as if there were no others.
#[must_use]
pub fn judge(sample: &Sample, only: Option<Resource>) -> Verdict {
    let mut verdict = Verdict::default();
    let asked = |resource| only.is_none_or(|only| only == resource);
    if asked(Resource::Cpu) {
        cpu::look(&sample.cpu, &mut verdict);
    }
    if asked(Resource::Memory) {
        memory::look(&sample.memory, &mut verdict);
    }
    if asked(Resource::Disk) {
        disk::look(sample, &mut verdict);
    }
    if asked(Resource::Network) {
        network::look(sample, &mut verdict);
    }
    if asked(Resource::Queue) {
        queue::look(&sample.queue, &sample.cpu, &mut verdict);
    }
    verdict.findings.sort_by(order);
    verdict
}

/// What holds work back comes before what is worth watching. Then memory: what is short of it keeps disk and processors busy in
/// its place. Then by how many times its bound a figure is; equals keep the order of the parts.
fn order(one: &Finding, other: &Finding) -> core::cmp::Ordering {
    let memory = |finding: &Finding| finding.part.resource == Resource::Memory;
    let first = other.severity.cmp(&one.severity).then(memory(other).cmp(&memory(one)));
    first.then(other.strength.total_cmp(&one.strength))
}
