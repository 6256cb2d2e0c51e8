//! What a machine is: its processor, its memory, its kind, its power, its abilities.
//!
//! Facts change rarely, so a node signs them and sends them when they change, and every ten minutes. They are text that
//! somebody else wrote: every word has a greatest length and is printable ASCII, so that a hostile machine can fill
//! neither the memory nor the terminal of another. What could not be read is absent, never zero.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::words::limits::{
    CAPABILITIES_MAX, CORES_MAX, FACT_NAME_BYTES_MAX, FACT_TEXT_BYTES_MAX, FACTS_BYTES_MAX, GPUS_MAX, MEMORY_MIB_MAX,
    SPEED_MAX,
};

/// Speed factors are multiples of this: what a measurement can tell apart.
pub const SPEED_STEP: u16 = 20;
/// Charges are multiples of this, so that a battery that empties is not news every minute.
pub const CHARGE_STEP: u8 = 5;

/// The facts of one machine. Reading them from another node, by [`Facts::decode`] or as a part of a record, includes
/// [`Facts::check`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Facts {
    /// The version of Tern.
    pub version: String,
    /// As Rust names it: `x86_64`, `aarch64` …
    pub arch: String,
    /// As Rust names it: `linux`, `macos` …
    pub os: String,
    /// The kernel's release.
    pub kernel: Option<String>,
    pub cpu_model: Option<String>,
    /// CPUs that tasks may use.
    pub cores: u16,
    pub memory_mib: Option<u32>,
    #[serde(deserialize_with = "list::read::<_, _, GPUS_MAX>")]
    pub gpus: Vec<Gpu>,
    pub class: Option<Class>,
    pub power: Power,
    /// Whether the link to the world is paid for by volume.
    pub metered: Option<bool>,
    /// What it can do, as short names in ascending order.
    #[serde(deserialize_with = "list::read::<_, _, CAPABILITIES_MAX>")]
    pub capabilities: Vec<String>,
    /// The speed of one core, 1000 being the reference machine; see [`speed`].
    pub speed: Option<u16>,
}

/// A graphics processor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gpu {
    pub vendor: String,
    /// Its name, or its number at the vendor where the machine does not tell the name.
    pub model: String,
}

/// What kind of a machine it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    Server,
    Desktop,
    Laptop,
    Phone,
    SingleBoard,
    Virtual,
    Container,
}

impl Class {
    /// The plain word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Desktop => "desktop",
            Self::Laptop => "laptop",
            Self::Phone => "phone",
            Self::SingleBoard => "single-board",
            Self::Virtual => "virtual",
            Self::Container => "container",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.word())
    }
}

/// What feeds the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Power {
    #[default]
    Unknown,
    Mains,
    /// The charge in per cent, a multiple of [`CHARGE_STEP`]; absent where the battery does not tell it.
    Battery {
        percent: Option<u8>,
    },
}

impl Power {
    /// On battery with this charge. Rounded down: a machine below twenty per cent is never shown at twenty.
    #[must_use]
    pub fn battery(percent: Option<u8>) -> Self {
        Self::Battery { percent: percent.map(|percent| percent.min(100) / CHARGE_STEP * CHARGE_STEP) }
    }

    #[must_use]
    pub const fn is_battery(self) -> bool {
        matches!(self, Self::Battery { .. })
    }
}

/// A measured speed as it is told: in steps, and within what is believed.
#[must_use]
pub fn speed(factor: f64) -> Option<u16> {
    let steps = libm::rint(factor * 1000.0 / f64::from(SPEED_STEP));
    // Casting stops at the ends of the type.
    let told = (factor > 0.0).then(|| (steps as u16).saturating_mul(SPEED_STEP))?;
    Some(told.clamp(SPEED_STEP, SPEED_MAX))
}

/// Why these are no facts of a machine. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FactsError {
    /// More than [`FACTS_BYTES_MAX`] bytes.
    TooLarge { bytes: usize },
    /// Cut short, a list beyond its limit, or another form.
    Malformed,
    /// Bytes after the end.
    Trailing { bytes: usize },
    /// A text that is empty, too long, or not printable ASCII.
    Text { field: &'static str },
    /// No core, or more than [`CORES_MAX`].
    Cores { found: u16 },
    /// No memory, or more than [`MEMORY_MIB_MAX`].
    Memory { mib: u32 },
    /// More than [`GPUS_MAX`].
    Gpus { count: usize },
    /// More than [`CAPABILITIES_MAX`], or not in ascending order.
    Capabilities { count: usize },
    /// Above one hundred per cent, or not in steps.
    Charge { percent: u8 },
    /// Zero, above [`SPEED_MAX`], or not in steps.
    Speed { found: u16 },
}

impl fmt::Display for FactsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes } => write!(f, "facts of {bytes} bytes; the limit is {FACTS_BYTES_MAX}"),
            Self::Malformed => f.write_str("no facts of this version"),
            Self::Trailing { bytes } => write!(f, "{bytes} bytes after the end of the facts"),
            Self::Text { field } => write!(f, "facts whose {field} is empty, too long or not printable ASCII"),
            Self::Cores { found } => write!(f, "{found} cores; 1 to {CORES_MAX} are believed"),
            Self::Memory { mib } => write!(f, "{mib} MiB of memory; 1 to {MEMORY_MIB_MAX} are believed"),
            Self::Gpus { count } => write!(f, "{count} graphics processors; the limit is {GPUS_MAX}"),
            Self::Capabilities { count } => {
                write!(f, "{count} capabilities, which are over the limit of {CAPABILITIES_MAX} or not in order")
            }
            Self::Charge { percent } => write!(f, "a battery at {percent} %; it is told in steps of {CHARGE_STEP}"),
            Self::Speed { found } => {
                write!(f, "a speed of {found}; {SPEED_STEP} to {SPEED_MAX} in steps of {SPEED_STEP} are believed")
            }
        }
    }
}

impl core::error::Error for FactsError {}

impl Facts {
    /// Whether a machine can be like this.
    ///
    /// # Errors
    /// [`FactsError`], the first that is found.
    pub fn check(&self) -> Result<(), FactsError> {
        self.check_texts()?;
        if !(1..=CORES_MAX).contains(&self.cores) {
            return Err(FactsError::Cores { found: self.cores });
        }
        if let Some(mib) = self.memory_mib.filter(|mib| !(1..=MEMORY_MIB_MAX).contains(mib)) {
            return Err(FactsError::Memory { mib });
        }
        if let Power::Battery { percent: Some(percent) } = self.power
            && (percent > 100 || percent % CHARGE_STEP != 0)
        {
            return Err(FactsError::Charge { percent });
        }
        let told = |speed: &u16| (1..=SPEED_MAX).contains(speed) && speed.is_multiple_of(SPEED_STEP);
        if let Some(found) = self.speed.filter(|speed| !told(speed)) {
            return Err(FactsError::Speed { found });
        }
        match self.size() {
            bytes if bytes > FACTS_BYTES_MAX => Err(FactsError::TooLarge { bytes }),
            _ => Ok(()),
        }
    }

    fn check_texts(&self) -> Result<(), FactsError> {
        name("version", &self.version)?;
        name("architecture", &self.arch)?;
        name("operating system", &self.os)?;
        self.kernel.as_deref().map_or(Ok(()), |kernel| text("kernel", kernel, FACT_TEXT_BYTES_MAX))?;
        self.cpu_model.as_deref().map_or(Ok(()), |model| text("processor", model, FACT_TEXT_BYTES_MAX))?;
        if self.gpus.len() > GPUS_MAX {
            return Err(FactsError::Gpus { count: self.gpus.len() });
        }
        for gpu in &self.gpus {
            name("graphics vendor", &gpu.vendor)?;
            text("graphics model", &gpu.model, FACT_TEXT_BYTES_MAX)?;
        }
        if self.capabilities.len() > CAPABILITIES_MAX || !self.capabilities.is_sorted_by(|one, next| one < next) {
            return Err(FactsError::Capabilities { count: self.capabilities.len() });
        }
        self.capabilities.iter().try_for_each(|capability| name("capability", capability))
    }

    /// The same facts without as many of the last graphics processors, then capabilities, as are too much for the limit.
    #[must_use]
    pub fn fitted(mut self) -> Self {
        self.gpus.truncate(GPUS_MAX);
        self.capabilities.truncate(CAPABILITIES_MAX);
        while self.size() > FACTS_BYTES_MAX && (self.gpus.pop().is_some() || self.capabilities.pop().is_some()) {}
        self
    }

    /// Bytes of the encoded form.
    fn size(&self) -> usize {
        postcard::serialize_with_flavor(self, postcard::ser_flavors::Size::default()).unwrap_or(usize::MAX)
    }

    /// The bytes that travel. Facts that [`check`](Self::check) accepts have at most [`FACTS_BYTES_MAX`] of them.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        // Into a growing vector, and with types that all have a form in postcard, nothing can fail.
        postcard::to_allocvec(self).unwrap_or_default()
    }

    /// Reads the facts of another node.
    ///
    /// # Errors
    /// [`FactsError`]
    pub fn decode(bytes: &[u8]) -> Result<Self, FactsError> {
        if bytes.len() > FACTS_BYTES_MAX {
            return Err(FactsError::TooLarge { bytes: bytes.len() });
        }
        let mut reader = postcard::Deserializer::from_bytes(bytes);
        // The derived reader, without the check: its reason would be lost in an error of postcard.
        let facts = Self::deserialize(&mut reader).map_err(|_| FactsError::Malformed)?;
        match reader.finalize().map_err(|_| FactsError::Malformed)?.len() {
            0 => facts.check().map(|()| facts),
            bytes => Err(FactsError::Trailing { bytes }),
        }
    }
}

impl Serialize for Facts {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, to)
    }
}

impl<'de> Deserialize<'de> for Facts {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let facts = Self::deserialize(from)?;
        facts.check().map_err(de::Error::custom)?;
        Ok(facts)
    }
}

fn name(field: &'static str, found: &str) -> Result<(), FactsError> {
    text(field, found, FACT_NAME_BYTES_MAX)
}

fn text(field: &'static str, found: &str, most: usize) -> Result<(), FactsError> {
    let printable = found.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    if (1..=most).contains(&found.len()) && printable { Ok(()) } else { Err(FactsError::Text { field }) }
}

mod list;
#[cfg(test)]
mod tests;
