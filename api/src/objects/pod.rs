//! What an experiment adds to the pods of its trials.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Affinity, LocalObjectReference, PodResourceClaim, Toleration, TopologySpreadConstraint};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What is added to each trial's pod, in the words of a `PodSpec`: where it may run, and what it is among others. What a trainer needs from its pod
/// (containers, volumes, restarts) is not to be changed.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PodOverlay {
    /// Further labels. Those of nas-operator.dev and app.kubernetes.io are the operator's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32, "additionalProperties" = {"type": "string", "maxLength": 63}))]
    pub labels: BTreeMap<String, String>,
    /// Further annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32, "additionalProperties" = {"type": "string", "maxLength": 4096}))]
    pub annotations: BTreeMap<String, String>,
    /// Labels that a node must have, such as those that name its accelerator.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32, "additionalProperties" = {"type": "string", "maxLength": 63}))]
    pub node_selector: BTreeMap<String, String>,
    /// Taints that it tolerates, beside that of its accelerator and, for 30 s, those of nodes that do not answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub tolerations: Vec<Toleration>,
    /// Nodes and pods that it is to be with, or apart from, as in a `PodSpec`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "open_object")]
    pub affinity: Option<Value>,
    /// How pods are spread over zones or nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub topology_spread_constraints: Vec<TopologySpreadConstraint>,
    /// PriorityClass: whom it may displace, and who it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub priority_class_name: Option<String>,
    /// RuntimeClass, such as `nvidia`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub runtime_class_name: Option<String>,
    /// Another scheduler than the cluster's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub scheduler_name: Option<String>,
    /// Secrets with which its images are pulled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub image_pull_secrets: Vec<LocalObjectReference>,
    /// Devices by dynamic resource allocation, such as a part of a GPU, or one that several pods share: the trainer's container gets each of these
    /// claims. Where they bring the accelerator, leave `accelerator` out; `budget.gpuHours` then counts one for each trial.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub resource_claims: Vec<PodResourceClaim>,
}

/// The schema of an affinity is longer than that of an experiment: what is wrong in one is told by `Experiment::validate`.
fn open_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

impl PodOverlay {
    /// The affinity, if there is one and Kubernetes can read all of it.
    ///
    /// # Errors
    ///
    /// What it cannot read.
    pub fn affinity(&self) -> Result<Option<Affinity>, String> {
        let Some(written) = &self.affinity else { return Ok(None) };
        let read: Affinity = serde_json::from_value(written.clone()).map_err(|error| error.to_string())?;
        match lost(written, &serde_json::to_value(&read).unwrap_or_default()) {
            Some(path) => Err(format!("Kubernetes knows no {path} there")),
            None => Ok(Some(read)),
        }
    }
    /// What begins the names of labels that are the operator's.
    pub const TAKEN: [&'static str; 4] = ["nas-operator.dev/", "app.kubernetes.io/", "batch.kubernetes.io/", "kueue.x-k8s.io/"];
}

/// The path of something that is in `written` and not in `read`.
fn lost(written: &Value, read: &Value) -> Option<String> {
    let inside = |name: String, below: &Value, read: Option<&Value>| match read {
        Some(read) => lost(below, read).map(|path| format!("{name}.{path}")),
        None => Some(name),
    };
    match written {
        Value::Object(fields) => fields.iter().find_map(|(name, below)| inside(name.clone(), below, read.get(name))),
        Value::Array(items) => items.iter().enumerate().find_map(|(at, below)| inside(at.to_string(), below, read.get(at))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_kubernetes_would_not_read_of_an_affinity_is_named() {
        let with = |affinity| PodOverlay { affinity: Some(affinity), ..PodOverlay::default() }.affinity();
        let term = |key: &str| {
            let expression = json!({key: "nvidia.com/gpu.product", "operator": "In", "values": ["L4"]});
            let terms = json!([{"matchExpressions": [expression]}]);
            json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}})
        };
        assert!(with(term("key")).is_ok_and(|read| read.is_some()));
        let wrong = with(term("keys")).unwrap_err();
        assert!(wrong.contains("nodeSelectorTerms.0.matchExpressions.0.keys"), "{wrong}");
        assert!(with(json!({"nodeAffinity": 7})).is_err());
        assert_eq!(PodOverlay::default().affinity(), Ok(None));
    }
}
