//! `nasctl best` and `nasctl export` on a search that was never trained, with a checkpoint of a few numbers.

use std::{
    fs,
    path::{Path, PathBuf},
};

use nas_api::{
    contract::checkpoint::{INPUT, Progress, Record, attempt_folder},
    genotype,
    objects::NasTrial,
};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde_json::{Value, json};

use crate::{
    journal,
    rig::{ended, nasctl, told},
};

fn said(arguments: &[&str]) -> (i32, String) {
    told(nasctl().args(arguments))
}

/// What is printed as JSON.
fn shown(arguments: &[&str]) -> Value {
    let (code, shown, said) = ended(nasctl().args(arguments).args(["--output", "json"]));
    assert_eq!(code, 0, "{said}");
    serde_json::from_str(&shown).unwrap()
}

/// A committed checkpoint, as the trainer leaves it; returns its state file.
fn checkpoint(folder: &Path, trial: &NasTrial, attempt: u32, batches: u64, weight: f32) -> PathBuf {
    let own = folder.join("trials").join(trial.metadata.name.as_ref().unwrap()).join(attempt_folder(attempt, "1-2"));
    fs::create_dir_all(&own).unwrap();
    let numbers = weight.to_le_bytes();
    let tensor = || TensorView::new(Dtype::F32, vec![1], &numbers).unwrap();
    let images = || TensorView::new(Dtype::U8, vec![1, 1, 1, 2], &[7, 255]).unwrap();
    let of_classifier = [("classifier.bias", tensor()), ("momentum/classifier.bias", tensor())];
    let of_images = [("reference/images", images()), ("reference/logits", tensor())];
    let bytes = safetensors::serialize(of_classifier.into_iter().chain(of_images), None).unwrap();
    let record = Record::new("x", "x", Progress { batches, ..Progress::default() }, &bytes);
    fs::write(own.join(&record.file), bytes).unwrap();
    fs::write(own.join(record.name()), serde_json::to_string(&record).unwrap()).unwrap();
    fs::write(own.join(INPUT), json!({"mean": [0.25, 0.5, 0.5], "std": [0.5, 0.5, 0.125]}).to_string()).unwrap();
    own.join(record.file)
}

#[test]
fn what_is_exported_is_the_newest_of_the_best_and_can_be_trained_anew() {
    let folder = tempfile::tempdir().unwrap();
    let trials = journal::write(folder.path(), 64);
    let search = folder.path().to_str().unwrap();
    let shown = shown(&["best", search]);
    let best = &trials[shown["trial"].as_u64().unwrap() as usize];
    assert_eq!(said(&["best", search, "-o", "name"]).1.trim(), best.metadata.name.as_ref().unwrap());
    assert_eq!(said(&["best", search, "-o", "number"]).1.trim(), best.spec.number.to_string());
    let (_, text) = said(&["best", search]);
    assert!(text.contains(&format!("{:.4}", shown["value"].as_f64().unwrap())) && text.contains("reduce cell"), "{text}");

    let oldest = checkpoint(folder.path(), best, 3, 40, 1.0);
    let older = checkpoint(folder.path(), best, 4, 80, 2.0);
    let newest = checkpoint(folder.path(), best, 5, 80, 3.0);
    let taken = folder.path().join("taken");
    let export = ["export", search, "--output", taken.to_str().unwrap()];
    let (code, text) = said(&export);
    assert_eq!(code, 0, "{text}");
    let weights = fs::read(taken.join("weights.safetensors")).unwrap();
    let weights = SafeTensors::deserialize(&weights).unwrap();
    assert_eq!(weights.names(), ["classifier.bias"]);
    assert_eq!(weights.tensor("classifier.bias").unwrap().data(), 3.0_f32.to_le_bytes());
    let reference = fs::read(taken.join("reference.safetensors")).unwrap();
    let reference = SafeTensors::deserialize(&reference).unwrap();
    assert_eq!(reference.tensor("images").unwrap().data(), [7, 255]);
    assert_eq!(reference.tensor("logits").unwrap().data(), 3.0_f32.to_le_bytes());
    let cells: nas_darts::Genotype = serde_json::from_slice(&fs::read(taken.join("genotype.json")).unwrap()).unwrap();
    assert_eq!(Ok(cells), genotype(best.assignment()));
    assert_eq!(fs::read_to_string(taken.join("cells.svg")).unwrap(), cells.to_svg());
    let model = fs::read_to_string(taken.join("model.py")).unwrap();
    assert!(
        model.contains("MEAN = [0.25, 0.5, 0.5]") && model.contains("CHANNELS = 16\nLAYERS = 8\n") && !model.contains('@'),
        "{model}"
    );

    let again = taken.join("experiment.yaml");
    assert_eq!(said(&["validate", again.to_str().unwrap()]).0, 0);
    let preview = self::shown(&["preview", again.to_str().unwrap(), "--trials", "1"]);
    assert_eq!(preview["trials"], json!([best.assignment()]));
    assert_eq!(preview["rungs"], json!([{"step": 256, "trials": 1}]));

    // How its images were scaled is said, or that it is not known.
    let scaling = newest.with_file_name(INPUT);
    fs::write(&scaling, r#"{"mean": [0.25,"#).unwrap();
    let (code, text) = said(&export);
    assert!(code == 0 && text.contains("input.json cannot be read (EOF") && text.contains("set MEAN and STD"), "{code}: {text}");
    assert!(fs::read_to_string(taken.join("model.py")).unwrap().contains("MEAN = None"));
    fs::remove_file(&scaling).unwrap();
    let (code, text) = said(&export);
    assert!(code == 0 && !text.contains("warning"), "{code}: {text}");

    // What is not as it was written is passed over, as the trainer does.
    let whole = fs::read(&newest).unwrap();
    fs::write(&newest, "cut").unwrap();
    fs::write(&older, vec![0; whole.len()]).unwrap();
    let (code, text) = said(&export);
    assert!(code == 0 && text.contains("has 3 bytes, its record says") && text.contains("SHA-256"), "{code}: {text}");
    let weights = fs::read(taken.join("weights.safetensors")).unwrap();
    assert_eq!(SafeTensors::deserialize(&weights).unwrap().tensor("classifier.bias").unwrap().data(), 1.0_f32.to_le_bytes());
    fs::remove_file(&oldest).unwrap();
    let (code, text) = said(&export);
    assert!(code == 65 && text.contains("is damaged") && text.contains("--without-weights"), "{code}: {text}");
    let other = trials.iter().find(|trial| trial.spec.number != best.spec.number).unwrap().spec.number.to_string();
    let (code, text) = said(&["export", search, "--trial", &other, "--output", taken.to_str().unwrap()]);
    assert!(code == 65 && text.contains("has no checkpoint"), "{code}: {text}");
    let bare = folder.path().join("bare");
    let (code, _) = said(&["export", search, "--trial", &other, "--without-weights", "--output", bare.to_str().unwrap()]);
    assert!(code == 0 && bare.join("model.py").exists());
    assert!(["weights", "reference"].iter().all(|name| !bare.join(format!("{name}.safetensors")).exists()));
    assert_eq!(said(&["export", search, "--trial", "9999", "--output", bare.to_str().unwrap()]).0, 64);
}

#[test]
fn a_search_that_has_ended_is_shown_once_and_without_a_terminal_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let search = folder.path().join("made");
    journal::write(&search, 64);
    let search = search.to_str().unwrap();
    let (code, text) = said(&["top", search]);
    assert!(
        code == 0 && text.lines().count() == 1 && text.contains("64 of 64 trials") && text.contains(", ended: all trials"),
        "{text}"
    );
    let (code, text) = said(&["get", folder.path().to_str().unwrap(), "-o", "wide"]);
    assert!(code == 0 && text.contains(search) && text.contains("Completed   64 of 64"), "{text}");
    let (code, text) = said(&["top", search, "--once"]);
    assert!(
        code == 0 && text.contains("0 of 16 slots") && text.contains("made: 64 of 64 trials") && !text.contains('\x1b'),
        "{text}"
    );
    let bars: Vec<usize> = text
        .lines()
        .filter(|line| !line.contains("results ("))
        .map(|line| line.matches('█').count())
        .filter(|count| *count > 0)
        .collect();
    assert!(bars[0] == 32 && bars.is_sorted_by(|one, other| one >= other) && bars.len() > 2, "{bars:?}: {text}");
}
