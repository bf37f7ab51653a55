//! Reads the objects of a search on a cluster.

use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client, Config,
    api::ListParams,
    config::{KubeConfigOptions, KubeconfigError},
    core::NamespaceResourceScope,
};
use nas_api::{
    WARM_START_KEY,
    objects::{NasExperiment, NasTrial},
};
use nas_search::EarlierTrial;
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::runtime;

/// Field manager of what this program writes.
pub(crate) const MANAGER: &str = "nasctl";

/// Trials in one answer.
pub(crate) const PAGE: u32 = 500;

/// Longest wait for an answer.
pub(crate) const ANSWER: Duration = Duration::from_secs(30);

/// What is looked for where a cluster is meant as a whole.
pub(crate) const WHOLE: &str = "the cluster";

fn nowhere(name: &str) -> String {
    if name == WHOLE {
        return "no cluster can be asked".to_owned();
    }
    format!("{name} is no folder of a run here, and no cluster can be asked for it")
}

/// Why a cluster's objects could not be read.
#[derive(Debug, Error)]
pub(crate) enum ClusterError {
    /// There is no kubeconfig that can be used.
    #[error("{}: {source}; set KUBECONFIG or --context", nowhere(.name))]
    Kubeconfig {
        /// What was looked for.
        name: String,
        /// What is wrong with the kubeconfig.
        source: Box<KubeconfigError>,
    },
    /// There is no such experiment.
    #[error(
        "there is no NasExperiment {name} in namespace {namespace}, and no folder {name} here: `kubectl get nasexp -A` lists what there is"
    )]
    Missing {
        /// The name.
        name: String,
        /// Where it was looked for.
        namespace: String,
    },
    /// The cluster does not know the kind.
    #[error("this cluster has no NasExperiments: install the operator first (helm install nas-operator charts/nas-operator)")]
    NotInstalled,
    /// The API server refuses, or does not answer.
    #[error("cannot {what}: {source}")]
    Request {
        /// What was asked for, as it follows `cannot`.
        what: &'static str,
        /// What the client says.
        source: Box<kube::Error>,
    },
    /// The operator has not looked at an experiment.
    #[error("no operator has looked at {name} for {} s, and {left}: does one run? (kubectl get pods -A -l app.kubernetes.io/name=nas-operator)", ANSWER.as_secs())]
    NoOperator {
        /// The experiment.
        name: String,
        /// How it was left.
        left: &'static str,
    },
    /// The API server no longer says what changes.
    #[error("cannot watch the {what}: {said}")]
    Watch {
        /// What was watched.
        what: &'static str,
        /// What the client says.
        said: String,
    },
    /// This process cannot start what it needs to talk.
    #[error("cannot start: {0}")]
    Runtime(#[from] std::io::Error),
}

impl ClusterError {
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Kubeconfig { .. } | Self::Missing { .. } => 64,
            Self::NotInstalled | Self::NoOperator { .. } | Self::Request { .. } | Self::Watch { .. } | Self::Runtime(_) => 69,
        }
    }

    pub(crate) fn of(what: &'static str) -> impl FnOnce(kube::Error) -> Self {
        move |source| Self::Request { what, source: Box::new(source) }
    }
}

/// An experiment, and what belongs to it.
pub(crate) struct Found {
    pub(crate) experiment: NasExperiment,
    /// Those of the search and those that confirm its best, in any order.
    pub(crate) trials: Vec<NasTrial>,
    /// What it learns from.
    pub(crate) earlier: Vec<EarlierTrial>,
}

impl Found {
    /// An experiment with those trials that are of this very one: not those of a namesake that was deleted before.
    pub(crate) fn new(experiment: NasExperiment, mut trials: Vec<NasTrial>, earlier: Vec<EarlierTrial>) -> Self {
        let uid = experiment.metadata.uid.as_ref();
        trials.retain(|trial| trial.metadata.owner_references.iter().flatten().any(|owner| Some(&owner.uid) == uid));
        Self { experiment, trials, earlier }
    }
}

/// The experiments of a namespace (that of the kubeconfig where none is named), or of all, by namespace and name.
pub(crate) fn list(namespace: Option<&str>, context: Option<&str>, all: bool) -> Result<Vec<NasExperiment>, ClusterError> {
    wait(async {
        let connection = Connection::new(WHOLE, namespace, context, Some(ANSWER)).await?;
        let api: Api<NasExperiment> = if all { Api::all(connection.client) } else { connection.api() };
        match api.list(&ListParams::default()).await {
            Ok(list) => Ok(list.items),
            Err(kube::Error::Api(status)) if status.code == 404 => Err(ClusterError::NotInstalled),
            Err(error) => Err(ClusterError::of("read the NasExperiments")(error)),
        }
    })
}

/// Reads an experiment with what belongs to it.
pub(crate) fn read(name: &str, namespace: Option<&str>, context: Option<&str>) -> Result<Found, ClusterError> {
    wait(async {
        let connection = Connection::new(name, namespace, context, Some(ANSWER)).await?;
        let experiment = connection.experiment(name).await?;
        let of_name = ListParams::default().fields(&format!("spec.experiment={name}")).limit(PAGE);
        // Of all experiments of this name that ever were, and that are still there.
        let trials = all(&connection.api(), of_name).await.map_err(ClusterError::of("read the NasTrials"))?;
        let earlier = if experiment.warm_start().is_empty() { Vec::new() } else { connection.earlier(name).await? };
        Ok(Found::new(experiment, trials, earlier))
    })
}

/// Asks, and waits for the answer.
pub(crate) fn wait<T, E: From<ClusterError>>(question: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    runtime::Builder::new_current_thread().enable_all().build().map_err(ClusterError::from)?.block_on(question)
}

/// All objects that are wanted, page by page.
pub(crate) async fn all<K>(api: &Api<K>, mut wanted: ListParams) -> Result<Vec<K>, kube::Error>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    let mut items = Vec::new();
    loop {
        let page = api.list(&wanted).await?;
        items.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => wanted = wanted.continue_token(&token),
            None => return Ok(items),
        }
    }
}

/// A namespace of a cluster, and who talks to it.
pub(crate) struct Connection {
    pub(crate) client: Client,
    pub(crate) namespace: String,
}

impl Connection {
    /// The namespace that is named, or that of the kubeconfig. `name` is what is looked for there; `answer` the longest wait for the next byte of an
    /// answer, `None`: for ever, as for logs that are followed.
    pub(crate) async fn new(
        name: &str,
        namespace: Option<&str>,
        context: Option<&str>,
        answer: Option<Duration>,
    ) -> Result<Self, ClusterError> {
        let client = connect(name, context, answer).await?;
        let namespace = namespace.unwrap_or(client.default_namespace()).to_owned();
        Ok(Self { client, namespace })
    }

    /// The objects of a kind.
    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The experiment, or what is missing.
    pub(crate) async fn experiment(&self, name: &str) -> Result<NasExperiment, ClusterError> {
        match self.api::<NasExperiment>().get(name).await {
            Ok(experiment) => Ok(experiment),
            // An object that is not there is named; a kind that is not there has no name.
            Err(kube::Error::Api(status)) if status.code == 404 => Err(match status.details {
                Some(details) if details.name == name => {
                    ClusterError::Missing { name: name.to_owned(), namespace: self.namespace.clone() }
                }
                _ => ClusterError::NotInstalled,
            }),
            Err(error) => Err(ClusterError::of("read the NasExperiment")(error)),
        }
    }

    /// What the operator keeps of earlier experiments; nothing where it has not looked at this one yet.
    pub(crate) async fn earlier(&self, name: &str) -> Result<Vec<EarlierTrial>, ClusterError> {
        let kept = self.api::<ConfigMap>().get_opt(&NasExperiment::warm_start_map(name)).await;
        let kept = kept.map_err(ClusterError::of("read the ConfigMap of its warm start"))?;
        let text = kept.and_then(|map| map.data?.remove(WARM_START_KEY));
        let Some(text) = text else { return Ok(Vec::new()) };
        serde_json::from_str(&text)
            .map_err(|source| ClusterError::of("read the ConfigMap of its warm start")(kube::Error::SerdeError(source)))
    }
}

async fn connect(name: &str, context: Option<&str>, answer: Option<Duration>) -> Result<Client, ClusterError> {
    let options = KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
    let config = Config::from_kubeconfig(&options).await;
    let mut config = config.map_err(|source| ClusterError::Kubeconfig { name: name.to_owned(), source: Box::new(source) })?;
    config.connect_timeout = Some(Duration::from_secs(10));
    config.read_timeout = answer;
    Client::try_from(config).map_err(ClusterError::of("read the kubeconfig"))
}
