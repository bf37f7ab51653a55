//! Whether this account may do what the operator does: every request is asked about, and a trial and its Job are sent for the server to
//! check and not to keep.

use k8s_openapi::api::authorization::v1::SelfSubjectAccessReview;
use kube::{Api, Client, Resource, ResourceExt, api::PostParams, core::NamespaceResourceScope};
use nas_api::{Access, objects::NasTrial, read_experiment};
use nas_search::{Decision, Index, Usage, decide};

use crate::{
    Config, Error, labels,
    trial::{Settings, build_job},
};

/// What the operator asks for in the namespaces of experiments: group, resource, verbs.
pub const NEEDS: &[(&str, &str, &[&str])] = &[
    ("nas-operator.dev", "nasexperiments", &["get", "list", "watch"]),
    ("nas-operator.dev", "nasexperiments/status", &["patch"]),
    ("nas-operator.dev", "nastrials", &["get", "list", "watch", "create", "patch"]),
    ("nas-operator.dev", "nastrials/status", &["patch"]),
    ("batch", "jobs", &["get", "list", "watch", "create", "delete"]),
    ("", "pods", &["list", "watch"]),
    ("", "events", &["list"]),
    ("events.k8s.io", "events", &["create", "patch"]),
    ("", "configmaps", &["get", "create"]),
    ("", "persistentvolumeclaims", &["get"]),
    ("", "serviceaccounts", &["get"]),
];

/// The smallest experiment: what is sent for the server to check is what the operator would make for it.
const SAMPLE: &str = "
apiVersion: nas-operator.dev/v1alpha1
kind: NasExperiment
metadata: {name: nas-operator-check}
spec:
  space: {parameters: [{name: learning_rate, constant: 0.1}]}
  sampler: {random: {}}
  scheduler: {fullLength: {}}
  resource: {unit: epochs, max: 1}
  maxTrials: 1
  seed: 1
  trial: {data: {name: none}}
";

/// One thing that was asked, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// What.
    pub what: String,
    /// `None`: nothing.
    pub problem: Option<String>,
}

/// Asks for everything that the operator does with these settings.
///
/// # Errors
///
/// If the API server does not answer.
pub async fn check(config: &Config, client: &Client) -> Result<Vec<Checked>, Error> {
    let mut checked = Vec::new();
    let watched = config.watch_namespace.as_deref();
    for (group, resource, verbs) in NEEDS {
        for verb in *verbs {
            checked.push(ask(client, watched, group, resource, None, verb).await?);
        }
    }
    let own = Some(config.lease_namespace.as_str());
    for (name, verb) in
        [(None, "create"), (Some(config.lease_name.as_str()), "get"), (Some(config.lease_name.as_str()), "update")]
    {
        checked.push(ask(client, own, "coordination.k8s.io", "leases", name, verb).await?);
    }
    let namespace = watched.unwrap_or(&config.lease_namespace);
    let (trial, job) = sample(config)?;
    checked.push(send(client, namespace, &trial).await);
    checked.push(send(client, namespace, &job).await);
    Ok(checked)
}

async fn ask(
    client: &Client,
    namespace: Option<&str>,
    group: &str,
    resource: &str,
    name: Option<&str>,
    verb: &str,
) -> Result<Checked, Error> {
    let review = Access { namespace, group, resource, name, verb }.review();
    let answer = Api::<SelfSubjectAccessReview>::all(client.clone()).create(&PostParams::default(), &review).await;
    let answer = answer.map_err(|source| Error::Api {
        verb: "create",
        kind: "SelfSubjectAccessReview",
        name: resource.to_owned(),
        source: Box::new(source),
    })?;
    let place = namespace.map_or_else(|| "in all namespaces".to_owned(), |namespace| format!("in namespace {namespace}"));
    let group = if group.is_empty() { String::new() } else { format!(".{group}") };
    let name = name.map(|name| format!(" {name}")).unwrap_or_default();
    let status = answer.status.unwrap_or_default();
    let problem =
        (!status.allowed).then(|| status.reason.filter(|reason| !reason.is_empty()).unwrap_or("not allowed".to_owned()));
    Ok(Checked { what: format!("{verb} {resource}{group}{name} {place}"), problem })
}

/// A trial as the operator would make it, and the Job of its first segment.
fn sample(config: &Config) -> Result<(NasTrial, k8s_openapi::api::batch::v1::Job), Error> {
    let bug = |what: String| Error::Task(what);
    let read = read_experiment(SAMPLE).map_err(|problems| bug(format!("{problems:?}")))?;
    let index = Index::new(read.plan.direction, &read.plan.rungs);
    let new = decide(&read.plan, &index, &Usage::default()).into_iter().find_map(|decision| match decision {
        Decision::Create { new, view, .. } => Some((new, view)),
        _ => None,
    });
    let (new, view) = new.ok_or_else(|| bug("the sample has no trial".to_owned()))?;
    let trial = NasTrial::create(&read.experiment.name_any(), &new, view);
    let settings = Settings {
        image: config.trainer_image.clone(),
        service_account: config.trainer_service_account.clone(),
        traceparent: |_| None,
    };
    let job = build_job(&read.experiment, &trial, &read.plan.rungs, &settings);
    Ok((trial, job))
}

async fn send<K>(client: &Client, namespace: &str, object: &K) -> Checked
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + serde::Serialize
        + serde::de::DeserializeOwned,
{
    let parameters = PostParams { dry_run: true, field_manager: Some(labels::MANAGER.to_owned()) };
    let answer = Api::<K>::namespaced(client.clone(), namespace).create(&parameters, object).await;
    Checked {
        what: format!("a {} like those of experiments in namespace {namespace} (sent to be checked, not kept)", K::kind(&())),
        problem: answer.err().map(|error| error.to_string()),
    }
}
