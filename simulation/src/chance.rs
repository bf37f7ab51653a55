//! Chance as a function: every random number is named by what it is for.

use nas_search::Assignment;
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

/// A configuration as a subject: FNV-1a over 128 bits.
pub(crate) fn digest(assignment: &Assignment) -> [u8; 16] {
    let fold = |hash: u128, byte: u8| (hash ^ u128::from(byte)).wrapping_mul(0x0100_0000_0000_0000_0000_013B);
    format!("{assignment:?}").bytes().fold(0x6C62_272E_07BB_0142_62B8_2175_6295_C58D, fold).to_le_bytes()
}

/// Random numbers of one purpose.
pub(crate) struct Chance(ChaCha8Rng);

impl Chance {
    /// The numbers of `purpose` for one subject (an architecture, a trial) and one of its moments (an epoch, an attempt).
    pub(crate) fn of(seed: u64, purpose: [u8; 8], subject: [u8; 16], moment: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&purpose);
        key[16..].copy_from_slice(&subject);
        let mut generator = ChaCha8Rng::from_seed(key);
        generator.set_stream(moment);
        Self(generator)
    }

    /// Evenly in `[0, 1)`.
    pub(crate) fn uniform(&mut self) -> f64 {
        const UNIT: f64 = 1.0 / 9_007_199_254_740_992.0;
        #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
        let word = (self.0.next_u64() >> 11) as f64;
        word * UNIT
    }

    /// A whole number in `0..count`.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a small number"
        )]
        let below = (self.uniform() * count as f64) as usize;
        below
    }

    /// From N(0, 1), by the method of Box and Muller.
    pub(crate) fn normal(&mut self) -> f64 {
        // 1 - u is in (0, 1], whose logarithm is finite.
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.uniform()));
        radius * libm::cos(std::f64::consts::TAU * self.uniform())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_of_a_name_makes_other_numbers() {
        let first =
            |seed, purpose: &[u8; 8], subject, moment| Chance::of(seed, *purpose, [subject; 16], moment).uniform().to_bits();
        let base = first(1, b"a noise.", 2, 3);
        assert_eq!(base, first(1, b"a noise.", 2, 3));
        for other in
            [first(2, b"a noise.", 2, 3), first(1, b"b noise.", 2, 3), first(1, b"a noise.", 1, 3), first(1, b"a noise.", 2, 4)]
        {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn normal_numbers_have_mean_0_and_variance_1() {
        let mut chance = Chance::of(0, *b"testing.", [0; 16], 0);
        let numbers: Vec<f64> = (0..20_000).map(|_| chance.normal()).collect();
        let mean = numbers.iter().sum::<f64>() / 20_000.0;
        let variance = numbers.iter().map(|number| number * number).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
    }
}
