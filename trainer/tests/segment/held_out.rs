//! What the test images decide: nothing in a search, all where they are asked for.

use std::{fs, path::Path};

use safetensors::SafeTensors;

use crate::trial::{RUNGS, Trial};

/// Test images.
const TEST: u32 = 8;

fn pixel(image: usize, at: usize) -> u8 {
    (if image.is_multiple_of(2) { at * 3 } else { 250 - at * 3 }) as u8
}

/// IDX files of 8x8 pixels in two classes; the test images have labels from `shift` on.
fn write(folder: &Path, shift: usize) {
    fs::create_dir_all(folder).unwrap();
    for (name, count, shift) in [("train", 60, 0), ("t10k", TEST, shift)] {
        let mut images = [0x0803_u32, count, 8, 8].map(u32::to_be_bytes).concat();
        images.extend((0..count as usize).flat_map(|image| (0..64).map(move |at| pixel(image, at))));
        let mut labels = [0x0801_u32, count].map(u32::to_be_bytes).concat();
        labels.extend((0..count as usize).map(|image| ((image + shift) % 2) as u8));
        fs::write(folder.join(format!("{name}-images-idx3-ubyte")), images).unwrap();
        fs::write(folder.join(format!("{name}-labels-idx1-ubyte")), labels).unwrap();
    }
}

fn judged_by(validation: &str, shift: usize) -> Trial {
    let mut trial = Trial::new();
    write(&trial.folder.path().join("data/set"), shift);
    trial.env.insert("NAS_DATA_DIR", trial.folder.path().join("data").display().to_string());
    trial.env.insert("NAS_DATA_NAME", "set".to_owned());
    trial.env.insert("NAS_VALIDATION", validation.to_owned());
    trial
}

fn metrics(validation: &str, shift: usize) -> std::collections::BTreeMap<String, f64> {
    judged_by(validation, shift).report(0, 0).results[0].metrics.clone()
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

#[test]
fn a_checkpoint_holds_images_that_its_network_was_judged_by_and_what_it_said_of_them() {
    let trial = judged_by("TestSet", 0);
    let loss = trial.report(0, 0).results[0].metrics["loss"];
    let state = trial.states(RUNGS[0]).remove(0);
    let state = SafeTensors::deserialize(&state).unwrap();
    let [images, logits] = ["images", "logits"].map(|name| state.tensor(&format!("reference/{name}")).unwrap());
    let bytes: Vec<u8> = (0..TEST as usize).flat_map(|image| (0..64).map(move |at| pixel(image, at))).collect();
    assert_eq!((images.shape(), images.data()), (&[TEST as usize, 1, 8, 8][..], &bytes[..]));
    assert_eq!(logits.shape(), [TEST as usize, 2]);
    // These are all the images, so their scores say what the loss is.
    let scores: Vec<f64> =
        logits.data().chunks_exact(4).map(|bytes| f64::from(f32::from_le_bytes(bytes.try_into().unwrap()))).collect();
    let losses = scores.chunks(2).enumerate().map(|(image, scores)| {
        let sum: f64 = scores.iter().map(|score| score.exp()).sum();
        sum.ln() - scores[image % 2]
    });
    let mean = losses.sum::<f64>() / f64::from(TEST);
    assert!((mean - loss).abs() < 1e-6, "{mean} and {loss}");
}
