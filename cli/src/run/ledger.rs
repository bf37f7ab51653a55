//! What is known of a search that runs here: its experiment, its trials in the journal, and the index of them. It starts nothing.

use std::{collections::BTreeMap, fs, path::PathBuf, time::Duration};

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use nas_api::{
    Concluded, Conclusion, Confirmation, Process, RungEnd, SourceFile,
    contract::Exit,
    objects::{ConfirmStatus, EndStatus, NasTrial, NasTrialStatus, RunSegment, SegmentOutcome},
};
use nas_search::{Decision, Index, NewTrial, Outcome, Usage, View};

use super::{
    confirm::name_of,
    journal::{Journal, trial_folder},
};
use crate::failure::Failure;

/// A search, or the confirmation of its best: a search of its own, with trials of its own.
pub(crate) struct Ledger {
    pub(super) source: SourceFile,
    pub(super) confirmation: Option<Confirmation>,
    /// Outcomes count after this `decisionSeq`: a confirmation's after those of the search.
    after: u64,
    pub(super) journal: Journal,
    pub(super) index: Index,
}

/// How a trainer ended.
pub(super) struct TrainerEnd {
    pub(super) trial: i64,
    pub(super) attempt: i64,
    pub(super) exit: Exit,
    /// Its termination message.
    pub(super) message: String,
    /// It was stopped at its time limit.
    pub(super) overran: bool,
    /// For how long it held its slot.
    pub(super) held: Duration,
}

impl Ledger {
    /// A search, as far as its journal tells.
    pub(super) fn new(source: SourceFile, journal: Journal) -> Self {
        Self::over(source, None, 0, journal)
    }

    fn over(source: SourceFile, confirmation: Option<Confirmation>, after: u64, journal: Journal) -> Self {
        let index = Index::new(source.plan.direction, &source.plan.rungs);
        let mut ledger = Self { source, confirmation, after, journal, index };
        let records: Vec<_> = ledger.trials().values().map(NasTrial::to_record).collect();
        for trial in records {
            ledger.index.apply(trial);
        }
        ledger
    }

    /// The confirmation of a search that has ended; `None`: it has none.
    pub(super) fn into_confirmation(self) -> Option<Self> {
        let SourceFile { experiment, plan } = self.source;
        let (confirmation, plan) = self.journal.state.confirmation(&experiment, &plan)?;
        Some(Self::over(SourceFile { experiment, plan }, Some(confirmation), self.index.view().seq, self.journal))
    }

    /// What has been confirmed so far.
    pub(super) fn confirmed(&self) -> Vec<ConfirmStatus> {
        self.confirmation.as_ref().map(|confirmation| confirmation.status(&self.index)).unwrap_or_default()
    }

    /// The trials, by number.
    pub(super) fn trials(&self) -> &BTreeMap<i64, NasTrial> {
        if self.confirmation.is_some() { &self.journal.state.trainings } else { &self.journal.state.trials }
    }

    /// A trial as it stands.
    pub(super) fn trial(&self, number: i64) -> Result<NasTrial, Failure> {
        let lost = || Failure::Folder(format!("the journal lacks trial {number}: restore it, or use another --dir"));
        self.trials().get(&number).cloned().ok_or_else(lost)
    }

    /// Numbers of the trials that were granted a rung that they have not reached.
    pub(super) fn granted(&self) -> Vec<i64> {
        self.trials().values().filter(|trial| trial.running().is_some()).map(|trial| trial.spec.number).collect()
    }

    /// Where the checkpoints of a trial lie.
    pub(super) fn checkpoint_dir(&self, trial: &NasTrial) -> PathBuf {
        let name = trial.metadata.name.as_deref().unwrap_or_default();
        // Absolute, since it goes to another program.
        let folder = fs::canonicalize(self.journal.folder()).unwrap_or_else(|_| self.journal.folder().to_owned());
        trial_folder(&folder, name)
    }

    /// What was used, where slots are held for `running` in all by trainers that run.
    pub(super) fn usage(&self, running: Duration, stall_cleared: u64) -> Usage {
        let ended: f64 = self.trials().values().map(NasTrial::accelerator_seconds).sum();
        let time = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        let experiment = &self.source.experiment;
        Usage {
            wall_clock: self.journal.elapsed(),
            accelerator: time(experiment.charged_seconds(ended, running.as_secs_f64())),
            segments: time(ended / f64::from(experiment.accelerators_of_a_slot())),
            stall_cleared,
            ..Usage::default()
        }
    }

    /// The object of a trial that was just decided on.
    pub(super) fn new_trial(&self, new: &NewTrial, view: View) -> Result<NasTrial, Failure> {
        let experiment = self.source.experiment.metadata.name.as_deref().unwrap_or_default();
        let lost =
            || Failure::Folder("the journal lacks a trial that is to be confirmed: restore it, or use another --dir".to_owned());
        let mut trial = match &self.confirmation {
            Some(confirmation) => confirmation.trial(new, view).ok_or_else(lost)?,
            None => NasTrial::create(experiment, new, view),
        };
        trial.metadata.uid = trial.metadata.name.as_ref().map(|name| format!("local-{name}"));
        trial.status = Some(NasTrialStatus::default());
        Ok(trial)
    }

    /// Puts a decision about a trial into the journal; returns what is told of it, if anything.
    pub(super) fn record(&mut self, decision: &Decision) -> Result<Option<String>, Failure> {
        let trial = match (decision, decision.trial()) {
            (Decision::Create { new, view }, _) => self.new_trial(new, *view)?,
            (_, Some(number)) => {
                let mut trial = self.trial(i64::try_from(number).unwrap_or(i64::MAX))?;
                trial.take(decision);
                trial
            }
            (_, None) => return Ok(None),
        };
        self.keep(trial)?;
        Ok(match decision {
            Decision::Promote { trial, rung, reason, .. } => Some(format!("trial {trial} goes on to rung {rung}: {reason}")),
            Decision::Stop { trial, reason, .. } => Some(format!("trial {trial} is stopped: {reason}")),
            _ => None,
        })
    }

    /// Puts a trial into the journal as it stands now.
    pub(super) fn keep(&mut self, trial: NasTrial) -> Result<(), Failure> {
        let record = trial.to_record();
        self.journal.trial(trial)?;
        self.index.apply(record);
        Ok(())
    }

    /// Records what the end of a trainer means; returns what is told of it.
    ///
    /// # Errors
    ///
    /// If the journal cannot be written, or, once its end is recorded, the trainer says that this machine lacks something for now.
    pub(super) fn conclude(&mut self, end: &TrainerEnd) -> Result<Vec<String>, Failure> {
        let mut trial = self.trial(end.trial)?;
        let name = name_of(&trial);
        let process = Process { attempt: u32::try_from(end.attempt).unwrap_or_default(), ..trial.process() };
        let at = |rung: usize| if self.confirmation.is_some() { String::new() } else { format!(" at rung {rung}") };
        let overran = self.source.experiment.time_limit().filter(|_| end.overran);
        let concluded: Concluded = match (overran, end.exit) {
            (Some(limit), Exit::Stopped | Exit::Other(_)) => process.overran(limit).into(),
            (_, exit) => process.conclude(exit, &end.message),
        };
        let Concluded { conclusion, .. } = concluded.measured(&self.source.plan, trial.assignment());
        let status = trial.status.get_or_insert_default();
        status.note(RunSegment {
            rung: trial.spec.target_rung,
            attempt: end.attempt,
            job_uid: String::new(),
            outcome: (&conclusion).into(),
            message: conclusion.message().to_owned(),
            accelerator_seconds: end.held.as_secs_f64() * f64::from(self.source.experiment.accelerators_of_a_slot()),
            ended_at: Some(Time(Timestamp::now())),
            estimated: false,
        });
        let mut told = Vec::new();
        if let Conclusion::Record { ends, message } = &conclusion {
            status.record(ends, self.index.view().seq.max(self.after));
            let metric = &self.source.experiment.spec.objective.metric;
            told.extend(ends.iter().map(|RungEnd { rung, outcome, .. }| match outcome {
                Outcome::Value(value) => format!("{name}{}: {metric} {value:.4}", at(*rung)),
                other => format!("{name}{}: {}: {message}", at(*rung), other.name()),
            }));
        }
        self.keep(trial)?;
        if let Conclusion::Again { counted, message } = conclusion {
            if end.exit == Exit::Temporary {
                return Err(Failure::Trainer { message: format!("{name}: {message}; then run the same command"), code: 75 });
            }
            if counted || end.exit != Exit::Stopped {
                told.push(format!("{name} starts again: {message}"));
            }
        }
        Ok(told)
    }

    /// Why nothing starts any more, where the trainer has refused one trial after the other.
    pub(super) fn stall(&self) -> Failure {
        let mut ended = self.trials().values().filter_map(|trial| trial.status.as_ref()?.segments.last());
        let refused = ended.rfind(|segment| segment.outcome == SegmentOutcome::Misconfigured);
        let words = refused.map(|segment| segment.message.clone()).unwrap_or_default();
        let message = format!("three trials in a row were refused by the trainer: {words}; mend this, then run the same command");
        Failure::Trainer { message, code: 78 }
    }

    /// Records the decision to end the search; a confirmation's is nowhere.
    pub(super) fn end(&mut self, end: &EndStatus) -> Result<(), Failure> {
        if self.confirmation.is_none() { self.journal.end(end.clone()) } else { Ok(()) }
    }

    /// After the end, when nothing runs any more: what was granted and not reported is cancelled.
    pub(super) fn cancel(&mut self) -> Result<(), Failure> {
        for number in self.granted() {
            let mut trial = self.trial(number)?;
            let status = trial.status.get_or_insert_default();
            let rung = status.rungs.len();
            status.record(&[RungEnd::new(rung, Outcome::Cancelled)], self.index.view().seq.max(self.after));
            self.keep(trial)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use nas_api::read_experiment;
    use nas_search::decide;
    use tempfile::TempDir;

    use super::*;

    const EXPERIMENT: &str = "
apiVersion: nas-operator.dev/v1alpha1
kind: NasExperiment
metadata: {name: small}
spec:
  space: {parameters: [{name: learning_rate, double: {min: 0.001, max: 1.0}}]}
  scheduler: {asha: {eta: 2, maxRungs: 2}}
  resource: {unit: epochs, max: 4}
  maxTrials: 2
  trial: {data: {name: cifar10}, accelerator: {count: 2}}
";

    /// One trial, whose trainer held its slot for ten seconds and ended like this.
    fn after(experiment: &str, exit: Exit, message: &str) -> (TempDir, Ledger, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let Ok(source) = read_experiment(experiment) else { unreachable!() };
        let Ok((journal, source)) = Journal::open(folder.path(), source) else { unreachable!() };
        let mut ledger = Ledger::new(source, journal);
        for decision in decide(&ledger.source.plan, &ledger.index, &Usage::default()) {
            assert!(ledger.record(&decision).is_ok_and(|told| told.is_none()));
        }
        assert_eq!(ledger.granted(), [0]);
        let held = Duration::from_secs(10);
        let end = TrainerEnd { trial: 0, attempt: 1, exit, message: message.to_owned(), overran: false, held };
        let Ok(told) = ledger.conclude(&end) else { unreachable!() };
        (folder, ledger, told)
    }

    #[test]
    fn accelerators_are_charged_each_and_a_slot_without_any_is_charged_to_no_budget() {
        let report = r#"{"attempt":1,"seq":1,"step":2,"results":[{"rung":0,"outcome":"Value","value":0.5}]}"#;
        let none = EXPERIMENT.replace(", accelerator: {count: 2}", "");
        let claim = "pod: {resourceClaims: [{name: gpu, resourceClaimTemplateName: a-part}]}";
        let claimed = EXPERIMENT.replace("accelerator: {count: 2}", claim);
        for (experiment, noted, spent) in [(EXPERIMENT, 20.0, 20 + 6), (none.as_str(), 10.0, 0), (claimed.as_str(), 10.0, 10 + 3)]
        {
            let (_folder, ledger, told) = after(experiment, Exit::Reported, report);
            assert_eq!((told, ledger.granted()), (vec!["trial 0 at rung 0: accuracy 0.5000".to_owned()], Vec::new()));
            let Ok(trial) = ledger.trial(0) else { unreachable!() };
            let segments: Vec<f64> = trial.status.unwrap().segments.iter().map(|segment| segment.accelerator_seconds).collect();
            assert_eq!(segments, [noted]);
            let usage = ledger.usage(Duration::from_secs(3), 0);
            assert_eq!((usage.segments, usage.accelerator), (Duration::from_secs(10), Duration::from_secs(spent)));
        }
    }

    #[test]
    fn a_crash_starts_again_and_the_end_of_the_search_cancels_it() {
        let (_folder, mut ledger, told) = after(EXPERIMENT, Exit::Other(1), "broken");
        assert_eq!(told, ["trial 0 starts again: the trainer ended with exit code 1: broken"]);
        assert_eq!(ledger.granted(), [0]);
        assert!(ledger.cancel().is_ok() && ledger.granted().is_empty());
        assert_eq!(ledger.index.view().count, 1);
    }
}
