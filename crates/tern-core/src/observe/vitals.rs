//! How a node is now: its load, its pressure, its memory, its heat, its queue.
//!
//! Every node sends this to the others every few seconds, so it is seventeen bytes and no more; with the four bytes
//! that name its origin it stays below the twenty-four that one entry of a batch may have. Figures are rounded to what
//! somebody would act upon, and those that outgrow their field stop at its end. What was not measured is absent.
//!
//! ```text
//! 0 sequence  2 ρ  4 trit and flags  5 pressure  6 memory total  9 memory available  10 °C  11 queued  13 running  15 slots
//! ```

use core::fmt;

use serde::Serialize;

use super::{NodeTrit, Reading};
use crate::words::limits::{MEMORY_MIB_MAX, RUNNING_PER_SLOT_MAX, SLOTS_MAX};

/// Bytes of one encoded set of vitals, without the tag of its origin.
pub const VITALS_BYTES: usize = 17;
/// Colder than this no computer runs.
pub const CELSIUS_MIN: i8 = -60;

/// ρ that was not measured.
const NO_RHO: u16 = u16::MAX;
/// Pressure or share that was not measured.
const NO_SHARE: u8 = u8::MAX;
/// A whole, in half per cents.
const WHOLE: u8 = 200;
const NO_CELSIUS: i8 = i8::MIN;
const TRIT_BITS: u8 = 0b11;
const RESERVED_BITS: u8 = 0b1000_0000;

/// The state of one node at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct Vitals {
    /// Counts up by one from one sending to the next, and wraps: see [`is_newer`].
    pub sequence: u16,
    /// ρ in thousandths; 65,534 stands for that and everything above.
    pub rho_milli: Option<u16>,
    pub trit: NodeTrit,
    /// PSI `some avg10` of the CPU in half per cents, 0 to 200.
    pub cpu_pressure: Option<u8>,
    pub memory: Option<Memory>,
    /// The hottest sensor, degrees Celsius.
    pub celsius: Option<i8>,
    /// Tasks that wait; 65,535 stands for that and everything above.
    pub queued: u16,
    pub running: u16,
    pub slots: u16,
    pub flags: Flags,
}

/// The memory of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Memory {
    pub total_mib: u32,
    /// The share that a new process could have, in half per cents, 0 to 200.
    pub available: Option<u8>,
}

/// What is true of a node or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct Flags {
    /// It takes no new work.
    pub draining: bool,
    /// Its disk is full: it dispatches nothing.
    pub disk_full: bool,
    pub on_battery: bool,
    /// It holds tasks or leases: its heartbeats are frequent.
    pub holds_work: bool,
    /// Nothing of what waits on it may go elsewhere.
    pub stays: bool,
}

/// Why bytes are no vitals. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VitalsError {
    /// Not [`VITALS_BYTES`] bytes.
    Length { bytes: usize },
    /// Bits that this version does not use are set.
    Reserved,
    /// Neither −1 nor 0 nor +1.
    Trit,
    /// A pressure above one hundred per cent.
    Pressure { half_percent: u8 },
    /// More memory available than there is, or a share of nothing.
    Memory { half_percent: u8 },
    /// Colder than any computer runs.
    Celsius { found: i8 },
    /// More slots than a node may have.
    Slots { found: u16 },
    /// More tasks running than the slots can explain.
    Running { running: u16, slots: u16 },
}

impl fmt::Display for VitalsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { bytes } => write!(f, "vitals of {bytes} bytes; they have {VITALS_BYTES}"),
            Self::Reserved => f.write_str("vitals with bits that this version does not know"),
            Self::Trit => f.write_str("vitals with a trit that is none"),
            Self::Pressure { half_percent } => write!(f, "a CPU pressure of {} %", f32::from(*half_percent) / 2.0),
            Self::Memory { half_percent } => {
                write!(f, "{} % of the memory available, or of no memory", f32::from(*half_percent) / 2.0)
            }
            Self::Celsius { found } => write!(f, "a temperature of {found} °C"),
            Self::Slots { found } => write!(f, "{found} slots; the limit is {SLOTS_MAX}"),
            Self::Running { running, slots } => write!(f, "{running} tasks running in {slots} slots"),
        }
    }
}

impl core::error::Error for VitalsError {}

/// Whether `sequence` came after `than`, where both wrap: less than half the circle ahead. Equal is not newer.
///
/// A node that restarts may begin anywhere; who remembers its last sequence forgets it when the node's incarnation
/// changes, else a restarted node could be taken for a late one.
#[must_use]
pub const fn is_newer(sequence: u16, than: u16) -> bool {
    matches!(sequence.wrapping_sub(than), 1..=0x7fff)
}

/// ρ in thousandths; absent for what is no number, or below zero.
#[must_use]
pub fn rho_milli(rho: f64) -> Option<u16> {
    // The cast stops at the ends of the type.
    (rho >= 0.0).then(|| (libm::rint(rho * 1000.0) as u16).min(NO_RHO - 1))
}

/// Per cent as half per cents; absent for what is no number, or no per cent.
#[must_use]
pub fn half_percent(percent: f32) -> Option<u8> {
    (0.0..=100.0).contains(&percent).then(|| libm::rintf(percent * 2.0) as u8)
}

impl Memory {
    /// The memory that a reading tells of.
    #[must_use]
    pub fn of(reading: &Reading) -> Option<Self> {
        let total = reading.memory_total_kib.filter(|total| *total >= 1024)?;
        let share = |available: u64| (u128::from(available) * u128::from(WHOLE) / u128::from(total)).min(200) as u8;
        let total_mib = u32::try_from(total / 1024).unwrap_or(MEMORY_MIB_MAX).min(MEMORY_MIB_MAX);
        Some(Self { total_mib, available: reading.memory_available_kib.map(share) })
    }
}

impl Vitals {
    /// The bytes that travel. Figures outside their bounds are cut to them: what is sent can always be read.
    #[must_use]
    pub fn encode(&self) -> [u8; VITALS_BYTES] {
        let mut bytes = [0; VITALS_BYTES];
        let slots = self.slots.min(SLOTS_MAX as u16);
        let running = u32::from(self.running).min(u32::from(slots) * RUNNING_PER_SLOT_MAX) as u16;
        let memory = self.memory.filter(|memory| memory.total_mib > 0);
        let share = memory.and_then(|memory| memory.available).map_or(NO_SHARE, |share| share.min(WHOLE));
        bytes[..2].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[2..4].copy_from_slice(&self.rho_milli.map_or(NO_RHO, |rho| rho.min(NO_RHO - 1)).to_le_bytes());
        bytes[4] = trit_bits(self.trit) | self.flags.bits();
        bytes[5] = self.cpu_pressure.map_or(NO_SHARE, |pressure| pressure.min(WHOLE));
        // The highest byte of the four is zero, and is the one that the share takes.
        bytes[6..10].copy_from_slice(&memory.map_or(0, |memory| memory.total_mib.min(MEMORY_MIB_MAX)).to_le_bytes());
        bytes[9] = share;
        bytes[10] = self.celsius.map_or(NO_CELSIUS, |celsius| celsius.max(CELSIUS_MIN)) as u8;
        bytes[11..13].copy_from_slice(&self.queued.to_le_bytes());
        bytes[13..15].copy_from_slice(&running.to_le_bytes());
        bytes[15..].copy_from_slice(&slots.to_le_bytes());
        bytes
    }

    /// Reads what another node sent, and refuses what no node can be like.
    ///
    /// # Errors
    /// [`VitalsError`]
    pub fn decode(bytes: &[u8]) -> Result<Self, VitalsError> {
        let bytes: &[u8; VITALS_BYTES] = bytes.try_into().map_err(|_| VitalsError::Length { bytes: bytes.len() })?;
        let word = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        if bytes[4] & RESERVED_BITS != 0 {
            return Err(VitalsError::Reserved);
        }
        let (running, slots) = (word(13), word(15));
        if u32::from(slots) > SLOTS_MAX {
            return Err(VitalsError::Slots { found: slots });
        }
        if u32::from(running) > u32::from(slots) * RUNNING_PER_SLOT_MAX {
            return Err(VitalsError::Running { running, slots });
        }
        Ok(Self {
            sequence: word(0),
            rho_milli: Some(word(2)).filter(|rho| *rho != NO_RHO),
            trit: trit_of(bytes[4]).ok_or(VitalsError::Trit)?,
            cpu_pressure: share(bytes[5]).map_err(|half_percent| VitalsError::Pressure { half_percent })?,
            memory: memory([bytes[6], bytes[7], bytes[8]], bytes[9])?,
            celsius: celsius(bytes[10] as i8)?,
            queued: word(11),
            running,
            slots,
            flags: Flags::of(bytes[4]),
        })
    }
}

impl Flags {
    fn bits(self) -> u8 {
        let bit = |set: bool, place: u8| u8::from(set) << place;
        bit(self.draining, 2)
            | bit(self.disk_full, 3)
            | bit(self.on_battery, 4)
            | bit(self.holds_work, 5)
            | bit(self.stays, 6)
    }

    fn of(bits: u8) -> Self {
        let bit = |place: u8| bits & (1 << place) != 0;
        Self { draining: bit(2), disk_full: bit(3), on_battery: bit(4), holds_work: bit(5), stays: bit(6) }
    }
}

const fn trit_bits(trit: NodeTrit) -> u8 {
    match trit {
        NodeTrit::Balanced => 0,
        NodeTrit::Overloaded => 1,
        NodeTrit::Idle => 2,
    }
}

const fn trit_of(bits: u8) -> Option<NodeTrit> {
    match bits & TRIT_BITS {
        0 => Some(NodeTrit::Balanced),
        1 => Some(NodeTrit::Overloaded),
        2 => Some(NodeTrit::Idle),
        _ => None,
    }
}

/// A share in half per cents; the error is what was found.
const fn share(byte: u8) -> Result<Option<u8>, u8> {
    match byte {
        NO_SHARE => Ok(None),
        0..=WHOLE => Ok(Some(byte)),
        _ => Err(byte),
    }
}

fn memory(total: [u8; 3], available: u8) -> Result<Option<Memory>, VitalsError> {
    let refused = |half_percent| VitalsError::Memory { half_percent };
    let share = share(available).map_err(refused)?;
    match (u32::from_le_bytes([total[0], total[1], total[2], 0]), share) {
        (0, None) => Ok(None),
        (0, Some(share)) => Err(refused(share)),
        (total_mib, available) => Ok(Some(Memory { total_mib, available })),
    }
}

const fn celsius(found: i8) -> Result<Option<i8>, VitalsError> {
    match found {
        NO_CELSIUS => Ok(None),
        CELSIUS_MIN.. => Ok(Some(found)),
        _ => Err(VitalsError::Celsius { found }),
    }
}

#[cfg(test)]
mod tests;
