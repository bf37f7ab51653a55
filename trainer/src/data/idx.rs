//! IDX, the layout of MNIST and Fashion-MNIST: grey images and labels, each with a header of big-endian sizes.

use std::path::Path;

use super::{
    DataError, DataSet, Images, Layout,
    error::malformed,
    source::{read, variant},
};

pub(super) const TRAIN_IMAGES: &str = "train-images-idx3-ubyte";
const TRAIN_LABELS: &str = "train-labels-idx1-ubyte";
pub(super) const TEST_IMAGES: &str = "t10k-images-idx3-ubyte";
const TEST_LABELS: &str = "t10k-labels-idx1-ubyte";

/// Bytes, in 1 and 3 dimensions.
const LABELS_MAGIC: u32 = 0x0801;
const IMAGES_MAGIC: u32 = 0x0803;

/// Loads the four files of a data set.
pub(super) fn load(folder: &Path) -> Result<DataSet, DataError> {
    let train = images(folder, TRAIN_IMAGES, TRAIN_LABELS)?;
    let test = images(folder, TEST_IMAGES, TEST_LABELS)?;
    if train.shape != test.shape {
        let [_, height, width] = train.shape;
        let expected = format!("expected images of {height}x{width} as in {TRAIN_IMAGES}");
        return Err(malformed(&folder.join(TEST_IMAGES), 8, expected));
    }
    let classes = train.labels.iter().max().map_or(0, |label| *label as usize + 1);
    if let Some(at) = test.labels.iter().position(|label| *label as usize >= classes) {
        let expected = format!("expected a label below {classes}, as in the training set, found {}", test.labels[at]);
        return Err(malformed(&folder.join(TEST_LABELS), 8 + at, expected));
    }
    Ok(DataSet { train, test, classes, class_names: Vec::new(), layout: Layout::Idx })
}

fn images(folder: &Path, images: &str, labels: &str) -> Result<Images, DataError> {
    let (path, pixels, sizes) = array::<3>(folder, images, IMAGES_MAGIC)?;
    let (_, labels, [count]) = array::<1>(folder, labels, LABELS_MAGIC)?;
    if sizes[0] != count {
        return Err(malformed(&path, 4, format!("expected as many images as labels, found {} and {count}", sizes[0])));
    }
    if sizes.contains(&0) {
        return Err(malformed(&path, 4, "expected at least one image of at least one pixel".to_owned()));
    }
    Ok(Images { pixels, labels: labels.into_iter().map(i64::from).collect(), shape: [1, sizes[1], sizes[2]] })
}

/// The path of a file, its bytes behind the header, and the sizes that the header gives.
fn array<const N: usize>(folder: &Path, name: &str, magic: u32) -> Result<(std::path::PathBuf, Vec<u8>, [usize; N]), DataError> {
    let path = variant(folder, name).unwrap_or_else(|| folder.join(name));
    let mut bytes = read(&path)?;
    let header = 4 + 4 * N;
    if bytes.len() < header {
        return Err(malformed(&path, bytes.len(), format!("expected a header of {header} bytes")));
    }
    let word = |index: usize| u32::from_be_bytes([0, 1, 2, 3].map(|byte| bytes[4 * index + byte]));
    if word(0) != magic {
        return Err(malformed(&path, 0, format!("expected the magic number {magic:#06x}, found {:#06x}", word(0))));
    }
    let sizes = std::array::from_fn(|dimension| word(1 + dimension) as usize);
    let wanted = sizes.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
    if wanted != Some(bytes.len() - header) {
        let wanted = wanted.map_or_else(|| "more than memory holds".to_owned(), |wanted| format!("{wanted} bytes"));
        let expected = format!("expected {wanted} behind the header, found {}", bytes.len() - header);
        return Err(malformed(&path, bytes.len(), expected));
    }
    bytes.drain(..header);
    Ok((path, bytes, sizes))
}
