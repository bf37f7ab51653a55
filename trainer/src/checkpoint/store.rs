//! Where checkpoints lie: `<trial>/a<attempt>-<process>/`. A process writes only into its own folder and reads all.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::{Foreign, Progress, Record};
use crate::error::TrainerError;

/// Checkpoints that a process keeps of its own.
const KEPT: usize = 2;

/// The checkpoints of one trial, as one process sees them.
#[derive(Debug)]
pub struct Store {
    trial: PathBuf,
    own: PathBuf,
    attempt: u32,
    trial_uid: String,
    fingerprint: String,
    written: Vec<String>,
}

/// A checkpoint that was found.
#[derive(Debug)]
pub struct Loaded {
    /// Where the training stood.
    pub progress: Progress,
    /// The tensors.
    pub state: Vec<u8>,
}

impl Store {
    /// Opens the trial's folder for one process of `attempt`, and makes the process's own folder.
    ///
    /// # Errors
    ///
    /// If a newer attempt has begun, or the folder cannot be written.
    pub fn open(trial: &Path, attempt: u32, process: &str, trial_uid: &str, fingerprint: String) -> Result<Self, TrainerError> {
        let own = trial.join(format!("a{attempt}-{process}"));
        let store =
            Self { trial: trial.to_owned(), own, attempt, trial_uid: trial_uid.to_owned(), fingerprint, written: Vec::new() };
        fs::create_dir_all(trial).map_err(TrainerError::storage(trial, 0))?;
        store.check_fence()?;
        fs::create_dir_all(&store.own).map_err(TrainerError::storage(&store.own, 0))?;
        sync_folder(trial).map_err(TrainerError::storage(trial, 0))?;
        Ok(store)
    }

    /// The process's own folder.
    pub fn own(&self) -> &Path {
        &self.own
    }

    /// Fails if a newer attempt has begun.
    pub fn check_fence(&self) -> Result<(), TrainerError> {
        match self.attempts().into_iter().max_by_key(|(attempt, _)| *attempt) {
            Some((newest, path)) if newest > self.attempt => Err(TrainerError::Fenced { own: self.attempt, path }),
            _ => Ok(()),
        }
    }

    /// The committed checkpoint of the highest step, of the highest attempt where several have it; `None`: the trial begins.
    ///
    /// Records whose state file is missing, cut or altered are passed over with a warning.
    pub fn newest(&self) -> Result<Option<Loaded>, TrainerError> {
        let mut records: Vec<(u64, u32, PathBuf, Record)> = Vec::new();
        for (attempt, folder) in self.attempts() {
            for path in files(&folder).into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "json")) {
                match fs::read(&path)
                    .map_err(|e| e.to_string())
                    .and_then(|json| serde_json::from_slice::<Record>(&json).map_err(|e| e.to_string()))
                {
                    Ok(record) => records.push((record.progress.batches, attempt, path, record)),
                    Err(reason) => eprintln!("warning: passing over the checkpoint record {}: {reason}", path.display()),
                }
            }
        }
        records.sort_by_key(|(batches, attempt, ..)| std::cmp::Reverse((*batches, *attempt)));
        for (_, _, path, record) in records {
            let file = path.with_file_name(&record.file);
            match read_state(&file, &record) {
                Ok(_) if record.trial_uid != self.trial_uid || record.fingerprint != self.fingerprint => {
                    let found = format!("{} of trial {}", record.fingerprint, record.trial_uid);
                    let own = format!("{} of trial {}", self.fingerprint, self.trial_uid);
                    return Err(Foreign { path, found, own }.into());
                }
                Ok(state) => return Ok(Some(Loaded { progress: record.progress, state })),
                Err(reason) => eprintln!("warning: passing over the checkpoint {}: {reason}", file.display()),
            }
        }
        Ok(None)
    }

    /// Commits a checkpoint; when this returns, it is on the disk. Older ones of this process go then, but for the newest two.
    pub fn commit(&mut self, progress: &Progress, state: &[u8]) -> Result<(), TrainerError> {
        self.check_fence()?;
        let name = format!("step-{:010}", progress.batches);
        let file = format!("{name}.safetensors");
        let record = Record {
            trial_uid: self.trial_uid.clone(),
            fingerprint: self.fingerprint.clone(),
            bytes: state.len() as u64,
            sha256: digest(state),
            progress: progress.clone(),
            file,
        };
        let json = serde_json::to_vec_pretty(&record).unwrap_or_default();
        self.write(&record.file, state)?;
        self.write(&format!("{name}.json"), &json)?;
        self.written.retain(|written| *written != name);
        self.written.push(name);
        while self.written.len() > KEPT {
            let old = self.written.remove(0);
            // The record first: a state file without one is only waste.
            for suffix in ["json", "safetensors"] {
                let _ = fs::remove_file(self.own.join(format!("{old}.{suffix}")));
            }
        }
        Ok(())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), TrainerError> {
        let path = self.own.join(name);
        let temporary = self.own.join(format!("{name}.tmp"));
        let written = (|| {
            let mut file = File::create(&temporary)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&temporary, &path)?;
            sync_folder(&self.own)
        })();
        if written.is_err() {
            // Whatever was written of it takes up the space that is lacking.
            let _ = fs::remove_file(&temporary);
        }
        written.map_err(TrainerError::storage(&path, bytes.len()))
    }

    /// The folders of all attempts.
    fn attempts(&self) -> Vec<(u32, PathBuf)> {
        let attempt = |path: &Path| path.file_name()?.to_str()?.strip_prefix('a')?.split_once('-')?.0.parse().ok();
        files(&self.trial).into_iter().filter_map(|path| Some((attempt(&path)?, path))).collect()
    }
}

fn read_state(file: &Path, record: &Record) -> Result<Vec<u8>, String> {
    let state = fs::read(file).map_err(|error| error.to_string())?;
    if state.len() as u64 != record.bytes {
        return Err(format!("it has {} bytes, its record says {}", state.len(), record.bytes));
    }
    if digest(&state) == record.sha256 { Ok(state) } else { Err("its SHA-256 is not the one of its record".to_owned()) }
}

/// What a folder holds, in order of names; nothing where it cannot be read.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// SHA-256 in hexadecimal digits.
pub(crate) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(folder: &Path, attempt: u32, process: &str) -> Store {
        Store::open(folder, attempt, process, "uid", "f".to_owned()).unwrap()
    }

    fn progress(batches: u64) -> Progress {
        Progress { batches, ..Progress::default() }
    }

    #[test]
    fn the_highest_step_wins_then_the_highest_attempt_and_damage_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = store(folder.path(), 0, "x");
        first.commit(&progress(10), b"ten").unwrap();
        first.commit(&progress(20), b"twenty of 0").unwrap();
        let mut second = store(folder.path(), 1, "y");
        assert_eq!(second.newest().unwrap().unwrap().state, b"twenty of 0");
        second.commit(&progress(20), b"twenty of 1").unwrap();
        assert_eq!(second.newest().unwrap().unwrap().state, b"twenty of 1");
        let file = second.own().join("step-0000000020.safetensors");
        fs::write(&file, b"twenty of 2").unwrap();
        assert_eq!(second.newest().unwrap().unwrap().state, b"twenty of 0");
        fs::remove_file(&file).unwrap();
        fs::write(first.own().join("step-0000000020.safetensors"), b"cut").unwrap();
        assert_eq!(second.newest().unwrap().unwrap().progress, progress(10));
        fs::write(first.own().join("step-0000000010.json"), b"{").unwrap();
        assert!(second.newest().unwrap().is_none());
    }

    #[test]
    fn a_newer_attempt_fences_an_older_one_at_its_next_write() {
        let folder = tempfile::tempdir().unwrap();
        let mut old = store(folder.path(), 1, "x");
        store(folder.path(), 2, "y");
        assert!(matches!(old.commit(&progress(1), b"s"), Err(TrainerError::Fenced { own: 1, .. })));
        let late = Store::open(folder.path(), 1, "z", "uid", "f".to_owned());
        assert!(matches!(late, Err(TrainerError::Fenced { .. })));
    }

    #[test]
    fn the_newest_two_are_kept_and_others_files_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        store(folder.path(), 0, "other").commit(&progress(1), b"s").unwrap();
        let mut own = store(folder.path(), 0, "own");
        for batches in [2, 3, 4, 4] {
            own.commit(&progress(batches), b"s").unwrap();
        }
        let names: Vec<_> = files(own.own()).iter().map(|path| path.file_name().unwrap().to_owned()).collect();
        assert_eq!(
            names,
            ["step-0000000003.json", "step-0000000003.safetensors", "step-0000000004.json", "step-0000000004.safetensors"]
        );
        assert_eq!(files(&folder.path().join("a0-other")).len(), 2);
    }

    #[test]
    fn a_checkpoint_of_another_configuration_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        store(folder.path(), 0, "x").commit(&progress(1), b"s").unwrap();
        let other = Store::open(folder.path(), 0, "y", "uid", "g".to_owned()).unwrap();
        assert!(other.newest().unwrap_err().to_string().contains("another configuration"));
    }
}
