//! `nas-trainer checkpoints remove`: takes away the checkpoints of trials that never go on. Their learning curves stay.

use std::path::{Path, PathBuf};

use clap::Args;
use nas_api::contract::{Exit, NotRemoved, remove_checkpoints};
use thiserror::Error;

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
    #[error(transparent)]
    Storage(#[from] NotRemoved),
}

impl RemoveError {
    /// The exit code of the contract.
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Name(_) => Exit::Usage,
            Self::Storage(_) => Exit::Temporary,
        }
    }
}

/// Removes them, and returns what is to be printed.
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
        removed += remove_checkpoints(&arguments.dir.join(trial))?;
    }
    Ok(format!("removed {removed} files of {} trials", arguments.trials.len()))
}

fn is_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(std::path::Component::Normal(only)), None) if only == name)
}

#[cfg(test)]
mod tests {
    use std::{fs, io, os::unix::fs::symlink};

    use super::*;

    fn files(folder: &Path) -> Vec<String> {
        let mut found = Vec::new();
        let mut left = vec![folder.to_owned()];
        while let Some(next) = left.pop() {
            for path in fs::read_dir(next).into_iter().flatten().flatten().map(|entry| entry.path()) {
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
