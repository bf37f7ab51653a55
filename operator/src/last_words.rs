//! Pods that ended and are gone, kept until their trials have recorded how they ended.
//!
//! A Job that is deleted takes its pods with it, and one that reports in that very moment is gone before anybody has looked at its report.
//! The watch's last event of a pod still has it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use nas_api::objects::NasTrial;

use crate::{labels, store::ExperimentKey, trial::is_terminal};

/// The last state of each pod, by the trial's name and the pod's own.
type Pods = BTreeMap<(String, String), Arc<Pod>>;

/// What pods said last.
#[derive(Default)]
pub(crate) struct LastWords {
    groups: Mutex<HashMap<ExperimentKey, Pods>>,
}

impl LastWords {
    fn lock(&self) -> MutexGuard<'_, HashMap<ExperimentKey, Pods>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a pod that is gone, if `trial` as it is known waits for how it ended.
    pub(crate) fn keep(&self, key: ExperimentKey, pod: Pod, trial: Option<&NasTrial>) {
        if trial.is_some_and(|trial| waits_for(trial, &pod)) {
            let name = (pod.labels().get(labels::TRIAL).cloned().unwrap_or_default(), pod.name_any());
            self.lock().entry(key).or_default().insert(name, Arc::new(pod));
        }
    }

    /// A trial is as it is now, or gone: forgets what it does not wait for.
    pub(crate) fn settle(&self, key: &ExperimentKey, name: &str, trial: Option<&NasTrial>) {
        let mut groups = self.lock();
        let Some(pods) = groups.get_mut(key) else { return };
        pods.retain(|(of, _), pod| of != name || trial.is_some_and(|trial| waits_for(trial, pod)));
        if pods.is_empty() {
            groups.remove(key);
        }
    }

    /// Forgets what no trial waits for, `trial` being the one of a group with a name.
    pub(crate) fn settle_all(&self, trial: impl Fn(&ExperimentKey, &str) -> Option<Arc<NasTrial>>) {
        self.lock().retain(|key, pods| {
            pods.retain(|(name, _), pod| trial(key, name).is_some_and(|trial| waits_for(&trial, pod)));
            !pods.is_empty()
        });
    }

    /// The pods of an experiment that are kept.
    pub(crate) fn of(&self, key: &ExperimentKey) -> Vec<Arc<Pod>> {
        self.lock().get(key).map(|pods| pods.values().cloned().collect()).unwrap_or_default()
    }
}

/// Whether a pod ended and is of the trial's present segment, or of a later one: what is known of the trial may be old.
pub(crate) fn waits_for(trial: &NasTrial, pod: &Pod) -> bool {
    let number = |label| pod.labels().get(label).and_then(|value| value.parse::<i64>().ok());
    let (Some(rung), Some(attempt)) = (number(labels::RUNG), number(labels::ATTEMPT)) else { return false };
    let present = (trial.spec.target_rung, trial.spec.attempt);
    is_terminal(pod) && (present < (rung, attempt) || present == (rung, attempt) && trial.running().is_some())
}
