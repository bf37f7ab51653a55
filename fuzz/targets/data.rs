//! A data set in which one file has any bytes is refused with the file's name, or fits together: each label has a class, each image its pixels,
//! and all is as it was asked for.

#![no_main]

#[path = "../../trainer/tests/layouts/write.rs"]
mod write;

use std::{fs, io::Read, path::Path};

use flate2::{Crc, read::GzDecoder};
use libfuzzer_sys::{Corpus, fuzz_target};
use nas_api::contract::{DataShape, Validation};
use nas_trainer::data::{DataSet, Options, Summary, load, split};
use tempfile::TempDir;
use write::{Files, cifar10_binary, cifar10_python, cifar100_binary, cifar100_python, folders, gzip, idx, put, raw, tar_gz};

/// How the files of a set lie in its folder.
#[derive(Clone, Copy)]
enum Packed {
    No,
    /// Each by itself, with `.gz` behind its name.
    Each,
    /// All in this archive.
    In(&'static str),
}

/// A set of the trainer's own tests, and the folder where it lies.
struct Set {
    files: Files,
    packed: Packed,
    folder: TempDir,
}

impl Set {
    fn new((files, packed): (Files, Packed)) -> Self {
        let set = Self { files, packed, folder: tempfile::tempdir().expect("a folder can be made") };
        put(set.folder.path(), &set.files.iter().map(|(name, bytes)| set.packed(name, bytes)).collect());
        set
    }

    fn all() -> Vec<Self> {
        let archive = "cifar-10-python.tar.gz";
        let mut tar = Vec::new();
        GzDecoder::new(&*tar_gz("cifar-10-batches-py", &cifar10_python())).read_to_end(&mut tar).expect("it was packed");
        let sets = [
            (cifar10_binary(), Packed::No),
            (cifar100_binary(), Packed::No),
            (cifar10_python(), Packed::No),
            (cifar100_python(), Packed::No),
            (cifar10_python(), Packed::In(archive)),
            (Files::from([(archive.trim_end_matches(".gz").to_owned(), tar)]), Packed::Each),
            (idx(false), Packed::No),
            (idx(true), Packed::No),
            (raw(), Packed::No),
            (folders("test"), Packed::No),
        ];
        sets.into_iter().map(Self::new).collect()
    }

    /// What lies in the folder where the file of this name has these bytes.
    fn packed(&self, name: &str, bytes: &[u8]) -> (String, Vec<u8>) {
        match self.packed {
            Packed::No => (name.to_owned(), bytes.to_vec()),
            Packed::Each => (format!("{name}.gz"), gzip(bytes)),
            Packed::In(archive) => {
                let mut files = self.files.clone();
                files.insert(name.to_owned(), bytes.to_vec());
                (archive.to_owned(), tar_gz("x", &files))
            }
        }
    }
}

/// The set, the file and what is asked for, each a byte, and then the bytes of the file.
fn seeds() -> impl Iterator<Item = Vec<u8>> {
    let files = |(set, Set { files, .. }): (u8, Set)| {
        (0..).zip(files.into_values()).map(move |(file, bytes)| (set, file, bytes)).collect::<Vec<(u8, u8, Vec<u8>)>>()
    };
    let asked = |(set, file, bytes): (u8, u8, Vec<u8>)| [0, 1, 5, 15].map(|asked| [&[set, file, asked][..], &*bytes].concat());
    (0..).zip(Set::all()).flat_map(files).flat_map(asked)
}

fuzz_target!(init: nas_fuzz::seeds(seeds()), |bytes: &[u8]| -> Corpus {
    thread_local! {
        static SETS: Vec<Set> = Set::all();
    }
    let [set, file, asked, bytes @ ..] = bytes else { return Corpus::Reject };
    SETS.with(|sets| match sets.get(usize::from(*set)).and_then(|set| Some((set, set.files.iter().nth(usize::from(*file))?))) {
        Some((set, (name, whole))) => {
            let bytes = if asked & 1 == 1 { with_check_sums(bytes) } else { bytes.to_vec() };
            write(set, name, &bytes);
            try_out(set.folder.path(), *asked);
            write(set, name, whole);
            Corpus::Keep
        }
        None => Corpus::Reject,
    })
});

fn write(set: &Set, name: &str, bytes: &[u8]) {
    let (name, bytes) = set.packed(name, bytes);
    fs::write(set.folder.path().join(name), bytes).expect("the folder can be written");
}

/// A PNG file whose chunks have the sums that they should have; other files as they are.
fn with_check_sums(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let mut at = 8;
    while let Some(length) = bytes.get(at..at + 4).filter(|_| bytes.starts_with(b"\x89PNG")) {
        let end = at + 8 + u32::from_be_bytes([length[0], length[1], length[2], length[3]]) as usize;
        let mut crc = Crc::new();
        crc.update(bytes.get(at + 4..end).unwrap_or_default());
        let Some(sum) = bytes.get_mut(end..end + 4) else { break };
        sum.copy_from_slice(&crc.sum().to_be_bytes());
        at = end + 4;
    }
    bytes
}

fn try_out(folder: &Path, asked: u8) {
    let shape = match asked >> 1 & 3 {
        2 => Some(DataShape { channels: 1, height: 12, width: 10 }),
        3 => Some(DataShape { channels: 4, height: 9, width: 8 }),
        _ => None,
    };
    let classes = (asked >> 3 & 1 == 1).then_some(3);
    // Nothing can be kept there, so all is decoded each time.
    let nowhere = Path::new("/dev/null");
    match load(folder, &Options { shape, classes, cache: Some(nowhere), tell: &|_| {} }) {
        Ok(data) => {
            let stated = shape.map(|shape| [shape.channels, shape.height, shape.width].map(|size| size as usize));
            assert!(stated.is_none_or(|stated| stated == data.train.shape));
            assert!(classes.is_none_or(|stated| stated as usize == data.classes));
            fits(&data);
        }
        Err(error) => assert!(error.to_string().contains(&folder.display().to_string()), "{error}"),
    }
}

fn fits(data: &DataSet) {
    let DataSet { train, test, classes, class_names, .. } = data;
    let [channels, height, width] = train.shape;
    assert!((1..=4).contains(&channels) && [height, width].iter().all(|side| (8..=256).contains(side)), "{:?}", train.shape);
    assert!(class_names.is_empty() || class_names.len() == *classes);
    for images in [train, test] {
        assert!(images.shape == train.shape && !images.is_empty());
        assert_eq!(images.pixels.len(), images.len() * channels * height * width);
        assert!(images.labels.iter().all(|label| usize::try_from(*label).is_ok_and(|label| label < *classes)));
    }
    assert!(!Summary::of(data).to_string().is_empty());
    let split = split(data, Validation::Heldout);
    let mut places = [split.train, split.evaluate].concat();
    places.sort_unstable();
    assert!(places.into_iter().eq((0..).take(train.len())));
}
