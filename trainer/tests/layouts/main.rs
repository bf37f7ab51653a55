//! Every layout of data sets: what is read, and that damage is never passed over.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "a test fails by panicking"
)]

mod damage;
mod fetching;
mod server;
mod write;

use std::{cell::RefCell, fs, path::Path};

use image::ImageFormat;
use nas_api::contract::DataShape;
use nas_trainer::data::{DataError, DataSet, Layout, Options, load};
use tempfile::TempDir;
use write::{
    Files, cifar10_binary, cifar10_python, cifar100_binary, cifar100_python, folders, idx, picture, pixel, put, raw, tar_gz,
};

const PLAIN: Options = Options { shape: None, classes: None, cache: None, tell: &|_| {} };

fn folder(files: &Files) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), files);
    folder
}

fn loaded(files: &Files) -> DataSet {
    load(folder(files).path(), &PLAIN).unwrap()
}

fn refused(files: &Files, options: &Options) -> String {
    load(folder(files).path(), options).unwrap_err().to_string()
}

fn says(message: &str, words: &[&str]) {
    for word in words {
        assert!(message.contains(word), "{word} is not in {message}");
    }
}

#[test]
fn cifar_is_the_same_in_all_its_layouts() {
    for (binary, python, name, archive, layouts) in [
        (
            cifar10_binary(),
            cifar10_python(),
            "cifar-10-batches-py",
            "cifar-10-python",
            [Layout::Cifar10Binary, Layout::Cifar10Python],
        ),
        (
            cifar100_binary(),
            cifar100_python(),
            "cifar-100-python",
            "cifar-100-python",
            [Layout::Cifar100Binary, Layout::Cifar100Python],
        ),
    ] {
        let first = loaded(&binary);
        assert_eq!((first.train.len(), first.test.len(), first.train.shape, first.layout), (4, 2, [3, 32, 32], layouts[0]));
        assert_eq!(first.train.pixels[3 * 3072 + 100], pixel(3, 100));
        let second = loaded(&python);
        assert_eq!(second.layout, layouts[1]);
        let below: Files = python.iter().map(|(file, bytes)| (format!("{name}/{file}"), bytes.clone())).collect();
        let packed = Files::from([(format!("{archive}.tar.gz"), tar_gz(name, &python))]);
        for same in [&second, &loaded(&below), &loaded(&packed)] {
            assert_eq!((&same.train, &same.test, same.classes), (&first.train, &first.test, first.classes));
        }
    }
    assert_eq!(loaded(&cifar10_binary()).class_names, loaded(&cifar10_python()).class_names);
    assert_eq!(loaded(&cifar10_python()).class_names[9], "j");
    assert_eq!(loaded(&cifar100_binary()).train.labels, [90, 91, 92, 93]);
}

#[test]
fn a_file_of_cifar_that_is_missing_or_cut_between_images_is_seen_by_its_companions() {
    let mut cut = cifar10_binary();
    cut.get_mut("data_batch_2.bin").unwrap().truncate(3073);
    says(&refused(&cut, &PLAIN), &["data_batch_2.bin", "byte 3073", "2 images", "found 1"]);
    let whole: Vec<u8> = (0..10_000).flat_map(|_| [0; 3073]).collect();
    let mut published: Files = (1..=5).map(|number| (format!("data_batch_{number}.bin"), whole.clone())).collect();
    published.insert("test_batch.bin".into(), whole);
    assert_eq!(loaded(&published).train.len(), 50_000);
    let gap = published.remove("data_batch_5.bin").unwrap();
    says(&refused(&published, &PLAIN), &["data_batch_5.bin", "published"]);
    published.insert("data_batch_5.bin".into(), gap);
    published.remove("data_batch_3.bin");
    says(&refused(&published, &PLAIN), &["cannot read", "data_batch_3.bin"]);
    published.insert("data_batch_3.bin".into(), vec![0; 3073 * 9_999]);
    says(&refused(&published, &PLAIN), &["data_batch_3.bin", "10000 images", "found 9999"]);
}

#[test]
fn idx_and_raw_give_back_what_was_written() {
    for files in [idx(false), idx(true)] {
        let data = loaded(&files);
        assert_eq!((data.train.len(), data.test.len(), data.classes, data.train.shape), (4, 2, 2, [1, 9, 8]));
        assert_eq!(data.test.pixels[72 + 5], pixel(5, 5));
    }
    let data = loaded(&raw());
    assert_eq!((data.train.len(), data.test.len(), data.classes, data.train.shape), (4, 2, 3, [2, 8, 9]));
    assert_eq!((data.test.pixels[144 + 5], data.test.labels, data.class_names[2].as_str()), (pixel(5, 5), vec![1, 2], "c"));
}

#[test]
fn labels_of_a_raw_set_take_four_bytes_beyond_256_classes() {
    let mut files = raw();
    let classes: Vec<String> = (0..300).map(|class| format!("\"{class}\"")).collect();
    let header = String::from_utf8(files["nas-images.json"].clone()).unwrap();
    files.insert("nas-images.json".into(), header.replace("\"a\", \"b\", \"c\"", &classes.join(",")).into());
    says(&refused(&files, &PLAIN), &["y.u8", "4 times 4 bytes"]);
    files.insert("y.u8".into(), [0_u32, 299, 256, 1].map(u32::to_le_bytes).concat());
    files.insert("v.u8".into(), [2_u32, 300].map(u32::to_le_bytes).concat());
    says(&refused(&files, &PLAIN), &["v.u8", "byte 4", "found 300"]);
    files.insert("v.u8".into(), [2_u32, 298].map(u32::to_le_bytes).concat());
    assert_eq!(loaded(&files).train.labels, [0, 299, 256, 1]);
}

#[test]
fn a_raw_header_is_held_to_its_specification() {
    let with = |from: &str, to: &str| {
        let mut files = raw();
        let header = String::from_utf8(files["nas-images.json"].clone()).unwrap();
        assert!(header.contains(from));
        files.insert("nas-images.json".into(), header.replace(from, to).into());
        refused(&files, &PLAIN)
    };
    says(&with("\"format\": 1", "\"format\": 2"), &["format 1", "found 2"]);
    says(&with("\"format\"", "\"from\""), &["byte 6", "from"]);
    says(&with("[2, 8, 9]", "[5, 8, 9]"), &["1 to 4 channels"]);
    says(&with("[2, 8, 9]", "[2, 9, 9]"), &["x.u8", "4 times 162 bytes", "576"]);
    says(&with("\"a\", \"b\", \"c\"", ""), &["classes"]);
    says(&with("\"a\", \"b\", \"c\"", "\"a\", \"b\""), &["y.u8", "byte 2", "found 2"]);
    says(&with("x.u8", "../x.u8"), &["within the folder"]);
    says(&with("x.u8", "/x.u8"), &["within the folder"]);
    says(&with("\"count\": 4", "\"count\": 0"), &["at least 1"]);
    says(&with("}}", "}"), &["EOF"]);
}

#[test]
fn folders_are_decoded_with_their_names_as_classes() {
    for test in ["test", "val"] {
        let data = loaded(&folders(test));
        assert_eq!((data.train.len(), data.test.len(), data.train.shape), (4, 2, [3, 9, 8]));
        assert_eq!((data.class_names.join(","), data.train.labels), ("blue,red".into(), vec![0, 0, 1, 1]));
        assert_eq!((data.train.pixels[0], data.train.pixels[72], data.train.pixels[2 * 72]), (0, 10, 200));
        assert_eq!(data.train.pixels[216 + 2 * 72], 210);
        let red = i32::from(data.test.pixels[216]);
        assert!((red - 220).abs() < 4, "JPEG keeps colours nearly: {red}");
    }
    let mut grey = folders("test");
    for bytes in grey.values_mut() {
        *bytes = picture([9, 8], [77; 3], ImageFormat::Png);
    }
    let data = loaded(&grey);
    assert_eq!((data.train.shape, data.train.pixels[5]), ([1, 9, 8], 77), "the name says JPEG, and the contents decide");
}

#[test]
fn folders_of_several_sizes_are_brought_to_the_one_that_is_stated() {
    let mut files = folders("test");
    files.insert("train/red/1.jpg".into(), picture([20, 30], [200, 10, 0], ImageFormat::Jpeg));
    says(&refused(&files, &PLAIN), &["train/red/1.jpg", "9x8", "20x30", "spec.trial.data.shape"]);
    let shape = |channels, height, width| Options { shape: Some(DataShape { channels, height, width }), ..PLAIN };
    let root = folder(&files);
    let data = load(root.path(), &shape(3, 12, 10)).unwrap();
    assert_eq!((data.train.shape, data.train.pixels[2 * 120 + 7]), ([3, 12, 10], 200));
    let grey = load(root.path(), &shape(1, 8, 8)).unwrap();
    assert_eq!((grey.train.shape, grey.train.len()), ([1, 8, 8], 4));
    for bytes in files.values_mut() {
        *bytes = picture([300, 300], [1; 3], ImageFormat::Png);
    }
    says(&refused(&files, &PLAIN), &["300x300", "8 to 256", "spec.trial.data.shape"]);
}

#[test]
fn folders_that_are_not_as_they_should_be_are_named() {
    let with = |change: &dyn Fn(&mut Files)| {
        let mut files = folders("test");
        change(&mut files);
        refused(&files, &PLAIN)
    };
    let add = |name: &'static str| with(&move |files| drop(files.insert(name.into(), b"x".to_vec())));
    says(&add("train/blue/notes.txt"), &["train/blue/notes.txt", "nothing but images"]);
    says(&add("train/notes.txt"), &["train/notes.txt", "nothing but folders"]);
    says(&add("train/green/1.png"), &["test/green", "each class of train/"]);
    says(&add("test/green/1.png"), &["test/green", "none of this name"]);
    says(&add("train/blue/3.png"), &["train/blue/3.png", "byte 0", "PNG or JPEG"]);
    says(&with(&|files| files.retain(|name, _| name.starts_with("train"))), &["test/ or val/"]);
    let hidden = with(&|files| {
        files.insert("train/blue/.DS_Store".into(), b"x".to_vec());
        files.insert("train/blue/2.PNG".into(), b"\x89PNG\r\n\x1a\n".to_vec());
    });
    says(&hidden, &["train/blue/2.PNG", "byte 8", "cut"]);
    let root = folder(&folders("test"));
    fs::create_dir(root.path().join("train/empty")).unwrap();
    fs::create_dir(root.path().join("test/empty")).unwrap();
    says(&load(root.path(), &PLAIN).unwrap_err().to_string(), &["train/empty", "at least one image"]);
}

fn told(root: &Path, cache: Option<&Path>) -> (DataSet, Vec<String>) {
    let heard = RefCell::new(Vec::new());
    let data = load(root, &Options { cache, tell: &|words| heard.borrow_mut().push(words.to_owned()), ..PLAIN }).unwrap();
    (data, heard.into_inner())
}

#[test]
fn decoded_images_are_kept_until_a_file_changes() {
    let root = folder(&folders("test"));
    let (first, heard) = told(root.path(), None);
    assert!(heard.len() == 1 && heard[0].contains("decoding 6 images"), "{heard:?}");
    assert_eq!(told(root.path(), None), (first.clone(), vec![]));
    fs::write(root.path().join("train/blue/3.png"), picture([9, 8], [0, 10, 9], ImageFormat::Png)).unwrap();
    let (second, heard) = told(root.path(), None);
    assert_eq!((second.train.len(), heard.len()), (5, 1));
    let kept: Vec<_> = fs::read_dir(root.path().join(".nas-cache")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(kept.len(), 2);
    for folder in kept {
        fs::write(folder.join("train-images.u8"), b"cut").unwrap();
    }
    assert_eq!(told(root.path(), None), (second.clone(), heard), "what is damaged is made again");
    assert_eq!(told(root.path(), None), (second, vec![]));
}

#[test]
fn a_cache_that_cannot_be_written_stops_nothing() {
    let root = folder(&folders("test"));
    let elsewhere = tempfile::tempdir().unwrap();
    let (first, _) = told(root.path(), Some(elsewhere.path()));
    assert!(!root.path().join(".nas-cache").exists());
    assert_eq!(told(root.path(), Some(elsewhere.path())), (first.clone(), vec![]));
    let file = elsewhere.path().join("file");
    fs::write(&file, b"").unwrap();
    let (second, heard) = told(root.path(), Some(&file));
    assert_eq!(second, first);
    assert!(heard.len() == 2 && heard[1].contains("NAS_DATA_CACHE"), "{heard:?}");
}

#[test]
fn what_an_experiment_states_must_be_so() {
    let stated = |shape: Option<[u32; 3]>, classes| {
        let shape = shape.map(|[channels, height, width]| DataShape { channels, height, width });
        Options { shape, classes, ..PLAIN }
    };
    says(&refused(&idx(false), &stated(Some([1, 28, 28]), None)), &["1x28x28", "1x9x8", "spec.trial.data.shape"]);
    says(&refused(&raw(), &stated(Some([2, 8, 9]), Some(4))), &["4 classes", "has 3"]);
    says(&refused(&idx(false), &stated(None, Some(1))), &["1 classes", "has 2"]);
    let data = load(folder(&idx(false)).path(), &stated(Some([1, 9, 8]), Some(7))).unwrap();
    assert_eq!(data.classes, 7, "IDX files do not say how many classes there are");
    assert!(matches!(load(folder(&raw()).path().join("no").as_path(), &PLAIN), Err(DataError::NoFolder(_))));
}
