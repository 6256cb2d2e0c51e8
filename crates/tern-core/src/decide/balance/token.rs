//! Who is told that a task waits: a free slot somewhere is a token here, and a token is taken once.
//!
//! Free machines stand in classes of speed, so that taking a token is a look at a few of them, with ten machines or ten
//! thousand.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Machines looked at for one task.
pub const SAMPLE: usize = 4;

/// One machine with free slots.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Token<K> {
    who: K,
    free: u32,
    speed: f64,
}

/// The free slots that are known of, by machine.
#[derive(Clone, Debug)]
pub struct Tokens<K> {
    list: Vec<Token<K>>,
    places: BTreeMap<K, usize>,
}

impl<K> Default for Tokens<K> {
    fn default() -> Self {
        Self { list: Vec::new(), places: BTreeMap::new() }
    }
}

impl<K: Copy + Ord> Tokens<K> {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// A machine has so many free slots now.
    pub fn set(&mut self, who: K, free: u32, speed: f64) {
        match self.places.get(&who) {
            _ if free == 0 => self.remove(who),
            Some(place) => self.list[*place] = Token { who, free, speed },
            None => {
                self.places.insert(who, self.list.len());
                self.list.push(Token { who, free, speed });
            }
        }
    }

    pub fn remove(&mut self, who: K) {
        if let Some(place) = self.places.remove(&who) {
            self.list.swap_remove(place);
            if let Some(moved) = self.list.get(place) {
                self.places.insert(moved.who, place);
            }
        }
    }

    /// Takes a token: of a few machines drawn, the fastest of those that may have the task. None where none of them may.
    pub fn take(&mut self, may: impl Fn(K, f64) -> bool, draw: u64) -> Option<K> {
        let mut best: Option<(usize, Token<K>)> = None;
        for look in 0..SAMPLE.min(self.list.len()) {
            // Sixteen bits of the draw for each look.
            let drawn = ((draw >> (16 * look)) & 0xffff) as usize;
            let place = if self.list.len() <= SAMPLE { look } else { drawn % self.list.len() };
            let token = self.list[place];
            if may(token.who, token.speed) && best.is_none_or(|(_, best)| token.speed > best.speed) {
                best = Some((place, token));
            }
        }
        let (place, Token { who, free, .. }) = best?;
        // Where it stands is known: only the last token of a machine is a look into the map.
        if free > 1 {
            self.list[place].free -= 1;
        } else {
            self.remove(who);
        }
        Some(who)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_taken_once_and_only_where_it_may_be() {
        let mut tokens = Tokens::default();
        tokens.set(1, 1, 0.3);
        tokens.set(2, 2, 1.2);
        let mut take = |least: f64| tokens.take(|_, speed| speed >= least, 7);
        assert_eq!([take(1.0), take(1.0)], [Some(2), Some(2)]);
        assert_eq!(take(1.0), None, "the slow one is free, but not for this");
        assert_eq!([take(0.0), take(0.0)], [Some(1), None]);
        assert!(tokens.is_empty());
    }
}
