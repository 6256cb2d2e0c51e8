//! What a machine is, and how it is now, as it says itself.
//!
//! What was not measured is absent and never zero.

use serde::{Deserialize, Serialize};
use tern_core::observe::{Facts, Power, Vitals};
use utoipa::ToSchema;

use super::trit;

/// How a node was when it last said so.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct VitalsView {
    pub age_ms: u64,
    pub trit: i8,
    pub trit_word: String,
    /// Load average over CPUs.
    pub load_ratio: Option<f64>,
    /// Per cent of the last ten seconds.
    pub cpu_pressure: Option<f32>,
    pub memory_total_mib: Option<u32>,
    pub memory_available_mib: Option<u32>,
    /// The hottest sensor.
    pub celsius: Option<i8>,
    pub slots: u16,
    pub running: u16,
    pub queued: u16,
    pub draining: bool,
    pub disk_full: bool,
    pub on_battery: bool,
}

/// What a machine is.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct FactsView {
    pub version: String,
    pub arch: String,
    pub os: String,
    pub kernel: Option<String>,
    pub cpu_model: Option<String>,
    pub cores: u16,
    pub memory_mib: Option<u32>,
    /// Vendor and model of each.
    pub gpus: Vec<String>,
    /// `server`, `laptop` …
    pub class: Option<String>,
    /// `mains`, `battery` or `unknown`.
    pub power: String,
    pub battery_percent: Option<u8>,
    pub metered: Option<bool>,
    pub capabilities: Vec<String>,
    /// The speed of one core, 1.0 being the reference machine.
    pub speed: Option<f64>,
}

impl VitalsView {
    #[must_use]
    pub fn new(vitals: &Vitals, age_ms: u64) -> Self {
        let (number, word) = trit(vitals.trit);
        let available = vitals.memory.and_then(|memory| {
            let share = u64::from(memory.available?);
            u32::try_from(u64::from(memory.total_mib) * share / HALF_PERCENTS).ok()
        });
        Self {
            age_ms,
            trit: number,
            trit_word: word.to_owned(),
            load_ratio: vitals.rho_milli.map(|rho| f64::from(rho) / 1_000.0),
            cpu_pressure: vitals.cpu_pressure.map(|half| f32::from(half) / 2.0),
            memory_total_mib: vitals.memory.map(|memory| memory.total_mib),
            memory_available_mib: available,
            celsius: vitals.celsius,
            slots: vitals.slots,
            running: vitals.running,
            queued: vitals.queued,
            draining: vitals.flags.draining,
            disk_full: vitals.flags.disk_full,
            on_battery: vitals.flags.on_battery,
        }
    }
}

/// A whole in the unit of vitals.
const HALF_PERCENTS: u64 = 200;

/// What feeds a machine, in a word.
pub(super) const fn word(power: Power) -> &'static str {
    match power {
        Power::Unknown => "unknown",
        Power::Mains => "mains",
        Power::Battery { .. } => "battery",
    }
}

impl FactsView {
    #[must_use]
    pub fn new(facts: &Facts) -> Self {
        let battery_percent = match facts.power {
            Power::Unknown | Power::Mains => None,
            Power::Battery { percent } => percent,
        };
        Self {
            version: facts.version.clone(),
            arch: facts.arch.clone(),
            os: facts.os.clone(),
            kernel: facts.kernel.clone(),
            cpu_model: facts.cpu_model.clone(),
            cores: facts.cores,
            memory_mib: facts.memory_mib,
            gpus: facts.gpus.iter().map(|gpu| format!("{} {}", gpu.vendor, gpu.model)).collect(),
            class: facts.class.map(|class| class.word().to_owned()),
            power: word(facts.power).to_owned(),
            battery_percent,
            metered: facts.metered,
            capabilities: facts.capabilities.clone(),
            speed: facts.speed.map(|speed| f64::from(speed) / 1_000.0),
        }
    }
}
