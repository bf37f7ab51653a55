//! Whole trainings in this process on a disk that dies: the same bits as those of a training at once.

use std::{fs, path::Path, sync::atomic::AtomicBool};

use nas_api::contract::{Report, Segment};
use nas_darts::Slot;
use nas_trainer::{
    checkpoint::{Loaded, ReadDisk, Store},
    device::Machine,
    error::TrainerError,
    train::{Ended, Trainer},
};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::disk::{CrashDisk, Fault};

const TRIAL: &str = "/disk/trial";
/// Batches at the rungs; an epoch has 5, and after each the network is measured.
const RUNGS: [u64; 3] = [2, 6, 7];

/// 40 images of 8 x 8 pixels in two classes to train on, 24 to evaluate on.
fn images() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("tiny");
    fs::create_dir(&own).unwrap();
    let part = |name: &str, count: usize| {
        let pixels: Vec<u8> = (0..count * 64).map(|at| ((at * at + 31 * (at / 64 % 2)) % 251).try_into().unwrap()).collect();
        let labels: Vec<u8> = [0, 1].into_iter().cycle().take(count).collect();
        fs::write(own.join(format!("{name}.images")), pixels).unwrap();
        fs::write(own.join(format!("{name}.labels")), labels).unwrap();
        json!({ "images": format!("{name}.images"), "labels": format!("{name}.labels"), "count": count })
    };
    let (train, test) = (part("train", 40), part("test", 24));
    let header = json!({ "format": 1, "shape": [1, 8, 8], "classes": ["a", "b"], "train": train, "test": test });
    fs::write(own.join("nas-images.json"), header.to_string()).unwrap();
    folder
}

fn segment(data: &Path, rung: usize, attempt: u32, every: &str) -> Segment {
    let mut parameters: Map<String, Value> = [
        ("init_channels", json!(4)),
        ("layers", json!(3)),
        ("auxiliary", json!(false)),
        ("global_batch_size", json!(8)),
        ("drop_path_prob", json!(0.3)),
        ("cutout_length", json!(4)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into_iter()
    .collect();
    for slot in Slot::all() {
        parameters.insert(slot.input_name().into(), json!(slot.edge() - 1));
        parameters.insert(slot.op_name().into(), json!(if slot.node() == 0 { "sep_conv_3x3" } else { "skip_connect" }));
    }
    Segment::from_env(|name| {
        let value = match name {
            "NAS_CONTRACT" | "NAS_EVALUATE_EVERY" => "1".to_owned(),
            "NAS_EXPERIMENT" => "e".to_owned(),
            "NAS_TRIAL_NAME" => "e-0".to_owned(),
            "NAS_TRIAL_UID" => "uid".to_owned(),
            "NAS_ATTEMPT" => attempt.to_string(),
            "NAS_TARGET_RUNG" => rung.to_string(),
            "NAS_TARGET_STEP" => RUNGS[rung].to_string(),
            "NAS_RUNG_STEPS" => RUNGS.map(|step| step.to_string()).join(","),
            "NAS_MAX_STEP" => RUNGS[2].to_string(),
            "NAS_STEP_UNIT" => "batches".to_owned(),
            "NAS_METRIC" => "loss".to_owned(),
            "NAS_SEED" => "2".to_owned(),
            "NAS_PARAMETERS" => Value::Object(parameters.clone()).to_string(),
            "NAS_CHECKPOINT_DIR" => TRIAL.to_owned(),
            "NAS_CHECKPOINT_EVERY" => every.to_owned(),
            "NAS_DATA_DIR" => data.display().to_string(),
            "NAS_DATA_NAME" => "tiny".to_owned(),
            "NAS_VALIDATION" => "TestSet".to_owned(),
            _ => return None,
        };
        Some(value)
    })
    .unwrap()
}

/// Where a trial stands on its disk.
struct Course<'a> {
    data: &'a Path,
    disk: CrashDisk,
    /// Seconds between checkpoints, as the contract has it.
    every: &'a str,
    attempt: u32,
}

impl<'a> Course<'a> {
    fn new(data: &'a TempDir, every: &'a str) -> Self {
        Self { data: data.path(), disk: CrashDisk::new(), every, attempt: 0 }
    }

    fn open(&self, trainer: &Trainer) -> Result<Store, TrainerError> {
        Store::open_on(Box::new(self.disk.clone()), Path::new(TRIAL), self.attempt, "x", "uid", trainer.fingerprint())
    }

    /// One process of the next attempt.
    fn live(&mut self, rung: usize, stop: bool) -> Result<Ended, TrainerError> {
        self.attempt += 1;
        let mut trainer = Trainer::prepare(segment(self.data, rung, self.attempt, self.every), None, Machine::CPU)?;
        let mut store = self.open(&trainer)?;
        trainer.run(&mut store, &AtomicBool::new(stop), |_| {})
    }

    /// Processes until the trial's end; `between` is what happens to the disk after each that ended without a report.
    fn live_on(&mut self, first: usize, stop: bool, mut between: impl FnMut(&CrashDisk)) -> (Report, Loaded) {
        let mut report = None;
        for rung in first..RUNGS.len() {
            report = loop {
                match self.live(rung, stop) {
                    Ok(Ended::Reported(report)) => break Some(report),
                    Ok(Ended::Stopped) | Err(TrainerError::Storage { .. }) => between(&self.disk),
                    Err(error) => panic!("{error}"),
                }
            };
        }
        // No fault any more.
        self.disk.restart_process();
        self.attempt += 1;
        let trainer = Trainer::prepare(segment(self.data, 2, self.attempt, self.every), None, Machine::CPU).unwrap();
        let last = self.open(&trainer).unwrap().newest().unwrap().unwrap();
        let best = format!("step-{:010}.json", last.progress.best_batches.unwrap());
        let folders = self.disk.list(Path::new(TRIAL)).unwrap();
        assert!(folders.iter().any(|folder| self.disk.read(&folder.join(&best)).is_ok()), "the best, {best}, is gone");
        (Report { attempt: 0, ..report.unwrap() }, last)
    }
}

fn same((report, last): &(Report, Loaded), (other_report, other_last): &(Report, Loaded), how: &str) {
    assert_eq!(report, other_report, "{how}");
    assert_eq!(last.progress, other_last.progress, "{how}");
    assert!(last.state == other_last.state, "{how}: the tensors differ");
}

#[test]
fn a_training_that_dies_at_any_effect_ends_with_the_bits_of_a_training_at_once() {
    tch::set_num_threads(1);
    let data = images();
    let at_once = Course::new(&data, "0").live_on(2, false, |_| panic!("nothing stops it"));
    assert_eq!((at_once.0.results.len(), at_once.0.curve.len()), (3, 4));
    // The best is neither at a rung nor among the newest two.
    assert_eq!(at_once.1.progress.best_batches, Some(5));

    // A process for each batch.
    let mut stopped = 0;
    let pieces = Course::new(&data, "0").live_on(0, true, |_| stopped += 1);
    assert_eq!(stopped, 4);
    same(&pieces, &at_once, "stopped after each batch");

    // A checkpoint after each batch, and a death at each effect in turn, with and without a crash of the machine.
    let mut undisturbed = Course::new(&data, "1e-9");
    same(&undisturbed.live_on(0, false, |_| panic!("nothing stops it")), &at_once, "a checkpoint after each batch");
    for at in 0..undisturbed.disk.effects() {
        let mut course = Course::new(&data, "1e-9");
        course.disk.set_fault(at, if at % 4 == 3 { Fault::FailsAfter } else { Fault::Dies });
        let crash = |disk: &CrashDisk| if at % 2 == 0 { disk.crash(0) } else { disk.restart_process() };
        same(&course.live_on(0, false, crash), &at_once, &format!("death at effect {at}"));
    }

    // Many deaths in one training, each some effects after the one before.
    for apart in [23, 29, 31, 37] {
        let mut course = Course::new(&data, "1e-9");
        course.disk.set_fault(apart, Fault::Dies);
        let mut deaths = 0;
        let crash = |disk: &CrashDisk| {
            deaths += 1;
            disk.crash(0);
            disk.set_fault(disk.effects() + apart, Fault::Dies);
        };
        same(&course.live_on(0, false, crash), &at_once, &format!("a death every {apart} effects"));
        assert!(deaths > 1);
    }
}
