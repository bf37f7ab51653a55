//! Data sets on the disk: what is read, and what is refused.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::float_cmp,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test fails by panicking"
)]

use std::{fs, path::Path};

use nas_api::contract::Validation;
use nas_trainer::data::{DataError, DataSet, Normalization, Options, split};

fn load(root: &Path, name: &str) -> Result<DataSet, DataError> {
    nas_trainer::data::load(&root.join(name), &Options { shape: None, classes: None, cache: None, tell: &|_| {} })
}

fn idx_images(count: u32, side: u32) -> Vec<u8> {
    let mut bytes = [0x0803_u32, count, side, side].map(u32::to_be_bytes).concat();
    bytes.extend((0..count * side * side).map(|i| (i % 256) as u8));
    bytes
}

fn idx_labels(count: u32) -> Vec<u8> {
    let mut bytes = [0x0801_u32, count].map(u32::to_be_bytes).concat();
    bytes.extend((0..count).map(|i| (i % 3) as u8));
    bytes
}

fn write_idx(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("train-images-idx3-ubyte"), idx_images(60, 8)).unwrap();
    fs::write(folder.join("train-labels-idx1-ubyte"), idx_labels(60)).unwrap();
    fs::write(folder.join("t10k-images-idx3-ubyte"), idx_images(9, 8)).unwrap();
    fs::write(folder.join("t10k-labels-idx1-ubyte"), idx_labels(9)).unwrap();
}

fn cifar(count: usize) -> Vec<u8> {
    (0..count)
        .flat_map(|image| std::iter::once((image % 10) as u8).chain((0..3072).map(move |i| ((image + i) % 256) as u8)))
        .collect()
}

#[test]
fn idx_is_read_and_split_by_class() {
    let root = tempfile::tempdir().unwrap();
    write_idx(&root.path().join("grey"));
    let data = load(root.path(), "grey").unwrap();
    assert_eq!((data.train.len(), data.test.len(), data.classes, data.train.shape), (60, 9, 3, [1, 8, 8]));
    assert_eq!(&data.train.pixels[..3], &[0, 1, 2]);
    let held_out = split(&data, Validation::Heldout);
    assert_eq!((held_out.train.len(), held_out.evaluate.len(), held_out.held_out), (54, 6, true));
    assert!(held_out.evaluate.iter().all(|place| !held_out.train.contains(place)));
    for class in 0..3 {
        assert_eq!(held_out.evaluate.iter().filter(|place| data.train.labels[**place as usize] == class).count(), 2);
    }
    assert_eq!(split(&data, Validation::Heldout), held_out);
    let whole = split(&data, Validation::Final);
    assert_eq!((whole.train.len(), whole.evaluate.len(), whole.held_out), (60, 9, false));
}

#[test]
fn the_data_set_that_comes_along_is_read_from_gzip() {
    let data = load(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../data")), "fashion-mnist").unwrap();
    assert_eq!((data.train.len(), data.test.len(), data.classes, data.train.shape), (5000, 1000, 10, [1, 28, 28]));
    let normalization = Normalization::of("fashion-mnist", &data.train);
    // Fashion-MNIST's known mean and deviation are 0.2860 and 0.3530.
    assert!((normalization.mean[0] - 0.286).abs() < 0.005 && (normalization.std[0] - 0.353).abs() < 0.005);
}

#[test]
fn cifar_is_read_with_its_planes_and_its_published_normalisation() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("cifar10");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("data_batch_1.bin"), cifar(20)).unwrap();
    fs::write(folder.join("data_batch_2.bin"), cifar(20)).unwrap();
    fs::write(folder.join("test_batch.bin"), cifar(10)).unwrap();
    let data = load(root.path(), "cifar10").unwrap();
    assert_eq!((data.train.len(), data.test.len(), data.classes, data.train.shape), (40, 10, 10, [3, 32, 32]));
    assert_eq!((data.train.labels[21], data.train.pixels[3072]), (1, 1));
    assert!((Normalization::of("cifar10", &data.train).mean[0] - 0.491_399_68).abs() < 1e-12);
}

#[test]
fn every_damage_is_named_with_file_and_offset() {
    let damaged = |change: &dyn Fn(&Path)| {
        let root = tempfile::tempdir().unwrap();
        write_idx(&root.path().join("set"));
        change(&root.path().join("set"));
        load(root.path(), "set").unwrap_err().to_string()
    };
    let rewrite = |name: &'static str, bytes: Vec<u8>| damaged(&move |folder| fs::write(folder.join(name), &bytes).unwrap());
    let says = |message: String, words: &[&str]| {
        for word in words {
            assert!(message.contains(word), "{word} is not in {message}");
        }
    };
    let cut = idx_images(60, 8)[..1000].to_vec();
    says(rewrite("train-images-idx3-ubyte", cut), &["train-images-idx3-ubyte", "byte 1000", "3840 bytes"]);
    says(rewrite("train-images-idx3-ubyte", vec![0; 3]), &["byte 3", "header"]);
    says(rewrite("train-labels-idx1-ubyte", idx_images(60, 8)), &["train-labels-idx1-ubyte", "magic", "0x0801"]);
    says(rewrite("train-labels-idx1-ubyte", idx_labels(59)), &["60", "59"]);
    says(rewrite("t10k-images-idx3-ubyte", idx_images(9, 9)), &["t10k-images-idx3-ubyte", "8x8"]);
    says(damaged(&|folder| fs::remove_file(folder.join("t10k-labels-idx1-ubyte")).unwrap()), &["t10k-labels-idx1-ubyte"]);
    let mut label = idx_labels(9);
    label[8 + 4] = 7;
    says(rewrite("t10k-labels-idx1-ubyte", label), &["byte 12", "found 7"]);
    let gzip = damaged(&|folder| {
        fs::remove_file(folder.join("t10k-images-idx3-ubyte")).unwrap();
        fs::write(folder.join("t10k-images-idx3-ubyte.gz"), [0x1f, 0x8b, 8, 0, 0]).unwrap();
    });
    says(gzip, &["t10k-images-idx3-ubyte.gz", "gzip"]);

    let root = tempfile::tempdir().unwrap();
    assert!(matches!(load(root.path(), "nowhere").unwrap_err(), DataError::NoFolder(_)));
    let folder = root.path().join("cifar10");
    fs::create_dir(&folder).unwrap();
    assert!(matches!(load(root.path(), "cifar10").unwrap_err(), DataError::UnknownLayout(_)));
    fs::write(folder.join("data_batch_1.bin"), &cifar(20)[..3073 + 5]).unwrap();
    fs::write(folder.join("test_batch.bin"), cifar(1)).unwrap();
    says(load(root.path(), "cifar10").unwrap_err().to_string(), &["data_batch_1.bin", "byte 3073", "5 bytes of one"]);
}
