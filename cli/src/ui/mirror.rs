//! The objects of a search on a cluster, kept as the API server has them: listed by pages once, then watched.

use std::{fmt::Debug, future::ready};

use futures::StreamExt;
use kube::{
    Api, Resource,
    runtime::{
        WatchStreamExt, reflector,
        reflector::Store,
        watcher::{self, Event, watcher},
    },
};
use nas_api::objects::{NasExperiment, NasTrial};
use serde::de::DeserializeOwned;
use tokio::{sync::watch, task::JoinSet};

use crate::{
    cluster::{self, ClusterError, Connection, Found},
    failure::Failure,
    records::{Records, Target},
};

/// Seconds after which the server ends a watch, to be asked for the next: less than the client waits for an answer.
const WATCH: u32 = 25;

/// How often something changed, and what is wrong.
#[derive(Default)]
struct Seen {
    changes: u64,
    trouble: Option<ClusterError>,
}

/// A copy that follows its original.
pub(super) struct Mirror {
    pub(super) connection: Connection,
    name: String,
    experiments: Store<NasExperiment>,
    trials: Store<NasTrial>,
    seen: watch::Sender<Seen>,
    /// What follows; it ends with this.
    _followers: JoinSet<()>,
}

impl Mirror {
    /// Begins to follow an experiment; returns once it and all its trials are there.
    pub(super) async fn open(name: &str, target: &Target) -> Result<Self, Failure> {
        let (namespace, context) = target.connection();
        let connection = Connection::new(name, namespace, context, None).await?;
        // Whether there is one at all, in words.
        connection.experiment(name).await?;
        let mut followers = JoinSet::new();
        let seen = watch::Sender::new(Seen::default());
        let experiments = follow(connection.api(), &format!("metadata.name={name}"), "NasExperiment", &seen, &mut followers);
        let trials = follow(connection.api(), &format!("spec.experiment={name}"), "NasTrials", &seen, &mut followers);
        let mut news = seen.subscribe();
        let filled = async { experiments.wait_until_ready().await.and(trials.wait_until_ready().await) };
        tokio::select! {
            _ = filled => {}
            _ = news.wait_for(|seen| seen.trouble.is_some()) => {}
        }
        if let Some(trouble) = seen.send_replace(Seen::default()).trouble {
            return Err(trouble.into());
        }
        let name = name.to_owned();
        Ok(Self { connection, name, experiments, trials, seen, _followers: followers })
    }

    /// How often something changed.
    ///
    /// # Errors
    ///
    /// If the API server cannot be reached, or refuses.
    pub(super) async fn changes(&self) -> Result<u64, Failure> {
        if self.seen.borrow().trouble.is_some() {
            // A watch that goes on says nothing until something changes: so it is asked whether the server is back.
            self.connection.experiment(&self.name).await?;
            self.seen.send_modify(|seen| seen.trouble = None);
        }
        Ok(self.seen.borrow().changes)
    }

    /// The records as they are now.
    pub(super) async fn records(&self) -> Result<Records, Failure> {
        let Some(experiment) = self.experiments.state().pop() else {
            let (name, namespace) = (self.name.clone(), self.connection.namespace.clone());
            return Err(ClusterError::Missing { name, namespace }.into());
        };
        let is_warm = !experiment.warm_start().is_empty();
        let earlier = if is_warm { self.connection.earlier(&self.name).await? } else { Vec::new() };
        let trials = self.trials.state().iter().map(|trial| NasTrial::clone(trial)).collect();
        Records::of_objects(Found::new(NasExperiment::clone(&experiment), trials, earlier))
    }
}

fn follow<K>(api: Api<K>, field: &str, what: &'static str, seen: &watch::Sender<Seen>, followers: &mut JoinSet<()>) -> Store<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let (store, writer) = reflector::store();
    let config = watcher::Config::default().fields(field).page_size(cluster::PAGE).timeout(WATCH);
    let events = reflector(writer, watcher(api, config)).default_backoff();
    let seen = seen.clone();
    followers.spawn(events.for_each(move |event| {
        seen.send_modify(|seen| match event {
            // The store shows a list once it is whole.
            Ok(Event::Init | Event::InitApply(_)) => {}
            Ok(_) => seen.changes += 1,
            Err(error) => seen.trouble = Some(ClusterError::Watch { what, said: error.to_string() }),
        });
        ready(())
    }));
    store
}
