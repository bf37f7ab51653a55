//! Checkpoints that survive any crash: a state file, and beside it a commit record with its digest, each written to a temporary
//! name, synced and renamed. What has no valid record does not exist.

mod disk;
mod fingerprint;
mod remove;
mod state;
mod store;

use std::path::PathBuf;

pub use nas_api::contract::checkpoint::{Progress, ReadDisk, Record};
use thiserror::Error;

pub use disk::Disk;
pub use fingerprint::fingerprint;
pub use remove::{Remove, RemoveError, remove};
pub use state::{capture, restore};
pub use store::{Loaded, Store};

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
