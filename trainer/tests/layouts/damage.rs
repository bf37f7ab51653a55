//! Cut files and changed bytes: an error, or a data set that is not shorter.

use std::fs;

use nas_trainer::data::load;
use proptest::prelude::*;

use crate::{
    PLAIN, folder,
    write::{Files, cifar10_binary, cifar10_python, cifar100_binary, cifar100_python, folders, gzip, idx, raw, tar_gz},
};

/// Each with the length of a record where a file does not say how many it has: cut there, its end cannot be seen.
fn sets() -> Vec<(Files, Option<usize>)> {
    vec![
        (cifar10_binary(), Some(3073)),
        (cifar100_binary(), Some(3074)),
        (cifar10_python(), None),
        (cifar100_python(), None),
        ([("cifar-10-python.tar.gz".to_owned(), tar_gz("cifar-10-batches-py", &cifar10_python()))].into(), None),
        (idx(false), None),
        (idx(true), None),
        (raw(), None),
        (folders("test"), None),
    ]
}

/// Loads a set with one file changed.
fn damaged(files: &Files, name: &str, bytes: &[u8]) -> Result<(), TestCaseError> {
    let root = folder(files);
    fs::write(root.path().join(name), bytes).unwrap();
    match load(root.path(), &PLAIN) {
        Err(error) => prop_assert!(error.to_string().contains(root.path().to_str().unwrap()), "{error}"),
        Ok(data) => {
            prop_assert_eq!([data.train.len(), data.test.len()], [4, 2], "{}", name);
            for images in [data.train, data.test] {
                prop_assert_eq!(images.pixels.len(), images.len() * images.shape.iter().product::<usize>());
                prop_assert!(images.labels.iter().all(|label| (0..data.classes as i64).contains(label)));
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, rng_seed: prop::test_runner::RngSeed::Fixed(6), ..ProptestConfig::default() })]

    #[test]
    fn a_cut_file_is_refused(set in 0..9_usize, file: prop::sample::Index, at: prop::sample::Index) {
        let (files, record) = &sets()[set];
        let (name, bytes) = files.iter().nth(file.index(files.len())).unwrap();
        let at = at.index(bytes.len());
        // Text that ends in a line end is whole without it.
        let harmless = name == "batches.meta.txt" || record.is_some_and(|record| at > 0 && at % record == 0);
        prop_assume!(!harmless);
        let root = folder(files);
        fs::write(root.path().join(name), &bytes[..at]).unwrap();
        prop_assert!(load(root.path(), &PLAIN).is_err(), "{} of {} bytes of {}", at, bytes.len(), name);
    }

    #[test]
    fn changed_bytes_are_never_a_shorter_set_and_never_a_panic(
        set in 0..9_usize,
        file: prop::sample::Index,
        // Half of the changes near the beginning, where headers are.
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>(), any::<u8>()), 1..4),
    ) {
        let (files, _) = &sets()[set];
        let (name, bytes) = files.iter().nth(file.index(files.len())).unwrap();
        let mut bytes = bytes.clone();
        for (at, early, value) in changes {
            let length = if early { bytes.len().min(160) } else { bytes.len() };
            bytes[at.index(length)] = value;
        }
        damaged(files, name, &bytes)?;
    }

    #[test]
    fn damage_within_an_archive_that_is_whole_is_seen(file: prop::sample::Index, at: prop::sample::Index, value: u8) {
        let mut files = cifar10_python();
        let name = files.keys().nth(file.index(files.len())).unwrap().clone();
        let bytes = files.get_mut(&name).unwrap();
        let at = at.index(bytes.len().min(200));
        bytes[at] = value;
        let archive = Files::from([("cifar-10-python.tar.gz".to_owned(), tar_gz("x", &files))]);
        damaged(&archive, "cifar-10-python.tar.gz", &archive["cifar-10-python.tar.gz"])?;
    }

    #[test]
    fn any_bytes_as_an_idx_file_of_images_are_no_panic(bytes: Vec<u8>) {
        let mut files = idx(true);
        files.insert("train-images-idx3-ubyte.gz".into(), Vec::new());
        damaged(&files, "train-images-idx3-ubyte.gz", &gzip(&bytes))?;
    }
}
