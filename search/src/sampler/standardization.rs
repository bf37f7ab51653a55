//! Numbers in deviations from their mean, and back.

use super::axes::real;

/// Deviations below this are those of numbers that are all the same.
pub(super) const NO_DEVIATION: f64 = 1e-9;

/// Mean and standard deviation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standardization {
    pub(super) mean: f64,
    pub(super) deviation: f64,
}

impl Standardization {
    pub(super) const UNIT: Self = Self { mean: 0.0, deviation: 1.0 };

    pub(super) fn of(values: &[f64]) -> Self {
        let count = real(values.len());
        let mean = values.iter().sum::<f64>() / count;
        let variance = values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / count;
        Self { mean, deviation: libm::sqrt(variance).max(NO_DEVIATION) }
    }

    /// In deviations from the mean.
    pub(super) fn standard(self, value: f64) -> f64 {
        (value - self.mean) / self.deviation
    }

    /// So many deviations from the mean.
    pub(super) fn value(self, standard: f64) -> f64 {
        self.mean + self.deviation * standard
    }
}
