//! The checkpoints of a trial as this project's trainer lays them down, and who reads them: `<trial>/a<attempt>-<process>/step-<batches>.json` is a
//! commit record, and names the state file beside it. What has no valid record, or is not what its record says, does not exist.

use std::{
    cmp::Reverse,
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::{CurvePoint, RungResult};

/// The file of a process's folder that stays where its checkpoints go: every evaluation, as JSON lines.
pub const CURVE: &str = "curve.jsonl";
/// The file beside the checkpoints that says how the network sees its images.
pub const INPUT: &str = "input.json";

/// Before the name of a parameter in a state file: its momentum, which only training needs.
pub const MOMENTUM: &str = "momentum/";
/// Before `images` and `logits` in a state file: a few images, bytes [N, C, H, W], and what the network says of them, before the softmax.
pub const REFERENCE: &str = "reference/";

/// The commit record: everything about a checkpoint but the tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The trial's unique id.
    pub trial_uid: String,
    /// What the tensors belong to: a digest of configuration, seed, data and schedule.
    pub fingerprint: String,
    /// Name of the state file in the same folder.
    pub file: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal digits.
    pub sha256: String,
    /// Where the training stands.
    pub progress: Progress,
}

/// Where a training stands, without the tensors.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// Batches trained.
    pub batches: u64,
    /// The number of the last report.
    pub seq: u64,
    /// Highest accuracy so far.
    pub best_accuracy: Option<f64>,
    /// After how many batches it was first reached; the checkpoint of these batches is the best one.
    pub best_batches: Option<u64>,
    /// Results of the rungs reached.
    pub results: Vec<RungResult>,
    /// Every evaluation so far.
    pub curve: Vec<CurvePoint>,
}

impl Record {
    /// The record of a state; it belongs into the file `step-<batches>.json`, the state into `file` beside it, whose name has a part of its digest: a
    /// step that is written twice does not spoil its first record.
    pub fn new(trial_uid: &str, fingerprint: &str, progress: Progress, state: &[u8]) -> Self {
        let sha256 = sha256(state);
        Self {
            trial_uid: trial_uid.to_owned(),
            fingerprint: fingerprint.to_owned(),
            file: format!("step-{:010}-{}.safetensors", progress.batches, &sha256[..8]),
            bytes: state.len() as u64,
            sha256,
            progress,
        }
    }

    /// Name of the record's own file.
    pub fn name(&self) -> String {
        format!("step-{:010}.json", self.progress.batches)
    }

    /// The state of a record that lies in `folder`; or why it is not the one that was written.
    fn state(&self, disk: &dyn ReadDisk, folder: &Path) -> Result<Vec<u8>, String> {
        let file = folder.join(&self.file);
        if file.file_name() != Some(self.file.as_ref()) {
            return Err(format!("{:?} is no name of a file beside the record", self.file));
        }
        let state = disk.read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        if state.len() as u64 != self.bytes {
            return Err(format!("{} has {} bytes, its record says {}", file.display(), state.len(), self.bytes));
        }
        if sha256(&state) != self.sha256 {
            return Err(format!("the SHA-256 of {} is not the one of its record", file.display()));
        }
        Ok(state)
    }
}

/// A checkpoint that was found whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// The folder of the process that wrote it.
    pub folder: PathBuf,
    /// Its record.
    pub record: Record,
    /// The tensors.
    pub state: Vec<u8>,
}

/// Why a trial's checkpoints cannot be read.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// A folder cannot be read: its checkpoints are not lost, and whoever went on without them would take an older one for the newest.
    #[error("cannot read the folder {path}: {source}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The newest belongs to another trial or configuration.
    #[error("the checkpoint {path} is one of another trial ({uid})", uid = record.trial_uid)]
    Foreign {
        /// The commit record's file.
        path: PathBuf,
        /// What it says.
        record: Box<Record>,
    },
}

/// What is asked of a disk by who reads checkpoints.
pub trait ReadDisk {
    /// What a folder holds, in order of names.
    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>>;
    /// Reads a file.
    fn read(&self, file: &Path) -> io::Result<Vec<u8>>;
}

/// The files of this machine.
#[derive(Clone, Copy, Debug)]
pub struct Files;

impl ReadDisk for Files {
    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let mut paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
        paths.sort();
        Ok(paths)
    }

    fn read(&self, file: &Path) -> io::Result<Vec<u8>> {
        fs::read(file)
    }
}

/// Name of the folder that a process of an attempt writes to.
pub fn attempt_folder(attempt: u32, process: &str) -> String {
    format!("a{attempt}-{process}")
}

/// The attempt in the name of a process's folder; `None`: it is no such folder.
pub fn attempt_of(folder: &Path) -> Option<u32> {
    folder.file_name()?.to_str()?.strip_prefix('a')?.split('-').next()?.parse().ok()
}

/// The folders of all processes of a trial, with their attempts; none where the trial has no folder.
///
/// # Errors
///
/// If the trial's folder cannot be read.
pub fn attempts(disk: &dyn ReadDisk, trial: &Path) -> Result<Vec<(u32, PathBuf)>, CheckpointError> {
    Ok(list(disk, trial)?.into_iter().filter_map(|path| Some((attempt_of(&path)?, path))).collect())
}

/// The committed checkpoint of the highest step, of the highest attempt where several have it; `None`: there is none.
///
/// Records that are no records, and those whose state file is missing, cut or altered, are passed over, and told to `passed_over` with the file and
/// the reason. The newest record must be one of those that `is_own` knows.
///
/// # Errors
///
/// If a folder cannot be read, or the newest record is another trial's.
pub fn newest(
    disk: &dyn ReadDisk,
    trial: &Path,
    is_own: impl Fn(&Record) -> bool,
    mut passed_over: impl FnMut(&Path, String),
) -> Result<Option<Checkpoint>, CheckpointError> {
    let mut records: Vec<(u32, PathBuf, Record)> = Vec::new();
    for (attempt, folder) in attempts(disk, trial)? {
        for path in list(disk, &folder)?.into_iter().filter(|path| is_record(path)) {
            let read = disk.read(&path).map_err(|error| error.to_string());
            match read.and_then(|json| serde_json::from_slice(&json).map_err(|error| error.to_string())) {
                Ok(record) => records.push((attempt, path, record)),
                Err(reason) => passed_over(&path, format!("no record: {reason}")),
            }
        }
    }
    records.sort_by_key(|(attempt, _, record)| Reverse((record.progress.batches, *attempt)));
    for (_, path, record) in records {
        if !is_own(&record) {
            return Err(CheckpointError::Foreign { path, record: Box::new(record) });
        }
        let folder = path.parent().unwrap_or(trial).to_owned();
        match record.state(disk, &folder) {
            Ok(state) => return Ok(Some(Checkpoint { folder, record, state })),
            Err(reason) => passed_over(&path, reason),
        }
    }
    Ok(None)
}

/// SHA-256 in hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

fn is_record(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.starts_with("step-") && path.extension().is_some_and(|extension| extension == "json")
}

/// What a folder holds; nothing where there is none.
fn list(disk: &dyn ReadDisk, folder: &Path) -> Result<Vec<PathBuf>, CheckpointError> {
    match disk.list(folder) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(Vec::new()),
        listed => listed.map_err(|source| CheckpointError::Folder { path: folder.to_owned(), source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The folder of one process, in which every file that is asked for is this record.
    struct Lone(Record);

    impl ReadDisk for Lone {
        fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
            Ok(vec![folder.join(if folder == Path::new("/trial") { "a0-x".to_owned() } else { self.0.name() })])
        }

        fn read(&self, file: &Path) -> io::Result<Vec<u8>> {
            assert_eq!(file.parent(), Some(Path::new("/trial/a0-x")), "{}", file.display());
            Ok(serde_json::to_vec(&self.0)?)
        }
    }

    #[test]
    fn a_record_leads_to_no_file_but_those_beside_it() {
        for file in ["/dev/zero", "../a1-y/step-0000000001.safetensors", "below/step", "..", ".", "", "step/"] {
            let record = Record { file: file.to_owned(), ..Record::new("uid", "f", Progress::default(), b"state") };
            let mut told = Vec::new();
            let found = newest(&Lone(record), Path::new("/trial"), |_| true, |_, reason| told.push(reason));
            assert!(matches!(found, Ok(None)), "{file:?}");
            assert!(told.len() == 1 && told[0].contains("beside the record"), "{file:?}: {told:?}");
        }
    }
}
