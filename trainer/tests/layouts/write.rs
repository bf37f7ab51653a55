//! Small data sets of every layout, as files by name.

use std::{collections::BTreeMap, fs, io::Write, path::Path};

use flate2::{Compression, write::GzEncoder};
use image::{DynamicImage, GrayImage, ImageFormat, RgbImage};

/// Contents by path.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

pub(crate) fn put(folder: &Path, files: &Files) {
    for (name, bytes) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

fn named<const N: usize>(files: [(&str, Vec<u8>); N]) -> Files {
    files.map(|(name, bytes)| (name.to_owned(), bytes)).into()
}

/// Pixel `at` of image `image`.
pub(crate) fn pixel(image: usize, at: usize) -> u8 {
    ((31 * image + 7 * at) % 256) as u8
}

/// Images `from..to`, each with a prefix of labels.
fn records(from: usize, to: usize, labels: impl Fn(usize) -> Vec<u8>) -> Vec<u8> {
    (from..to).flat_map(|image| labels(image).into_iter().chain((0..3072).map(move |at| pixel(image, at)))).collect()
}

/// 2 x 2 to train on, 2 to test on.
pub(crate) fn cifar10_binary() -> Files {
    let label = |image: usize| vec![(image % 10) as u8];
    named([
        ("data_batch_1.bin", records(0, 2, label)),
        ("data_batch_2.bin", records(2, 4, label)),
        ("test_batch.bin", records(4, 6, label)),
        ("batches.meta.txt", b"a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n".to_vec()),
    ])
}

/// 4 to train on, 2 to test on; label 90 + n.
pub(crate) fn cifar100_binary() -> Files {
    let labels = |image: usize| vec![(image % 20) as u8, (90 + image) as u8];
    named([("train.bin", records(0, 4, labels)), ("test.bin", records(4, 6, labels))])
}

fn short_text(text: &str) -> Vec<u8> {
    [&[b'U', text.len() as u8], text.as_bytes()].concat()
}

fn list(items: &[Vec<u8>]) -> Vec<u8> {
    [b"]q\x09(".to_vec(), items.concat(), b"e".to_vec()].concat()
}

/// What Python 2 pickles for an array of bytes (`numpy.ndarray`, uint8), protocol 2.
fn array(count: usize, bytes: &[u8]) -> Vec<u8> {
    [
        b"cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85U\x01b\x87R(K\x01".to_vec(),
        vec![b'K', count as u8, b'M', 0x00, 0x0c, 0x86],
        b"cnumpy\ndtype\nq\x03U\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T".to_vec(),
        (bytes.len() as u32).to_le_bytes().to_vec(),
        bytes.to_vec(),
        b"tb".to_vec(),
    ]
    .concat()
}

fn pickled(items: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let items: Vec<u8> = items.iter().flat_map(|(key, value)| [short_text(key), value.clone()].concat()).collect();
    [b"\x80\x02}q\x00(".to_vec(), items, b"u.".to_vec()].concat()
}

fn pickled_batch(from: usize, to: usize, key: &str, label: impl Fn(usize) -> u8) -> Vec<u8> {
    let labels: Vec<Vec<u8>> = (from..to).map(|image| vec![b'K', label(image)]).collect();
    let pixels: Vec<u8> = (from..to).flat_map(|image| (0..3072).map(move |at| pixel(image, at))).collect();
    pickled(&[("data", array(to - from, &pixels)), (key, list(&labels)), ("batch_label", short_text("batch"))])
}

/// The same images as [`cifar10_binary`].
pub(crate) fn cifar10_python() -> Files {
    let names: Vec<Vec<u8>> = "abcdefghij".chars().map(|name| short_text(&name.to_string())).collect();
    let label = |image: usize| (image % 10) as u8;
    named([
        ("data_batch_1", pickled_batch(0, 2, "labels", label)),
        ("data_batch_2", pickled_batch(2, 4, "labels", label)),
        ("test_batch", pickled_batch(4, 6, "labels", label)),
        ("batches.meta", pickled(&[("label_names", list(&names))])),
    ])
}

/// The same images as [`cifar100_binary`].
pub(crate) fn cifar100_python() -> Files {
    let label = |image: usize| (90 + image) as u8;
    named([("train", pickled_batch(0, 4, "fine_labels", label)), ("test", pickled_batch(4, 6, "fine_labels", label))])
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Files in a folder of an archive.
pub(crate) fn tar_gz(folder: &str, files: &Files) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, format!("{folder}/{name}"), bytes.as_slice()).unwrap();
    }
    gzip(&builder.into_inner().unwrap())
}

/// 4 images of 9x8 to train on, 2 to test on, in 2 classes.
pub(crate) fn idx(gz: bool) -> Files {
    let images = |from: usize, to: usize| {
        let header = [0x0803, (to - from) as u32, 9, 8].map(u32::to_be_bytes).concat();
        header.into_iter().chain((from..to).flat_map(|image| (0..72).map(move |at| pixel(image, at)))).collect::<Vec<u8>>()
    };
    let labels = |from: usize, to: usize| {
        let header = [0x0801, (to - from) as u32].map(u32::to_be_bytes).concat();
        header.into_iter().chain((from..to).map(|image| (image % 2) as u8)).collect::<Vec<u8>>()
    };
    let files = named([
        ("train-images-idx3-ubyte", images(0, 4)),
        ("train-labels-idx1-ubyte", labels(0, 4)),
        ("t10k-images-idx3-ubyte", images(4, 6)),
        ("t10k-labels-idx1-ubyte", labels(4, 6)),
    ]);
    if gz { files.into_iter().map(|(name, bytes)| (format!("{name}.gz"), gzip(&bytes))).collect() } else { files }
}

/// 4 images of 2x8x9 to train on, 2 to test on, in 3 classes.
pub(crate) fn raw() -> Files {
    let header = br#"{"format": 1, "shape": [2, 8, 9], "classes": ["a", "b", "c"],
        "train": {"images": "x.u8", "labels": "y.u8", "count": 4}, "test": {"images": "u.u8", "labels": "v.u8", "count": 2}}"#;
    let images = |from: usize, to: usize| (from..to).flat_map(|image| (0..144).map(move |at| pixel(image, at))).collect();
    named([
        ("nas-images.json", header.to_vec()),
        ("x.u8", images(0, 4)),
        ("y.u8", vec![0, 1, 2, 0]),
        ("u.u8", images(4, 6)),
        ("v.u8", vec![1, 2]),
    ])
}

/// An image file of one colour.
pub(crate) fn picture(side: [u32; 2], colour: [u8; 3], format: ImageFormat) -> Vec<u8> {
    let [height, width] = side;
    let image = if colour[0] == colour[1] {
        DynamicImage::from(GrayImage::from_pixel(width, height, image::Luma([colour[0]])))
    } else {
        DynamicImage::from(RgbImage::from_pixel(width, height, image::Rgb(colour)))
    };
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// Colour images of 9x8: classes `blue` (PNG) and `red` (JPEG), 2 each to train on, 1 each to test on.
pub(crate) fn folders(test: &str) -> Files {
    let blue = |shade: u8| picture([9, 8], [0, 10, shade], ImageFormat::Png);
    let red = |shade: u8| picture([9, 8], [shade, 10, 0], ImageFormat::Jpeg);
    [
        ("train/blue/1.png".to_owned(), blue(200)),
        ("train/blue/2.PNG".to_owned(), blue(210)),
        ("train/red/1.jpg".to_owned(), red(200)),
        ("train/red/2.jpeg".to_owned(), red(210)),
        (format!("{test}/blue/1.png"), blue(220)),
        (format!("{test}/red/1.jpg"), red(220)),
    ]
    .into()
}
