//! The end of a trial's checkpoints. The only code of this crate that removes files; it never follows a link.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use thiserror::Error;

use super::checkpoint::CURVE;

/// A file of a trial that cannot be removed.
#[derive(Debug, Error)]
#[error("cannot remove {path}: {source}")]
pub struct NotRemoved {
    /// What.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// Removes what the processes of a trial have left in their folders, except for their learning curves; files beside these folders stay, too.
/// Returns how many entries that were. A trial without a folder has none.
///
/// A trainer may have left anything there. Links are never followed: they could lead to another trial's.
///
/// # Errors
///
/// If something cannot be removed; what was removed before stays so.
pub fn remove_checkpoints(trial: &Path) -> Result<usize, NotRemoved> {
    let mut removed = 0;
    for path in if is_folder(trial)? { entries(trial)? } else { Vec::new() } {
        if is_folder(&path)? {
            removed += empty(&path)?;
        }
    }
    Ok(removed)
}

/// Removes all but the learning curve; returns how many entries.
fn empty(folder: &Path) -> Result<usize, NotRemoved> {
    let mut removed = 0;
    for path in entries(folder)? {
        let is_folder = is_folder(&path)?;
        if !is_folder && path.file_name().is_some_and(|name| name == CURVE) {
            continue;
        }
        // Neither follows links.
        let gone = if is_folder { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        gone.map_err(not_removed(&path))?;
        removed += 1;
    }
    Ok(removed)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, NotRemoved> {
    let entries = fs::read_dir(folder).map_err(not_removed(folder))?;
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(not_removed(folder))).collect()
}

/// Whether it is a folder, and no link to one; a path that is not there is none.
fn is_folder(path: &Path) -> Result<bool, NotRemoved> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(metadata.is_dir()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(not_removed(path)(error)),
    }
}

fn not_removed(path: &Path) -> impl FnOnce(io::Error) -> NotRemoved {
    let path = path.to_owned();
    move |source| NotRemoved { path, source }
}
