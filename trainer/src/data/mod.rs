//! Data sets: images as bytes in memory, with the layout found out from the files.

mod cache;
mod cifar;
mod decode;
mod error;
mod folder;
mod idx;
mod intact;
mod normalization;
mod pickle;
mod raw;
mod sheet;
mod source;
mod split;
mod summary;

use std::{collections::BTreeMap, path::Path};

use nas_api::contract::DataShape;

pub use error::DataError;
pub use normalization::Normalization;
pub use sheet::contact_sheet;
pub use split::{Split, split};
pub use summary::{Counts, Summary};

/// Images of one size with their classes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    /// One byte a pixel, `[N, C, H, W]`.
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
    /// Name of each class; empty where the files name none.
    pub class_names: Vec<String>,
    /// How the files lie.
    pub layout: Layout,
}

/// How the files of a data set lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `nas-images.json` and files of bytes.
    Raw,
    /// CIFAR-10, records.
    Cifar10Binary,
    /// CIFAR-10, pickles.
    Cifar10Python,
    /// CIFAR-100, records.
    Cifar100Binary,
    /// CIFAR-100, pickles.
    Cifar100Python,
    /// IDX, as MNIST.
    Idx,
    /// Folders of PNG and JPEG files.
    Folder,
}

impl Layout {
    /// Its name for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "raw (nas-images.json)",
            Self::Cifar10Binary => "CIFAR-10 binary",
            Self::Cifar10Python => "CIFAR-10 Python",
            Self::Cifar100Binary => "CIFAR-100 binary",
            Self::Cifar100Python => "CIFAR-100 Python",
            Self::Idx => "IDX",
            Self::Folder => "folders of images",
        }
    }
}

/// What is known of a data set before its files are read.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// Size of the images that the experiment states: folders of images are brought to it, everything else must have it.
    pub shape: Option<DataShape>,
    /// Number of classes that the experiment states.
    pub classes: Option<u32>,
    /// Where decoded images are kept; `None`: in the data set's folder.
    pub cache: Option<&'a Path>,
    /// Hears what takes long, and what is amiss but stops nothing.
    pub tell: &'a dyn Fn(&str),
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

/// Loads the data set in a folder, and checks all of it.
///
/// # Errors
///
/// Where the folder or its layout is not known, a file is missing or malformed, or the images are not those that `options` states.
pub fn load(folder: &Path, options: &Options) -> Result<DataSet, DataError> {
    if !folder.is_dir() {
        return Err(DataError::NoFolder(folder.to_owned()));
    }
    let data = read(folder, options)?;
    let [channels, height, width] = data.train.shape;
    if [height, width].iter().any(|side| !(8..=256).contains(side)) {
        return Err(DataError::Size { path: folder.to_owned(), height, width, cure: "resize the images" });
    }
    if let Some(stated) = options
        .shape
        .filter(|stated| [stated.channels, stated.height, stated.width].map(|size| size as usize) != data.train.shape)
    {
        return Err(DataError::OtherShape { path: folder.to_owned(), stated, found: format!("{channels}x{height}x{width}") });
    }
    match options.classes {
        // IDX files do not say how many classes there are: those that were seen are the least.
        Some(stated) if data.layout == Layout::Idx && stated as usize >= data.classes => {
            Ok(DataSet { classes: stated as usize, ..data })
        }
        Some(stated) if stated as usize != data.classes => {
            Err(DataError::OtherClasses { path: folder.to_owned(), stated, found: data.classes })
        }
        _ => Ok(data),
    }
}

/// The files in a `.tar.gz` of CIFAR, by name.
pub fn unpack(archive: &Path) -> Result<BTreeMap<String, Vec<u8>>, DataError> {
    Ok(cifar::archive(archive)?.files)
}

fn read(folder: &Path, options: &Options) -> Result<DataSet, DataError> {
    if folder.join(raw::HEADER).is_file() {
        return raw::load(folder);
    }
    if let Some(data) = cifar::load(folder)? {
        return Ok(data);
    }
    if source::variant(folder, idx::TRAIN_IMAGES).is_some() || source::variant(folder, idx::TEST_IMAGES).is_some() {
        return idx::load(folder);
    }
    if folder.join(folder::TRAIN).is_dir() {
        return folder::load(folder, options);
    }
    Err(DataError::UnknownLayout(folder.to_owned()))
}
