//! Where checkpoints lie: `<trial>/a<attempt>-<process>/`. A process writes only into its own folder and reads all.
//!
//! Of its own, a process keeps the newest two and the best. A commit writes two temporary files, then renames the state file, then
//! the record, and waits for the disk after each step: whenever it dies, the newest record has its state file. State
//! files are named by their content, so that a step that is written twice does not spoil its first record.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

use nas_api::contract::checkpoint::{Checkpoint, CheckpointError, Files, attempt_folder, attempts, newest};

use super::{
    Foreign, Progress, Record,
    disk::{Disk, make_durable},
};
use crate::error::TrainerError;

/// The newest checkpoints that a process keeps of its own, beside the best.
const KEPT: usize = 2;

/// The checkpoints of one trial, as one process sees them.
#[derive(Debug)]
pub struct Store {
    disk: Box<dyn Disk>,
    trial: PathBuf,
    own: PathBuf,
    attempt: u32,
    trial_uid: String,
    fingerprint: String,
    written: Vec<Written>,
}

/// A checkpoint of this process that lies on the disk.
#[derive(Debug)]
struct Written {
    record: String,
    file: String,
    best: bool,
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
        Self::open_on(Box::new(Files), trial, attempt, process, trial_uid, fingerprint)
    }

    /// As [`Self::open`], on a given disk.
    pub fn open_on(
        disk: Box<dyn Disk>,
        trial: &Path,
        attempt: u32,
        process: &str,
        trial_uid: &str,
        fingerprint: String,
    ) -> Result<Self, TrainerError> {
        let (trial, own) = (trial.to_owned(), trial.join(attempt_folder(attempt, process)));
        let store = Self { disk, trial, own, attempt, trial_uid: trial_uid.to_owned(), fingerprint, written: Vec::new() };
        store.check_fence()?;
        store.make_own()?;
        Ok(store)
    }

    /// The process's own folder.
    pub fn own(&self) -> &Path {
        &self.own
    }

    /// Fails if a newer attempt has begun.
    pub fn check_fence(&self) -> Result<(), TrainerError> {
        let attempts = attempts(&*self.disk, &self.trial).map_err(|error| self.refused(error))?;
        match attempts.into_iter().max_by_key(|(attempt, _)| *attempt) {
            Some((newest, path)) if newest > self.attempt => Err(TrainerError::Fenced { own: self.attempt, path }),
            _ => Ok(()),
        }
    }

    /// The committed checkpoint of the highest step, of the highest attempt where several have it; `None`: the trial begins.
    ///
    /// Records that are no records, and those whose state file is missing, cut or altered, are passed over with a warning.
    ///
    /// # Errors
    ///
    /// If a folder cannot be read: its checkpoints are not lost, and a training that began anew would only take the time again.
    pub fn newest(&self) -> Result<Option<Loaded>, TrainerError> {
        let is_own = |record: &Record| record.trial_uid == self.trial_uid && record.fingerprint == self.fingerprint;
        let tell = |path: &Path, reason: String| eprintln!("warning: passing over the checkpoint {}: {reason}", path.display());
        let found = newest(&*self.disk, &self.trial, is_own, tell).map_err(|error| self.refused(error))?;
        let Some(Checkpoint { folder, record, state }) = found else { return Ok(None) };
        // Its process may have died before it could make sure that a crash of the machine does not take it away.
        self.disk.sync_folder(&folder).map_err(TrainerError::storage("make sure of the checkpoints in", &folder))?;
        Ok(Some(Loaded { progress: record.progress, state }))
    }

    fn refused(&self, error: CheckpointError) -> TrainerError {
        match error {
            CheckpointError::Folder { path, source } => TrainerError::storage("read the folder", &path)(source),
            CheckpointError::Foreign { path, record } => {
                let found = format!("{} of trial {}", record.fingerprint, record.trial_uid);
                let own = format!("{} of trial {}", self.fingerprint, self.trial_uid);
                Foreign { path, found, own }.into()
            }
        }
    }

    /// Commits a checkpoint; when this returns, it is on the disk. Older ones of this process go then, but for the newest two and
    /// the best. A folder that is gone is made again: all that is needed is in memory.
    ///
    /// # Errors
    ///
    /// If a newer attempt has begun, or the disk fails; what was committed before is there as it was.
    pub fn commit(&mut self, progress: &Progress, state: &[u8]) -> Result<(), TrainerError> {
        self.check_fence()?;
        let record = Record::new(&self.trial_uid, &self.fingerprint, progress.clone(), state);
        let json = serde_json::to_vec_pretty(&record).map_err(|error| TrainerError::State(error.to_string()))?;
        let best = progress.best_batches == Some(progress.batches);
        let written = Written { record: record.name(), file: record.file, best };
        let mut put = self.put(&written, &json, state);
        if matches!(&put, Err(TrainerError::Storage { source, .. }) if source.kind() == ErrorKind::NotFound) {
            eprintln!("warning: the checkpoint folder {} is gone; it is made again", self.own.display());
            self.make_own()?;
            put = self.put(&written, &json, state);
        }
        put?;
        self.prune(written);
        Ok(())
    }

    /// Puts a checkpoint on the disk, the state file before the record.
    fn put(&self, written: &Written, json: &[u8], state: &[u8]) -> Result<(), TrainerError> {
        let files = [(&written.file, state), (&written.record, json)];
        let temporary = |name: &str| self.own.join(format!("{name}.tmp"));
        let write = |(name, bytes): (&String, &[u8])| {
            let path = temporary(name);
            self.disk.write(&path, bytes).map_err(TrainerError::storage(&format!("write {} bytes to", bytes.len()), &path))
        };
        let publish = |(name, _): (&String, &[u8])| {
            let path = self.own.join(name);
            self.disk.rename(&temporary(name), &path).map_err(TrainerError::storage("make", &path))?;
            self.disk.sync_folder(&self.own).map_err(TrainerError::storage("make sure of", &path))
        };
        let put = files.into_iter().try_for_each(write).and_then(|()| files.into_iter().try_for_each(publish));
        if put.is_err() {
            // Whatever was written of them takes up the space that is lacking.
            for (name, _) in files {
                let _ = self.disk.remove(&temporary(name));
            }
        }
        put
    }

    /// Takes `newest` among the checkpoints of this process, and removes what it makes superfluous. What cannot be removed stays.
    fn prune(&mut self, newest: Written) {
        let remove = |name: &str| {
            let _ = self.disk.remove(&self.own.join(name));
        };
        // The same step once more: its record is replaced already.
        self.written.retain(|old| {
            let replaced = old.record == newest.record;
            if replaced && old.file != newest.file {
                remove(&old.file);
            }
            !replaced
        });
        if newest.best {
            self.written.iter_mut().for_each(|old| old.best = false);
        }
        self.written.push(newest);
        let mut older = self.written.len().saturating_sub(KEPT);
        self.written.retain(|old| {
            let is_old = older > 0;
            older = older.saturating_sub(1);
            let goes = is_old && !old.best;
            if goes {
                // The record first: a state file without one is only waste.
                remove(&old.record);
                remove(&old.file);
            }
            !goes
        });
    }

    fn make_own(&self) -> Result<(), TrainerError> {
        make_durable(&*self.disk, &self.own).map_err(TrainerError::storage("make the folder", &self.own))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use nas_api::contract::checkpoint::ReadDisk;

    use super::*;

    fn store(folder: &Path, attempt: u32, process: &str) -> Store {
        Store::open(folder, attempt, process, "uid", "f".to_owned()).unwrap()
    }

    fn progress(batches: u64) -> Progress {
        Progress { batches, ..Progress::default() }
    }

    fn names(folder: &Path) -> Vec<String> {
        Files.list(folder).unwrap().iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
    }

    fn state_file(folder: &Path, batches: u64) -> PathBuf {
        let record: Record = serde_json::from_slice(&fs::read(folder.join(format!("step-{batches:010}.json"))).unwrap()).unwrap();
        folder.join(record.file)
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
        let file = state_file(second.own(), 20);
        fs::write(&file, b"twenty of 2").unwrap();
        assert_eq!(second.newest().unwrap().unwrap().state, b"twenty of 0");
        fs::remove_file(&file).unwrap();
        fs::write(state_file(first.own(), 20), b"cut").unwrap();
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
    fn the_newest_two_and_the_best_are_kept_and_others_files_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        store(folder.path(), 0, "other").commit(&progress(1), b"s").unwrap();
        let mut own = store(folder.path(), 0, "own");
        let mut kept = Vec::new();
        for (batches, best_batches, state) in [(2, 2, b"s"), (3, 2, b"s"), (4, 2, b"s"), (4, 2, b"t"), (5, 5, b"s"), (6, 5, b"s")]
        {
            own.commit(&Progress { best_batches: Some(best_batches), ..progress(batches) }, state).unwrap();
            let names = names(own.own());
            let records = names.iter().filter_map(|name| name.strip_suffix(".json")?.strip_prefix("step-"));
            let steps: Vec<u64> = records.map(|batches| batches.parse().unwrap()).collect();
            // Each record and its state file, and nothing else.
            assert_eq!(names.len(), 2 * steps.len(), "{names:?}");
            kept.push(steps);
        }
        assert_eq!(kept, [vec![2], vec![2, 3], vec![2, 3, 4], vec![2, 3, 4], vec![4, 5], vec![5, 6]]);
        assert_eq!(fs::read(state_file(own.own(), 5)).unwrap(), b"s");
        assert_eq!(names(&folder.path().join("a0-other")).len(), 2);
    }

    #[test]
    fn a_folder_that_is_gone_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let trial = folder.path().join("trials/trial");
        let mut own = store(&trial, 0, "own");
        own.commit(&progress(1), b"one").unwrap();
        for (batches, gone) in [(2, own.own().to_owned()), (3, trial.clone()), (4, folder.path().join("trials"))] {
            fs::remove_dir_all(gone).unwrap();
            own.commit(&progress(batches), b"more").unwrap();
            assert_eq!(store(&trial, 0, "other").newest().unwrap().unwrap().progress, progress(batches));
        }
    }

    #[test]
    fn a_checkpoint_of_another_configuration_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        store(folder.path(), 0, "x").commit(&progress(1), b"s").unwrap();
        let other = Store::open(folder.path(), 0, "y", "uid", "g".to_owned()).unwrap();
        assert!(other.newest().unwrap_err().to_string().contains("another configuration"));
    }
}
