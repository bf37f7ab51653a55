//! Experiment files.

use std::{fs, path::Path};

use nas_api::{SourceFile, read_experiment};

use crate::failure::Failure;

/// Reads and validates an experiment file.
pub(crate) fn read(path: &Path) -> Result<SourceFile, Failure> {
    let text = fs::read_to_string(path).map_err(Failure::io(path))?;
    read_experiment(&text).map_err(|problems| Failure::Invalid { path: path.to_owned(), problems })
}
