//! What every pass needs.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use kube::Client;

use crate::{
    Config, Metrics, creation_failures::CreationFailures, events::Events, experiment::Search, pace::Pace, request::Requests,
    store::ExperimentKey, telemetry, trial::Settings, world::World,
};

pub(crate) struct Context {
    pub(crate) requests: Requests,
    pub(crate) config: Config,
    pub(crate) world: Arc<World>,
    pub(crate) metrics: Metrics,
    pub(crate) events: Events,
    pub(crate) creation_failures: CreationFailures,
    /// Of statuses of which counts alone have changed.
    pub(crate) pace: Pace,
    searches: Mutex<HashMap<ExperimentKey, Arc<tokio::sync::Mutex<Search>>>>,
    /// Those that are gone and whose Jobs are looked at again soon.
    leaving: Mutex<HashSet<ExperimentKey>>,
    /// Since when the passes over an experiment fail.
    failing: Mutex<HashMap<ExperimentKey, Instant>>,
}

impl Context {
    pub(crate) fn new(client: Client, config: Config, world: Arc<World>, metrics: Metrics, events: Events) -> Self {
        Self {
            requests: Requests::new(client),
            config,
            world,
            metrics,
            events,
            creation_failures: CreationFailures::default(),
            pace: Pace::new(Instant::now()),
            searches: Mutex::default(),
            leaving: Mutex::default(),
            failing: Mutex::default(),
        }
    }

    /// What is remembered of an experiment between passes; all of it could be read again.
    pub(crate) fn search(&self, key: &ExperimentKey) -> Arc<tokio::sync::Mutex<Search>> {
        let mut searches = self.searches.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(searches.entry(key.clone()).or_default())
    }

    /// A pass over it did not fail.
    pub(crate) fn succeeded(&self, key: &ExperimentKey) {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    /// For how long all passes over it have failed.
    pub(crate) fn failing_for(&self, key: &ExperimentKey) -> Duration {
        let failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        failing.get(key).map_or(Duration::ZERO, Instant::elapsed)
    }

    /// A pass over it has failed; returns for how long all of them do.
    pub(crate) fn failed(&self, key: &ExperimentKey) -> Duration {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner).entry(key.clone()).or_insert_with(Instant::now).elapsed()
    }

    /// The experiment is gone.
    pub(crate) fn forget(&self, key: &ExperimentKey) {
        self.searches.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        self.succeeded(key);
        self.metrics.forget(key);
        if !self.world.experiments.groups().iter().any(|other| other.namespace == key.namespace) {
            self.creation_failures.forget(&key.namespace);
        }
    }

    /// Its Jobs are to be looked at again soon; returns whether that is news.
    pub(crate) fn leaves(&self, key: &ExperimentKey) -> bool {
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone())
    }

    /// They are looked at now.
    pub(crate) fn left(&self, key: &ExperimentKey) {
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings {
            image: self.config.trainer_image.clone(),
            service_account: self.config.trainer_service_account.clone(),
            traceparent: telemetry::traceparent,
        }
    }
}
