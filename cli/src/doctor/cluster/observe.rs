//! Reads from the API server, each kind by itself: what one may not see hides nothing else.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        authorization::v1::SelfSubjectAccessReview,
        core::v1::{Namespace, Pod},
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    apimachinery::pkg::apis::meta::v1::APIGroup,
};
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, PostParams},
};
use nas_api::{Access, SourceFile};
use serde::de::DeserializeOwned;

use super::{Facts, Namespaced, RIGHTS, Right, Seen};
use crate::{
    cluster::{self, ClusterError, Connection, PAGE},
    failure::Failure,
};

/// The API group of Kueue.
const KUEUE: &str = "kueue.x-k8s.io";
/// Definitions that a search needs.
pub(super) const DEFINITIONS: [&str; 2] = ["nasexperiments.nas-operator.dev", "nastrials.nas-operator.dev"];

/// Looks at it.
pub(in super::super) fn observe(
    namespace: Option<&str>,
    context: Option<&str>,
    source: Option<&SourceFile>,
) -> Result<Facts, Failure> {
    cluster::wait(async {
        let stated = source.and_then(|source| source.experiment.metadata.namespace.as_deref());
        let Connection { client, namespace } =
            Connection::new(cluster::WHOLE, namespace.or(stated), context, Some(cluster::ANSWER)).await?;
        // Whatever else cannot be seen, this can, if there is a server at all.
        let server = client.apiserver_version().await.map_err(ClusterError::of("ask the API server for its version"))?;
        Ok(facts(&client, namespace, server.git_version).await)
    })
}

async fn facts(client: &Client, namespace: String, server: String) -> Facts {
    let own = |client: &Client| client.clone();
    let of_operator = ListParams::default().labels("app.kubernetes.io/name=nas-operator");
    let at_work = ListParams::default().fields("status.phase!=Succeeded,status.phase!=Failed").limit(PAGE);
    let all = ListParams::default().limit(PAGE);
    let definitions: Api<CustomResourceDefinition> = Api::all(own(client));
    let mut seen = BTreeMap::new();
    for name in DEFINITIONS {
        seen.insert(name, definitions.get_opt(name).await.map_err(why));
    }
    let mut rights = Vec::new();
    for right in RIGHTS {
        rights.push((right, may(client, &namespace, right).await));
    }
    let spaces: Api<Namespace> = Api::all(own(client));
    let level = |space: Namespace| {
        let level = space.metadata.labels.and_then(|mut labels| labels.remove("pod-security.kubernetes.io/enforce"));
        level.map_or(Namespaced::Open, Namespaced::Enforces)
    };
    let groups = client.list_api_groups().await.map_err(why);
    let kueue = groups.map(|list| list.groups.into_iter().find(|group| group.name == KUEUE)).transpose();
    Facts {
        definitions: seen,
        operators: list(Api::all(own(client)), &of_operator).await,
        rights,
        nodes: list(Api::all(own(client)), &all).await,
        pods: list::<Pod>(Api::all(own(client)), &at_work).await,
        classes: list(Api::all(own(client)), &all).await,
        claims: list(Api::namespaced(own(client), &namespace), &all).await,
        quotas: list(Api::namespaced(own(client), &namespace), &all).await,
        limit_ranges: list(Api::namespaced(own(client), &namespace), &all).await,
        pod_security: spaces.get_opt(&namespace).await.map(|space| space.map_or(Namespaced::Missing, level)).map_err(why),
        queues: match kueue {
            Some(Ok(group)) => Some(queues(client, &namespace, &group).await),
            Some(Err(unseen)) => Some(Err(unseen)),
            None => None,
        },
        server,
        namespace,
    }
}

async fn list<K>(api: Api<K>, parameters: &ListParams) -> Seen<Vec<K>>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    cluster::all(&api, parameters.clone()).await.map_err(why)
}

/// The names of Kueue's queues in the namespace, in the version that the server prefers.
async fn queues(client: &Client, namespace: &str, group: &APIGroup) -> Seen<Vec<String>> {
    let newest = group.preferred_version.as_ref().or(group.versions.first());
    let version = newest.map_or("v1beta1", |version| version.version.as_str());
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk(KUEUE, version, "LocalQueue"));
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &kind);
    Ok(list(api, &ListParams::default().limit(PAGE)).await?.iter().map(ResourceExt::name_any).collect())
}

async fn may(client: &Client, namespace: &str, right: Right) -> bool {
    let Right { group, resource, verb, .. } = right;
    let review = Access { namespace: Some(namespace), group, resource, name: None, verb }.review();
    let answer = Api::<SelfSubjectAccessReview>::all(client.clone()).create(&PostParams::default(), &review).await;
    answer.ok().and_then(|answer| answer.status).is_some_and(|status| status.allowed)
}

/// Why something could not be seen, in short.
#[expect(clippy::needless_pass_by_value, reason = "where errors are mapped")]
fn why(error: kube::Error) -> String {
    match &error {
        kube::Error::Api(status) if !status.message.is_empty() => status.message.clone(),
        _ => error.to_string(),
    }
}
