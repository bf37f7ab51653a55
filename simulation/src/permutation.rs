//! The permutations of `NumPy`: `numpy.random.default_rng(seed).permutation(n)`.
//!
//! Comparisons of methods in Python give each of them the same configurations in this order; a simulation that does so, too, can be
//! compared with them seed by seed. The generator is PCG64 (O'Neill 2014, XSL-RR output over 128 bits of state), seeded through `NumPy`'s
//! `SeedSequence` (NEP 19); the shuffle is that of Fisher and Yates, from the end.

/// The numbers `0..n` in the order of `numpy.random.default_rng(seed).permutation(n)`.
pub fn permutation(seed: u64, n: u32) -> Vec<u32> {
    let mut generator = Pcg64::new(seed);
    let mut order: Vec<u32> = (0..n).collect();
    for last in (1..n).rev() {
        let other = generator.up_to(last);
        order.swap(last as usize, other as usize);
    }
    order
}

struct Pcg64 {
    state: u128,
    increment: u128,
    /// The upper half of a word whose lower half was taken.
    half: Option<u32>,
}

impl Pcg64 {
    const MULTIPLIER: u128 = 0x2360_ED05_1FC6_5DA4_4385_DF64_9FCC_F645;

    fn new(seed: u64) -> Self {
        let [state_high, state_low, stream_high, stream_low] = seed_words(seed);
        let wide = |high, low| u128::from(high) << 64 | u128::from(low);
        let mut generator = Self { state: 0, increment: wide(stream_high, stream_low) << 1 | 1, half: None };
        generator.step();
        generator.state = generator.state.wrapping_add(wide(state_high, state_low));
        generator.step();
        generator
    }

    fn step(&mut self) {
        self.state = self.state.wrapping_mul(Self::MULTIPLIER).wrapping_add(self.increment);
    }

    #[expect(clippy::cast_possible_truncation, reason = "the halves of the state, and its upper six bits")]
    fn next(&mut self) -> u64 {
        self.step();
        let folded = (self.state >> 64) as u64 ^ self.state as u64;
        folded.rotate_right((self.state >> 122) as u32)
    }

    /// 32 bits: the lower half of a word, then its upper half.
    #[expect(clippy::cast_possible_truncation, reason = "the halves of a word")]
    fn next_half(&mut self) -> u32 {
        if let Some(half) = self.half.take() {
            return half;
        }
        let word = self.next();
        self.half = Some((word >> 32) as u32);
        word as u32
    }

    /// A number in `0..=last`: the first that is not larger, of as many bits as it takes.
    fn up_to(&mut self, last: u32) -> u32 {
        let mask = u32::MAX >> last.leading_zeros();
        loop {
            let number = self.next_half() & mask;
            if number <= last {
                return number;
            }
        }
    }
}

/// The first four words that `SeedSequence(seed)` generates.
fn seed_words(seed: u64) -> [u64; 4] {
    let pool = seed_pool(seed);
    let mut hash: u32 = 0x8B51_F9DD;
    let mut halves = pool.iter().cycle().map(|word| {
        let mixed = word ^ hash;
        hash = hash.wrapping_mul(0x58F3_8DED);
        let mixed = mixed.wrapping_mul(hash);
        u64::from(mixed ^ mixed >> 16)
    });
    // The pool goes round for ever.
    let mut half = || halves.next().unwrap_or_default();
    std::array::from_fn(|_| half() | half() << 32)
}

/// The entropy pool of `SeedSequence(seed)`.
fn seed_pool(seed: u64) -> [u32; 4] {
    let mut hash: u32 = 0x43B0_D7E5;
    let mut hashed = |word: u32| {
        let mixed = word ^ hash;
        hash = hash.wrapping_mul(0x931E_8875);
        let mixed = mixed.wrapping_mul(hash);
        mixed ^ mixed >> 16
    };
    #[expect(clippy::cast_possible_truncation, reason = "the halves of the seed")]
    let mut pool = [seed as u32, (seed >> 32) as u32, 0, 0].map(&mut hashed);
    for from in 0..pool.len() {
        for to in (0..pool.len()).filter(|to| *to != from) {
            let mixed = pool[to].wrapping_mul(0xCA01_F9DD).wrapping_sub(hashed(pool[from]).wrapping_mul(0x4973_F715));
            pool[to] = mixed ^ mixed >> 16;
        }
    }
    pool
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All vectors of this module were printed by `NumPy` 2.4.6.
    #[test]
    fn small_permutations_are_those_of_numpy() {
        assert_eq!(permutation(0, 10), [4, 6, 2, 7, 3, 5, 9, 0, 8, 1]);
        assert_eq!(permutation(1, 10), [8, 4, 7, 0, 1, 2, 5, 9, 6, 3]);
        assert_eq!(permutation(42, 10), [5, 6, 0, 7, 3, 2, 4, 9, 1, 8]);
        assert_eq!(permutation(3, 1), [0]);
        assert!(permutation(3, 0).is_empty());
    }

    #[test]
    fn large_permutations_are_those_of_numpy() {
        // A polynomial over all positions stands for the whole.
        let digest = |order: &[u32]| {
            let next = |hash: u64, item: &u32| hash.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(u64::from(*item) + 1);
            order.iter().fold(0, next)
        };
        let order = permutation(0, 20_000);
        assert_eq!(order[..8], [11639, 8499, 13899, 5987, 1682, 13954, 10760, 2580]);
        assert_eq!(digest(&order), 12_217_730_478_441_828_328);
        assert_eq!(digest(&permutation(29, 30_001)), 3_448_882_752_548_401_281);
        // A seed of more than 32 bits.
        assert_eq!(digest(&permutation((1 << 40) + 5, 1000)), 5_514_985_380_180_594_468);
    }

    #[test]
    fn the_generator_is_pcg64() {
        let mut generator = Pcg64::new(0);
        let words: [u64; 4] = std::array::from_fn(|_| generator.next());
        let expected = [11_749_869_230_777_074_271, 4_976_686_463_289_251_617, 755_828_109_848_996_024, 304_881_062_738_325_533];
        assert_eq!(words, expected);
    }
}
