//! What one training run adds to the accuracy that an architecture has on the average of many.

use thiserror::Error;

use crate::{Code, Container, ContainerError, chance::chance};

/// Standard deviation between runs of one architecture, in percentage points: what the table of NAS-Bench-301 was made with.
const BETWEEN_RUNS: f64 = 0.112;

/// Normal noise: one number for each run, and one for each of its epochs, whose spread shrinks as training goes on.
#[derive(Clone, Debug, PartialEq)]
pub struct Noise {
    seed: u64,
    /// Shares of full training with the standard deviation there, in percentage points; ascending.
    spread: Vec<(f64, f64)>,
}

/// Why the noise of a table cannot be read.
#[derive(Debug, Error)]
pub enum NoiseError {
    /// The container lacks it.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// It is no function.
    #[error("noise_fraction must ascend from 0 to 1, with one number of noise_sd, 0 or more, for each")]
    NoFunction,
}

impl Noise {
    /// The noise that the header of a table describes (`noise_fraction`, `noise_sd`); another seed makes other runs.
    ///
    /// # Errors
    ///
    /// Where it describes none.
    pub fn read(container: &Container, seed: u64) -> Result<Self, NoiseError> {
        Self::of_function(seed, &container.numbers("noise_fraction")?, &container.numbers("noise_sd")?)
    }

    /// Noise whose spread is `spreads` at `shares` of full training.
    fn of_function(seed: u64, shares: &[f64], spreads: &[f64]) -> Result<Self, NoiseError> {
        let is_whole = shares.first() == Some(&0.0) && shares.last() == Some(&1.0) && shares.len() == spreads.len();
        if !is_whole || !shares.is_sorted_by(|a, b| a < b) || !spreads.iter().all(|spread| *spread >= 0.0) {
            return Err(NoiseError::NoFunction);
        }
        Ok(Self { seed, spread: shares.iter().copied().zip(spreads.iter().copied()).collect() })
    }

    /// From now on the noise of another seed.
    pub fn reseed(&mut self, seed: u64) {
        self.seed = seed;
    }

    /// The standard deviation between epochs after this share of full training, linear between what is known.
    pub fn spread(&self, share: f64) -> f64 {
        let at = self.spread.partition_point(|(known, _)| *known < share);
        match (self.spread.get(at.wrapping_sub(1)), self.spread.get(at)) {
            (Some((low, from)), Some((high, to))) => from + (to - from) * (share - low) / (high - low),
            (Some((_, end)), None) | (None, Some((_, end))) => *end,
            (None, None) => 0.0,
        }
    }

    /// What the run of this architecture adds after an epoch, which is this share of full training.
    pub fn of(&self, code: Code, epoch: u64, share: f64) -> f64 {
        let run = chance(self.seed, *b"noiserun", code.0, 0).normal();
        let moment = chance(self.seed, *b"noiseepo", code.0, epoch).normal();
        BETWEEN_RUNS * run + self.spread(share) * moment
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_is_linear_between_what_is_known() {
        let noise = Noise::of_function(0, &[0.0, 0.5, 1.0], &[3.0, 1.0, 0.0]).unwrap();
        let found = [-1.0, 0.0, 0.25, 0.5, 0.75, 1.0, 2.0].map(|share| noise.spread(share));
        let expected = [3.0, 3.0, 2.0, 1.0, 0.5, 0.0, 0.0];
        assert!(found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-12), "{found:?}");
    }

    #[test]
    fn what_is_no_function_is_refused() {
        let cases: [(&[f64], &[f64]); 6] = [
            (&[], &[]),
            (&[0.0, 0.9], &[1.0, 1.0]),
            (&[0.1, 1.0], &[1.0, 1.0]),
            (&[0.0, 0.5, 0.5, 1.0], &[1.0; 4]),
            (&[0.0, 1.0], &[1.0]),
            (&[0.0, 1.0], &[1.0, -1.0]),
        ];
        for (shares, spreads) in cases {
            assert!(matches!(Noise::of_function(0, shares, spreads), Err(NoiseError::NoFunction)), "{shares:?} {spreads:?}");
        }
    }
}
