//! The trials with what belongs to each, kept from look to look: a look makes those views anew whose trial, Jobs or pods have changed.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use k8s_openapi::{
    api::{batch::v1::Job, core::v1::Pod},
    jiff::Timestamp,
};
use kube::ResourceExt;
use nas_api::objects::NasTrial;
use nas_search::Rungs;

use super::{attached::Attached, roster::Roster};
use crate::{
    labels,
    ownership::is_owned,
    store::ExperimentKey,
    trial::{TrialView, held_seconds, segment_digest},
    world::World,
};

/// What was seen of a segment.
#[derive(Default)]
struct Seen {
    trial_uid: Option<String>,
    rung: i64,
    attempt: i64,
    /// Its digest: the same as long as it is the same segment.
    digest: Arc<str>,
    job: bool,
    /// When its Job began to have pods.
    started: Option<Timestamp>,
    /// Its pods, as they were seen last.
    pods: HashMap<String, Arc<Pod>>,
    /// Seconds for which each of those that are gone held its accelerators.
    vanished: HashMap<String, f64>,
}

impl Seen {
    /// The digest of the present segment of `trial`; what belongs to another segment is forgotten.
    fn digest(&mut self, trial: &NasTrial, rungs: &Rungs) -> Arc<str> {
        let spec = &trial.spec;
        if (&self.trial_uid, self.rung, self.attempt) != (&trial.metadata.uid, spec.target_rung, spec.attempt) {
            *self = Self {
                trial_uid: trial.uid(),
                rung: spec.target_rung,
                attempt: spec.attempt,
                digest: segment_digest(trial, rungs).into(),
                ..Self::default()
            };
        }
        Arc::clone(&self.digest)
    }

    /// Takes in what is there now, and tells the view what was there before, up to the moment `looked`.
    fn tell(&mut self, view: &mut TrialView, looked: Timestamp) {
        // One of an earlier experiment of this name may still be there.
        if let Some(job) = view.job().filter(|job| is_owned(*job, &*view.trial)) {
            self.job = true;
            let status = job.status.as_ref();
            let pods = status.map_or(0, |status| [status.active, status.failed, status.succeeded].into_iter().flatten().sum());
            let started = status.filter(|_| pods > 0).and_then(|status| status.start_time.as_ref());
            self.started = started.map(|time| time.0).or(self.started);
        }
        let there = view.shared_segment_pods().map(|pod| (pod.uid().unwrap_or_default(), Arc::clone(pod))).collect();
        let before = std::mem::replace(&mut self.pods, there);
        self.vanished.extend(before.into_iter().map(|(uid, pod)| (uid, held_seconds(&pod, looked))));
        self.vanished.retain(|uid, _| !self.pods.contains_key(uid));
        view.job_was_seen = self.job;
        view.job_started = self.started;
        view.vanished_seconds = self.vanished.values().sum();
    }
}

/// The views of one set of trials.
#[derive(Default)]
pub(crate) struct Views {
    jobs: Attached<Job>,
    pods: Attached<Pod>,
    /// Pods that are gone and whose end no trial has recorded yet.
    last_words: Vec<Arc<Pod>>,
    /// What was seen of each trial's present segment.
    seen: HashMap<u64, Seen>,
    /// Since when somebody else's Job is known to have the name that an attempt of a trial needs.
    names_taken: HashMap<(u64, i64), Timestamp>,
    /// Of each trial that has something running, or to run, or left.
    made: BTreeMap<u64, Arc<TrialView>>,
    /// Trials whose views are old.
    old: BTreeSet<u64>,
    /// The time of the last look.
    looked: Timestamp,
}

impl Views {
    /// A trial has changed, or is gone.
    pub(super) fn note(&mut self, number: u64) {
        self.old.insert(number);
    }

    /// Takes in for which trials somebody else's Job has the name, and forgets the others.
    pub(super) fn names_are_taken(&mut self, trials: &[Arc<NasTrial>], now: Timestamp) {
        let known = std::mem::take(&mut self.names_taken);
        let attempts = trials.iter().map(|trial| (trial.number(), trial.spec.attempt));
        self.names_taken = attempts.map(|attempt| (attempt, known.get(&attempt).copied().unwrap_or(now))).collect();
        self.old.extend(known.keys().chain(self.names_taken.keys()).map(|(number, _)| *number));
    }

    /// The trials that have something running or to run, each with its Jobs and pods.
    pub(super) fn look(
        &mut self,
        world: &World,
        key: &ExperimentKey,
        roster: &Roster,
        rungs: &Rungs,
        now: Timestamp,
    ) -> Vec<Arc<TrialView>> {
        let mut touched = self.jobs.update(world.jobs.changes(key, self.jobs.until()));
        touched.extend(self.pods.update(world.pods.changes(key, self.pods.until())));
        // After the pods: one that goes meanwhile is there twice, and not missing.
        let before = std::mem::replace(&mut self.last_words, world.last_words(key));
        touched.extend(before.iter().chain(&self.last_words).filter_map(|pod| pod.labels().get(labels::TRIAL).cloned()));
        self.old.extend(touched.iter().filter_map(|name| roster.number_of(name)));
        for number in std::mem::take(&mut self.old) {
            match self.make(number, roster, rungs) {
                Some(view) => drop(self.made.insert(number, Arc::new(view))),
                None => drop(self.made.remove(&number)),
            }
        }
        self.looked = now;
        self.made.values().cloned().collect()
    }

    /// The pods that are there, by the name of the trial that they are of, whether or not that is known.
    pub(super) fn pods_by_trial(&self) -> impl Iterator<Item = (&str, &BTreeMap<String, Arc<Pod>>)> {
        self.pods.by_trial()
    }

    /// The view of a trial; `None`: it has nothing at work, and is to do nothing.
    fn make(&mut self, number: u64, roster: &Roster, rungs: &Rungs) -> Option<TrialView> {
        let is_running = roster.is_running(number);
        if !is_running {
            self.seen.remove(&number);
        }
        let trial = roster.get(number)?;
        let name = trial.name_any();
        let (jobs, mut pods) = (self.jobs.of(&name), self.pods.of(&name));
        for gone in self.last_words.iter().filter(|pod| pod.labels().get(labels::TRIAL) == Some(&name)) {
            pods.retain(|pod| pod.metadata.uid != gone.metadata.uid);
            pods.push(Arc::clone(gone));
        }
        if !is_running {
            let is_idle = jobs.is_empty() && pods.is_empty();
            return (!is_idle).then(|| TrialView::new(Arc::clone(trial), jobs, pods, segment_digest(trial, rungs).into()));
        }
        let seen = self.seen.entry(number).or_default();
        let mut view = TrialView::new(Arc::clone(trial), jobs, pods, seen.digest(trial, rungs));
        seen.tell(&mut view, self.looked);
        view.name_taken_since = self.names_taken.get(&(number, trial.spec.attempt)).copied();
        Some(view)
    }
}

#[cfg(test)]
mod tests {
    use kube::runtime::watcher::Event;
    use nas_api::{RungEnd, read_experiment};
    use nas_search::{Decision, Index, Outcome, Plan, Usage, decide};
    use serde_json::json;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap_or_default()
    }

    fn pod(version: u64) -> Pod {
        let labels = json!({labels::EXPERIMENT: "e", labels::TRIAL: "e-0", labels::RUNG: "0", labels::ATTEMPT: "0"});
        let state = json!({"running": {"startedAt": at(100)}});
        let container =
            json!({"name": labels::CONTAINER, "state": state, "image": "", "imageID": "", "ready": true, "restartCount": 0});
        let metadata =
            json!({"name": "pod", "namespace": "n", "uid": "pod", "resourceVersion": version.to_string(), "labels": labels});
        let pod = json!({"metadata": metadata, "status": {"phase": "Running", "containerStatuses": [container]}});
        serde_json::from_value(pod).unwrap_or_default()
    }

    /// A plan, and the first trial of its search.
    fn first() -> (Plan, NasTrial) {
        let plan = read_experiment(include_str!("../../../configs/quickstart.yaml")).map(|read| read.plan);
        let Ok(plan) = plan else { unreachable!() };
        let decisions = decide(&plan, &Index::new(plan.direction, &plan.rungs), &Usage::default());
        let Some(Decision::Create { new, view }) = decisions.into_iter().next() else { unreachable!() };
        let mut trial = NasTrial::create("e", &new, view);
        trial.metadata.uid = Some("trial".to_owned());
        trial.metadata.resource_version = Some("1".to_owned());
        (plan, trial)
    }

    #[test]
    fn a_pod_that_is_gone_has_held_its_accelerators_until_it_was_seen_last() {
        let (world, key) = (World::new(), ExperimentKey { namespace: "n".to_owned(), experiment: "e".to_owned() });
        let ((plan, trial), mut roster, mut views) = (first(), Roster::default(), Views::default());
        // Heard of before its trial.
        world.take_pod(Event::Apply(pod(2)));
        assert!(views.look(&world, &key, &roster, &plan.rungs, at(105)).is_empty());
        roster.put(&Arc::new(trial.clone()));
        views.note(0);
        let mut held = |now| {
            let found = views.look(&world, &key, &roster, &plan.rungs, at(now));
            let [view] = found.as_slice() else { unreachable!("{} views", found.len()) };
            view.held_seconds(at(now)).0.to_bits()
        };
        assert_eq!([held(110), held(130)], [10.0_f64, 30.0].map(f64::to_bits));
        world.take_pod(Event::Delete(pod(3)));
        assert_eq!([held(150), held(170)], [30.0_f64; 2].map(f64::to_bits));
        // It was not gone: a list that was read anew has it.
        world.take_pod(Event::Apply(pod(4)));
        assert_eq!(held(180), 80.0_f64.to_bits());
        // Its rung is recorded: what is left of it is seen until it is gone.
        let mut ended = trial;
        ended.metadata.resource_version = Some("5".to_owned());
        ended.status.get_or_insert_default().record(&[RungEnd::new(0, Outcome::Value(0.5))], 0);
        roster.put(&Arc::new(ended));
        views.note(0);
        assert_eq!(views.look(&world, &key, &roster, &plan.rungs, at(190)).len(), 1);
        world.take_pod(Event::Delete(pod(6)));
        assert!(views.look(&world, &key, &roster, &plan.rungs, at(200)).is_empty());
    }
}
