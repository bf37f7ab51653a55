//! CIFAR-10 in its binary layout: records of 1 label byte and 3,072 bytes of red, green and blue planes of 32x32.

use std::path::{Path, PathBuf};

use super::{
    DataError, DataSet, Images,
    file::{malformed, read},
};

const SIDE: usize = 32;
const RECORD: usize = 1 + 3 * SIDE * SIDE;
const CLASSES: u8 = 10;

/// Loads `data_batch_1.bin` to `data_batch_5.bin` (as many as there are, without a gap) and `test_batch.bin`.
pub(super) fn load(folder: &Path) -> Result<DataSet, DataError> {
    let batch = |number: usize| folder.join(format!("data_batch_{number}.bin"));
    let last = (1..=5).rev().find(|number| batch(*number).exists()).unwrap_or(1);
    let train = images((1..=last).map(batch))?;
    let test = images(std::iter::once(folder.join("test_batch.bin")))?;
    Ok(DataSet { train, test, classes: usize::from(CLASSES) })
}

fn images(paths: impl Iterator<Item = PathBuf>) -> Result<Images, DataError> {
    let mut images = Images { pixels: Vec::new(), labels: Vec::new(), shape: [3, SIDE, SIDE] };
    for path in paths {
        let bytes = read(&path)?;
        let rest = bytes.len() % RECORD;
        if bytes.is_empty() || rest != 0 {
            let expected = format!("expected whole records of {RECORD} bytes, found {rest} bytes of one");
            return Err(malformed(&path, bytes.len() - rest, expected));
        }
        for (number, record) in bytes.chunks_exact(RECORD).enumerate() {
            if record[0] >= CLASSES {
                return Err(malformed(&path, number * RECORD, format!("expected a label from 0 to 9, found {}", record[0])));
            }
            images.labels.push(i64::from(record[0]));
            images.pixels.extend_from_slice(&record[1..]);
        }
    }
    Ok(images)
}
