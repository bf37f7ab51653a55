//! Why a data set could not be fetched.

use std::{
    io,
    path::{Path, PathBuf},
};

use nas_api::contract::Exit;
use thiserror::Error;

use crate::data::DataError;

/// Why a data set could not be fetched.
#[derive(Debug, Error)]
pub enum FetchError {
    /// The server was not reached, or broke off too often.
    #[error("cannot fetch {url} beyond byte {received} of {bytes}: {reason}; the same command goes on from there")]
    Interrupted {
        /// The file.
        url: String,
        /// Bytes that are kept.
        received: u64,
        /// Bytes in all.
        bytes: u64,
        /// What happened last.
        reason: String,
    },
    /// The server has no such file.
    #[error("{url} answers {status}: give the address of a folder that holds the file with --url")]
    Refused {
        /// The file.
        url: String,
        /// HTTP status.
        status: u16,
    },
    /// The file is not as long as the published one.
    #[error("{url} has {found} bytes, and the published file {bytes}: it is another file; give another address with --url")]
    OtherLength {
        /// The file.
        url: String,
        /// As published.
        bytes: u64,
        /// On the server.
        found: u64,
    },
    /// The file is not the published one.
    #[error(
        "{url} has the SHA-256 {found}, and the published file {sha256}: nothing was kept of it; give another address with --url"
    )]
    OtherDigest {
        /// The file.
        url: String,
        /// As published.
        sha256: String,
        /// Of what came.
        found: String,
    },
    /// The folder holds something else.
    #[error(
        "{folder} holds {found} images, and the published data set {images}: name another folder with --dir, or remove this one to fetch it"
    )]
    OtherSet {
        /// The data set's folder.
        folder: PathBuf,
        /// In the folder.
        found: usize,
        /// As published.
        images: usize,
    },
    /// What is there, or what was fetched, cannot be used.
    #[error("{0}")]
    Data(#[from] DataError),
    /// The folder cannot be written.
    #[error("cannot write {path}: {source}; what was received is kept, and the same command goes on from there")]
    Storage {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl FetchError {
    /// A failed write.
    pub(super) fn storage(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Storage { path, source }
    }

    /// The exit code of the contract.
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Interrupted { .. } | Self::Storage { .. } => Exit::Temporary,
            Self::Refused { .. }
            | Self::OtherLength { .. }
            | Self::OtherDigest { .. }
            | Self::OtherSet { .. }
            | Self::Data(_) => Exit::Data,
        }
    }
}
