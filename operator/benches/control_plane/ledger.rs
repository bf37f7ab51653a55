//! When what happened, as a watch of the API server shows it.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    fmt::Debug,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures::StreamExt as _;
use k8s_openapi::api::batch::v1::Job;
use kube::{
    Api, Resource, ResourceExt,
    runtime::{WatchStreamExt as _, watcher},
};
use nas_api::objects::NasTrial;
use serde::de::DeserializeOwned;

/// What was seen so far of a search of so many trials.
pub(crate) struct Ledger {
    trials: usize,
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    /// Ends of pods whose outcome has not been seen on its trial.
    unrecorded: HashMap<(String, usize), Instant>,
    /// When a pod ended, and how long its outcome took.
    commits: Vec<(Instant, Duration)>,
    /// While one operator had ended and the next did not work yet.
    handover: Option<(Instant, Instant)>,
    /// Moments at which a slot became free that no new Job has taken.
    free: VecDeque<Instant>,
    gaps: Vec<Duration>,
    jobs: HashSet<String>,
    /// Each change of the number of pods that run.
    running: Vec<(Instant, usize)>,
    trials: HashSet<String>,
    last_trial: Option<Instant>,
}

/// What it comes to.
pub(crate) struct Seen {
    /// From the end of a pod to its outcome on the trial, sorted; but for those that ended while no operator was there.
    pub(crate) commits: Vec<Duration>,
    /// How many outcomes there were.
    pub(crate) outcomes: usize,
    /// From the end of a pod to a new Job, while there were trials to be created, sorted.
    pub(crate) gaps: Vec<Duration>,
    pub(crate) jobs: usize,
    /// Share of slots that were busy from the moment at which all of them first were to the creation of the last trial.
    pub(crate) busy: f64,
    /// Segments that ended then, per second.
    pub(crate) rate: f64,
}

impl Ledger {
    pub(crate) fn new(trials: usize) -> Self {
        Self { trials, entries: Mutex::default() }
    }

    /// Takes in each version of each object.
    pub(crate) async fn watch<K>(self: Arc<Self>, api: Api<K>, see: fn(&Self, K))
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
    {
        let mut events = watcher(api, watcher::Config::default()).default_backoff().applied_objects().boxed();
        while let Some(event) = events.next().await {
            if let Ok(object) = event {
                see(&self, object);
            }
        }
    }

    /// A pod runs.
    pub(crate) fn started(&self) {
        let mut entries = self.entries.lock().unwrap();
        let running = entries.running.last().map_or(0, |(_, running)| *running);
        entries.running.push((Instant::now(), running + 1));
    }

    /// A pod has ended, with the result of this rung; `None`: it was deleted before.
    pub(crate) fn ended(&self, result: Option<(String, usize)>) {
        let mut entries = self.entries.lock().unwrap();
        let now = Instant::now();
        let running = entries.running.last().map_or(0, |(_, running)| *running);
        entries.running.push((now, running - 1));
        if let Some(result) = result {
            entries.unrecorded.insert(result, now);
            entries.free.push_back(now);
        }
    }

    pub(crate) fn job(&self, job: &Job) {
        let mut entries = self.entries.lock().unwrap();
        if entries.jobs.insert(job.uid().unwrap_or_default())
            && let Some(free) = entries.free.pop_front()
            // Later on slots stay free for want of trials.
            && entries.trials.len() < self.trials
        {
            entries.gaps.push(free.elapsed());
        }
    }

    pub(crate) fn trial(&self, trial: &NasTrial) {
        let mut entries = self.entries.lock().unwrap();
        let name = trial.name_any();
        if entries.trials.insert(name.clone()) {
            entries.last_trial = Some(Instant::now());
        }
        for rung in trial.status.iter().flat_map(|status| &status.rungs) {
            if let Some(ended) = entries.unrecorded.remove(&(name.clone(), rung.rung as usize)) {
                entries.commits.push((ended, ended.elapsed()));
            }
        }
    }

    /// No operator was at work since then.
    pub(crate) fn handed_over(&self, since: Instant) {
        self.entries.lock().unwrap().handover = Some((since, Instant::now()));
    }

    pub(crate) fn seen(&self, slots: usize) -> Seen {
        let mut entries = self.entries.lock().unwrap();
        let attended =
            |(ended, _): &&(Instant, Duration)| entries.handover.is_none_or(|(from, until)| *ended < from || *ended > until);
        let mut commits: Vec<Duration> = entries.commits.iter().filter(attended).map(|(_, took)| *took).collect();
        commits.sort_unstable();
        entries.gaps.sort_unstable();
        let begin = entries.running.iter().find(|(_, running)| *running >= slots).map(|(at, _)| *at);
        let (begin, end) = (begin, entries.last_trial);
        let (mut steady, mut held, mut ended) = (Duration::ZERO, 0.0, 0);
        if let (Some(begin), Some(end)) = (begin, end) {
            for pair in entries.running.windows(2) {
                let [(from, running), (until, after)] = pair else { continue };
                let span = (*until).min(end).saturating_duration_since((*from).max(begin));
                held += *running as f64 * span.as_secs_f64();
                steady += span;
                ended += usize::from(after < running && !span.is_zero());
            }
        }
        Seen {
            outcomes: entries.commits.len(),
            commits,
            gaps: entries.gaps.clone(),
            jobs: entries.jobs.len(),
            busy: held / (steady.as_secs_f64() * slots as f64).max(f64::MIN_POSITIVE),
            rate: ended as f64 / steady.as_secs_f64().max(f64::MIN_POSITIVE),
        }
    }
}
