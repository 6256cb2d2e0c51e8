//! What a file's content is called, and how any part of it is checked against that name.
//!
//! The name is the BLAKE3 hash of the content, as `b3sum` prints it. BLAKE3 is a tree, and its nodes above the groups of a file are
//! its outline: who has the outline and knows that it leads to the name can check each group alone, in any order, as it passes.

use std::fmt;
use std::io::Read;

use blake3::hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};
use serde::{Deserialize, Serialize};

use super::aside::Stop;

/// Bytes of the groups of files that are not huge. A group is the least that travels: it is in memory on every hop.
const GROUP_BYTES: u64 = 256 * 1024;
/// Groups of one file; beyond that the groups are larger. An outline is 32 bytes a group.
pub const GROUPS_MAX: u64 = 65_536;
/// Bytes of the largest file that is copied: groups of 16 MiB.
pub const FILE_BYTES_MAX: u64 = 1 << 40;

/// The name of a content.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ContentId(pub [u8; 32]);

impl fmt::Display for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Bytes of a group in a content of this size.
#[must_use]
pub fn group_bytes(size: u64) -> u64 {
    let mut bytes = GROUP_BYTES;
    while size.div_ceil(bytes) > GROUPS_MAX {
        bytes *= 2;
    }
    bytes
}

/// A content's size and the hashes of its groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outline {
    size: u64,
    groups: Vec<[u8; 32]>,
}

impl Outline {
    /// Of a content of at most [`FILE_BYTES_MAX`]; `groups` are as many as its size says. It is checked by comparing [`Self::id`].
    #[must_use]
    pub fn new(size: u64, groups: Vec<[u8; 32]>) -> Option<Self> {
        let fits = size <= FILE_BYTES_MAX && groups.len() as u64 == Self::count(size);
        fits.then_some(Self { size, groups })
    }

    /// Groups of a content of this size.
    #[must_use]
    pub fn count(size: u64) -> u64 {
        size.div_ceil(group_bytes(size))
    }

    /// Reads `size` bytes and outlines them. Half a terabyte takes minutes, so it looks before each group whether to stop.
    ///
    /// # Errors
    /// The reader's; that it ends early is one. [`std::io::ErrorKind::Interrupted`]: it was stopped.
    pub fn read(mut from: impl Read, size: u64, stop: &Stop) -> std::io::Result<Self> {
        let mut outline = Self { size, groups: Vec::with_capacity(Self::count(size) as usize) };
        let mut block = vec![0; group_bytes(size).min(size) as usize];
        for index in 0..Self::count(size) {
            stop.check()?;
            let group = &mut block[..outline.length(index)];
            from.read_exact(group)?;
            let hash = outline.hash(index, group);
            outline.groups.push(hash);
        }
        Ok(outline)
    }

    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    #[must_use]
    pub fn groups(&self) -> &[[u8; 32]] {
        &self.groups
    }

    /// Where a group begins.
    #[must_use]
    pub fn offset(&self, index: u64) -> u64 {
        index * group_bytes(self.size)
    }

    /// Bytes of a group; 0 behind the last one.
    #[must_use]
    pub fn length(&self, index: u64) -> usize {
        let offset = self.offset(index);
        self.size.saturating_sub(offset).min(group_bytes(self.size)) as usize
    }

    /// Whether these bytes are that group.
    #[must_use]
    pub fn fits(&self, index: u64, bytes: &[u8]) -> bool {
        let known = usize::try_from(index).ok().and_then(|index| self.groups.get(index));
        bytes.len() == self.length(index) && known.is_some_and(|known| *known == self.hash(index, bytes))
    }

    /// A single group has no tree above it: its hash is the name itself.
    fn hash(&self, index: u64, bytes: &[u8]) -> [u8; 32] {
        if Self::count(self.size) <= 1 {
            return *blake3::hash(bytes).as_bytes();
        }
        let mut hasher = blake3::Hasher::new();
        hasher.set_input_offset(self.offset(index)).update(bytes);
        hasher.finalize_non_root()
    }

    /// The name that this outline leads to.
    #[must_use]
    pub fn id(&self) -> ContentId {
        match &self.groups[..] {
            [] => ContentId(*blake3::hash(b"").as_bytes()),
            [only] => ContentId(*only),
            groups => {
                let (left, right) = groups.split_at(left_of(groups.len()));
                ContentId(*merge_subtrees_root(&merged(left), &merged(right), Mode::Hash).as_bytes())
            }
        }
    }
}

/// Groups on the left of the tree's node above so many: the greatest power of two that leaves one on the right.
fn left_of(count: usize) -> usize {
    count.next_power_of_two() / 2
}

fn merged(groups: &[[u8; 32]]) -> [u8; 32] {
    match groups {
        [only] => *only,
        // Never asked for.
        [] => [0; 32],
        _ => {
            let (left, right) = groups.split_at(left_of(groups.len()));
            merge_subtrees_non_root(&merged(left), &merged(right), Mode::Hash)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::aside::Waiting;

    fn content(size: usize) -> Vec<u8> {
        (0..size).map(|at| (at * 31 + at / 251) as u8).collect()
    }

    #[test]
    fn the_name_is_the_blake3_hash_whatever_the_size() {
        let group = GROUP_BYTES as usize;
        for size in [0, 1, 1024, 1025, group - 1, group, group + 1, 2 * group, 3 * group + 7, 8 * group, 9 * group + 1]
        {
            let content = content(size);
            let outline = Outline::read(&content[..], size as u64, &Stop::default()).expect("it is in memory");
            assert_eq!(outline.id().0, *blake3::hash(&content).as_bytes(), "{size} bytes");
        }
    }

    #[test]
    fn a_group_is_no_other_group_and_no_changed_one() {
        let group = GROUP_BYTES as usize;
        let mut content = content(4 * group);
        let outline = Outline::read(&content[..], content.len() as u64, &Stop::default()).expect("it is in memory");
        assert!(outline.fits(1, &content[group..2 * group]));
        assert!(!outline.fits(2, &content[group..2 * group]));
        assert!(!outline.fits(1, &content[group..2 * group - 1]));
        assert!(!outline.fits(4, &[]));
        content[group + 17] ^= 1;
        assert!(!outline.fits(1, &content[group..2 * group]));
    }

    #[test]
    fn an_outline_that_nobody_waits_for_is_read_no_further() {
        /// The one who waits goes away after the first group.
        struct Content(Option<Waiting>);
        impl Read for Content {
            fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
                assert!(self.0.take().is_some(), "nobody waits for the second group");
                Ok(into.len())
            }
        }
        let waiting = Waiting::default();
        let stop = waiting.stop();
        let ended = Outline::read(Content(Some(waiting)), FILE_BYTES_MAX, &stop);
        assert_eq!(ended.expect_err("it was stopped").kind(), std::io::ErrorKind::Interrupted);
    }

    #[test]
    fn an_outline_of_another_length_than_its_size_says_is_none() {
        assert!(Outline::new(GROUP_BYTES + 1, vec![[0; 32]; 2]).is_some());
        assert!(Outline::new(GROUP_BYTES + 1, vec![[0; 32]; 1]).is_none());
        assert!(Outline::new(u64::MAX, Vec::new()).is_none());
        assert_eq!(Outline::count(FILE_BYTES_MAX), GROUPS_MAX);
    }
}
