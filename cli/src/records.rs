//! The records of a search, from wherever it runs.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use clap::Args;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use nas_api::{
    SourceFile,
    objects::{ConfirmStatus, EndStatus, NasExperiment, NasTrial},
};
use nas_search::Index;

use crate::{
    cluster,
    failure::Failure,
    run::{JOURNAL_FILE, State},
};

/// Which search.
#[derive(Args, Clone)]
pub(crate) struct Target {
    /// Folder of a run, or name of an experiment on the cluster (nasexp/NAME where a folder has that name, too).
    search: String,
    /// Namespace of the experiment [default: that of the kubeconfig].
    #[arg(short, long)]
    pub(crate) namespace: Option<String>,
    /// Context of the kubeconfig [default: the present one].
    #[arg(long)]
    pub(crate) context: Option<String>,
}

/// Where a search lies.
pub(crate) enum Place {
    /// A run's folder.
    Folder(PathBuf),
    /// An experiment of this name on a cluster.
    Cluster(String),
}

impl Target {
    /// Where it lies: a name without a slash is that of a folder if there is one, and nothing asks for a cluster.
    pub(crate) fn place(&self) -> Place {
        let folder = Path::new(&self.search);
        if let Some(name) = ["nasexp/", "nasexperiment/"].iter().find_map(|kind| self.search.strip_prefix(kind)) {
            return Place::Cluster(name.to_owned());
        }
        let asks_for_cluster = self.namespace.is_some() || self.context.is_some();
        if folder.is_dir() && !asks_for_cluster || self.search.contains('/') {
            return Place::Folder(folder.to_owned());
        }
        Place::Cluster(self.search.clone())
    }

    /// The search and the number, where a trial was named: `<search>-<number>`.
    pub(crate) fn of_trial(&self) -> Option<(Self, u64)> {
        let (search, number) = self.search.rsplit_once('-')?;
        Some((Self { search: search.to_owned(), ..self.clone() }, number.parse().ok()?))
    }

    /// The search, where what stands before the number is that of its confirmation's trainings, which no experiment can have.
    pub(crate) fn without_confirm(&self) -> Option<Self> {
        Some(Self { search: self.search.strip_suffix("-confirm")?.to_owned(), ..self.clone() })
    }

    /// Namespace and context that were asked for.
    pub(crate) fn connection(&self) -> (Option<&str>, Option<&str>) {
        (self.namespace.as_deref(), self.context.as_deref())
    }
}

/// What is recorded about a search.
pub(crate) struct Records {
    pub(crate) source: SourceFile,
    /// By number.
    pub(crate) trials: Vec<NasTrial>,
    pub(crate) end: Option<EndStatus>,
    /// The best trials, trained anew; empty: not begun, or not asked for.
    pub(crate) confirm: Vec<ConfirmStatus>,
    /// The trainings that confirm them, by number.
    pub(crate) trainings: Vec<NasTrial>,
    /// Trials that were ever created, also where the last of them were deleted since.
    pub(crate) created: u64,
    /// When the search began, in seconds since 1970.
    pub(crate) began: Option<u64>,
    /// When a result came, by its `decisionSeq`, in seconds since the search began. On a cluster where an older version wrote nothing down, when the
    /// first trial was created that was decided on with it: later than it came, and absent where none was.
    pub(crate) times: BTreeMap<u64, f64>,
    /// The folder of a run; `None`: on a cluster.
    pub(crate) folder: Option<PathBuf>,
    /// What was simulated; `None`: trials were trained.
    pub(crate) simulated: Option<String>,
}

impl Records {
    /// Reads the journal of a run's folder, or the objects of a cluster.
    pub(crate) fn read(target: &Target) -> Result<Self, Failure> {
        match target.place() {
            Place::Folder(folder) => Self::of_folder(&folder),
            Place::Cluster(name) => {
                Self::of_objects(cluster::read(&name, target.namespace.as_deref(), target.context.as_deref())?)
            }
        }
    }

    /// The trial of this number, or the best.
    pub(crate) fn chosen(&self, number: Option<u64>) -> Result<&NasTrial, Failure> {
        let best = self.index().incumbent().map(|best| best.trial);
        let number = number.or(best).ok_or_else(|| Failure::Usage("no trial has a result yet: wait, or name one".to_owned()))?;
        let found = self.trials.iter().find(|trial| trial.number() == number);
        found.ok_or_else(|| Failure::Usage(format!("there is no trial {number} (nasctl describe --trials lists them)")))
    }

    /// Reads the journal of a run's folder.
    pub(crate) fn of_folder(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join(JOURNAL_FILE);
        let (mut state, _) = State::read(&path)?;
        let Some(mut experiment) = state.experiment.take() else {
            let said = format!("{} holds no search: name a folder that `nasctl run` made, or an experiment", folder.display());
            return Err(Failure::Folder(said));
        };
        let mut plan = experiment.validate().map_err(|problems| Failure::Invalid { path, problems })?;
        plan.learn_from(state.earlier.as_deref().unwrap_or_default());
        let confirm = state.confirmation(&experiment, &plan).map(|(confirmation, plan)| {
            let mut index = Index::new(plan.direction, &plan.rungs);
            state.trainings.values().for_each(|training| index.apply(training.to_record()));
            confirmation.status(&index)
        });
        // It holds the rungs, and nothing that an operator says.
        experiment.status = None;
        Ok(Self {
            source: SourceFile { experiment, plan },
            confirm: confirm.unwrap_or_default(),
            trainings: state.trainings.into_values().collect(),
            trials: state.trials.into_values().collect(),
            end: state.end,
            created: 0,
            began: state.began,
            times: state.times,
            folder: Some(folder.to_owned()),
            simulated: None,
        })
    }

    /// What the objects of a cluster say.
    pub(crate) fn of_objects(found: cluster::Found) -> Result<Self, Failure> {
        let cluster::Found { experiment, trials: mut all, earlier } = found;
        let name = experiment.metadata.name.as_deref().unwrap_or_default();
        let mut plan =
            experiment.validate().map_err(|problems| Failure::Invalid { path: format!("nasexp/{name}").into(), problems })?;
        plan.learn_from(&earlier);
        all.sort_by_key(|trial| trial.spec.number);
        let (trainings, trials): (Vec<_>, Vec<_>) = all.into_iter().partition(NasTrial::is_confirmation);
        let status = experiment.status.as_ref();
        let created = status.and_then(|status| status.trials).map_or(0, |counts| counts.created);
        let times = times_of_results(&experiment, &trials);
        let began = experiment.metadata.creation_timestamp.as_ref().and_then(|time| u64::try_from(time.0.as_second()).ok());
        Ok(Self {
            began,
            times,
            folder: None,
            simulated: None,
            trials,
            trainings,
            confirm: status.map(|status| status.confirm.clone()).unwrap_or_default(),
            end: status.and_then(|status| status.end.clone()),
            created: u64::try_from(created).unwrap_or_default(),
            source: SourceFile { experiment, plan },
        })
    }

    /// The trials, indexed.
    pub(crate) fn index(&self) -> Index {
        let mut index = Index::new(self.source.plan.direction, &self.source.plan.rungs);
        self.trials.iter().for_each(|trial| index.apply(trial.to_record()));
        index.raise_created(self.created);
        index
    }
}

/// When results came, in seconds since the search began: when the segment ended that brought each, and none before one that counts before it. Clocks of
/// nodes differ, and older versions wrote no such time: so none came after the first trial was created that was decided on with it.
fn times_of_results(experiment: &NasExperiment, trials: &[NasTrial]) -> BTreeMap<u64, f64> {
    let created = |meta: &ObjectMeta| Some(meta.creation_timestamp.as_ref()?.0.as_second());
    let Some(began) = created(&experiment.metadata) else { return BTreeMap::new() };
    let status = trials.iter().filter_map(|trial| trial.status.as_ref());
    let ended = status.flat_map(|status| status.result_times().map(|(seq, time)| (seq, time.as_second() - began)));
    let ended: BTreeMap<u64, i64> = ended.collect();
    let mut decided: Vec<(u64, i64)> = trials
        .iter()
        .filter_map(|trial| {
            let seen = u64::try_from(trial.spec.grants.first()?.view.decision_seq).ok()?;
            Some((seen, created(&trial.metadata)? - began))
        })
        .collect();
    decided.sort_unstable();
    let mut first = i64::MAX;
    // By the last result that was seen: when something was first decided with it.
    let known: BTreeMap<u64, i64> = decided
        .into_iter()
        .rev()
        .map(|(seen, at)| {
            first = first.min(at);
            (seen, first)
        })
        .collect();
    let last = [&ended, &known].into_iter().filter_map(|times| times.keys().next_back()).max().copied().unwrap_or_default();
    let mut latest = 0;
    let mut times = BTreeMap::new();
    for seq in 1..=last {
        let known = known.range(seq..).next().map(|(_, at)| *at);
        let Some(at) = [ended.get(&seq).copied(), known].into_iter().flatten().min() else { continue };
        latest = latest.max(at);
        #[expect(clippy::cast_precision_loss, reason = "no search takes 2^53 seconds")]
        times.insert(seq, latest as f64);
    }
    times
}

#[cfg(test)]
mod tests {
    use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
    use nas_api::{RungEnd, objects::RunSegment, read_experiment};
    use nas_search::{NewTrial, Outcome, View};

    use super::*;

    const BEGAN: i64 = 1_700_000_000;

    fn time(second: i64) -> Time {
        Time(Timestamp::from_second(BEGAN + second).unwrap())
    }

    /// A trial that was created at a second with so many results known, and brought the result `seq` at another.
    fn trial(number: u64, created: i64, seen: u64, seq: u64, ended: Option<i64>) -> NasTrial {
        let view = View { seq: seen, ..View::default() };
        let mut trial = NasTrial::create("small", &NewTrial { number, ..NewTrial::default() }, view);
        trial.metadata.creation_timestamp = Some(time(created));
        let status = trial.status.get_or_insert_default();
        status.record(&[RungEnd::new(0, Outcome::Value(0.5))], seq - 1);
        status.note(RunSegment { ended_at: ended.map(time), ..RunSegment::default() });
        trial
    }

    fn times(trials: &[NasTrial]) -> Vec<(u64, f64)> {
        let Ok(source) = read_experiment(include_str!("../../configs/quickstart.yaml")) else { unreachable!() };
        let mut experiment = source.experiment;
        experiment.metadata.creation_timestamp = Some(time(0));
        times_of_results(&experiment, trials).into_iter().collect()
    }

    #[test]
    fn a_result_came_when_its_segment_ended_and_before_what_was_decided_with_it() {
        let search = |ends: [Option<i64>; 3]| {
            let [first, second, third] = ends;
            [trial(0, 1, 0, 1, first), trial(1, 1, 0, 2, second), trial(2, 60, 1, 3, third)]
        };
        assert_eq!(times(&search([Some(50), Some(70), Some(95)])), [(1, 50.0), (2, 70.0), (3, 95.0)]);
        // Of older versions only what was decided on with it is known.
        assert_eq!(times(&search([None; 3])), [(1, 60.0)]);
        assert_eq!(times(&search([None, Some(70), None])), [(1, 60.0), (2, 70.0)]);
        // The clock of one node is ahead, that of another behind.
        assert_eq!(times(&search([Some(5000), Some(-40), Some(95)])), [(1, 60.0), (2, 60.0), (3, 95.0)]);
        assert_eq!(times(&search([Some(-40), Some(40), Some(30)])), [(1, 0.0), (2, 40.0), (3, 40.0)]);
    }
}
