//! What the test images decide: nothing in a search, all where they are asked for.

use std::{fs, path::Path};

use crate::trial::Trial;

/// IDX files of 8x8 pixels in two classes; the test images have labels from `shift` on.
fn write(folder: &Path, shift: usize) {
    fs::create_dir_all(folder).unwrap();
    let pixel = |image: usize, at: usize| if image.is_multiple_of(2) { at * 3 } else { 250 - at * 3 } as u8;
    for (name, count, shift) in [("train", 60, 0), ("t10k", 20, shift)] {
        let mut images = [0x0803_u32, count, 8, 8].map(u32::to_be_bytes).concat();
        images.extend((0..count as usize).flat_map(|image| (0..64).map(move |at| pixel(image, at))));
        let mut labels = [0x0801_u32, count].map(u32::to_be_bytes).concat();
        labels.extend((0..count as usize).map(|image| ((image + shift) % 2) as u8));
        fs::write(folder.join(format!("{name}-images-idx3-ubyte")), images).unwrap();
        fs::write(folder.join(format!("{name}-labels-idx1-ubyte")), labels).unwrap();
    }
}

fn metrics(validation: &str, shift: usize) -> std::collections::BTreeMap<String, f64> {
    let mut trial = Trial::new();
    write(&trial.folder.path().join("data/set"), shift);
    trial.env.insert("NAS_DATA_DIR", trial.folder.path().join("data").display().to_string());
    trial.env.insert("NAS_DATA_NAME", "set".to_owned());
    trial.env.insert("NAS_VALIDATION", validation.to_owned());
    trial.report(0, 0).results[0].metrics.clone()
}

#[test]
fn the_test_images_decide_nothing_but_where_they_are_asked_for() {
    let held_out = metrics("Heldout", 0);
    assert!(held_out.contains_key("batch_mean_accuracy"));
    assert_eq!(held_out, metrics("Heldout", 1));
    for validation in ["TestSet", "Final"] {
        // Other labels on the test images turn the accuracy over.
        let [right, wrong] = [0, 1].map(|shift| metrics(validation, shift)["accuracy"]);
        assert!((right + wrong - 1.0).abs() < 1e-9, "{validation}: {right} and {wrong}");
        let [right, wrong] = [0, 1].map(|shift| metrics(validation, shift)["loss"]);
        assert!((right - wrong).abs() > 1e-9, "{validation}: {right} and {wrong}");
    }
}
