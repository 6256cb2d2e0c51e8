//! Names of things: nodes, jobs, attempts.
//!
//! An id is never reused and never guessed: a job's id carries a tag of the node that accepted it, an attempt carries
//! the epoch in which it was granted.

use alloc::format;
use alloc::string::String;
use core::cmp::Ordering;
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

/// A node *is* its ed25519 public key (32 bytes).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NodeId(pub [u8; 32]);

/// By its bytes. Keys are random, so the first eight decide: compared as one number, since every look into a map of nodes does it.
impl Ord for NodeId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.mark().cmp(&other.mark()).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for NodeId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl NodeId {
    /// The first four bytes, as the owner half of a [`JobId`] and as a person's short name for the node.
    #[must_use]
    pub const fn tag(&self) -> u32 {
        u32::from_be_bytes([self.0[0], self.0[1], self.0[2], self.0[3]])
    }

    /// The first eight bytes: the name of a node in the header of a packet and in a roster.
    #[must_use]
    pub const fn mark(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    /// Reads 64 hexadecimal digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut key = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        for (byte, pair) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(core::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(key))
    }

    /// The whole key as 64 hexadecimal digits.
    #[must_use]
    pub fn to_hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.tag())
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A job: the tag of the node that accepted it (high 32 bits) and that node's running number (low 32 bits, from 1).
///
/// Shown as `12-3f9a1c2b`; where the owner is this node the short form `12` is accepted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JobId(pub u64);

impl JobId {
    #[must_use]
    pub const fn new(owner_tag: u32, number: u32) -> Self {
        Self(((owner_tag as u64) << 32) | number as u64)
    }
    #[must_use]
    pub const fn owner_tag(self) -> u32 {
        (self.0 >> 32) as u32
    }
    /// The owner's running number, from 1.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0 as u32
    }
    /// Reads `12-3f9a1c2b`, or `12` as a job of `home`.
    #[must_use]
    pub fn parse(text: &str, home: u32) -> Option<Self> {
        match text.split_once('-') {
            Some((number, tag)) if tag.len() == 8 => {
                Some(Self::new(u32::from_str_radix(tag, 16).ok()?, number.parse().ok()?))
            }
            Some(_) => None,
            None => Some(Self::new(home, text.parse().ok()?)),
        }
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:08x}", self.number(), self.owner_tag())
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for JobId {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        if text.contains('-') { Self::parse(text, 0).ok_or(()) } else { Err(()) }
    }
}

/// Who may grant work of a job, and since when. Ordered lexicographically: a greater epoch wins after a split.
///
/// `incarnation` is 64 random bits made durable at each start, so that a cloned disk cannot issue the same token twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Epoch {
    /// 0 with the node that accepted the job; + 1 with each take-over by a keeper.
    pub counter: u32,
    /// Tag of the node that holds the epoch.
    pub keeper: u32,
    pub incarnation: u64,
}

/// One try at one task: the fencing token that every effect on the world carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Attempt {
    pub job: JobId,
    /// Index of the task within the job, from 0.
    pub task: u32,
    /// 0 at submission; `retry` opens the next.
    pub round: u16,
    pub epoch: Epoch,
    /// Number of the dispatch within the epoch; tasks dispatched together share it.
    pub n: u32,
}

/// A range of tasks lent to another node, unique within the owner's incarnation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GrantId {
    pub incarnation: u64,
    pub n: u32,
}
