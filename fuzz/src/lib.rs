//! What fuzz targets begin from.

use std::{env, fs, path::PathBuf};

/// Writes inputs into the folder that `NAS_FUZZ_SEEDS` names; without it, nothing. A target does so before libFuzzer reads that folder.
///
/// # Panics
///
/// Where the folder cannot be written.
pub fn seeds<B: AsRef<[u8]>>(inputs: impl IntoIterator<Item = B>) {
    let Some(folder) = env::var_os("NAS_FUZZ_SEEDS").map(PathBuf::from) else { return };
    for (number, input) in inputs.into_iter().enumerate() {
        fs::write(folder.join(format!("seed-{number:03}")), input).expect("seeds can be written");
    }
}
