//! The operator against a real API server and Job controller: a namespace of its own for each test, which plays the kubelet.

#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "each test program uses its part"
)]

mod look;
mod operator;
mod training;

use std::net::SocketAddr;

use k8s_openapi::api::{
    core::v1::PersistentVolumeClaim,
    rbac::v1::{Role, RoleBinding},
};
use kube::{
    CustomResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use nas_api::{
    objects::{NasExperiment, NasTrial},
    read_experiment,
};
use nas_operator::{Config, Metrics};
use nas_search::replay;
use nas_testkit::{Cluster, Kubelet, Namespace, eventually};
use serde_json::{Value, json};

pub use look::stays;
pub use operator::Operator;
pub use training::{Started, number, report, segment, surrogate};

/// The smallest experiment with rungs: constants, one number to choose, one slot.
pub const EXPERIMENT: &str = "
apiVersion: nas-operator.dev/v1alpha1
kind: NasExperiment
metadata: {name: small}
spec:
  space:
    parameters:
      - {name: layers, constant: 2}
      - {name: learning_rate, double: {min: 0.001, max: 1.0, scale: Log}}
  sampler: {random: {}}
  scheduler: {asha: {eta: 2, rungs: [1, 2, 4]}}
  resource: {unit: epochs, max: 4}
  maxTrials: 4
  parallelTrials: 1
  seed: 7
  retention: {checkpoints: All}
  trial:
    accelerator: {resource: nvidia.com/gpu, count: 1}
    data: {name: cifar10}
    cpu: 1
    checkpoints: {claim: checkpoints}
";

/// A namespace with everything that an experiment needs, and the kubelet of its pods.
pub struct Rig {
    pub namespace: Namespace,
    pub kubelet: Kubelet,
    /// What the operator talks to the API server with: as the chart's service account, with its rights.
    pub operator_config: kube::Config,
}

impl Rig {
    pub async fn new(word: &str) -> Self {
        let namespace = Cluster::shared().namespace(word).await;
        namespace.define(&[NasExperiment::crd(), NasTrial::crd()]).await;
        let watch = format!("watchNamespace={}", namespace.name);
        // What the operator may do in it.
        Cluster::shared().apply_chart("nas-operator", &namespace.name, &["--set", &watch, "--show-only", "templates/rbac.yaml"]);
        let account = format!("system:serviceaccount:{}:nas-operator", namespace.name);
        let kubelet = Kubelet::new(namespace.client.clone(), &namespace.name);
        let rig = Self { kubelet, operator_config: Cluster::shared().config_of(&account).await, namespace };
        rig.claim("checkpoints").await;
        // The controller manager makes it a moment after the namespace.
        let accounts = rig.namespace.api::<k8s_openapi::api::core::v1::ServiceAccount>();
        eventually("the namespace's service account", || async { accounts.get("default").await.map(drop) }).await;
        rig
    }

    /// Lets trials of this namespace report to the API server: what the chart makes for `trainer.reporting`.
    pub fn allow_reports(&self) {
        let namespaces = format!("trainer.reporting.namespaces={{{}}}", self.namespace.name);
        let values = ["--set", "trainer.reporting.enabled=true", "--set", &namespaces];
        let arguments = [&values[..], &["--show-only", "templates/reporting.yaml"]].concat();
        Cluster::shared().apply_chart("nas-operator", &self.namespace.name, &arguments);
    }

    pub async fn claim(&self, name: &str) {
        let claim = json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name},
            "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}},
        });
        let claim: PersistentVolumeClaim = serde_json::from_value(claim).unwrap();
        self.namespace.api().create(&PostParams::default(), &claim).await.unwrap();
    }

    /// Lets the operator hold a lease of any name: two of them then lead at once.
    pub async fn allow_any_lease(&self) {
        let role = json!({
            "metadata": {"name": "any-lease"},
            "rules": [{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "update", "patch"]}],
        });
        let binding = json!({
            "metadata": {"name": "any-lease"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "any-lease"},
            "subjects": [{"kind": "ServiceAccount", "name": "nas-operator", "namespace": self.namespace.name}],
        });
        let role: Role = serde_json::from_value(role).unwrap();
        let binding: RoleBinding = serde_json::from_value(binding).unwrap();
        self.namespace.api().create(&PostParams::default(), &role).await.unwrap();
        self.namespace.api().create(&PostParams::default(), &binding).await.unwrap();
    }

    pub fn config(&self) -> Config {
        Config {
            watch_namespace: Some(self.namespace.name.clone()),
            trainer_image: "trainer:test".to_owned(),
            trainer_service_account: "default".to_owned(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            lease_namespace: self.namespace.name.clone(),
            lease_name: "nas-operator".to_owned(),
            identity: "one".to_owned(),
            lease_seconds: 15,
            stuck_seconds: 300,
            name_taken_seconds: 600,
            log_format: "text".to_owned(),
            otlp_endpoint: None,
            trace_sample: None,
        }
    }

    pub fn operator(&self) -> Operator {
        self.operator_with(self.config())
    }

    /// The operator as the chart installs it: with its rights, and no others.
    pub fn operator_with(&self, config: Config) -> Operator {
        let metrics = Metrics::new().unwrap();
        let client = nas_operator::instrumented(self.operator_config.clone(), &metrics).unwrap();
        Operator::start(config, client, metrics)
    }

    pub async fn create(&self, text: &str) -> NasExperiment {
        let experiment = read_experiment(text).unwrap_or_else(|problems| panic!("{problems:?}")).experiment;
        self.namespace.api().create(&PostParams::default(), &experiment).await.unwrap()
    }

    pub async fn edit(&self, spec: Value) {
        let patch = Patch::Merge(json!({"spec": spec}));
        self.namespace.api::<NasExperiment>().patch("small", &PatchParams::default(), &patch).await.unwrap();
    }

    /// Edits, and waits until the operator has seen it.
    pub async fn edit_seen(&self, spec: Value) {
        self.edit(spec).await;
        eventually("the edit is seen", || async {
            let experiment = self.experiment().await;
            let seen = experiment.status.and_then(|status| status.observed_generation);
            if seen == experiment.metadata.generation { Ok(()) } else { Err((seen, experiment.metadata.generation)) }
        })
        .await;
    }

    /// Stops the operator; what it recorded must be what is decided on its records.
    pub async fn close(&self, operator: Operator) {
        operator.stop().await;
        let Some(experiment) = self.namespace.api::<NasExperiment>().get_opt("small").await.unwrap() else { return };
        let plan = experiment.validate().unwrap();
        let status = experiment.status.unwrap_or_default();
        let created = status.trials.map_or(0, |trials| trials.created);
        let end = status.end.as_ref().map(|end| (end.reason.as_str(), end.view.to_view()));
        let trials: Vec<_> = self.trials().await.iter().map(NasTrial::to_history).collect();
        let found = replay(&plan, created as u64, &trials, end);
        assert_eq!(found.differences, [], "{found:?}");
        assert!(found.deleted.len() + found.recomputed >= trials.len(), "{found:?}");
    }

    /// Ends everything in the namespace, for a test that needs many.
    pub async fn remove(&self) {
        let namespaces: kube::Api<k8s_openapi::api::core::v1::Namespace> = kube::Api::all(self.namespace.client.clone());
        namespaces.delete(&self.namespace.name, &DeleteParams::default()).await.unwrap();
    }
}
