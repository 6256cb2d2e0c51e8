//! Lists with a greatest length, checked before and while they are read.
//!
//! A list of small things can take twenty times as many bytes in memory as in a frame; its length is therefore bounded
//! by what the message may hold, not only by the size of the frame.

use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;
use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess, Visitor};

use crate::observe::Fit;
use crate::words::Bytes;
use crate::words::limits::{
    ARGV_WORDS_MAX, FACT_NAME_BYTES_MAX, GIVERS_MAX, GRANT_TASKS_MAX, GRANTS_OPEN_MAX, LINKS_MAX, NODE_ADDRESSES_MAX,
    POSTINGS_PER_FRAME, RECORDS_PER_FRAME, ROSTER_BORDERS_MAX, ROSTER_DOORS_MAX, SPEED_MAX, STATEMENTS_PER_FRAME,
    TASK_FILES_MAX, ZONE_BYTES_MAX,
};

struct Bounded<T> {
    most: usize,
    kind: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Bounded<T> {
    type Value = Vec<T>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of up to {}", self.most)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
        if seq.size_hint().is_some_and(|claimed| claimed > self.most) {
            return Err(de::Error::custom("a list beyond its limit"));
        }
        let mut list = Vec::new();
        while let Some(item) = seq.next_element()? {
            if list.len() >= self.most {
                return Err(de::Error::custom("a list beyond its limit"));
            }
            list.push(item);
        }
        Ok(list)
    }
}

fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D, most: usize) -> Result<Vec<T>, D::Error> {
    from.deserialize_seq(Bounded { most, kind: PhantomData })
}

/// One entry a task of a grant.
pub(super) fn per_task<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    list(from, GRANT_TASKS_MAX as usize)
}

/// One entry a grant.
pub(super) fn per_grant<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    list(from, GRANTS_OPEN_MAX)
}

/// One entry an address of a node.
pub(super) fn per_address<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    list(from, NODE_ADDRESSES_MAX)
}

/// One entry a file of a task.
pub(super) fn per_file<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    list(from, TASK_FILES_MAX)
}

/// One entry a link of a node.
pub(super) fn per_link<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    list(from, LINKS_MAX)
}

/// One entry a link of a zone to others.
pub(super) fn per_border<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    list(from, ROSTER_BORDERS_MAX)
}

/// One entry a node of a zone that others may dial.
pub(super) fn per_door<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    list(from, ROSTER_DOORS_MAX)
}

/// One entry a record.
pub(super) fn per_record<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    list(from, RECORDS_PER_FRAME)
}

/// One entry a statement.
pub(super) fn per_statement<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    list(from, STATEMENTS_PER_FRAME)
}

/// One entry a node on which tasks wait.
pub(super) fn per_giver<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    list(from, GIVERS_MAX)
}

/// What a machine has for tasks, with names of a sound length.
pub(super) fn fit<'de, D: Deserializer<'de>>(from: D) -> Result<Fit, D::Error> {
    let fit = Fit::deserialize(from)?;
    let sound = fit.zone.len() <= ZONE_BYTES_MAX && fit.arch.len() <= FACT_NAME_BYTES_MAX && fit.speed <= SPEED_MAX;
    if sound { Ok(fit) } else { Err(de::Error::custom("a machine that is none")) }
}

/// One entry a transfer.
pub(super) fn per_posting<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    list(from, POSTINGS_PER_FRAME)
}

/// One argument vector a task.
pub(super) fn argv<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Vec<Bytes>>, D::Error> {
    struct Words(Vec<Bytes>);
    impl<'de> Deserialize<'de> for Words {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            list(from, ARGV_WORDS_MAX).map(Words)
        }
    }
    Ok(per_task::<D, Words>(from)?.into_iter().map(|words| words.0).collect())
}
