//! Digests: of a configuration, and of what came out.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::{Additional, Assignment, Outcome, Recorded, Scalar};

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
                match value {
                    Scalar::Bool(value) => (0_u8, value).hash(&mut hasher),
                    Scalar::Int(value) => (1_u8, value).hash(&mut hasher),
                    Scalar::Float(value) => (2_u8, value.to_bits()).hash(&mut hasher),
                    Scalar::Text(value) => (3_u8, value).hash(&mut hasher),
                }
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
