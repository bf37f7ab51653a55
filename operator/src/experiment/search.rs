//! What is remembered of an experiment between passes. All of it is read from the objects again after a restart.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Instant,
};

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use nas_api::{
    Problem,
    objects::{NasExperiment, NasTrial},
};
use nas_search::{Index, Plan};

use crate::{
    store::Group,
    trial::{TrialView, Waiting},
    world::World,
};

/// A plan, or every problem of the experiment.
pub(crate) type Checked = Result<Arc<Plan>, Vec<Problem>>;

/// The memory of one experiment.
#[derive(Default)]
pub(crate) struct Search {
    /// The experiment's UID: a namesake starts anew.
    uid: String,
    /// The plan of the newest generation that was checked, or its problems.
    pub(crate) checked: Option<(i64, Checked)>,
    /// The generation whose surroundings (claims, permissions) were found complete.
    pub(crate) complete: Option<i64>,
    /// Of the search's trials.
    pub(crate) searched: Records,
    /// Of the trainings that confirm its best.
    pub(crate) confirmed: Records,
    /// When the status was written last.
    pub(crate) status_written: Option<Instant>,
}

/// What is remembered of one set of trials, whose numbers are their own.
#[derive(Default)]
pub(crate) struct Records {
    /// The index, and the version of each trial in it.
    index: Option<Index>,
    versions: HashMap<u64, String>,
    /// The segment (rung, attempt) whose Job was seen last, by trial.
    jobs_seen: HashMap<u64, (i64, i64)>,
    /// Since when somebody else's Job is known to have the name that an attempt of a trial needs.
    names_taken: HashMap<(u64, i64), Timestamp>,
    /// Why a Job has no pods, as an event said, and when that was read.
    pub(crate) creation_failures: HashMap<String, (Timestamp, Option<Waiting>)>,
}

impl Search {
    /// Forgets what belongs to another experiment of this name.
    pub(crate) fn of(&mut self, experiment: &NasExperiment) {
        let uid = experiment.uid().unwrap_or_default();
        if self.uid != uid {
            *self = Self { uid, ..Self::default() };
        }
    }
}

impl Records {
    /// Takes in all trials as they are now.
    pub(crate) fn fold(&mut self, plan: &Plan, trials: &[Arc<NasTrial>]) -> &mut Index {
        let rungs = plan.rungs.steps().len();
        let index = self.index.get_or_insert_with(|| Index::new(plan.direction, &plan.rungs));
        debug_assert_eq!(index.summaries(&plan.rungs).count(), rungs, "rungs are immutable");
        for trial in trials {
            let version = trial.resource_version().unwrap_or_default();
            if self.versions.get(&trial.number()) != Some(&version) {
                index.apply(trial.to_record());
                self.versions.insert(trial.number(), version);
            }
        }
        if self.versions.len() > trials.len() {
            let there: std::collections::HashSet<u64> = trials.iter().map(|trial| trial.number()).collect();
            self.versions.retain(|number, _| {
                let kept = there.contains(number);
                if !kept {
                    index.forget(*number);
                }
                kept
            });
        }
        index
    }

    pub(crate) fn index(&mut self, plan: &Plan) -> &Index {
        self.index.get_or_insert_with(|| Index::new(plan.direction, &plan.rungs))
    }

    /// Takes in for which trials somebody else's Job has the name, and forgets the others.
    pub(crate) fn names_are_taken(&mut self, trials: &[Arc<NasTrial>], now: Timestamp) {
        let known = std::mem::take(&mut self.names_taken);
        let attempts = trials.iter().map(|trial| (trial.number(), trial.spec.attempt));
        self.names_taken = attempts.map(|attempt| (attempt, known.get(&attempt).copied().unwrap_or(now))).collect();
    }

    /// The trials that have something running or to run, each with its Jobs and pods.
    pub(crate) fn views(&mut self, world: &World, group: &Group, plan: &Plan, trials: &[Arc<NasTrial>]) -> Vec<TrialView> {
        let mut jobs: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for job in world.jobs.of(group) {
            let trial = job.labels().get(crate::labels::TRIAL).cloned().unwrap_or_default();
            jobs.entry(trial).or_default().push(job);
        }
        let mut pods: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for pod in world.pods.of(group) {
            let trial = pod.labels().get(crate::labels::TRIAL).cloned().unwrap_or_default();
            pods.entry(trial).or_default().push(pod);
        }
        let mut views = Vec::new();
        for trial in trials {
            let name = trial.name_any();
            let (jobs, pods) = (jobs.remove(&name).unwrap_or_default(), pods.remove(&name).unwrap_or_default());
            let pending = trial.to_record().running().is_some();
            if !pending {
                self.jobs_seen.remove(&trial.number());
            }
            if pending || !jobs.is_empty() || !pods.is_empty() {
                let mut view = TrialView::new(Arc::clone(trial), jobs, pods, &plan.rungs);
                let segment = (trial.spec.target_rung, trial.spec.attempt);
                if view.job().is_some() {
                    self.jobs_seen.insert(trial.number(), segment);
                }
                view.name_taken_since = self.names_taken.get(&(trial.number(), trial.spec.attempt)).copied();
                view.job_was_seen = self.jobs_seen.get(&trial.number()) == Some(&segment);
                views.push(view);
            }
        }
        views
    }
}

/// The trials of this very experiment's search, by number: not those of a namesake that was deleted before.
pub(crate) fn trials_of(world: &World, group: &Group, experiment: &NasExperiment) -> Vec<Arc<NasTrial>> {
    owned(world, group, experiment, |trial| !trial.is_confirmation())
}

/// The trainings that confirm the best of this very experiment, by number.
pub(crate) fn confirmations_of(world: &World, group: &Group, experiment: &NasExperiment) -> Vec<Arc<NasTrial>> {
    owned(world, group, experiment, NasTrial::is_confirmation)
}

fn owned(world: &World, group: &Group, experiment: &NasExperiment, is_wanted: fn(&NasTrial) -> bool) -> Vec<Arc<NasTrial>> {
    let uid = experiment.uid();
    let mut trials = world.trials.of(group);
    trials.retain(|trial| is_wanted(trial) && trial.owner_references().iter().any(|owner| Some(&owner.uid) == uid.as_ref()));
    trials.sort_by_key(|trial| trial.spec.number);
    trials
}
