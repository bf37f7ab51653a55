//! Why a segment ended without a report, and with which exit code.

use std::{
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use nas_api::contract::{Exit, SegmentError};
use thiserror::Error;

use nas_darts::NetworkError;

use crate::{checkpoint::Foreign, data::DataError};

/// Any end but a report.
#[derive(Debug, Error)]
pub enum TrainerError {
    /// The environment does not describe a segment.
    #[error("{0}")]
    Usage(#[from] SegmentError),
    /// Hyperparameters that this trainer cannot use, all of them.
    #[error("{}", .0.join("; "))]
    Configuration(Vec<String>),
    /// The network does not fit the data set.
    #[error("{0}")]
    Network(#[from] NetworkError),
    /// The data set is missing or malformed.
    #[error("{0}")]
    Data(#[from] DataError),
    /// The newest checkpoint was written by another configuration.
    #[error("{0}")]
    Foreign(#[from] Foreign),
    /// The tensors cannot be brought to or from a checkpoint: a bug, or a checkpoint of another version.
    #[error("the tensors and the checkpoint do not fit together: {0}")]
    State(String),
    /// A newer attempt has begun.
    #[error("attempt {own} is void: {path} shows that a newer attempt has begun")]
    Fenced {
        /// This process's attempt.
        own: u32,
        /// The newer attempt's folder.
        path: PathBuf,
    },
    /// The checkpoint folder cannot be read or written.
    #[error("cannot {action} {path}: {source}; {cure}", cure = cure(.source))]
    Storage {
        /// What was to be done to it, such as `read`.
        action: String,
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// What a person can do; whatever it is, the segment is started again then.
fn cure(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            "free some space or give the checkpoints a larger volume; what was committed before is kept"
        }
        ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => {
            "make the checkpoint folder readable and writable for the trainer; what was committed before is kept"
        }
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists => {
            "a file is in the way: NAS_CHECKPOINT_DIR must be a folder, or not exist"
        }
        ErrorKind::NotFound | ErrorKind::StaleNetworkFileHandle => {
            "make sure that the volume of NAS_CHECKPOINT_DIR is mounted; what was committed before is kept there"
        }
        _ => "look after the disk; what was committed before is kept, and the segment can be started again",
    }
}

impl TrainerError {
    /// A failure of the checkpoint folder: `action` was to be done to `path`.
    pub fn storage(action: &str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let (action, path) = (action.to_owned(), path.to_owned());
        move |source| Self::Storage { action, path, source }
    }

    /// The exit code of the contract.
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::Configuration(_) | Self::Network(_) => Exit::Configuration,
            Self::Data(_) | Self::Foreign(_) => Exit::Data,
            Self::State(_) => Exit::Other(1),
            Self::Fenced { .. } => Exit::Fenced,
            Self::Storage { .. } => Exit::Temporary,
        }
    }
}
