//! Why a command ended without success.

use std::path::PathBuf;

use nas_api::Problem;
use thiserror::Error;

use crate::{cluster::ClusterError, export::WeightsError, simulate::CurvesError, table::counted};

/// A mistake on the command line, whoever finds it (sysexits' `EX_USAGE`; clap would end with 2).
pub(crate) const USAGE: u8 = 64;

/// Any end but success, with its exit code.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// A file that cannot be read or written.
    #[error("{path}: {source}{cure}", cure = if is_full(.source) { "; free some space, then run the same command" } else { "" })]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file that is neither YAML nor JSON.
    #[error("{path} is not valid YAML or JSON: {message}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the reader says.
        message: String,
    },
    /// A converted experiment that must be mended by hand.
    #[error(
        "the experiment was written, but it is not valid yet: mend what is named under \"To be mended\", then try nasctl validate"
    )]
    Open,
    /// An experiment file with problems.
    #[error("{path} has {} problem(s)", problems.len())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// All of them.
        problems: Vec<Problem>,
    },
    /// The folder belongs to another experiment, or is in use.
    #[error("{0}")]
    Folder(String),
    /// The trainer refused to start or gave up in a way that concerns every trial.
    #[error("{message}")]
    Trainer {
        /// What it said.
        message: String,
        /// Its exit code.
        code: u8,
    },
    /// The search ended without success.
    #[error("the search ended without success: {0}")]
    Unsuccessful(String),
    /// A cluster that cannot be read.
    #[error("{0}")]
    Cluster(#[from] ClusterError),
    /// The records of a search are not what would be decided on them.
    #[error("{0} difference(s) between the records and what is decided on them")]
    Different(usize),
    /// A trainer breaks the contract.
    #[error("{failed} required check(s) failed; what the trainer wrote lies in {folder}")]
    Nonconforming {
        /// Required checks that failed.
        failed: usize,
        /// Where its checkpoints, logs and termination messages are.
        folder: PathBuf,
    },
    /// A machine or cluster on which a search cannot run yet.
    #[error("{} to be mended first: see above", counted(*.0 as u64, "problem"))]
    NotReady(usize),
    /// Learning curves that cannot be read, or that are not of the experiment's space.
    #[error(transparent)]
    Curves(#[from] CurvesError),
    /// Weights that cannot be exported.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// A question that cannot be answered as it was asked.
    #[error("{0}")]
    Usage(String),
    /// Ctrl-C or SIGTERM.
    #[error("stopped; the same command goes on from here")]
    Interrupted,
}

fn is_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

impl Failure {
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }

    pub(crate) fn print(&self) {
        eprintln!("nasctl: {self}");
        if let Self::Invalid { problems, .. } = self {
            for problem in problems {
                eprintln!("  {problem}");
            }
        }
    }

    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Io { source, .. } if is_full(source) => 75,
            Self::Io { .. } | Self::Unreadable { .. } | Self::Invalid { .. } | Self::Curves(_) | Self::Weights(_) => 65,
            Self::Folder(_) | Self::Usage(_) => USAGE,
            Self::Trainer { code, .. } => *code,
            Self::Cluster(error) => error.code(),
            Self::Unsuccessful(_) | Self::Different(_) | Self::NotReady(_) | Self::Open | Self::Nonconforming { .. } => 1,
            Self::Interrupted => 130,
        }
    }
}
