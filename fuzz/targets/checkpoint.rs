//! A checkpoint with a damaged record or state is passed over for an older one, or is another trial's; no file outside a process's folder is
//! asked for; and a state of any bytes is refused or put back to the bit.

#![no_main]

use std::{
    collections::BTreeMap,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use libfuzzer_sys::{Corpus, fuzz_target};
use nas_api::contract::{
    CurvePoint, Reported, RungResult,
    checkpoint::{CheckpointError, Progress, ReadDisk, Record, attempt_folder, newest},
};
use nas_darts::{Cell, Edge, Genotype, Image, Op, Skeleton};
use nas_trainer::{
    checkpoint::{capture, restore},
    model::{MemoryFormat, Network, Variables},
    optimizer::{Sgd, SgdConfig},
    reference::Reference,
};
use tch::{Device, Kind, Tensor};

const TRIAL: &str = "/checkpoints/small-3";
const UID: &str = "3f2504e0";
const FINGERPRINT: &str = "5e981a73eda63c3d";
const STATES: [&[u8]; 2] = [b"the state after ten batches", b"the state after twenty"];

/// The files of two checkpoints, the older first: each a record and its state.
struct Disk(BTreeMap<PathBuf, Vec<u8>>);

impl Disk {
    fn folder() -> PathBuf {
        Path::new(TRIAL).join(attempt_folder(1, "x"))
    }

    fn records() -> [Record; 2] {
        let [older, newer] = STATES;
        [(10, older), (20, newer)].map(|(batches, state)| Record::new(UID, FINGERPRINT, progress(batches), state))
    }

    fn whole() -> Self {
        let files = Self::records().into_iter().zip(STATES).flat_map(|(record, state)| {
            let json = serde_json::to_vec_pretty(&record).expect("a record can be written");
            [(Self::folder().join(record.name()), json), (Self::folder().join(&record.file), state.to_vec())]
        });
        Self(files.collect())
    }
}

impl ReadDisk for Disk {
    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let below = self.0.keys().filter_map(|path| Some(folder.join(path.strip_prefix(folder).ok()?.components().next()?)));
        let mut listed: Vec<PathBuf> = below.collect();
        listed.dedup();
        Ok(listed)
    }

    fn read(&self, file: &Path) -> io::Result<Vec<u8>> {
        assert!(file.parent() == Some(&*Self::folder()) && file.file_name().is_some(), "{} is asked for", file.display());
        self.0.get(file).cloned().ok_or_else(|| ErrorKind::NotFound.into())
    }
}

fn progress(batches: u64) -> Progress {
    let result = RungResult {
        rung: 0,
        outcome: Reported::Value,
        value: Some(0.5),
        metrics: [("loss".to_owned(), 1.25)].into(),
        message: None,
    };
    let curve = vec![CurvePoint { step: 5.0, value: 0.25 }];
    Progress { batches, seq: 3, best_accuracy: Some(0.5), best_batches: Some(10), results: vec![result], curve }
}

/// The smallest network, as it is trained.
struct Training {
    variables: Variables,
    sgd: Sgd,
}

impl Training {
    fn new(seed: u64) -> Self {
        let edge = |op| Edge { op, input: 1 };
        let cell = Cell::new([[edge(Op::SkipConnect), edge(Op::None)]; 4]).expect("each node reads a cell");
        let image = Image { channels: 1, height: 8, width: 8 };
        let skeleton = Skeleton { channels: 1, layers: 1, auxiliary: false, image, classes: 2 };
        let mut variables = Variables::new(Kind::Float, Device::Cpu, MemoryFormat::ChannelsLast, seed);
        Network::new(&mut variables, &Genotype { normal: cell, reduce: cell }, &skeleton).expect("it fits the image");
        let sgd = Sgd::new(&variables, SgdConfig { momentum: 0.9, weight_decay: 0.0, max_norm: 1.0 });
        Self { variables, sgd }
    }

    fn captured(&self) -> Vec<u8> {
        let images = Tensor::zeros([1, 1, 8, 8], (Kind::Uint8, Device::Cpu));
        let logits = Tensor::zeros([1, 2], (Kind::Float, Device::Cpu));
        capture(&self.variables, &self.sgd, &Reference { images, logits }).expect("all is of 32 bits")
    }
}

/// What is damaged, as a byte, and its bytes then.
fn seeds() -> impl Iterator<Item = Vec<u8>> {
    let record = serde_json::to_vec_pretty(&Disk::records()[1]).expect("a record can be written");
    [(0, record), (1, STATES[1].to_vec()), (2, Training::new(7).captured())]
        .into_iter()
        .map(|(what, bytes)| [vec![what], bytes].concat())
}

fuzz_target!(init: nas_fuzz::seeds(seeds()), |bytes: &[u8]| -> Corpus {
    match bytes {
        [0, record @ ..] => of_a_record(record),
        [1, state @ ..] => of_a_state(state),
        [2, state @ ..] => put_back(state),
        _ => return Corpus::Reject,
    }
    Corpus::Keep
});

/// What is taken for the newest checkpoint where one file of the newer has these bytes; `None`: another trial's.
fn taken(file: &str, bytes: &[u8]) -> Option<(Record, Vec<u8>)> {
    let mut disk = Disk::whole();
    disk.0.insert(Disk::folder().join(file), bytes.to_vec());
    let is_own = |record: &Record| record.trial_uid == UID && record.fingerprint == FINGERPRINT;
    match newest(&disk, Path::new(TRIAL), is_own, |_, reason| assert!(!reason.is_empty())) {
        Ok(found) => found.map(|found| (found.record, found.state)),
        Err(CheckpointError::Foreign { record, .. }) => {
            assert!(!is_own(&record));
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// A record says what its state file is, which is as it was.
fn of_a_record(record: &[u8]) {
    if let Some((record, state)) = taken(&Disk::records()[1].name(), record) {
        let [older, newer] = Disk::records();
        let [of_older, of_newer] = STATES;
        let digests = |record: &Record| (record.file.clone(), record.bytes, record.sha256.clone());
        assert!(
            digests(&record) == digests(&newer) && state == of_newer || digests(&record) == digests(&older) && state == of_older
        );
    }
}

fn of_a_state(state: &[u8]) {
    let [older, newer] = Disk::records();
    let [of_older, of_newer] = STATES;
    let expected = if state == of_newer { (newer.clone(), of_newer.to_vec()) } else { (older, of_older.to_vec()) };
    assert_eq!(taken(&newer.file, state), Some(expected));
}

fn put_back(state: &[u8]) {
    thread_local! {
        static TRAININGS: [Training; 2] = [1, 2].map(Training::new);
    }
    TRAININGS.with(|[training, other]| {
        if restore(state, &training.variables, &training.sgd).is_ok() {
            let captured = training.captured();
            restore(&captured, &other.variables, &other.sgd).expect("what was captured");
            assert!(other.captured() == captured);
        }
    });
}
