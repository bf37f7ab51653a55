//! The operator against a real API server and Job controller; the tests play the kubelet.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "each test program uses its part"
)]

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Mutex, OnceLock},
    time::Duration,
};

use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{PersistentVolumeClaim, Pod},
    rbac::v1::{Role, RoleBinding},
};
use kube::{
    Client, CustomResourceExt, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
    core::DeserializeGuard,
};
use nas_api::{
    contract::{Report, Reported, RungResult, Segment},
    objects::{NasExperiment, NasTrial},
    read_experiment,
};
use nas_operator::{Config, Error, Metrics, run};
use nas_search::{Outcome, Simulation, replay, simulate};
use nas_testkit::{Cluster, Kubelet, Namespace, eventually};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

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

/// An operator that runs.
pub struct Operator {
    pub metrics: Metrics,
    stop: CancellationToken,
    ended: JoinHandle<Result<(), Error>>,
}

/// A pod that waits for its kubelet, with what it was told to train.
pub struct Started {
    pub pod: Pod,
    pub segment: Segment,
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

    pub async fn experiment(&self) -> NasExperiment {
        self.namespace.api().get("small").await.unwrap()
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

    /// The trials of the search, by number.
    pub async fn trials(&self) -> Vec<NasTrial> {
        self.trials_that(|trial| !trial.is_confirmation()).await
    }

    /// The trainings that confirm the best of them, by number.
    pub async fn trainings(&self) -> Vec<NasTrial> {
        self.trials_that(NasTrial::is_confirmation).await
    }

    async fn trials_that(&self, is_wanted: fn(&NasTrial) -> bool) -> Vec<NasTrial> {
        let found = self.namespace.api::<DeserializeGuard<NasTrial>>().list(&ListParams::default()).await.unwrap().items;
        // What only a newer version can read is none of ours.
        let mut trials: Vec<NasTrial> = found.into_iter().filter_map(|DeserializeGuard(trial)| trial.ok()).collect();
        trials.retain(is_wanted);
        trials.sort_by_key(|trial| trial.spec.number);
        trials
    }

    /// How many trials there are, also such as this version cannot read.
    pub async fn trials_unread(&self) -> usize {
        self.namespace.api::<NasTrial>().list_metadata(&ListParams::default()).await.unwrap().items.len()
    }

    pub async fn jobs(&self) -> Vec<Job> {
        self.namespace.api::<Job>().list(&ListParams::default()).await.unwrap().items
    }

    pub async fn pods(&self) -> Vec<Pod> {
        self.namespace.api::<Pod>().list(&ListParams::default()).await.unwrap().items
    }

    /// The next pod that no kubelet has taken; it runs from now on.
    pub async fn next_pod(&self) -> Started {
        let pod = eventually("a new pod", || async {
            let pods = self.pods().await;
            let waiting = |pod: &&Pod| {
                pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Pending")
                    && pod.metadata.deletion_timestamp.is_none()
            };
            let found = pods.iter().filter(waiting).min_by_key(|pod| pod.name_any()).cloned();
            match found {
                Some(pod) => Ok(pod),
                None => Err(self.seen().await),
            }
        })
        .await;
        self.kubelet.start(&pod, "trainer").await.unwrap();
        Started { segment: segment(&pod), pod }
    }

    /// The next two pods, by name of their trials.
    pub async fn two_pods(&self) -> [Started; 2] {
        let mut both = [self.next_pod().await, self.next_pod().await];
        both.sort_by_key(|started| started.segment.trial_name.clone());
        both
    }

    /// Waits until a condition of the experiment has this status; returns its reason.
    pub async fn condition(&self, kind: &str, status: &str) -> String {
        eventually(&format!("{kind}={status}"), || async {
            let experiment = self.experiment().await;
            let conditions = experiment.status.map(|status| status.conditions).unwrap_or_default();
            let found = conditions.iter().find(|condition| condition.type_ == kind && condition.status == status);
            match found {
                Some(found) => Ok(found.reason.clone()),
                None => Err((conditions, self.seen().await)),
            }
        })
        .await
    }

    /// Waits until the condition Progressing has this reason; returns its message.
    pub async fn progressing(&self, reason: &str) -> String {
        eventually(&format!("Progressing says {reason}"), || async {
            let conditions = self.experiment().await.status.unwrap_or_default().conditions;
            let found = conditions.iter().find(|condition| condition.type_ == "Progressing" && condition.reason == reason);
            found.map(|condition| condition.message.clone()).ok_or(conditions)
        })
        .await
    }

    pub async fn message(&self, kind: &str) -> String {
        let conditions = self.experiment().await.status.unwrap_or_default().conditions;
        conditions.into_iter().find(|condition| condition.type_ == kind).map(|condition| condition.message).unwrap_or_default()
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

    /// What a person would look at first.
    pub async fn seen(&self) -> Vec<String> {
        let trials = [self.trials().await, self.trainings().await].concat();
        let trials = trials.iter().map(|trial| {
            let status = trial.status.clone().unwrap_or_default();
            format!(
                "{}: target {} attempt {} rungs {:?} segments {:?}",
                trial.name_any(),
                trial.spec.target_rung,
                trial.spec.attempt,
                status.rungs,
                status.segments
            )
        });
        let jobs = self.jobs().await;
        let jobs =
            jobs.iter().map(|job| format!("job {}: {:?}", job.name_any(), job.status.clone().unwrap_or_default().conditions));
        let pods = self.pods().await;
        let pods = pods.iter().map(|pod| {
            format!(
                "pod {}: {:?} {:?}",
                pod.name_any(),
                pod.status.clone().unwrap_or_default().phase,
                pod.metadata.deletion_timestamp
            )
        });
        trials.chain(jobs).chain(pods).collect()
    }

    /// The pod ends with a report of these values, one for each rung up to its target.
    pub async fn report(&self, started: &Started, values: impl Fn(u64, usize) -> f64) {
        let message = report(&started.segment, values).to_message();
        self.end(started, 0, &message).await;
    }

    /// Trains whatever comes, until the search has succeeded.
    pub async fn finish(&self) {
        let training = async {
            loop {
                let started = self.next_pod().await;
                self.report(&started, surrogate).await;
            }
        };
        tokio::select! {
            () = training => {}
            _ = self.condition("Succeeded", "True") => {}
        }
    }

    /// Trains as many segments as the simulation of [`EXPERIMENT`] has, one after the other; each pod goes to `look` first.
    pub async fn play(&self, look: impl Fn(&Started)) -> Simulation {
        let plan = read_experiment(EXPERIMENT).unwrap().plan;
        let simulated = simulate(&plan, |trial, rung| Outcome::Value(surrogate(trial.number, rung)));
        for _ in 0..simulated.index.trials().map(|trial| trial.target_rung + 1).sum::<usize>() {
            let started = self.next_pod().await;
            look(&started);
            self.report(&started, surrogate).await;
        }
        simulated
    }

    pub async fn end(&self, started: &Started, exit_code: i32, message: &str) {
        let reason = if exit_code == 0 { "Completed" } else { "Error" };
        self.kubelet.end(&started.pod, "trainer", exit_code, reason, message).await.unwrap();
    }
}

impl Operator {
    /// An operator that talks through this client.
    pub fn start(config: Config, client: Client, metrics: Metrics) -> Self {
        log();
        let stop = CancellationToken::new();
        let ended = tokio::spawn(run(config, client, metrics.clone(), stop.clone()));
        Self { metrics, stop, ended }
    }

    /// Waits until it has made a pass: it leads, and knows what there is.
    pub async fn has_looked(&self) {
        let passes = "controller_runtime_reconcile_total{controller=\"nasexperiment\",result=\"success\"}";
        eventually("a pass", || async { self.metric(passes).filter(|passes| *passes > 0.0).ok_or_else(|| self.metrics.text()) })
            .await;
    }

    /// Stops it in order, as SIGTERM does.
    pub async fn stop(self) {
        self.stop.cancel();
        self.ended.await.unwrap().unwrap();
    }

    /// Ends it without a chance to write anything more.
    pub async fn kill(self) {
        self.ended.abort();
        let _ = self.ended.await;
    }

    /// Waits until it ends by itself; returns why.
    pub async fn fails(self) -> Error {
        let ended = tokio::time::timeout(Duration::from_secs(90), self.ended).await;
        ended.expect("it ends").unwrap().expect_err("it does not end well")
    }

    /// Requests that somebody else was faster with.
    pub fn lost_races(&self) -> f64 {
        let text = self.metrics.text();
        let lost = text.lines().filter(|line| ["code=\"409\"", "code=\"422\""].iter().any(|code| line.contains(code)));
        lost.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    }

    /// The value of a metric without labels, or with exactly these.
    pub fn metric(&self, series: &str) -> Option<f64> {
        self.metrics.text().lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
    }
}

/// A number of a trial's own: what the surrogate of training depends on.
pub fn number(segment: &Segment) -> u64 {
    segment.trial_name.rsplit('-').next().unwrap().parse().unwrap()
}

pub fn report(segment: &Segment, values: impl Fn(u64, usize) -> f64) -> Report {
    let number = number(segment);
    let result = |rung| RungResult {
        rung,
        outcome: Reported::Value,
        value: Some(values(number, rung)),
        metrics: BTreeMap::from([("loss".to_owned(), 0.5)]),
        message: None,
    };
    let results = (0..=segment.target_rung).map(result).collect();
    Report {
        attempt: segment.attempt,
        seq: 1 + segment.target_rung as u64,
        step: segment.target_step,
        results,
        curve: Vec::new(),
    }
}

/// Accuracies that differ by trial and grow with the rung.
pub fn surrogate(number: u64, rung: usize) -> f64 {
    let noise = number.wrapping_mul(2_654_435_761) % 1000;
    0.2 + 0.2 * rung as f64 + noise as f64 / 10_000.0
}

pub fn segment(pod: &Pod) -> Segment {
    let container = &pod.spec.as_ref().unwrap().containers[0];
    let env: BTreeMap<_, _> =
        container.env.iter().flatten().filter_map(|env| Some((env.name.clone(), env.value.clone()?))).collect();
    Segment::from_env(|name| env.get(name).cloned()).unwrap()
}

/// `NAS_LOG=debug cargo test -- --nocapture` shows what the operator says.
fn log() {
    static ONCE: OnceLock<Mutex<()>> = OnceLock::new();
    ONCE.get_or_init(|| {
        if let Ok(filter) = tracing_subscriber::EnvFilter::try_from_env("NAS_LOG") {
            tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().init();
        }
        Mutex::new(())
    });
}

/// Nothing more happens: what `look` sees stays the same for a while. For asserting that something does *not* come, once what could bring it has been
/// seen by the operator.
///
/// Nothing says that an operator has nothing left to do: what its watches are to bring, and when it looks again by itself (a status a second after the
/// last, a failed pass after two), is in no queue.
pub async fn stays<T, R>(look: impl Fn() -> R) -> T
where
    T: PartialEq + std::fmt::Debug,
    R: Future<Output = T>,
{
    let before = look().await;
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(look().await, before);
    }
    before
}
