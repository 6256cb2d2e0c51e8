//! What the warden wrote after a known place.

use std::collections::BTreeMap;

use tern_core::promise::Outcome;

use super::super::StoreError;
use super::super::journal::Note;
use super::super::segment::{self, Block, HEADER_BYTES, Lane, SegmentError, SegmentReader};
use crate::home::Home;

/// Results that somebody has not been told of yet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tail {
    /// How far they go, of each segment that was read.
    pub positions: BTreeMap<u32, u64>,
    pub outcomes: Vec<Outcome>,
    /// What could not be read, in words.
    pub notes: Vec<String>,
}

/// All ends of own attempts after `positions`, in their order.
///
/// # Errors
/// [`StoreError::Io`]; what is damaged is a note.
pub fn segments_after(home: &Home, positions: &BTreeMap<u32, u64>) -> Result<Tail, StoreError> {
    let mut tail = Tail { positions: positions.clone(), ..Tail::default() };
    let notes = each_after(home, &mut tail.positions, |outcomes| tail.outcomes.extend_from_slice(outcomes))?;
    tail.notes = notes.iter().map(ToString::to_string).collect();
    Ok(tail)
}

/// Block by block; moves `positions` on and drops those of segments that are gone.
pub fn each_after(
    home: &Home,
    positions: &mut BTreeMap<u32, u64>,
    mut take: impl FnMut(&[Outcome]),
) -> Result<Vec<Note>, StoreError> {
    let numbers = segment::numbers(home, Lane::Warden)?;
    positions.retain(|number, _| numbers.binary_search(number).is_ok());
    let mut notes = Vec::new();
    for (index, &number) in numbers.iter().enumerate() {
        let path = home.segment(number);
        let from = positions.get(&number).copied().unwrap_or(HEADER_BYTES);
        let mut reader = match SegmentReader::open(&path) {
            Ok(reader) => reader,
            Err(error @ SegmentError::Io { .. }) => return Err(error.into()),
            // The newest may be half made: its writer begins it again.
            Err(_) if index + 1 == numbers.len() && is_short(&path) => continue,
            Err(error) => {
                notes.push(Note::SegmentUnreadable { why: error.to_string() });
                continue;
            }
        };
        reader.seek(from, None);
        let mut to = from;
        while let Some(block) = reader.next_block()? {
            match block {
                Block::Outcomes { end, outcomes, .. } => {
                    take(&outcomes);
                    to = end;
                }
                // At the end of the newest it is a write that nobody was told of, or one that is going on.
                Block::Torn { .. } if index + 1 == numbers.len() => break,
                Block::Corrupt { start, end } | Block::Torn { start, end } => {
                    notes.push(Note::ResultsDamaged { path: path.clone(), start, end });
                    to = end;
                }
            }
        }
        if to > HEADER_BYTES {
            positions.insert(number, to);
        }
    }
    Ok(notes)
}

/// The ends of all segments as they are: for a journal that begins beside results which are not its own.
pub fn ends(home: &Home) -> Result<BTreeMap<u32, u64>, StoreError> {
    let mut ends = BTreeMap::new();
    each_after(home, &mut ends, |_| {})?;
    Ok(ends)
}

fn is_short(path: &std::path::Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.len() < HEADER_BYTES)
}
