//! The source of chance of the built-in workloads: SplitMix64, and the distributions that machines and tasks are drawn from.
//!
//! The draws come in a fixed order, so that a seed names one grid and one workload, here and in the prototype that set the targets.

use std::f64::consts::PI;

/// A stream of draws.
#[derive(Clone, Debug)]
pub struct Dice(pub u64);

impl Dice {
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Evenly from 0 up to, but not including, 1.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Evenly below `count`; 0 where that is 0.
    pub fn below(&mut self, count: usize) -> usize {
        (self.bits() % (count as u64).max(1)) as usize
    }

    /// Exponential with this mean.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// Normal, of mean 0 and deviation 1.
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (2.0 * PI * self.unit()).cos()
    }

    /// Pareto between two bounds: many small, few large.
    pub fn pareto(&mut self, low: f64, high: f64, shape: f64) -> f64 {
        let drawn = self.unit();
        let (low_power, high_power) = (low.powf(shape), high.powf(shape));
        (-(drawn * high_power - drawn * low_power - high_power) / (high_power * low_power)).powf(-1.0 / shape)
    }
}
