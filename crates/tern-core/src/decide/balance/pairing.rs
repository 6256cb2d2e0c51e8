//! Who has work and who has a free slot are brought together by brokers that stand in a tree.
//!
//! Each node belongs to one of the brokers at the bottom. A broker pairs those that come to it; whoever finds nobody goes to the
//! broker above. At the top all meet that are left, so that after ⌊log₂ b⌋ + 1 rounds with b brokers either nothing waits or no slot is
//! free. Brokers drawn at random each round need a number of rounds that grows with the grid where supply and demand are about equal.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Rounds until nobody can be paired any more.
#[must_use]
pub const fn rounds(brokers: u32) -> u32 {
    match brokers {
        0 => 0,
        some => some.ilog2() + 1,
    }
}

/// The broker to which a node goes in a round, counted from 0; of `brokers` those beyond a power of two are not used. The number is
/// its place in the round: there are half as many in each as in the one before.
#[must_use]
pub const fn broker(place: u64, round: u32, brokers: u32) -> u32 {
    let width = brokers.ilog2();
    let bottom = (place & ((1 << width) - 1)) as u32;
    bottom >> if round < width { round } else { width }
}

/// Somebody with tasks, or with free slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Party<K> {
    pub who: K,
    pub tasks: u32,
}

/// So many tasks go from the one to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair<K> {
    pub from: K,
    pub to: K,
    pub tasks: u32,
}

/// Pairs those who came to one broker, in their order; what is left stays in the lists. Nobody is paired with itself: one that has both
/// has tasks that cannot run where it has slots.
pub fn pair<K: Copy + PartialEq>(waiting: &mut Vec<Party<K>>, free: &mut Vec<Party<K>>) -> Vec<Pair<K>> {
    let mut pairs = Vec::new();
    let (mut from, mut to) = (0, 0);
    while from < waiting.len() && to < free.len() {
        if waiting[from].who == free[to].who {
            if to + 1 < free.len() {
                free.swap(to, to + 1);
            } else {
                from += 1;
                continue;
            }
        }
        let (giver, taker) = (&mut waiting[from], &mut free[to]);
        let tasks = giver.tasks.min(taker.tasks);
        if tasks > 0 {
            pairs.push(Pair { from: giver.who, to: taker.who, tasks });
        }
        giver.tasks -= tasks;
        taker.tasks -= tasks;
        from += usize::from(giver.tasks == 0);
        to += usize::from(taker.tasks == 0);
    }
    waiting.retain(|party| party.tasks > 0);
    free.retain(|party| party.tasks > 0);
    pairs
}

/// Who came to one broker: those with tasks, and those with free slots.
type Hall<K> = (Vec<Party<K>>, Vec<Party<K>>);

/// What the whole tree comes to: all pairs in the order in which they are found, and the rounds that it took. `place` says where in the
/// row of brokers at the bottom somebody stands; those who stand together meet early.
#[must_use]
pub fn tree<K: Copy + PartialEq>(
    mut waiting: Vec<Party<K>>,
    mut free: Vec<Party<K>>,
    brokers: u32,
    place: impl Fn(K) -> u64,
) -> (u32, Vec<Pair<K>>) {
    let mut pairs = Vec::new();
    for round in 0..rounds(brokers) {
        if waiting.is_empty() || free.is_empty() {
            return (round, pairs);
        }
        let mut halls: BTreeMap<u32, Hall<K>> = BTreeMap::new();
        let hall = |party: &Party<K>| broker(place(party.who), round, brokers);
        for party in waiting.drain(..) {
            halls.entry(hall(&party)).or_default().0.push(party);
        }
        for party in free.drain(..) {
            halls.entry(hall(&party)).or_default().1.push(party);
        }
        for (mut come, mut gone) in halls.into_values() {
            pairs.extend(pair(&mut come, &mut gone));
            waiting.extend(come);
            free.extend(gone);
        }
    }
    (rounds(brokers), pairs)
}

/// The place of the `index`-th of `all` that stand in a row, so that neighbours in the row meet before strangers do.
#[must_use]
pub const fn place_in_row(index: u64, all: u32) -> u64 {
    match all {
        0 => 0,
        all => (index << all.ilog2()) / all as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn mix(seed: &mut u64) -> u64 {
        *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (*seed ^ (*seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    type Parties = Vec<Party<u32>>;

    /// Rounds until nobody can be paired, and the tasks that were.
    fn play(waiting: Parties, free: Parties, places: &[u64], brokers: u32) -> (u32, u64) {
        let (took, pairs) = tree(waiting, free, brokers, |who| places[who as usize]);
        (took, pairs.iter().map(|pair| u64::from(pair.tasks)).sum())
    }

    #[test]
    fn nothing_is_left_after_the_rounds_of_the_tree() {
        for nodes in [2u32, 3, 10, 1024, 65_536] {
            for seed in 0..8u64 {
                let mut draw = seed;
                let places: Vec<u64> = (0..nodes).map(|_| mix(&mut draw)).collect();
                // As much is wanted as there is: the case that takes longest.
                let half = nodes / 2;
                let waiting: Parties = (0..half).map(|who| Party { who, tasks: 1 }).collect();
                let free: Parties = (half..2 * half).map(|who| Party { who, tasks: 1 }).collect();
                let (took, placed) = play(waiting, free, &places, nodes);
                assert!(took <= rounds(nodes), "{took} rounds for {nodes} nodes");
                assert_eq!(placed, u64::from(half));
            }
        }
        assert_eq!(rounds(65_536), 17);
    }

    #[test]
    fn what_is_left_is_on_one_side_only() {
        let party = |who, tasks| Party { who, tasks };
        let (mut waiting, mut free) = (vec![party(1, 5), party(2, 1)], vec![party(3, 2), party(4, 0), party(5, 9)]);
        let pairs = pair(&mut waiting, &mut free);
        assert_eq!(
            pairs.iter().map(|pair| (pair.from, pair.to, pair.tasks)).collect::<Vec<_>>(),
            [(1, 3, 2), (1, 5, 3), (2, 5, 1)]
        );
        assert!(waiting.is_empty() && free == [party(5, 5)]);
    }

    #[test]
    fn nobody_is_paired_with_itself() {
        let party = |who, tasks| Party { who, tasks };
        let (mut waiting, mut free) = (vec![party(1, 5), party(2, 2)], vec![party(1, 4), party(2, 4)]);
        let pairs = pair(&mut waiting, &mut free);
        assert_eq!(
            pairs.iter().map(|pair| (pair.from, pair.to, pair.tasks)).collect::<Vec<_>>(),
            [(1, 2, 4), (2, 1, 2)]
        );
        let (mut waiting, mut free) = (vec![party(1, 5)], vec![party(1, 4)]);
        assert!(pair(&mut waiting, &mut free).is_empty());
    }

    #[test]
    fn neighbours_in_a_row_meet_before_strangers() {
        let party = |who, tasks| Party { who, tasks };
        // Of five in a row the first two and the last two stand together.
        let places: Vec<u64> = (0..5).map(|index| place_in_row(index, 5)).collect();
        assert_eq!(places, [0, 0, 1, 2, 3]);
        let (took, pairs) =
            tree(vec![party(1u32, 3), party(3, 9)], vec![party(0, 1), party(4, 4)], 5, |who| places[who as usize]);
        let pairs: Vec<_> = pairs.iter().map(|pair| (pair.from, pair.to, pair.tasks)).collect();
        assert_eq!((took, pairs.as_slice()), (2, &[(1, 0, 1), (3, 4, 4)][..]));
    }
}
