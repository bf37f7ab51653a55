//! Why a data set cannot be used.

use std::path::{Path, PathBuf};

use nas_api::contract::DataShape;
use thiserror::Error;

/// Why a data set cannot be used.
#[derive(Debug, Error)]
pub enum DataError {
    /// The folder is not there.
    #[error(
        "the data set's folder {0} does not exist: put the files there, or name the folder above it (NAS_DATA_DIR, `nasctl run --data-dir`)"
    )]
    NoFolder(PathBuf),
    /// No layout that is known.
    #[error(
        "{0} holds no data set that is known: it needs nas-images.json, the files of CIFAR-10 or CIFAR-100 (binary or Python, unpacked or \
         .tar.gz), train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte (IDX, each plain or \
         .gz), or folders train/ and test/ with a folder of images for each class"
    )]
    UnknownLayout(PathBuf),
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{path} is damaged at byte {offset}: {expected}; fetch the file again")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where in the (unpacked) file.
        offset: u64,
        /// What was expected, and what is there.
        expected: String,
    },
    /// A folder of images does not hold what it should.
    #[error("{path}: {expected}")]
    Folder {
        /// The file or folder.
        path: PathBuf,
        /// What was expected, what is there, and the way out.
        expected: String,
    },
    /// The images are smaller or larger than the trainer takes.
    #[error("{path} holds images of {height}x{width} pixels: sides of 8 to 256 are taken; {cure}")]
    Size {
        /// The data set's folder.
        path: PathBuf,
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
        /// The way out.
        cure: &'static str,
    },
    /// The experiment states another size than the files have.
    #[error("spec.trial.data.shape states images of {stated}, and those of {path} are {found}: correct or remove it")]
    OtherShape {
        /// The data set's folder.
        path: PathBuf,
        /// By the experiment.
        stated: DataShape,
        /// In the files.
        found: String,
    },
    /// The experiment states another number of classes than the files have.
    #[error("spec.trial.data.shape states {stated} classes, and {path} has {found}: correct or remove it")]
    OtherClasses {
        /// The data set's folder.
        path: PathBuf,
        /// By the experiment.
        stated: u32,
        /// In the files.
        found: usize,
    },
}

/// What is wrong with some bytes, and where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// The byte.
    pub(super) offset: usize,
    /// What was expected, and what is there.
    pub(super) expected: String,
}

impl Fault {
    /// As the error of the file whose bytes they are.
    pub(super) fn of(self, path: &Path) -> DataError {
        malformed(path, self.offset, self.expected)
    }
}

pub(super) fn malformed(path: &Path, offset: usize, expected: String) -> DataError {
    DataError::Malformed { path: path.to_owned(), offset: offset as u64, expected }
}

pub(super) fn unreadable(path: &Path) -> impl FnOnce(std::io::Error) -> DataError {
    let path = path.to_owned();
    move |source| DataError::Unreadable { path, source }
}

pub(super) fn folder(path: &Path, expected: impl Into<String>) -> DataError {
    DataError::Folder { path: path.to_owned(), expected: expected.into() }
}
