//! The node's trit: +1 overloaded, 0 balanced, −1 idle.
//!
//! A node divides its one-minute load average by its CPUs. Above 0.8 it is overloaded, below 0.3 it is idle, and both
//! bounds belong to the middle. So that a load which trembles around a bound does not flip the answer at every look,
//! an overloaded node stays so until it falls below 0.7, and an idle one until it rises above 0.4; `literal` turns that
//! off. A load that was not measured (not a number) is never a reason to act: it counts as balanced.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::Reading;
use crate::words::Span;

/// Above this load ratio a node is overloaded.
pub const OVERLOADED_ABOVE: f64 = 0.8;
/// Below this load ratio a node is idle.
pub const IDLE_BELOW: f64 = 0.3;

/// The host's trit (RS-02). Not a number: its three kinds of relatives (queue, link, process) never mix with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum NodeTrit {
    /// −1
    Idle,
    /// 0
    #[default]
    Balanced,
    /// +1
    Overloaded,
}

impl NodeTrit {
    /// The bare thresholds, without memory.
    #[must_use]
    pub fn literal(rho: f64) -> Self {
        // Comparisons with a NaN are false: it falls through to the middle.
        if rho > OVERLOADED_ABOVE {
            Self::Overloaded
        } else if rho < IDLE_BELOW {
            Self::Idle
        } else {
            Self::Balanced
        }
    }

    /// `+1`, `0` or `-1`.
    #[must_use]
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Idle => "-1",
            Self::Balanced => "0",
            Self::Overloaded => "+1",
        }
    }

    /// The plain word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Balanced => "balanced",
            Self::Overloaded => "overloaded",
        }
    }
}

impl fmt::Display for NodeTrit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // One text for both, so that a width in the caller's format counts all of it.
        out.pad(match self {
            Self::Idle => "-1 idle",
            Self::Balanced => "0 balanced",
            Self::Overloaded => "+1 overloaded",
        })
    }
}

/// ρ: the one-minute load average over the CPUs. Not a number where there is no sensible answer.
#[must_use]
pub fn load_ratio(reading: &Reading) -> f64 {
    if reading.cpus == 0 || !reading.load1.is_finite() || reading.load1 < 0.0 {
        return f64::NAN;
    }
    reading.load1 / f64::from(reading.cpus)
}

/// Which load counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoadSource {
    /// The load average of the machine over its CPUs.
    #[default]
    System,
    /// Tasks that run or wait here over the slots of this node: for nodes that share one kernel, and so one load average.
    Tasks,
}

impl LoadSource {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Tasks => "tasks",
        }
    }
}

/// How readings become a trit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TritSettings {
    /// No hysteresis and no smoothing: every reading by the bare thresholds.
    pub literal: bool,
    /// An overloaded node stays overloaded down to here.
    pub leave_overloaded_below: f64,
    /// An idle node stays idle up to here.
    pub leave_idle_above: f64,
    pub source: LoadSource,
    /// Time constant of the smoothing; zero: none. Kept short, since the load average is itself a one-minute average.
    pub smoothing: Span,
}

impl Default for TritSettings {
    fn default() -> Self {
        let source = LoadSource::System;
        Self { literal: false, leave_overloaded_below: 0.7, leave_idle_above: 0.4, source, smoothing: Span::secs(10) }
    }
}

/// A classifier that remembers where it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TritTracker {
    settings: TritSettings,
    /// None before the first reading, which is judged by the bare thresholds.
    trit: Option<NodeTrit>,
}

impl TritTracker {
    #[must_use]
    pub const fn new(settings: TritSettings) -> Self {
        Self { settings, trit: None }
    }

    /// The trit after this load ratio. What was not measured changes nothing.
    pub fn next(&mut self, rho: f64) -> NodeTrit {
        if rho.is_nan() {
            return self.current();
        }
        let held = match self.trit {
            Some(NodeTrit::Overloaded) => rho >= self.settings.leave_overloaded_below,
            Some(NodeTrit::Idle) => rho <= self.settings.leave_idle_above,
            Some(NodeTrit::Balanced) | None => false,
        };
        let trit = if held && !self.settings.literal { self.current() } else { NodeTrit::literal(rho) };
        self.trit = Some(trit);
        trit
    }

    /// The trit of the last reading; balanced before the first.
    #[must_use]
    pub fn current(&self) -> NodeTrit {
        self.trit.unwrap_or_default()
    }
}

/// An exponentially weighted moving average of samples that come at uneven times: a sample that is one time constant
/// older than the newest weighs 1/e of it, however many came between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Smoothed {
    constant: Span,
    last: Option<(u64, f64)>,
}

impl Smoothed {
    #[must_use]
    pub const fn new(constant: Span) -> Self {
        Self { constant, last: None }
    }

    /// Takes a sample of the time `at` (nanoseconds, any clock that does not run backwards; a step back counts as no
    /// time) and gives the average. A sample that is not finite is left out.
    pub fn next(&mut self, at: u64, sample: f64) -> f64 {
        if !sample.is_finite() {
            return self.value().unwrap_or(f64::NAN);
        }
        let Some((before, value)) = self.last else {
            self.last = Some((at, sample));
            return sample;
        };
        let weight = match self.constant.0 {
            0 => 1.0,
            constant => 1.0 - libm::exp(-(at.saturating_sub(before) as f64) / constant as f64),
        };
        // Two roundings on purpose: a fused multiply-add would give a replay on other hardware other bits.
        let value = value + weight * (sample - value);
        self.last = Some((at.max(before), value));
        value
    }

    #[must_use]
    pub fn value(&self) -> Option<f64> {
        self.last.map(|(_, value)| value)
    }
}

pub mod signs;
#[cfg(test)]
mod tests;
