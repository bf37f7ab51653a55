//! CIFAR-10 and CIFAR-100, in their binary and their Python layout: images of 32x32 as red, green and blue planes.

use std::path::{Path, PathBuf};

use super::{
    DataError, DataSet, Images, Layout,
    error::{Fault, malformed},
    pickle::Pickle,
    source::{Archive, Source},
};

const SIDE: usize = 32;
/// Bytes of an image.
const IMAGE: usize = 3 * SIDE * SIDE;
/// Folders and archives as they are published.
const FOLDERS: [&str; 4] = ["cifar-10-batches-bin", "cifar-100-binary", "cifar-10-batches-py", "cifar-100-python"];
const ARCHIVES: [&str; 4] =
    ["cifar-10-binary.tar.gz", "cifar-100-binary.tar.gz", "cifar-10-python.tar.gz", "cifar-100-python.tar.gz"];

/// One of the four ways in which the sets are published.
struct Variant {
    layout: Layout,
    classes: usize,
    /// Files to train on; as many as there are, without a gap.
    train: &'static [&'static str],
    test: &'static str,
    /// Images in each file to train on, and in the file to test on, as published.
    original: [usize; 2],
    /// Names of the classes.
    names: &'static str,
}

const VARIANTS: [Variant; 4] = [
    Variant {
        layout: Layout::Cifar10Binary,
        classes: 10,
        train: &["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"],
        test: "test_batch.bin",
        original: [10_000, 10_000],
        names: "batches.meta.txt",
    },
    Variant {
        layout: Layout::Cifar100Binary,
        classes: 100,
        train: &["train.bin"],
        test: "test.bin",
        original: [50_000, 10_000],
        names: "fine_label_names.txt",
    },
    Variant {
        layout: Layout::Cifar10Python,
        classes: 10,
        train: &["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"],
        test: "test_batch",
        original: [10_000, 10_000],
        names: "batches.meta",
    },
    Variant {
        layout: Layout::Cifar100Python,
        classes: 100,
        train: &["train"],
        test: "test",
        original: [50_000, 10_000],
        names: "meta",
    },
];

/// Loads what lies in the folder, in a folder below that is named as published, or in an archive as published; `None` if nothing does.
pub(super) fn load(folder: &Path) -> Result<Option<DataSet>, DataError> {
    let below = FOLDERS.iter().map(|name| folder.join(name));
    for folder in std::iter::once(folder.to_owned()).chain(below).filter(|folder| folder.is_dir()) {
        let source = Source::Folder(folder);
        if let Some(variant) = VARIANTS.iter().find(|variant| variant.is_in(&source)) {
            return variant.load(&source).map(Some);
        }
    }
    let Some(path) = ARCHIVES.iter().map(|name| folder.join(name)).find(|path| path.is_file()) else { return Ok(None) };
    let source = Source::Archive(archive(&path)?);
    match VARIANTS.iter().find(|variant| variant.is_in(&source)) {
        Some(variant) => variant.load(&source).map(Some),
        None => Err(malformed(&path, 0, "expected the files of CIFAR-10 or CIFAR-100 in the archive".to_owned())),
    }
}

/// The files of an archive that belong to a data set.
pub(super) fn archive(path: &Path) -> Result<Archive, DataError> {
    Archive::read(path, |name| VARIANTS.iter().any(|variant| variant.files().any(|file| file == name)))
}

/// Images of one file.
struct Batch {
    path: PathBuf,
    /// Where a file that was cut would end.
    end: usize,
    pixels: Vec<u8>,
    labels: Vec<i64>,
}

impl Variant {
    fn files(&self) -> impl Iterator<Item = &'static str> {
        self.train.iter().copied().chain([self.test, self.names])
    }

    fn is_in(&self, source: &Source) -> bool {
        source.has(self.train[0]) || source.has(self.test)
    }

    fn load(&self, source: &Source) -> Result<DataSet, DataError> {
        let present = self.train.iter().rposition(|name| source.has(name)).map_or(1, |last| last + 1);
        let train: Vec<Batch> = self.train[..present].iter().map(|name| self.batch(source, name)).collect::<Result<_, _>>()?;
        let test = self.batch(source, self.test)?;
        self.check_counts(source, &train, &test)?;
        let class_names = self.class_names(source)?;
        Ok(DataSet { train: joined(train), test: joined(vec![test]), classes: self.classes, class_names, layout: self.layout })
    }

    /// Neither layout says how many images a set has, so a file that is missing, or cut between two images, is seen by the others: all
    /// files to train on have the same number, and one of the published number means that all have theirs.
    fn check_counts(&self, source: &Source, train: &[Batch], test: &Batch) -> Result<(), DataError> {
        let [full, full_test] = self.original;
        let is_original = train.iter().any(|batch| batch.labels.len() == full) || test.labels.len() == full_test;
        let longest = train.iter().map(|batch| batch.labels.len()).max().unwrap_or(0);
        let of_train = train.iter().map(|batch| (batch, if is_original { full } else { longest }));
        let of_test = (test, if is_original { full_test } else { test.labels.len() });
        for (batch, wanted) in of_train.chain([of_test]) {
            let found = batch.labels.len();
            if found != wanted {
                return Err(malformed(
                    &batch.path,
                    batch.end,
                    format!("expected {wanted} images as its companions show, found {found}"),
                ));
            }
        }
        match self.train.get(train.len()) {
            Some(missing) if is_original => Err(malformed(
                &source.path(missing),
                0,
                format!("expected this file, since the others are those of the published set, which has {}", self.train.len()),
            )),
            _ => Ok(()),
        }
    }

    fn batch(&self, source: &Source, name: &str) -> Result<Batch, DataError> {
        let (path, bytes) = source.read(name)?;
        match self.layout {
            Layout::Cifar10Binary | Layout::Cifar100Binary => self.records(path, &bytes),
            _ => self.pickled(&path, &bytes).map_err(|fault| fault.of(&path)),
        }
    }

    /// Records of one label byte (for CIFAR-100, one of 20 superclasses before it) and the image.
    fn records(&self, path: PathBuf, bytes: &[u8]) -> Result<Batch, DataError> {
        let superclasses = if self.layout == Layout::Cifar100Binary { &[20_usize][..] } else { &[] };
        let bounds: Vec<usize> = superclasses.iter().copied().chain([self.classes]).collect();
        let record = bounds.len() + IMAGE;
        let rest = bytes.len() % record;
        if bytes.is_empty() || rest != 0 {
            let expected = format!("expected whole records of {record} bytes, found {rest} bytes of one");
            return Err(malformed(&path, bytes.len() - rest, expected));
        }
        let mut batch = Batch { path, end: bytes.len(), pixels: Vec::with_capacity(bytes.len()), labels: Vec::new() };
        for (number, bytes) in bytes.chunks_exact(record).enumerate() {
            let (labels, pixels) = bytes.split_at(bounds.len());
            for (at, (label, bound)) in labels.iter().zip(&bounds).enumerate() {
                if usize::from(*label) >= *bound {
                    let expected = format!("expected a label from 0 to {}, found {label}", bound - 1);
                    return Err(malformed(&batch.path, number * record + at, expected));
                }
            }
            batch.labels.extend(labels.last().map(|label| i64::from(*label)));
            batch.pixels.extend_from_slice(pixels);
        }
        Ok(batch)
    }

    /// A pickled dictionary of `data` `[N, 3072]` and `labels` (for CIFAR-100 `fine_labels`) `[N]`.
    fn pickled(&self, path: &Path, bytes: &[u8]) -> Result<Batch, Fault> {
        let pickle = Pickle::read(bytes)?;
        let (offset, array) = pickle.array("data")?;
        let [count, IMAGE] = array.shape[..] else {
            return Err(Fault { offset, expected: format!("expected data of N times {IMAGE} bytes, found {:?}", array.shape) });
        };
        let key = if self.layout == Layout::Cifar100Python { "fine_labels" } else { "labels" };
        let labels = pickle.numbers(&[key])?;
        if count == 0 || labels.len() != count {
            let expected = format!("expected as many labels as images and at least one, found {} and {count}", labels.len());
            return Err(Fault { offset, expected });
        }
        if let Some((offset, label)) = labels.iter().find(|(_, label)| !(0..self.classes as i64).contains(label)) {
            let expected = format!("expected a label from 0 to {}, found {label}", self.classes - 1);
            return Err(Fault { offset: *offset, expected });
        }
        let labels = labels.into_iter().map(|(_, label)| label).collect();
        Ok(Batch { path: path.to_owned(), end: bytes.len(), pixels: array.bytes.to_vec(), labels })
    }

    /// Names of the classes; none where the file is not there.
    fn class_names(&self, source: &Source) -> Result<Vec<String>, DataError> {
        if !source.has(self.names) {
            return Ok(Vec::new());
        }
        let (path, bytes) = source.read(self.names)?;
        let names = match self.layout {
            Layout::Cifar10Binary | Layout::Cifar100Binary => {
                let text = String::from_utf8_lossy(&bytes);
                text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
            }
            layout => {
                let key = if layout == Layout::Cifar100Python { "fine_label_names" } else { "label_names" };
                Pickle::read(&bytes).and_then(|pickle| pickle.texts(key)).map_err(|fault| fault.of(&path))?
            }
        };
        if names.len() != self.classes {
            let expected = format!("expected the names of {} classes, found {}", self.classes, names.len());
            return Err(malformed(&path, bytes.len(), expected));
        }
        Ok(names)
    }
}

fn joined(batches: Vec<Batch>) -> Images {
    let mut images = Images { pixels: Vec::new(), labels: Vec::new(), shape: [3, SIDE, SIDE] };
    for batch in batches {
        images.labels.extend(batch.labels);
        images.pixels.extend(batch.pixels);
    }
    images
}
