//! Randomness as a function: every random number is named by what it is for, so that nothing has the state of a generator to keep, and the same
//! names draw the same numbers on every machine.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

/// The endless stream of random numbers of one name. `ChaCha8` is named, portable and seekable: number `i` of stream `n` costs the same as number 0.
pub struct RandomStream(ChaCha8Rng);

/// Room for the parameters of one draw: 2^20 words of 32 bits.
const WORDS_PER_RETRY: u32 = 20;

impl RandomStream {
    /// The beginning of stream `index` of those that `seed` and `name` have: a purpose, and what it is about.
    pub fn named<const N: usize>(seed: u64, name: [u8; N], index: u64) -> Self {
        const { assert!(N <= 24, "a key has 32 bytes, of which the seed takes 8") };
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..8 + N].copy_from_slice(&name);
        let mut generator = ChaCha8Rng::from_seed(key);
        generator.set_stream(index);
        Self(generator)
    }

    /// Of draw `(seed, trial, retry)`.
    pub(crate) fn of_draw(seed: u64, trial: u64, retry: u32) -> Self {
        let mut stream = Self::named(seed, *b"draw", trial);
        stream.0.set_word_pos(u128::from(retry) << WORDS_PER_RETRY);
        stream
    }

    /// Of a sampler that learns, for its proposal of a trial.
    pub(crate) fn of_proposal(seed: u64, trial: u64) -> Self {
        Self::named(seed, *b"prop", trial)
    }

    /// Of a mixture of several objectives.
    pub(crate) fn of_weights(seed: u64, which: u64) -> Self {
        Self::named(seed, *b"goal", which)
    }

    /// For whatever else trial `trial` needs.
    fn of_trial(seed: u64, trial: u64) -> Self {
        Self::named(seed, *b"seed", trial)
    }

    /// 64 random bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// A number in `[0, 1)` with 53 random bits.
    pub fn unit(&mut self) -> f64 {
        unit(self.next())
    }

    /// A whole number in `0..count`; 0 where that is empty.
    pub fn below(&mut self, count: usize) -> usize {
        below(self.next(), count as u64)
    }

    /// A number of N(0, 1) (Box and Muller 1958, of which the second is thrown away).
    pub fn normal(&mut self) -> f64 {
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
    RandomStream::of_trial(seed, trial).next() >> 33
}

/// The seed of the confirmation of a search with this seed: its trials train with other seeds than those of the search.
pub(crate) fn confirmation_seed(seed: u64) -> u64 {
    RandomStream::named(seed, *b"conf", 0).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pinned: a change here changes every search of every user.
    #[test]
    fn the_generator_is_pinned() {
        let first = |seed, trial, retry| RandomStream::of_draw(seed, trial, retry).next();
        assert_eq!(first(42, 0, 0), 212_642_802_584_967_706);
        assert_eq!(first(42, 1, 0), 5_871_033_874_400_924_994);
        assert_eq!(first(42, 0, 1), 7_631_402_166_222_821_015);
        assert_eq!(first(43, 0, 0), 11_069_024_153_438_905_376);
        assert_eq!([trial_seed(42, 0), trial_seed(42, 1)], [728_019_410, 1_222_604_145]);
        assert_eq!(confirmation_seed(42), 17_683_481_994_082_314_675);
    }

    #[test]
    fn each_part_of_a_name_makes_other_numbers() {
        let first = |seed, name, index| RandomStream::named(seed, name, index).next();
        let base = first(1, *b"a name", 2);
        assert_eq!(base, first(1, *b"a name", 2));
        for other in [first(2, *b"a name", 2), first(1, *b"b name", 2), first(1, *b"a namf", 2), first(1, *b"a name", 3)] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn normal_numbers_have_mean_0_and_variance_1() {
        let mut stream = RandomStream::named(0, *b"testing.", 0);
        let numbers: Vec<f64> = (0..20_000).map(|_| stream.normal()).collect();
        let mean = numbers.iter().sum::<f64>() / 20_000.0;
        let variance = numbers.iter().map(|number| number * number).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
    }
}
