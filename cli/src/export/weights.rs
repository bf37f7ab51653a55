//! The weights of a trial: its newest checkpoint, without what only training needs.

use std::{
    fs,
    path::{Path, PathBuf},
};

use nas_api::{
    contract::{MOMENTUM, REFERENCE},
    objects::NasTrial,
};
use safetensors::{SafeTensorError, SafeTensors, serialize};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::model::Input;

/// A checkpoint's record, as far as it matters here: see the trainer's `checkpoint`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    file: String,
    sha256: String,
    progress: Progress,
}

#[derive(Deserialize)]
struct Progress {
    batches: u64,
}

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
    /// The newest checkpoint is not what was written.
    #[error("{path} is damaged ({reason}): restore it, or use --without-weights")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// The newest checkpoint below the folder of a trial, that of the highest attempt where several are as new.
pub(super) fn newest(folder: &Path, trial: &NasTrial) -> Result<Trained, WeightsError> {
    let entries =
        |folder: &Path| fs::read_dir(folder).map(|all| all.flatten().map(|entry| entry.path()).collect()).unwrap_or_default();
    let attempts: Vec<PathBuf> = entries(folder);
    let records = attempts.iter().flat_map(|attempt| -> Vec<PathBuf> { entries(attempt) }).filter_map(|path| {
        let name = path.file_name()?.to_str()?;
        let is_record = name.starts_with("step-") && path.extension().is_some_and(|extension| extension == "json");
        let record: Record = serde_json::from_slice(&fs::read(&path).ok().filter(|_| is_record)?).ok()?;
        Some((record.progress.batches, attempt_of(&path), path.with_file_name(&record.file), record.sha256))
    });
    let newest = records.max_by(|one, other| (one.0, one.1).cmp(&(other.0, other.1)));
    let Some((batches, _, path, sha256)) = newest else {
        return Err(WeightsError::None { trial: trial.number(), folder: folder.to_owned() });
    };
    let damaged = |reason: String| WeightsError::Damaged { path: path.clone(), reason };
    let bytes = fs::read(&path).map_err(|error| damaged(error.to_string()))?;
    if format!("{:x}", Sha256::digest(&bytes)) != sha256 {
        return Err(damaged("its SHA-256 is not the recorded one".to_owned()));
    }
    let (weights, reference) = parts(&bytes).map_err(|error| damaged(error.to_string()))?;
    let input = fs::read(path.with_file_name("input.json")).ok().and_then(|text| serde_json::from_slice(&text).ok());
    Ok(Trained { weights, reference, batches, input: input.unwrap_or_default() })
}

/// The attempt in the name of a checkpoint's folder: a3-….
fn attempt_of(path: &Path) -> Option<u64> {
    path.parent()?.file_name()?.to_str()?.strip_prefix('a')?.split('-').next()?.parse().ok()
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
