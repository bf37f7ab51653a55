//! The made-up experiment that a trainer is judged in.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use nas_api::contract::{Reporting, Segment, StepUnit, Validation};
use nas_search::{Assignment, Scalar};

/// Seconds between checkpoints: with a fraction, which experiments may have.
const CHECKPOINT_EVERY: Duration = Duration::from_millis(2500);
/// A seed of 31 bits, as trials have.
const SEED: u64 = 1_234_567_890;

/// What all made-up trials have in common.
pub(crate) struct Setting {
    /// Folder of everything.
    pub(crate) folder: PathBuf,
    pub(crate) data_dir: PathBuf,
    pub(crate) data_name: String,
    pub(crate) metric: String,
    pub(crate) rungs: Vec<u64>,
    pub(crate) unit: StepUnit,
    pub(crate) parameters: Assignment,
    pub(crate) threads: u16,
}

impl Setting {
    /// The highest rung.
    pub(crate) fn top(&self) -> usize {
        self.rungs.len() - 1
    }

    /// The folder of a trial's checkpoints.
    pub(crate) fn checkpoint_dir(&self, trial: &str) -> PathBuf {
        self.folder.join(trial).join("checkpoints")
    }

    /// A segment of the trial of this name.
    pub(crate) fn segment(&self, trial: &str, attempt: u32, target_rung: usize) -> Segment {
        Segment {
            experiment: "conform".to_owned(),
            trial_name: format!("conform-{trial}"),
            trial_uid: format!("conform-uid-of-{trial}"),
            attempt,
            target_rung,
            target_step: self.rungs[target_rung],
            max_step: self.rungs[self.top()],
            step_unit: self.unit,
            rung_steps: self.rungs.clone(),
            metric: self.metric.clone(),
            seed: SEED,
            parameters: self.parameters.clone(),
            checkpoint_dir: self.checkpoint_dir(trial),
            checkpoint_every: CHECKPOINT_EVERY,
            evaluate_every: 0,
            data_dir: self.data_dir.clone(),
            data_name: self.data_name.clone(),
            data_shape: None,
            data_classes: None,
            validation: Validation::Heldout,
            reporting: Reporting::TerminationMessage,
            threads: Some(self.threads),
            accelerators: None,
            termination_log: self.of_attempt(trial, attempt, "termination"),
            traceparent: None,
        }
    }

    /// Where an attempt leaves something beside its checkpoints.
    pub(crate) fn of_attempt(&self, trial: &str, attempt: u32, what: &str) -> PathBuf {
        self.folder.join(trial).join(format!("{what}-{attempt}"))
    }

    /// A parameter and a value of another type than it has; a number is the first choice, since whoever reads one checks it.
    pub(crate) fn wrong_parameter(&self) -> Option<(String, Scalar)> {
        let number = self.parameters.iter().find(|(_, value)| value.as_f64().is_some());
        let (name, value) = number.or_else(|| self.parameters.iter().next())?;
        let wrong = if value.as_text().is_some() { Scalar::Int(7) } else { Scalar::from("of the wrong type") };
        Some((name.to_string(), wrong))
    }
}

/// Files below a folder.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files
}
