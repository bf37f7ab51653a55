//! Digests: of a configuration, and of what came out.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::{Additional, Assignment, Outcome, Recorded};

/// 128 bits that are the same for equal assignments; that two others of a search share them is as likely as that a machine errs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key(u64, u64);

impl Key {
    pub(crate) fn of(assignment: &Assignment) -> Self {
        let digest = |salt: u64| {
            let mut hasher = DefaultHasher::new();
            salt.hash(&mut hasher);
            for (name, value) in assignment {
                name.hash(&mut hasher);
                value.hash(&mut hasher);
            }
            hasher.finish()
        };
        Self(digest(0), digest(1))
    }
}

/// One recorded outcome as 64 bits; sums of these do not depend on order, and differ where any entry does.
pub(crate) fn hash_of(trial: u64, recorded: &Recorded) -> u64 {
    let (tag, bits) = match recorded.outcome {
        Outcome::Value(value) => (0, value.to_bits()),
        Outcome::Diverged => (1, 0),
        Outcome::Infeasible => (2, 0),
        Outcome::OutOfMemory => (3, 0),
        Outcome::Failed => (4, 0),
        Outcome::Misconfigured => (5, 0),
        Outcome::Cancelled => (6, 0),
    };
    let measured = recorded.additional != Additional::default();
    let additional = recorded.additional.0.into_iter().filter(|_| measured).map(f64::to_bits);
    [trial, recorded.rung as u64, tag, bits, recorded.seq].into_iter().chain(additional).fold(0, |state, word| mix(state ^ word))
}

/// The finaliser of `SplitMix64` (Steele et al. 2014).
fn mix(word: u64) -> u64 {
    let z = word.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scalar;

    #[test]
    fn words_are_mixed_as_splitmix64_mixes_them() {
        // The first number that the published generator draws from this seed.
        assert_eq!(mix(1_234_567), 6_457_827_717_110_365_317);
    }

    /// Records keep digests: one that is written today is compared tomorrow. The numbers are from another implementation (Python).
    #[test]
    fn digests_of_outcomes_stay_what_they_are() {
        let digest = |outcome| hash_of(7, &Recorded::new(2, outcome, 9));
        for (outcome, expected) in [
            (Outcome::Value(0.5), 0xdc0e_767b_1980_78e4),
            (Outcome::Diverged, 0x4093_5940_33b7_65fe),
            (Outcome::Infeasible, 0x92ae_dd7d_ea35_617c),
            (Outcome::OutOfMemory, 0x279c_ca95_1c3e_c1fc),
            (Outcome::Failed, 0x3e18_6ff2_7c16_5808),
            (Outcome::Misconfigured, 0x8848_5c49_968d_0a02),
            (Outcome::Cancelled, 0x862c_8259_a698_ee97),
        ] {
            assert_eq!(digest(outcome), expected, "{outcome:?}");
        }
    }

    #[test]
    fn only_equal_assignments_share_a_key() {
        const EXACT: i64 = 1 << 53;
        let texts = ["1", "2"].map(Scalar::from);
        let whole = [0, 1, 2, EXACT - 1, EXACT, i64::MAX].map(Scalar::from);
        let floats = [0.0, -0.0, 0.5, 1.0, 9_007_199_254_740_991.0, 9_007_199_254_740_992.0, 1e300].map(Scalar::from);
        let values = [true.into(), false.into()].into_iter().chain(texts).chain(whole).chain(floats);
        let all: Vec<Assignment> =
            values.flat_map(|value: Scalar| ["a", "b"].map(|name| Assignment::from([(name.into(), value.clone())]))).collect();
        for (one, other) in all.iter().flat_map(|one| all.iter().map(move |other| (one, other))) {
            assert_eq!(Key::of(one) == Key::of(other), one == other, "{one:?}, {other:?}");
        }
        let Key(first, second) = Key::of(&all[0]);
        assert_ne!(first, second, "64 bits twice are no 128");
    }
}
