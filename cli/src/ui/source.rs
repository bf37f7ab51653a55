//! Where a search is read from, and how it is seen that it has changed.

use std::{fs, path::PathBuf, time::SystemTime};

use super::mirror::Mirror;
use crate::{
    failure::Failure,
    records::{Place, Records, Target},
    run::JOURNAL_FILE,
};

/// A search that may go on.
pub(super) enum Source {
    /// A run's folder.
    Folder(PathBuf),
    /// An experiment on a cluster.
    Cluster(Mirror),
}

/// Equal where nothing has changed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// A journal only grows.
    Journal { bytes: u64, modified: Option<SystemTime> },
    /// Changes that were seen.
    Changes(u64),
}

impl Source {
    pub(super) async fn open(target: &Target) -> Result<Self, Failure> {
        Ok(match target.place() {
            Place::Folder(folder) => Self::Folder(folder),
            Place::Cluster(name) => Self::Cluster(Mirror::open(&name, target).await?),
        })
    }

    pub(super) async fn mark(&self) -> Result<Mark, Failure> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(JOURNAL_FILE);
                let about = fs::metadata(&path).map_err(Failure::io(&path))?;
                Ok(Mark::Journal { bytes: about.len(), modified: about.modified().ok() })
            }
            Self::Cluster(mirror) => mirror.changes().await.map(Mark::Changes),
        }
    }

    pub(super) async fn records(&self) -> Result<Records, Failure> {
        match self {
            Self::Folder(folder) => tokio::task::block_in_place(|| Records::of_folder(folder)),
            Self::Cluster(mirror) => mirror.records().await,
        }
    }
}
