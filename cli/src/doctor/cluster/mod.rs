//! A cluster, as far as one may look at it: the server, the operator, rights, accelerators, storage, limits.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        core::v1::{LimitRange, Node, PersistentVolumeClaim, Pod, ResourceQuota},
        storage::v1::StorageClass,
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use nas_api::SourceFile;

use super::finding::Finding;

mod accelerators;
mod installed;
mod limits;
mod observe;
mod storage;

pub(super) use observe::observe;

/// What was seen, or why it could not be.
type Seen<T> = Result<T, String>;

/// What was seen of a cluster.
pub(super) struct Facts {
    pub(super) namespace: String,
    /// Version of the API server, such as `v1.36.3`.
    server: String,
    definitions: BTreeMap<&'static str, Seen<Option<CustomResourceDefinition>>>,
    /// Deployments of operators.
    operators: Seen<Vec<Deployment>>,
    /// What was asked for and whether it is allowed here.
    rights: Vec<(Right, bool)>,
    nodes: Seen<Vec<Node>>,
    /// Pods of all namespaces that have not ended.
    pods: Seen<Vec<Pod>>,
    classes: Seen<Vec<StorageClass>>,
    claims: Seen<Vec<PersistentVolumeClaim>>,
    quotas: Seen<Vec<ResourceQuota>>,
    limit_ranges: Seen<Vec<LimitRange>>,
    pod_security: Seen<Namespaced>,
    /// Names of Kueue's queues in the namespace (each a `LocalQueue`); `None`: Kueue is not installed.
    queues: Option<Seen<Vec<String>>>,
}

/// What is known of the namespace.
enum Namespaced {
    /// It is not there.
    Missing,
    /// It enforces no Pod Security level.
    Open,
    /// It enforces this one.
    Enforces(String),
}

/// Something that this program's verbs need to be allowed.
#[derive(Clone, Copy, Debug)]
struct Right {
    verb: &'static str,
    group: &'static str,
    /// With its subresource behind a slash.
    resource: &'static str,
    /// What it is for.
    for_what: &'static str,
}

/// In the namespace of experiments.
const RIGHTS: [Right; 7] = [
    Right { verb: "create", group: "nas-operator.dev", resource: "nasexperiments", for_what: "begin a search" },
    Right { verb: "list", group: "nas-operator.dev", resource: "nasexperiments", for_what: "nasctl get, describe, top" },
    Right { verb: "list", group: "nas-operator.dev", resource: "nastrials", for_what: "nasctl describe, report, replay" },
    Right {
        verb: "patch",
        group: "nas-operator.dev",
        resource: "nasexperiments",
        for_what: "nasctl suspend, resume, scale, stop",
    },
    Right { verb: "patch", group: "nas-operator.dev", resource: "nastrials", for_what: "nasctl retry" },
    Right { verb: "list", group: "", resource: "pods", for_what: "nasctl logs" },
    Right { verb: "get", group: "", resource: "pods/log", for_what: "nasctl logs" },
];

/// What that means for a search, or for this one.
pub(super) fn judge(facts: &Facts, source: Option<&SourceFile>) -> Vec<Finding> {
    let mut findings = installed::judge(facts);
    findings.extend(accelerators::judge(facts, source));
    findings.extend(storage::judge(facts, source));
    findings.extend(limits::judge(facts, source));
    findings
}

/// A finding where one may not look.
fn unseen(what: &str, why: &str) -> Finding {
    Finding::warning(what, format!("cannot be seen: {why}"), "ask somebody who may look to run this command")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cluster of which nothing is known that could be a problem.
    pub(super) fn facts() -> Facts {
        Facts {
            namespace: "research".to_owned(),
            server: "v1.36.3".to_owned(),
            definitions: BTreeMap::new(),
            operators: Ok(Vec::new()),
            rights: Vec::new(),
            nodes: Ok(Vec::new()),
            pods: Ok(Vec::new()),
            classes: Ok(Vec::new()),
            claims: Ok(Vec::new()),
            quotas: Ok(Vec::new()),
            limit_ranges: Ok(Vec::new()),
            pod_security: Ok(Namespaced::Open),
            queues: None,
        }
    }

    /// A small search, two trials at a time, whose trial template says this, too.
    pub(super) fn source(more: &str) -> SourceFile {
        let text = format!(
            "
apiVersion: nas-operator.dev/v1alpha1
kind: NasExperiment
metadata: {{name: small}}
spec:
  space: {{parameters: [{{name: learning_rate, double: {{min: 0.001, max: 1.0}}}}]}}
  scheduler: {{asha: {{eta: 2, rungs: [1, 2]}}}}
  resource: {{unit: epochs, max: 2}}
  maxTrials: 8
  parallelTrials: 2
  trial: {{data: {{name: cifar10}}, {more}}}
"
        );
        nas_api::read_experiment(&text).unwrap()
    }
}
