//! Randomness as a function: every random number of a search is named by what it is for.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

/// Words of one purpose. `ChaCha8` is named, portable and seekable: word `i` of stream `n` costs the same as word 0.
pub(crate) struct Words(ChaCha8Rng);

/// Room for the parameters of one draw: 2^20 words of 32 bits.
const WORDS_PER_RETRY: u32 = 20;

impl Words {
    /// The words of draw `(seed, trial, retry)`.
    pub(crate) fn of_draw(seed: u64, trial: u64, retry: u32) -> Self {
        let mut words = Self::keyed(seed, *b"draw", trial);
        words.0.set_word_pos(u128::from(retry) << WORDS_PER_RETRY);
        words
    }

    /// The words of a sampler that learns, for its proposal of a trial.
    pub(crate) fn of_proposal(seed: u64, trial: u64) -> Self {
        Self::keyed(seed, *b"prop", trial)
    }

    /// The words of a mixture of several objectives.
    pub(crate) fn of_weights(seed: u64, which: u64) -> Self {
        Self::keyed(seed, *b"goal", which)
    }

    /// The words for whatever else trial `trial` needs.
    fn of_trial(seed: u64, trial: u64) -> Self {
        Self::keyed(seed, *b"seed", trial)
    }

    fn keyed(seed: u64, purpose: [u8; 4], stream: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..12].copy_from_slice(&purpose);
        let mut generator = ChaCha8Rng::from_seed(key);
        generator.set_stream(stream);
        Self(generator)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number in `[0, 1)` with 53 random bits.
    pub(crate) fn unit(&mut self) -> f64 {
        unit(self.next())
    }

    /// A whole number in `0..count`; 0 where that is empty.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        below(self.next(), count as u64)
    }

    /// A normal number (Box and Muller 1958, of which the second is thrown away).
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.unit()));
        radius * libm::cos(std::f64::consts::TAU * self.unit())
    }
}

/// A whole number in `0..count`, by multiplication (Lemire 2019); its bias is below 2^-50 for the ranges that occur.
pub(crate) fn below(word: u64, count: u64) -> usize {
    usize::try_from((u128::from(word) * u128::from(count)) >> 64).unwrap_or(usize::MAX)
}

/// A number in `[0, 1)` with 53 random bits.
pub(crate) fn unit(word: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
    let bits = (word >> 11) as f64;
    bits / 9_007_199_254_740_992.0
}

/// The seed that trial `trial` trains with: 31 bits, so that it is a plain number in every language.
pub(crate) fn trial_seed(seed: u64, trial: u64) -> u64 {
    Words::of_trial(seed, trial).next() >> 33
}

/// The seed of the confirmation of a search with this seed: its trials train with other seeds than those of the search.
pub(crate) fn confirmation_seed(seed: u64) -> u64 {
    Words::keyed(seed, *b"conf", 0).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pinned: a change here changes every search of every user.
    #[test]
    fn the_generator_is_pinned() {
        let first = |seed, trial, retry| Words::of_draw(seed, trial, retry).next();
        assert_eq!(first(42, 0, 0), 212_642_802_584_967_706);
        assert_eq!(first(42, 1, 0), 5_871_033_874_400_924_994);
        assert_eq!(first(42, 0, 1), 7_631_402_166_222_821_015);
        assert_eq!(first(43, 0, 0), 11_069_024_153_438_905_376);
        assert_eq!([trial_seed(42, 0), trial_seed(42, 1)], [728_019_410, 1_222_604_145]);
        assert_eq!(confirmation_seed(42), 17_683_481_994_082_314_675);
    }
}
