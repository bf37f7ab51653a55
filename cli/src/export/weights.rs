//! The weights of a trial: its newest checkpoint, without what only training needs.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use kube::ResourceExt;
use nas_api::{
    contract::checkpoint::{self, Checkpoint, CheckpointError, Files, INPUT, MOMENTUM, REFERENCE, Record},
    objects::NasTrial,
};
use safetensors::{SafeTensorError, SafeTensors, serialize};
use thiserror::Error;

use super::model::Input;

/// What was found of a trial's training.
pub(super) struct Trained {
    /// The weights, as a safetensors file.
    pub(super) weights: Vec<u8>,
    /// A few images and what the network says of them, as another; `None`: a trainer wrote the checkpoint that keeps none.
    pub(super) reference: Option<Vec<u8>>,
    /// After how many batches.
    pub(super) batches: u64,
    /// How its images were scaled.
    pub(super) input: Input,
}

/// Why there are no weights.
#[derive(Debug, Error)]
pub(crate) enum WeightsError {
    /// The folder of the trial is not there, or holds no checkpoint.
    #[error(
        "trial {trial} has no checkpoint in {folder}: those of trials that are not among the best were removed (spec.retention); use --without-weights, \
         or train it anew with the experiment.yaml of that export"
    )]
    None {
        /// Its number.
        trial: u64,
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// No checkpoint is what was written.
    #[error("{path} is damaged ({reason}), and there is no older one: restore it, or use --without-weights")]
    Damaged {
        /// One of their records.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The tensors are not what the trainer writes.
    #[error("the tensors of {path} cannot be read ({source}): use --without-weights")]
    Tensors {
        /// The file.
        path: PathBuf,
        /// What is wrong with them.
        source: SafeTensorError,
    },
    /// A folder cannot be read, or holds another trial's.
    #[error("{0}: name the right folder, or use --without-weights")]
    Unreadable(#[from] CheckpointError),
}

/// The newest checkpoint below the folder of a trial from which its trainer would go on. Newer ones that are damaged are told of.
pub(super) fn newest(folder: &Path, trial: &NasTrial) -> Result<Trained, WeightsError> {
    let uid = trial.uid();
    let is_own = |record: &Record| uid.as_ref().is_none_or(|uid| record.trial_uid == *uid);
    let mut damaged = Vec::new();
    let found = checkpoint::newest(&Files, folder, is_own, |path, reason| damaged.push((path.to_owned(), reason)))?;
    let Some(Checkpoint { folder, record, state }) = found else {
        let none = WeightsError::None { trial: trial.number(), folder: folder.to_owned() };
        return Err(damaged.into_iter().next().map_or(none, |(path, reason)| WeightsError::Damaged { path, reason }));
    };
    for (path, reason) in damaged {
        eprintln!("warning: passing over the checkpoint {}: {reason}", path.display());
    }
    let unreadable = |source| WeightsError::Tensors { path: folder.join(&record.file), source };
    let (weights, reference) = parts(&state).map_err(unreadable)?;
    Ok(Trained { weights, reference, batches: record.progress.batches, input: input(&folder.join(INPUT)) })
}

/// How the images of a training were scaled. A trainer of one's own may say nothing of that; what says it and cannot be read is told of.
fn input(path: &Path) -> Input {
    let read = match fs::read(path) {
        Ok(text) => serde_json::from_slice(&text).map_err(|error| error.to_string()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Input::default()),
        Err(error) => Err(error.to_string()),
    };
    read.unwrap_or_else(|reason| {
        eprintln!("warning: {} cannot be read ({reason}): set MEAN and STD in model.py", path.display());
        Input::default()
    })
}

/// The weights of a checkpoint, and its images with what the network says of them.
fn parts(bytes: &[u8]) -> Result<(Vec<u8>, Option<Vec<u8>>), SafeTensorError> {
    let all = SafeTensors::deserialize(bytes)?;
    let (reference, others): (Vec<_>, Vec<_>) = all.iter().partition(|(name, _)| name.starts_with(REFERENCE));
    let weights: Vec<_> = others.into_iter().filter(|(name, _)| !name.starts_with(MOMENTUM)).collect();
    let reference: Vec<_> = reference.into_iter().map(|(name, tensor)| (&name[REFERENCE.len()..], tensor)).collect();
    let reference = if reference.is_empty() { None } else { Some(serialize(reference, None)?) };
    Ok((serialize(weights, None)?, reference))
}
