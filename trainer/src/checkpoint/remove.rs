//! `nas-trainer checkpoints remove`: takes away the checkpoints of trials that never go on. Their learning curves stay.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::Args;
use nas_api::contract::Exit;
use thiserror::Error;

use crate::sinks::CURVE;

/// Whose checkpoints to remove.
#[derive(Args)]
#[command(after_help = "Example:
  nas-trainer checkpoints remove --dir /checkpoints small-3 small-7

A trial without checkpoints is none to remove. Exit codes: 0 they are gone, 64 a name is a path, 75 a file cannot be removed.")]
pub struct Remove {
    /// Folder in which each trial has its own.
    #[arg(long)]
    dir: PathBuf,
    /// Names of trials, none of which is trained any more.
    #[arg(required = true, value_name = "TRIAL")]
    trials: Vec<String>,
}

/// Why checkpoints are still there.
#[derive(Debug, Error)]
pub enum RemoveError {
    /// A name that would lead out of the folder.
    #[error("{0:?} is no name of a trial: give the names of folders below --dir")]
    Name(String),
    /// The file system refuses.
    #[error("cannot remove {path}: {source}")]
    Storage {
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl RemoveError {
    /// The exit code of the contract.
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Name(_) => Exit::Usage,
            Self::Storage { .. } => Exit::Temporary,
        }
    }
}

/// Removes them, and returns what is to be printed.
///
/// A trainer may have left anything in its folder. Links are never followed: they could lead to another trial's.
///
/// # Errors
///
/// If a name is none, or something cannot be removed; what was removed before stays so.
pub fn remove(arguments: &Remove) -> Result<String, RemoveError> {
    if let Some(name) = arguments.trials.iter().find(|name| !is_name(name)) {
        return Err(RemoveError::Name(name.clone()));
    }
    let mut removed = 0;
    for trial in &arguments.trials {
        for process in folders(&arguments.dir.join(trial))? {
            removed += empty(&process)?;
        }
    }
    Ok(format!("removed {removed} files of {} trials", arguments.trials.len()))
}

fn is_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(std::path::Component::Normal(only)), None) if only == name)
}

/// The folders of a trial's processes.
fn folders(trial: &Path) -> Result<Vec<PathBuf>, RemoveError> {
    let mut folders = Vec::new();
    for path in if is_folder(trial)? { entries(trial)? } else { Vec::new() } {
        if is_folder(&path)? {
            folders.push(path);
        }
    }
    Ok(folders)
}

/// Removes all but the learning curve; returns how many entries.
fn empty(folder: &Path) -> Result<usize, RemoveError> {
    let mut removed = 0;
    for path in entries(folder)? {
        let is_folder = is_folder(&path)?;
        if !is_folder && path.file_name().is_some_and(|name| name == CURVE) {
            continue;
        }
        // Neither follows links.
        let gone = if is_folder { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        gone.map_err(storage(&path))?;
        removed += 1;
    }
    Ok(removed)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, RemoveError> {
    let entries = fs::read_dir(folder).map_err(storage(folder))?;
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(storage(folder))).collect()
}

/// Whether it is a folder, and no link to one; a path that is not there is none.
fn is_folder(path: &Path) -> Result<bool, RemoveError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(metadata.is_dir()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(storage(path)(error)),
    }
}

fn storage(path: &Path) -> impl FnOnce(io::Error) -> RemoveError {
    let path = path.to_owned();
    move |source| RemoveError::Storage { path, source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn files(folder: &Path) -> Vec<String> {
        let mut found = Vec::new();
        let mut left = vec![folder.to_owned()];
        while let Some(next) = left.pop() {
            for path in entries(&next).unwrap_or_default() {
                if path.is_dir() && !path.is_symlink() {
                    left.push(path);
                } else {
                    found.push(path.strip_prefix(folder).unwrap_or(&path).display().to_string());
                }
            }
        }
        found.sort();
        found
    }

    fn put(root: &Path, path: &str) -> io::Result<()> {
        let path = root.join(path);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(path, "x")
    }

    #[test]
    fn checkpoints_go_and_curves_stay() -> Result<(), Box<dyn std::error::Error>> {
        let root = tempfile::tempdir()?;
        for path in [
            "e-1/a0-p/step-1.state",
            "e-1/a0-p/curve.jsonl",
            "e-1/a1-q/step-2.json",
            "e-1/trainer.log",
            "e-1/a0-p/deep/file",
            "e-2/a0-p/step-1.state",
        ] {
            put(root.path(), path)?;
        }
        let arguments =
            |trials: &[&str]| Remove { dir: root.path().to_owned(), trials: trials.iter().map(ToString::to_string).collect() };
        remove(&arguments(&["e-1", "e-9"]))?;
        assert_eq!(files(root.path()), ["e-1/a0-p/curve.jsonl", "e-1/trainer.log", "e-2/a0-p/step-1.state"]);
        // Again: there is nothing left to do.
        assert_eq!(remove(&arguments(&["e-1"]))?, "removed 0 files of 1 trials");
        for name in ["..", ".", "", "/etc", "e-2/a0-p", "../e-2", "e-2/"] {
            let refused = remove(&arguments(&["e-2", name]));
            assert!(matches!(&refused, Err(RemoveError::Name(bad)) if bad == name), "{name:?}: {refused:?}");
        }
        assert_eq!(files(root.path()), ["e-1/a0-p/curve.jsonl", "e-1/trainer.log", "e-2/a0-p/step-1.state"]);
        Ok(())
    }

    #[test]
    fn a_link_that_a_trainer_left_leads_nowhere() -> Result<(), Box<dyn std::error::Error>> {
        let root = tempfile::tempdir()?;
        put(root.path(), "e-2/a0-p/step-1.state")?;
        put(root.path(), "e-1/a0-p/step-1.state")?;
        symlink(root.path().join("e-2/a0-p"), root.path().join("e-1/a1-q"))?;
        symlink(root.path().join("e-2/a0-p"), root.path().join("e-1/a0-p/more"))?;
        symlink(root.path().join("e-2"), root.path().join("e-3"))?;
        remove(&Remove { dir: root.path().to_owned(), trials: vec!["e-1".to_owned(), "e-3".to_owned()] })?;
        assert_eq!(files(root.path()), ["e-1/a1-q", "e-2/a0-p/step-1.state", "e-3"]);
        Ok(())
    }
}
