//! What the operator sees: caches of experiments, trials, Jobs and pods, of which only what something rests on is kept.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use k8s_openapi::{
    api::{
        batch::v1::{Job, JobSpec},
        core::v1::{Pod, PodSpec},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{ResourceExt, runtime::watcher::Event};
use nas_api::objects::{NasExperiment, NasTrial};
use nas_search::Lexicon;

use crate::{
    hearing::Hearing,
    labels,
    last_words::{LastWords, waits_for},
    ownership::is_owned,
    store::{Changes, ExperimentKey, Store},
};

/// All caches.
pub(crate) struct World {
    pub(crate) experiments: Store<NasExperiment>,
    pub(crate) trials: Store<NasTrial>,
    pub(crate) jobs: Store<Job>,
    pub(crate) pods: Store<Pod>,
    last_words: LastWords,
    pub(crate) hearing: Hearing,
    unreadable: Mutex<HashMap<ExperimentKey, String>>,
    unreadable_trials: Mutex<HashMap<ExperimentKey, BTreeMap<String, String>>>,
}

impl World {
    pub(crate) fn new() -> Self {
        let lexicon = Mutex::new(Lexicon::default());
        Self {
            experiments: Store::new(|object| key(object, Some(object.name_any())), prune),
            // No decision rests on what a trainer says of its own accord, and it may say it often.
            trials: Store::new(
                |object: &NasTrial| key(object, Some(object.spec.experiment.clone())),
                move |trial| {
                    prune_trial(trial);
                    trial.spec.assignment = lexicon.lock().unwrap_or_else(PoisonError::into_inner).share(&trial.spec.assignment);
                },
            )
            .quiet(NasTrial::differs_in_report_alone),
            jobs: Store::new(by_label, prune_job),
            pods: Store::new(by_label, prune_pod),
            last_words: LastWords::default(),
            hearing: Hearing::default(),
            unreadable: Mutex::default(),
            unreadable_trials: Mutex::default(),
        }
    }

    /// The trials of this very experiment's search, by number: not those of a namesake that was deleted before.
    pub(crate) fn trials_of(&self, key: &ExperimentKey, experiment: &NasExperiment) -> Vec<Arc<NasTrial>> {
        self.owned(key, experiment, |trial| !trial.is_confirmation())
    }

    /// The trainings that confirm the best of this very experiment, by number.
    pub(crate) fn confirmations_of(&self, key: &ExperimentKey, experiment: &NasExperiment) -> Vec<Arc<NasTrial>> {
        self.owned(key, experiment, NasTrial::is_confirmation)
    }

    fn owned(&self, key: &ExperimentKey, experiment: &NasExperiment, is_wanted: fn(&NasTrial) -> bool) -> Vec<Arc<NasTrial>> {
        let mut trials = self.trials.of(key);
        trials.retain(|trial| is_wanted(trial) && is_owned(&**trial, experiment));
        trials.sort_by_key(|trial| trial.spec.number);
        trials
    }

    /// Takes in what the watch of trials brings; returns the experiments that it may have changed.
    pub(crate) fn take_trial(&self, event: Event<NasTrial>) -> Vec<ExperimentKey> {
        let named = |trial: &NasTrial| Some((key(trial, Some(trial.spec.experiment.clone()))?, trial.name_any()));
        let name = match &event {
            Event::Apply(trial) | Event::Delete(trial) => named(trial),
            _ => None,
        };
        let relisted = matches!(event, Event::InitDone);
        if let Event::Apply(trial) | Event::InitApply(trial) = &event
            && let Some((key, name)) = named(trial)
        {
            self.forget_unreadable_trial(&key, &name);
        }
        let touched = self.trials.take(event);
        if let Some((key, name)) = name {
            self.last_words.settle(&key, &name, self.trials.get(&key, &name).as_deref());
        }
        if relisted {
            self.last_words.settle_all(|key, name| self.trials.get(key, name));
        }
        touched
    }

    /// Takes in what the watch of pods brings; returns the experiments that it may have changed.
    pub(crate) fn take_pod(&self, event: Event<Pod>) -> Vec<ExperimentKey> {
        // Before it is gone: a pass that looks meanwhile sees it at least once.
        if let Event::Delete(pod) = &event
            && let Some(key) = by_label(pod)
            && let Some(name) = pod.labels().get(labels::TRIAL)
        {
            let mut pod = pod.clone();
            prune_pod(&mut pod);
            let trial = self.trials.get(&key, name);
            self.last_words.keep(key, pod, trial.as_deref());
        }
        self.pods.take(event)
    }

    /// The pods of an experiment that are gone and whose end no trial has recorded yet. Who looks at those that are there looks at them first.
    pub(crate) fn last_words(&self, key: &ExperimentKey) -> Vec<Arc<Pod>> {
        self.last_words.of(key)
    }

    /// Waits until a pod, after a moment, has ended with something that its trial waits for; returns until when that is known.
    pub(crate) async fn segment_ended(&self, key: &ExperimentKey, mut after: u64) -> u64 {
        loop {
            let Changes { until, objects, .. } = self.pods.changed(key, after).await;
            let ended = |pod: &Arc<Pod>| {
                let trial = pod.labels().get(labels::TRIAL).and_then(|name| self.trials.get(key, name));
                trial.is_some_and(|trial| waits_for(&trial, pod))
            };
            let is_gone = objects.iter().any(|(_, pod)| pod.is_none());
            if objects.iter().filter_map(|(_, pod)| pod.as_ref()).any(ended) || is_gone && !self.last_words.of(key).is_empty() {
                return until;
            }
            after = until;
        }
    }

    /// Why this version cannot read an experiment, where it cannot.
    pub(crate) fn unreadable(&self, key: &ExperimentKey) -> Option<String> {
        self.unreadable.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// Takes in what the watch of experiments brings; returns those that it may have changed.
    pub(crate) fn take_experiment(&self, event: Event<NasExperiment>) -> Vec<ExperimentKey> {
        let touched = self.experiments.take(event);
        let mut unreadable = self.unreadable.lock().unwrap_or_else(PoisonError::into_inner);
        for key in &touched {
            unreadable.remove(key);
        }
        drop(unreadable);
        touched
    }

    /// Notes why an experiment cannot be read; `None`: it is gone. Returns which it is.
    pub(crate) fn note_unreadable(&self, experiment: &ObjectMeta, problem: Option<&str>) -> Option<ExperimentKey> {
        let key = ExperimentKey { namespace: experiment.namespace.clone()?, experiment: experiment.name.clone()? };
        let mut unreadable = self.unreadable.lock().unwrap_or_else(PoisonError::into_inner);
        match problem {
            Some(problem) => drop(unreadable.insert(key.clone(), problem.to_owned())),
            None => drop(unreadable.remove(&key)),
        }
        drop(unreadable);
        Some(key)
    }

    /// A trial that this version cannot read, and why.
    pub(crate) fn unreadable_trial(&self, key: &ExperimentKey) -> Option<(String, String)> {
        let unreadable = self.unreadable_trials.lock().unwrap_or_else(PoisonError::into_inner);
        unreadable.get(key)?.first_key_value().map(|(name, problem)| (name.clone(), problem.clone()))
    }

    /// Notes why a trial cannot be read; `None`: it is gone. Returns whose it is.
    pub(crate) fn note_unreadable_trial(&self, trial: &ObjectMeta, problem: Option<&str>) -> Option<ExperimentKey> {
        let experiment = trial.labels.as_ref()?.get(labels::EXPERIMENT)?.clone();
        let key = ExperimentKey { namespace: trial.namespace.clone()?, experiment };
        let name = trial.name.as_deref()?;
        match problem {
            Some(problem) => {
                let mut unreadable = self.unreadable_trials.lock().unwrap_or_else(PoisonError::into_inner);
                unreadable.entry(key.clone()).or_default().insert(name.to_owned(), problem.to_owned());
            }
            None => self.forget_unreadable_trial(&key, name),
        }
        Some(key)
    }

    /// A trial that could not be read is gone, or can be read.
    pub(crate) fn forget_unreadable_trial(&self, key: &ExperimentKey, name: &str) {
        let mut unreadable = self.unreadable_trials.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(trials) = unreadable.get_mut(key) {
            trials.remove(name);
            if trials.is_empty() {
                unreadable.remove(key);
            }
        }
    }

    /// Whether everything has been listed once.
    pub(crate) fn is_synced(&self) -> bool {
        self.experiments.is_synced() && self.trials.is_synced() && self.jobs.is_synced() && self.pods.is_synced()
    }
}

fn key<K: ResourceExt>(object: &K, experiment: Option<String>) -> Option<ExperimentKey> {
    Some(ExperimentKey { namespace: object.namespace()?, experiment: experiment? })
}

fn by_label<K: ResourceExt>(object: &K) -> Option<ExperimentKey> {
    key(object, object.labels().get(labels::EXPERIMENT).cloned())
}

fn prune<K: ResourceExt>(object: &mut K) {
    object.meta_mut().managed_fields = None;
}

/// Ten thousand of them are in memory. What is missing in a status is left as it is by a merge patch.
fn prune_trial(trial: &mut NasTrial) {
    prune(trial);
    trial.metadata.labels = None;
    trial.spec.grants.shrink_to_fit();
    let waits = trial.running().is_some();
    let Some(status) = &mut trial.status else { return };
    if !waits {
        status.reported = None;
    }
    status.rungs.shrink_to_fit();
    status.segments.shrink_to_fit();
}

fn prune_job(job: &mut Job) {
    prune(job);
    if let Some(spec) = &mut job.spec {
        *spec = JobSpec { suspend: spec.suspend, ..JobSpec::default() };
    }
}

fn prune_pod(pod: &mut Pod) {
    prune(pod);
    pod.metadata.annotations = None;
    if let Some(spec) = &mut pod.spec {
        let (node_name, active_deadline_seconds) = (spec.node_name.take(), spec.active_deadline_seconds);
        *spec = PodSpec { node_name, active_deadline_seconds, ..PodSpec::default() };
    }
}
