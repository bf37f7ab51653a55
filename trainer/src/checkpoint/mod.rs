//! Checkpoints that survive any crash: a state file, and beside it a commit record with its digest, each written to a temporary
//! name, synced and renamed. What has no valid record does not exist.

mod disk;
mod fingerprint;
mod remove;
mod state;
mod store;

use std::path::PathBuf;

use nas_api::contract::{CurvePoint, RungResult};
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use disk::{Disk, Files};
pub use fingerprint::fingerprint;
pub use remove::{Remove, RemoveError, remove};
pub use state::{capture, restore};
pub(crate) use store::digest;
pub use store::{Loaded, Store};

/// The commit record: everything about a checkpoint but the tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The trial's unique id.
    pub trial_uid: String,
    /// What the tensors belong to: see [`fingerprint()`].
    pub fingerprint: String,
    /// Name of the state file in the same folder.
    pub file: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal digits.
    pub sha256: String,
    /// Where the training stands.
    pub progress: Progress,
}

/// Where a training stands, without the tensors.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// Batches trained.
    pub batches: u64,
    /// The number of the last report.
    pub seq: u64,
    /// Highest accuracy so far.
    pub best_accuracy: Option<f64>,
    /// After how many batches it was first reached; the checkpoint of these batches is the best one.
    pub best_batches: Option<u64>,
    /// Results of the rungs reached.
    pub results: Vec<RungResult>,
    /// Every evaluation so far.
    pub curve: Vec<CurvePoint>,
}

/// The newest checkpoint was written by another configuration.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "the checkpoint {path} belongs to another configuration or data set (fingerprint {found}, this trial has {own}): \
     give every trial a checkpoint folder of its own"
)]
pub struct Foreign {
    /// The commit record.
    pub path: PathBuf,
    /// What it was written for.
    pub found: String,
    /// What this trial is.
    pub own: String,
}
