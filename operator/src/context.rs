//! What every pass needs.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use kube::Client;

use crate::{
    Config, Metrics, events::Events, experiment::Search, request::Requests, store::Group, telemetry, trial::Settings,
    world::World,
};

pub(crate) struct Context {
    pub(crate) requests: Requests,
    pub(crate) config: Config,
    pub(crate) world: Arc<World>,
    pub(crate) metrics: Metrics,
    pub(crate) events: Events,
    searches: Mutex<HashMap<Group, Arc<tokio::sync::Mutex<Search>>>>,
    /// Since when the passes over an experiment fail.
    failing: Mutex<HashMap<Group, Instant>>,
}

impl Context {
    pub(crate) fn new(client: Client, config: Config, world: Arc<World>, metrics: Metrics, events: Events) -> Self {
        Self {
            requests: Requests::new(client),
            config,
            world,
            metrics,
            events,
            searches: Mutex::default(),
            failing: Mutex::default(),
        }
    }

    /// What is remembered of an experiment between passes; all of it could be read again.
    pub(crate) fn search(&self, group: &Group) -> Arc<tokio::sync::Mutex<Search>> {
        let mut searches = self.searches.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(searches.entry(group.clone()).or_default())
    }

    /// A pass over it did not fail.
    pub(crate) fn succeeded(&self, group: &Group) {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner).remove(group);
    }

    /// A pass over it has failed; returns for how long all of them do.
    pub(crate) fn failed(&self, group: &Group) -> Duration {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner).entry(group.clone()).or_insert_with(Instant::now).elapsed()
    }

    /// The experiment is gone.
    pub(crate) fn forget(&self, group: &Group) {
        self.searches.lock().unwrap_or_else(PoisonError::into_inner).remove(group);
        self.succeeded(group);
        self.metrics.forget(group);
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings {
            image: self.config.trainer_image.clone(),
            service_account: self.config.trainer_service_account.clone(),
            traceparent: telemetry::traceparent,
        }
    }
}
