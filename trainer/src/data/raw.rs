//! The layout that any program can write: `nas-images.json` and files of bytes. `docs/data.md` specifies it.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{DataError, DataSet, Images, Layout, error::malformed, source::read};

pub(super) const HEADER: &str = "nas-images.json";
const FORMAT: u32 = 1;
/// Up to so many classes a label is one byte.
const BYTE_LABELS: usize = 256;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: u32,
    /// C, H, W.
    shape: [usize; 3],
    classes: Vec<String>,
    train: Part,
    test: Part,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    /// File of the pixels, [count, C, H, W].
    images: PathBuf,
    /// File of the labels, `[count]`.
    labels: PathBuf,
    count: usize,
}

/// Loads the header and the four files that it names.
pub(super) fn load(folder: &Path) -> Result<DataSet, DataError> {
    let path = folder.join(HEADER);
    let bytes = read(&path)?;
    let header: Header = serde_json::from_slice(&bytes).map_err(|error| {
        let offset = offset_of(&bytes, error.line(), error.column());
        malformed(&path, offset, format!("expected a header as docs/data.md specifies it ({error})"))
    })?;
    let wrong = |expected: String| malformed(&path, 0, expected);
    if header.format != FORMAT {
        return Err(wrong(format!("expected format {FORMAT}, found {}", header.format)));
    }
    if !(1..=4).contains(&header.shape[0]) {
        return Err(wrong(format!("expected 1 to 4 channels in shape, found {}", header.shape[0])));
    }
    if header.classes.is_empty() {
        return Err(wrong("expected the names of all classes in classes, found none".to_owned()));
    }
    let inside = |path: &Path| path.components().all(|part| matches!(part, Component::Normal(_)));
    for part in [&header.train, &header.test] {
        if let Some(outside) = [&part.images, &part.labels].into_iter().find(|path| !inside(path)) {
            return Err(wrong(format!("expected a file within the folder, found {}", outside.display())));
        }
        if part.count == 0 {
            return Err(wrong("expected a count of at least 1 in train and test".to_owned()));
        }
    }
    let train = images(folder, &header, &header.train)?;
    let test = images(folder, &header, &header.test)?;
    Ok(DataSet { train, test, classes: header.classes.len(), class_names: header.classes, layout: Layout::Raw })
}

/// Place of a line and column, both from 1 (0 stands for the beginning).
fn offset_of(bytes: &[u8], line: usize, column: usize) -> usize {
    let before: usize = bytes.split_inclusive(|byte| *byte == b'\n').take(line.saturating_sub(1)).map(<[u8]>::len).sum();
    before + column.saturating_sub(1)
}

fn images(folder: &Path, header: &Header, part: &Part) -> Result<Images, DataError> {
    let [channels, height, width] = header.shape;
    let size = channels.checked_mul(height).and_then(|size| size.checked_mul(width)).unwrap_or(usize::MAX);
    let pixels = exactly(&folder.join(&part.images), part.count, size)?;
    let width_of_label = if header.classes.len() <= BYTE_LABELS { 1 } else { 4 };
    let path = folder.join(&part.labels);
    let bytes = exactly(&path, part.count, width_of_label)?;
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |number, byte| number << 8 | i64::from(*byte));
    let labels: Vec<i64> = bytes.chunks_exact(width_of_label).map(number).collect();
    let last = header.classes.len() as i64 - 1;
    if let Some(at) = labels.iter().position(|label| *label > last) {
        let expected = format!("expected a label from 0 to {last}, found {}", labels[at]);
        return Err(malformed(&path, at * width_of_label, expected));
    }
    Ok(Images { pixels, labels, shape: header.shape })
}

fn exactly(path: &Path, count: usize, size: usize) -> Result<Vec<u8>, DataError> {
    let bytes = read(path)?;
    if count.checked_mul(size) != Some(bytes.len()) {
        let expected = format!("expected {count} times {size} bytes as {HEADER} says, found {} bytes", bytes.len());
        return Err(malformed(path, bytes.len(), expected));
    }
    Ok(bytes)
}

/// Writes a data set to a folder that exists.
pub(super) fn save(folder: &Path, data: &DataSet) -> io::Result<()> {
    let part = |name: &str, images: &Images| {
        let part =
            Part { images: format!("{name}-images.u8").into(), labels: format!("{name}-labels.u8").into(), count: images.len() };
        let bytes = if data.classes <= BYTE_LABELS { 1 } else { 4 };
        let labels: Vec<u8> = images.labels.iter().flat_map(|label| label.to_le_bytes().into_iter().take(bytes)).collect();
        fs::write(folder.join(&part.images), &images.pixels)?;
        fs::write(folder.join(&part.labels), &labels)?;
        io::Result::Ok(part)
    };
    let header = Header {
        format: FORMAT,
        shape: data.train.shape,
        classes: data.class_names.clone(),
        train: part("train", &data.train)?,
        test: part("test", &data.test)?,
    };
    fs::write(folder.join(HEADER), serde_json::to_vec(&header)?)
}
