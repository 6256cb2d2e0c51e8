//! Datagrams of a link: that the sender lives, and how loaded nodes are. Each may be lost.

use alloc::vec::Vec;

use crate::observe::Vitals;
use crate::observe::vitals::VITALS_BYTES;
use crate::wire::WireError;

/// First byte of a datagram that carries a packet for the overlay; such a one never reaches the core.
pub const PACKET: u8 = 0;
const BEAT: u8 = 1;
const VITALS: u8 = 2;
/// Bytes of a heartbeat.
const BEAT_BYTES: usize = 20;
/// Vitals in one datagram: with four bytes for each origin they stay below what every link carries.
pub const VITALS_BATCH_MAX: usize = 40;

/// A heartbeat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Beat {
    pub sequence: u32,
    /// The next one comes within this time, milliseconds.
    pub interval_ms: u16,
    /// The last heartbeat received from the other end, and how long ago, microseconds: together a round trip.
    pub echo: u32,
    pub echo_age_us: u32,
    /// The sender wants this link; one that neither end wants is closed.
    pub wanted: bool,
    /// The sender has seen heartbeats of the other end lately.
    pub hears: bool,
    /// The sender doubts whether the other end lives: it is to answer at once.
    pub asks: bool,
}

/// What a datagram says.
#[derive(Clone, Debug, PartialEq)]
pub enum Datagram {
    Beat(Beat),
    /// Of several nodes, each with the tag of its key.
    Vitals(Vec<(u32, Vitals)>),
}

/// The bytes of a heartbeat.
#[must_use]
pub fn encode_beat(beat: &Beat) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(BEAT_BYTES);
    bytes.push(BEAT);
    bytes.push(u8::from(beat.wanted) | u8::from(beat.hears) << 1 | u8::from(beat.asks) << 2);
    bytes.extend_from_slice(&beat.interval_ms.to_le_bytes());
    for number in [beat.sequence, beat.echo, beat.echo_age_us] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    // Room for what a later version may say, ignored by this one.
    bytes.resize(BEAT_BYTES, 0);
    bytes
}

/// The bytes of up to [`VITALS_BATCH_MAX`] vitals.
#[must_use]
pub fn encode_vitals(batch: &[(u32, Vitals)]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 + batch.len() * (4 + VITALS_BYTES));
    bytes.push(VITALS);
    for (tag, vitals) in batch.iter().take(VITALS_BATCH_MAX) {
        bytes.extend_from_slice(&tag.to_be_bytes());
        bytes.extend_from_slice(&vitals.encode());
    }
    bytes
}

/// Reads a datagram that is no packet.
///
/// # Errors
/// [`WireError`]; of a batch with one absurd entry nothing is taken.
pub fn decode(bytes: &[u8]) -> Result<Datagram, WireError> {
    match bytes.split_first() {
        Some((&BEAT, rest)) => beat(rest),
        Some((&VITALS, rest)) => vitals(rest),
        _ => Err(WireError::Malformed),
    }
}

fn beat(rest: &[u8]) -> Result<Datagram, WireError> {
    let rest: &[u8; BEAT_BYTES - 1] = rest.try_into().map_err(|_| WireError::Malformed)?;
    let word = |at: usize| u32::from_le_bytes([rest[at], rest[at + 1], rest[at + 2], rest[at + 3]]);
    if rest[0] > 7 {
        return Err(WireError::Malformed);
    }
    Ok(Datagram::Beat(Beat {
        wanted: rest[0] & 1 != 0,
        hears: rest[0] & 2 != 0,
        asks: rest[0] & 4 != 0,
        interval_ms: u16::from_le_bytes([rest[1], rest[2]]),
        sequence: word(3),
        echo: word(7),
        echo_age_us: word(11),
    }))
}

fn vitals(rest: &[u8]) -> Result<Datagram, WireError> {
    const ENTRY: usize = 4 + VITALS_BYTES;
    if rest.is_empty() || !rest.len().is_multiple_of(ENTRY) || rest.len() / ENTRY > VITALS_BATCH_MAX {
        return Err(WireError::Malformed);
    }
    let entries = rest.chunks_exact(ENTRY).map(|entry| {
        let (tag, vitals) = entry.split_at(4);
        let tag = u32::from_be_bytes([tag[0], tag[1], tag[2], tag[3]]);
        Ok((tag, Vitals::decode(vitals).map_err(|_| WireError::Malformed)?))
    });
    Ok(Datagram::Vitals(entries.collect::<Result<_, _>>()?))
}
