//! The journal: every trial as it stood after each change, as JSON lines, synced before anything follows from it.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use nas_api::{
    Confirmation, SourceFile,
    objects::{ConfirmStatus, EndStatus, NasExperiment, NasExperimentStatus, NasTrial, RungStatus, only_these_may_change},
};
use nas_search::{EarlierTrial, Plan};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// Name of the journal in a run's folder.
pub(crate) const FILE: &str = "journal.jsonl";

/// The folder of a trial in a run's folder: its log, and what its attempts leave.
pub(crate) fn trial_folder(run: &Path, trial: &str) -> PathBuf {
    run.join("trials").join(trial)
}

/// One line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Entry {
    /// The experiment as it is run from here on.
    Experiment(Box<NasExperiment>),
    /// When the search began, in seconds since 1970.
    Began(u64),
    /// What the search learns from earlier ones; written before its first trial.
    Earlier(Vec<EarlierTrial>),
    /// A trial, whole.
    Trial(Box<NasTrial>),
    /// The decision to end the search; written before anything is stopped.
    End(EndStatus),
    /// The trials that are confirmed; written before the first training of one.
    Confirm(Vec<ConfirmStatus>),
}

/// A line: an entry, and when it was written, in seconds since the search began.
#[derive(Serialize, Deserialize)]
struct Line<Entry> {
    #[serde(flatten)]
    entry: Entry,
    /// Absent in the journals of before, and until the search has begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<f64>,
}

/// What a journal says.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) experiment: Option<NasExperiment>,
    pub(crate) began: Option<u64>,
    /// When each result of the search was recorded, by its `decisionSeq`, in seconds since the search began.
    pub(crate) times: BTreeMap<u64, f64>,
    pub(crate) earlier: Option<Vec<EarlierTrial>>,
    pub(crate) trials: BTreeMap<i64, NasTrial>,
    pub(crate) end: Option<EndStatus>,
    /// The trials that are confirmed; empty: none yet.
    pub(crate) confirm: Vec<ConfirmStatus>,
    /// The trainings that confirm them.
    pub(crate) trainings: BTreeMap<i64, NasTrial>,
}

/// An open journal. No other process can have it open for writing.
pub(crate) struct Journal {
    folder: PathBuf,
    path: PathBuf,
    file: File,
    /// Bytes of whole lines.
    whole: u64,
    pub(crate) state: State,
}

impl State {
    /// The confirmation that is recorded, with its plan; `None`: none has begun.
    pub(crate) fn confirmation(&self, experiment: &NasExperiment, searched: &Plan) -> Option<(Confirmation, Plan)> {
        let configuration = |name: &str| {
            let trial = self.trials.values().find(|trial| trial.metadata.name.as_deref() == Some(name));
            trial.map(|trial| trial.assignment().clone())
        };
        (!self.confirm.is_empty()).then(|| Confirmation::new(experiment, searched, &self.confirm, configuration))
    }

    /// Reads a journal; a last line that a crash cut off is no line. Returns how many bytes hold.
    pub(crate) fn read(path: &Path) -> Result<(Self, u64), Failure> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(Failure::io(path)(error)),
        };
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let mut state = Self::default();
        for (number, line) in bytes[..whole].split_inclusive(|byte| *byte == b'\n').enumerate() {
            let line: Line<Entry> = serde_json::from_slice(line).map_err(|error| {
                Failure::Folder(format!(
                    "{} is damaged in line {}: {error}; restore it, or use another --dir",
                    path.display(),
                    number + 1
                ))
            })?;
            state.take(line);
        }
        Ok((state, whole as u64))
    }

    fn take(&mut self, Line { entry, at }: Line<Entry>) {
        if let (Entry::Trial(trial), Some(at)) = (&entry, at)
            && !trial.is_confirmation()
        {
            let seqs = trial.status.iter().flat_map(|status| &status.rungs).map(|recorded| recorded.decision_seq);
            seqs.filter_map(|seq| u64::try_from(seq).ok()).for_each(|seq| {
                self.times.entry(seq).or_insert(at);
            });
        }
        match entry {
            Entry::Experiment(experiment) => self.experiment = Some(*experiment),
            Entry::Began(seconds) => self.began = Some(seconds),
            Entry::Earlier(trials) => self.earlier = Some(trials),
            Entry::Trial(trial) if trial.is_confirmation() => drop(self.trainings.insert(trial.spec.number, *trial)),
            Entry::Trial(trial) => drop(self.trials.insert(trial.spec.number, *trial)),
            Entry::End(end) => self.end = Some(end),
            Entry::Confirm(list) => self.confirm = list,
        }
    }
}

impl Journal {
    /// Opens the journal of a run's folder, or begins one. Returns it with the experiment as it is run from here on: with the rungs with
    /// which its search began.
    ///
    /// # Errors
    ///
    /// If another process has it, if it is damaged, or if it is of another experiment.
    pub(crate) fn open(folder: &Path, source: SourceFile) -> Result<(Self, SourceFile), Failure> {
        fs::create_dir_all(folder).map_err(Failure::io(folder))?;
        let path = folder.join(FILE);
        let file = OpenOptions::new().create(true).append(true).open(&path).map_err(Failure::io(&path))?;
        if file.try_lock().is_err() {
            return Err(Failure::Folder(format!(
                "{} is in use by another nasctl: wait for it, or use another --dir",
                folder.display()
            )));
        }
        let (state, whole) = State::read(&path)?;
        file.set_len(whole).map_err(Failure::io(&path))?;
        let mut journal = Self { folder: folder.to_owned(), path, file, whole, state };
        let source = journal.begin(source)?;
        Ok((journal, source))
    }

    fn begin(&mut self, source: SourceFile) -> Result<SourceFile, Failure> {
        let SourceFile { mut experiment, mut plan } = source;
        let begun = self.state.experiment.as_ref().and_then(|earlier| earlier.status.as_ref()).map(|status| status.rungs.clone());
        let rungs = begun.unwrap_or_else(|| RungStatus::table(&plan.rungs));
        let is_other = rungs != RungStatus::table(&plan.rungs);
        experiment.status = Some(NasExperimentStatus { rungs, ..NasExperimentStatus::default() });
        match &self.state.experiment {
            Some(earlier) if *earlier == experiment => {}
            Some(earlier) if earlier.metadata.name != experiment.metadata.name || !experiment.spec.may_follow(&earlier.spec) => {
                return Err(Failure::Folder(format!(
                    "{} holds the search of another experiment: {}; use another --dir",
                    self.folder.display(),
                    only_these_may_change()
                )));
            }
            _ => self.write(Entry::Experiment(Box::new(experiment.clone())))?,
        }
        if self.state.began.is_none() {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            self.write(Entry::Began(now.as_secs()))?;
        }
        if self.state.earlier.is_none() && !experiment.warm_start().is_empty() {
            let earlier = self.gather(&experiment)?;
            self.write(Entry::Earlier(earlier))?;
        }
        if is_other {
            plan = experiment.validate().map_err(|problems| Failure::Invalid { path: self.path.clone(), problems })?;
        }
        plan.learn_from(self.state.earlier.as_deref().unwrap_or_default());
        Ok(SourceFile { experiment, plan })
    }

    /// What the runs that `spec.warmStart` names have to tell. They lie beside this one.
    fn gather(&self, experiment: &NasExperiment) -> Result<Vec<EarlierTrial>, Failure> {
        let mut all = Vec::new();
        for (at, name) in experiment.warm_start().iter().enumerate() {
            let folder = self.folder.parent().unwrap_or(Path::new("")).join(name);
            let refuse = |words: String| Failure::Folder(format!("spec.warmStart.experiments[{at}]: {words}"));
            let (state, _) = State::read(&folder.join(FILE))?;
            let Some(earlier) = state.experiment.filter(|_| state.end.is_some()) else {
                return Err(refuse(format!(
                    "{} holds no search that has ended: run it first, or copy its folder there",
                    folder.display()
                )));
            };
            all.extend(experiment.learn_from(&earlier, state.trials.into_values()).map_err(refuse)?);
        }
        Ok(all)
    }

    /// The run's folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Time since the search began, stops in between included.
    pub(crate) fn elapsed(&self) -> Duration {
        let began = UNIX_EPOCH + Duration::from_secs(self.state.began.unwrap_or_default());
        SystemTime::now().duration_since(began).unwrap_or_default()
    }

    /// Records a trial as it stands now.
    pub(crate) fn trial(&mut self, trial: NasTrial) -> Result<(), Failure> {
        self.write(Entry::Trial(Box::new(trial)))
    }

    /// Records the decision to end.
    pub(crate) fn end(&mut self, end: EndStatus) -> Result<(), Failure> {
        self.write(Entry::End(end))
    }

    /// Records which trials are confirmed.
    pub(crate) fn confirm(&mut self, list: Vec<ConfirmStatus>) -> Result<(), Failure> {
        self.write(Entry::Confirm(list))
    }

    fn write(&mut self, entry: Entry) -> Result<(), Failure> {
        let at = self.state.began.map(|_| self.elapsed().as_secs_f64());
        let line = Line { entry, at };
        let mut bytes = serde_json::to_vec(&line).map_err(|error| Failure::Folder(error.to_string()))?;
        bytes.push(b'\n');
        if let Err(error) = self.file.write_all(&bytes).and_then(|()| self.file.sync_data()) {
            // Half a line before the next one would damage the journal; if this fails too, the next opening cuts it off.
            let _ = self.file.set_len(self.whole);
            return Err(Failure::io(&self.path)(error));
        }
        self.whole += bytes.len() as u64;
        self.state.take(line);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use nas_api::read_experiment;

    use super::*;

    const EXPERIMENT: &str = "
apiVersion: nas-operator.dev/v1alpha1
kind: NasExperiment
metadata: {name: small}
spec:
  space: {parameters: [{name: learning_rate, double: {min: 0.001, max: 1.0}}]}
  scheduler: {asha: {eta: 2, maxRungs: 3}}
  resource: {unit: epochs, max: 4}
  maxTrials: 2
  trial: {data: {name: cifar10}}
";

    #[test]
    fn more_trials_do_not_change_the_rungs_of_a_search_that_has_begun() {
        let folder = tempfile::tempdir().unwrap();
        let steps = |trials: &str| {
            let Ok(source) = read_experiment(&EXPERIMENT.replace("maxTrials: 2", trials)) else { unreachable!() };
            let Ok((_, source)) = Journal::open(folder.path(), source) else { unreachable!() };
            (source.plan.max_trials, source.plan.rungs.steps().to_vec())
        };
        assert_eq!(steps("maxTrials: 2"), (2, vec![2, 4]));
        assert_eq!(steps("maxTrials: 8"), (8, vec![2, 4]));
        assert_eq!(steps("maxTrials: 8"), (8, vec![2, 4]));
    }
}
