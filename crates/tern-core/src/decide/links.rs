//! Which neighbours a node wants: few, and such that no single death cuts the grid in two.
//!
//! Two ring neighbours in the order of keys on each side (any one node may die), the two nearest by round-trip time (short ways), up to two in
//! other zones (a whole zone may die), and whatever repairs a cut that the picture shows. In a grid of a few machines that
//! is simply everybody. Those that could not be reached lately are skipped, and the ring closes over the next.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

/// Up to this many others a node wants a link to each of them.
pub const LINKS_WANTED_MAX: usize = 8;
/// Ring neighbours on each side.
const RING: usize = 2;
/// Nearest by round-trip time.
const NEAR: usize = 2;
/// In other zones.
const FAR: usize = 2;

/// Another member, in the order of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// It has an address that was not refused lately, or is linked now.
    pub reachable: bool,
    /// Index of its zone; this node's own has the index given to [`wanted`].
    pub zone: u32,
    /// Cost of the present way to it, microseconds.
    pub cost_us: Option<u64>,
    /// The part of the grid with which it would be lost by a single death; one link to each such part mends that.
    pub part: Option<u32>,
    /// The same for both ends of a pair, otherwise by chance: of equals different nodes choose different ones.
    pub lot: u64,
}

/// Places of the candidates to which a link is wanted. `above` is how many of them have a smaller key than this node.
#[must_use]
pub fn wanted(candidates: &[Candidate], above: usize, zone: u32) -> BTreeSet<usize> {
    let reachable: Vec<usize> = (0..candidates.len()).filter(|at| candidates[*at].reachable).collect();
    if reachable.len() <= LINKS_WANTED_MAX {
        return reachable.into_iter().collect();
    }
    let mut wanted = BTreeSet::new();
    let (own, other): (Vec<usize>, Vec<usize>) = reachable.iter().partition(|at| candidates[**at].zone == zone);
    wanted.extend(ring(&own, above));
    wanted.extend(nearest(&own, candidates, &wanted));
    wanted.extend(far(&other, candidates, above));
    wanted.extend(menders(&reachable, candidates));
    wanted
}

/// Of each part that a single death would cut off one member, for the first few parts.
fn menders(reachable: &[usize], candidates: &[Candidate]) -> Vec<usize> {
    let lots = reachable.iter().filter_map(|at| Some((candidates[*at].part?, candidates[*at].lot, *at)));
    let mut lots: Vec<(u32, u64, usize)> = lots.collect();
    lots.sort_unstable();
    lots.dedup_by_key(|(part, ..)| *part);
    lots.into_iter().take(LINKS_WANTED_MAX).map(|(.., at)| at).collect()
}

/// Ways up to this cost are equally near: on one LAN nobody is nearer than others, and all would choose the same few.
const NEAR_US: u64 = 5_000;

fn distance(cost_us: u64) -> u32 {
    (cost_us / NEAR_US).checked_ilog2().map_or(0, |steps| steps + 1)
}

/// The two before and the two after this node's own place in the order of keys, which closes to a ring.
fn ring(own: &[usize], above: usize) -> Vec<usize> {
    let place = own.partition_point(|at| *at < above);
    let around = |step: usize| own[(place + step) % own.len()];
    let count = RING.min(own.len());
    (0..count).flat_map(|step| [around(step), around(own.len() - 1 - step)]).collect()
}

fn nearest(own: &[usize], candidates: &[Candidate], taken: &BTreeSet<usize>) -> Vec<usize> {
    let own = own.iter().filter(|at| !taken.contains(at));
    let near = own.filter_map(|at| Some((distance(candidates[*at].cost_us?), candidates[*at].lot, *at)));
    let mut near: Vec<(u32, u64, usize)> = near.collect();
    near.sort_unstable();
    near.into_iter().take(NEAR).map(|(.., at)| at).collect()
}

/// One member of each of the first other zones after this node's own place, so that different nodes choose differently.
fn far(other: &[usize], candidates: &[Candidate], above: usize) -> Vec<usize> {
    let place = other.partition_point(|at| *at < above);
    let mut zones = BTreeSet::new();
    let around = (0..other.len()).map(|step| other[(place + step) % other.len()]);
    around.filter(|at| zones.insert(candidates[*at].zone)).take(FAR).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(count: usize) -> Vec<Candidate> {
        (0..count)
            .map(|at| Candidate {
                reachable: true,
                zone: 0,
                cost_us: Some(10_000 << at.min(40)),
                part: None,
                lot: at as u64,
            })
            .collect()
    }

    #[test]
    fn a_few_machines_are_all_wanted_and_the_unreachable_never() {
        let mut few = plain(5);
        few[2].reachable = false;
        assert_eq!(wanted(&few, 3, 0), BTreeSet::from([0, 1, 3, 4]));
    }

    #[test]
    fn of_many_the_ring_the_nearest_and_two_zones_are_wanted() {
        let mut many = plain(40);
        for (at, candidate) in many.iter_mut().enumerate() {
            candidate.zone = (at % 4) as u32;
        }
        let chosen = wanted(&many, 20, 0);
        assert!(chosen.is_superset(&BTreeSet::from([12, 16, 20, 24])), "the ring of its own zone: {chosen:?}");
        assert!(chosen.is_superset(&BTreeSet::from([0, 4])), "the nearest: {chosen:?}");
        assert!(chosen.is_superset(&BTreeSet::from([21, 22])), "two other zones: {chosen:?}");
        assert_eq!(chosen.len(), 8);
    }

    #[test]
    fn the_ring_closes_over_those_that_cannot_be_reached() {
        let mut many = plain(20);
        many[10].reachable = false;
        many[11].reachable = false;
        let chosen = wanted(&many, 10, 0);
        assert!(chosen.is_superset(&BTreeSet::from([8, 9, 12, 13])), "{chosen:?}");
    }

    #[test]
    fn a_cut_is_mended() {
        let mut many = plain(30);
        for at in [22, 25, 27] {
            many[at].part = Some(7);
        }
        let chosen = wanted(&many, 3, 0);
        assert!(chosen.contains(&22) && !chosen.contains(&25), "one is enough: {chosen:?}");
    }

    #[test]
    fn among_equally_near_ones_the_lot_decides() {
        let mut lan = plain(30);
        for (at, candidate) in lan.iter_mut().enumerate() {
            (candidate.cost_us, candidate.lot) = (Some(400 + at as u64), 100 - at as u64);
        }
        assert!(wanted(&lan, 3, 0).is_superset(&BTreeSet::from([28, 29])));
    }
}
