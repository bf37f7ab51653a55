//! Data sets: images as bytes in memory, with the layout found out from the files.

mod cifar;
mod file;
mod idx;
mod split;

use std::path::{Path, PathBuf};

use thiserror::Error;

pub use split::{Split, split};

/// Images of one size with their classes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    /// One byte a pixel, [N, C, H, W].
    pub pixels: Vec<u8>,
    /// Class of each image.
    pub labels: Vec<i64>,
    /// C, H, W.
    pub shape: [usize; 3],
}

/// A data set: training and test images of the same size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataSet {
    /// To learn from.
    pub train: Images,
    /// To be judged by.
    pub test: Images,
    /// Number of classes.
    pub classes: usize,
}

/// Mean and standard deviation of each channel, of pixels scaled to 0..1.
#[derive(Clone, Debug, PartialEq)]
pub struct Normalization {
    /// Mean, by channel.
    pub mean: Vec<f64>,
    /// Standard deviation, by channel.
    pub std: Vec<f64>,
}

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
        "{0} holds no data set that is known: it needs data_batch_*.bin and test_batch.bin (CIFAR-10), or train-images-idx3-ubyte, \
         train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, each plain or .gz (IDX)"
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
}

impl Images {
    /// Number of images.
    pub const fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }
}

/// Loads the data set `name` from the folder of that name in `folder`, and checks all of it.
pub fn load(folder: &Path, name: &str) -> Result<DataSet, DataError> {
    let folder = folder.join(name);
    if !folder.is_dir() {
        return Err(DataError::NoFolder(folder));
    }
    if folder.join("test_batch.bin").exists() || folder.join("data_batch_1.bin").exists() {
        return cifar::load(&folder);
    }
    if file::variant(&folder, idx::TRAIN_IMAGES).is_some() || file::variant(&folder, idx::TEST_IMAGES).is_some() {
        return idx::load(&folder);
    }
    Err(DataError::UnknownLayout(folder))
}

impl Normalization {
    /// The published constants for `cifar10`, else those of the training images.
    pub fn of(name: &str, train: &Images) -> Self {
        if name == "cifar10" {
            return Self {
                mean: vec![0.491_399_68, 0.482_158_27, 0.446_531_24],
                std: vec![0.247_032_33, 0.243_485_05, 0.261_587_68],
            };
        }
        let [channels, height, width] = train.shape;
        let area = height * width;
        let count = (train.len() * area) as f64;
        let mut sums = vec![(0_u64, 0_u64); channels];
        for (plane, pixels) in train.pixels.chunks_exact(area).enumerate() {
            let (sum, squares) = &mut sums[plane % channels];
            for &pixel in pixels {
                *sum += u64::from(pixel);
                *squares += u64::from(pixel) * u64::from(pixel);
            }
        }
        let mean: Vec<f64> = sums.iter().map(|(sum, _)| *sum as f64 / count / 255.0).collect();
        // A channel of one value has no spread: 1 leaves it as it is.
        let std = sums.iter().zip(&mean).map(|((_, squares), mean)| {
            let variance = *squares as f64 / count / 65_025.0 - mean * mean;
            if variance > 1e-12 { variance.sqrt() } else { 1.0 }
        });
        Self { std: std.collect(), mean }
    }
}
