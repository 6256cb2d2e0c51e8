//! Whether a machine can run a task at all, and if not, what it lacks.

use core::fmt;

use crate::observe::Fit;
use crate::words::{Needs, NodeId};

/// What a machine lacks for a task; with numbers, so that a face can say how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lack {
    /// The job names the nodes that may run it, and this is none of them.
    NotNamed,
    /// The job names this node as one that may not.
    Excluded,
    Zone,
    Arch,
    Cpus {
        wanted: u16,
        has: u16,
    },
    MemoryMib {
        wanted: u32,
        has: u32,
    },
    Gpus {
        wanted: u8,
        has: u8,
    },
    /// What it has is not known yet.
    Unknown,
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotNamed => f.write_str("the job names other nodes"),
            Self::Excluded => f.write_str("the job excludes it"),
            Self::Zone => f.write_str("it stands in another zone"),
            Self::Arch => f.write_str("its processor is of another architecture"),
            Self::Cpus { wanted, has } => write!(f, "it has {has} CPUs, {wanted} are wanted"),
            Self::MemoryMib { wanted, has } => write!(f, "it has {has} MiB of memory, {wanted} are wanted"),
            Self::Gpus { wanted, has } => write!(f, "it has {has} GPUs, {wanted} are wanted"),
            Self::Unknown => f.write_str("what it has is not known yet"),
        }
    }
}

/// Of machines that all lack something, the one that comes nearest: it lacks only size, and has most of what it lacks.
#[must_use]
pub fn nearest(lacks: impl IntoIterator<Item = (NodeId, Lack)>) -> Option<(NodeId, Lack)> {
    let size = |lack: &Lack| match *lack {
        Lack::Cpus { has, .. } => (1, u32::from(has)),
        Lack::MemoryMib { has, .. } => (2, has),
        Lack::Gpus { has, .. } => (3, u32::from(has)),
        Lack::NotNamed | Lack::Excluded | Lack::Zone | Lack::Arch | Lack::Unknown => (0, 0),
    };
    lacks.into_iter().max_by_key(|(_, lack)| size(lack))
}

/// The first thing that `node` lacks; none where it can run such a task.
#[must_use]
pub fn lack(node: NodeId, fit: Option<&Fit>, needs: &Needs) -> Option<Lack> {
    if needs.is_none() {
        return None;
    }
    if !needs.on.is_empty() && !needs.on.contains(&node) {
        return Some(Lack::NotNamed);
    }
    if needs.not_on.contains(&node) {
        return Some(Lack::Excluded);
    }
    let Some(fit) = fit else { return Some(Lack::Unknown) };
    let memory = fit.memory_mib.unwrap_or(0);
    match () {
        () if !needs.zone.is_empty() && !fit.is_in(&needs.zone) => Some(Lack::Zone),
        () if !needs.arch.is_empty() && needs.arch != fit.arch => Some(Lack::Arch),
        () if needs.cpus > fit.cores => Some(Lack::Cpus { wanted: needs.cpus, has: fit.cores }),
        () if needs.memory_mib > memory => Some(Lack::MemoryMib { wanted: needs.memory_mib, has: memory }),
        () if needs.gpus > fit.gpus => Some(Lack::Gpus { wanted: needs.gpus, has: fit.gpus }),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use alloc::vec;

    #[test]
    fn each_demand_is_compared_and_the_first_lack_is_named() {
        let node = NodeId([1; 32]);
        let fit = Fit {
            zone: String::from("home/attic"),
            arch: String::from("x86_64"),
            cores: 8,
            memory_mib: Some(16_000),
            gpus: 1,
            speed: 1000,
        };
        let check = |needs: Needs| lack(node, Some(&fit), &needs);
        let none = Needs::default;
        assert_eq!(check(none()), None);
        assert_eq!(check(Needs { on: vec![node], zone: String::from("home"), cpus: 8, gpus: 1, ..none() }), None);
        assert_eq!(check(Needs { on: vec![NodeId([2; 32])], ..none() }), Some(Lack::NotNamed));
        assert_eq!(check(Needs { not_on: vec![node], ..none() }), Some(Lack::Excluded));
        assert_eq!(check(Needs { zone: String::from("home/att"), ..none() }), Some(Lack::Zone), "no part of a name");
        assert_eq!(check(Needs { arch: String::from("aarch64"), ..none() }), Some(Lack::Arch));
        assert_eq!(check(Needs { cpus: 9, ..none() }), Some(Lack::Cpus { wanted: 9, has: 8 }));
        assert_eq!(
            check(Needs { memory_mib: 16_001, ..none() }),
            Some(Lack::MemoryMib { wanted: 16_001, has: 16_000 })
        );
        assert_eq!(check(Needs { gpus: 2, ..none() }), Some(Lack::Gpus { wanted: 2, has: 1 }));
        assert_eq!(lack(node, None, &Needs { cpus: 1, ..none() }), Some(Lack::Unknown));
    }
}
