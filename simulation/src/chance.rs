//! Chance as a function: every random number is named by what it is for and about.

use nas_search::{Assignment, RandomStream};

/// A configuration as a subject: FNV-1a over 128 bits.
pub(crate) fn digest(assignment: &Assignment) -> [u8; 16] {
    let fold = |hash: u128, byte: u8| (hash ^ u128::from(byte)).wrapping_mul(0x0100_0000_0000_0000_0000_013B);
    format!("{assignment:?}").bytes().fold(0x6C62_272E_07BB_0142_62B8_2175_6295_C58D, fold).to_le_bytes()
}

/// The numbers of `purpose` for one subject (an architecture, a trial) and one of its moments (an epoch, an attempt).
pub(crate) fn chance(seed: u64, purpose: [u8; 8], subject: [u8; 16], moment: u64) -> RandomStream {
    let mut name = [0; 24];
    name[..8].copy_from_slice(&purpose);
    name[8..].copy_from_slice(&subject);
    RandomStream::named(seed, name, moment)
}
