//! The watches that fill the caches, one for each kind; each says which experiments it touched.

use std::{
    fmt::Debug,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{StreamExt, channel::mpsc::UnboundedSender};
use k8s_openapi::{
    api::{batch::v1::Job, core::v1::Pod},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, Client, Resource,
    core::{DeserializeGuard, NamespaceResourceScope, error_boundary::InvalidObject},
    runtime::{
        WatchStreamExt,
        reflector::store::Writer,
        utils::Backoff,
        watcher::{self, DefaultBackoff, Event, watcher},
    },
};
use nas_api::objects::{NasExperiment, NasTrial};

use crate::{Metrics, labels, store::ExperimentKey, world::World};

/// Objects of a list at once, so that it is read without a peak of memory.
const PAGE: u32 = 200;

/// Longest pause before a watch that failed is opened again. kube's own grow to a minute, and a watch that has to begin anew takes two of them: what
/// was away, a right or a server, is to be noticed sooner once it is back.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// kube's pauses, and none longer than that.
#[derive(Default)]
struct Pauses(DefaultBackoff);

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.0.next().map(|pause| pause.min(LONGEST_PAUSE))
    }
}

impl Backoff for Pauses {
    fn reset(&mut self) {
        self.0.reset();
    }
}

/// What all watches have in common.
#[derive(Clone)]
pub(crate) struct Watches {
    pub(crate) client: Client,
    /// `None`: all namespaces.
    pub(crate) namespace: Option<String>,
    pub(crate) world: Arc<World>,
    /// Hears of each experiment that something touches.
    pub(crate) touched: UnboundedSender<ExperimentKey>,
}

impl Watches {
    /// Experiments, for ever; `known` learns which there are.
    pub(crate) async fn experiments(self, mut known: Writer<NasExperiment>) {
        let take = |event: Event<NasExperiment>| {
            known.apply_watcher_event(&event);
            self.world.take_experiment(event)
        };
        // Nobody is told of one that is on its way out: its Jobs go.
        let unreadable = |experiment: &ObjectMeta, problem: Option<&str>| {
            self.world.note_unreadable(experiment, problem.filter(|_| experiment.deletion_timestamp.is_none()))
        };
        self.watch(all(), take, unreadable).await;
    }

    /// Trials, for ever.
    pub(crate) async fn trials(self) {
        let take = |event: Event<NasTrial>| self.world.take_trial(event);
        self.watch(all(), take, |trial, problem| self.world.note_unreadable_trial(trial, problem)).await;
    }

    /// The operator's Jobs, for ever.
    pub(crate) async fn jobs(self) {
        let take = |event: Event<Job>| self.world.jobs.take(event);
        self.watch(owned(), take, |_, _| None).await;
    }

    /// Their pods, for ever; `metrics` learn when their ends were heard of.
    pub(crate) async fn pods(self, metrics: Metrics) {
        let take = |event: Event<Pod>| {
            metrics.heard(&event);
            self.world.take_pod(event)
        };
        self.watch(owned(), take, |_, _| None).await;
    }

    /// Watches one kind. An object that this version cannot read goes to `unreadable`, with the problem while it is there, and is left alone: it
    /// must not hide the others.
    async fn watch<K>(
        &self,
        config: watcher::Config,
        mut take: impl FnMut(Event<K>) -> Vec<ExperimentKey>,
        unreadable: impl Fn(&ObjectMeta, Option<&str>) -> Option<ExperimentKey>,
    ) where
        K: Resource<Scope = NamespaceResourceScope> + Clone + Debug + Send + serde::de::DeserializeOwned + 'static,
        K::DynamicType: Default + Clone + Debug + Eq + std::hash::Hash,
    {
        let api: Api<DeserializeGuard<K>> = match &self.namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        };
        let kind = K::kind(&K::DynamicType::default()).into_owned();
        let mut events = watcher(api, config).backoff(Pauses::default()).boxed();
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => {
                    // A list that begins has not been read yet.
                    if !matches!(event, Event::Init) {
                        self.world.hearing.heard(&kind);
                    }
                    let is_there = !matches!(event, Event::Delete(_));
                    match readable(event) {
                        Ok(event) => self.touch(take(event)),
                        Err(invalid) => {
                            tracing::warn!(name = ?invalid.metadata.name, namespace = ?invalid.metadata.namespace, error = %invalid.error, "an object cannot be read and is left alone");
                            self.touch(unreadable(&invalid.metadata, is_there.then_some(invalid.error.as_str())));
                        }
                    }
                }
                Err(error) => {
                    tracing::warn!(kind, %error, "watch interrupted");
                    let now = Instant::now();
                    self.world.hearing.interrupted(&kind, error.to_string(), now);
                    if self.world.hearing.deaf(now).is_some() {
                        // Nothing else would make a pass say so.
                        self.touch(self.world.experiments.groups());
                    }
                }
            }
        }
    }

    fn touch(&self, experiments: impl IntoIterator<Item = ExperimentKey>) {
        for key in experiments {
            // Nobody listens any more when the operator ends.
            let _ = self.touched.unbounded_send(key);
        }
    }
}

/// All objects of a kind.
fn all() -> watcher::Config {
    watcher::Config::default().page_size(PAGE)
}

/// The objects that the operator makes.
fn owned() -> watcher::Config {
    all().labels(labels::TRIAL)
}

#[expect(clippy::result_large_err, reason = "kube's own error, and a rare one")]
fn readable<K>(event: Event<DeserializeGuard<K>>) -> Result<Event<K>, InvalidObject> {
    Ok(match event {
        Event::Apply(DeserializeGuard(object)) => Event::Apply(object?),
        Event::Delete(DeserializeGuard(object)) => Event::Delete(object?),
        Event::InitApply(DeserializeGuard(object)) => Event::InitApply(object?),
        Event::Init => Event::Init,
        Event::InitDone => Event::InitDone,
    })
}
