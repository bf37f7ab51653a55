//! What a person does to a search on a cluster, on a real API server: logs, suspend, resume, scale, stop, retry, doctor.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a test fails by panicking")]

mod rig;

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, ResourceQuota};
use kube::{
    CustomResourceExt, Resource, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use nas_api::{
    labels,
    objects::{NasExperiment, NasTrial, NasTrialStatus},
    read_experiment,
};
use nas_search::{Decision, Index, Usage, decide};
use nas_testkit::{Cluster, Kubelet, LogNode, Namespace};
use serde_json::{Value, json};

const EXPERIMENT: &str = "
apiVersion: nas-operator.dev/v1alpha1
kind: NasExperiment
metadata: {name: small}
spec:
  space: {parameters: [{name: learning_rate, double: {min: 0.001, max: 1.0, scale: Log}}]}
  sampler: {random: {}}
  scheduler: {asha: {eta: 2, rungs: [1, 2, 4]}}
  resource: {unit: epochs, max: 4}
  maxTrials: 8
  parallelTrials: 2
  budget: {gpuHours: 5}
  trial: {data: {name: cifar10}, accelerator: {count: 1}, checkpoints: {claim: checkpoints}}
";

struct Search {
    namespace: Namespace,
}

impl Search {
    /// A search that has just begun: two trials train.
    async fn new(word: &str) -> Self {
        let namespace = Cluster::shared().namespace(word).await;
        namespace.define(&[NasExperiment::crd(), NasTrial::crd()]).await;
        let source = read_experiment(EXPERIMENT).unwrap();
        let experiment: NasExperiment = namespace.api().create(&PostParams::default(), &source.experiment).await.unwrap();
        let index = Index::new(source.plan.direction, &source.plan.rungs);
        for decision in decide(&source.plan, &index, &Usage::default()) {
            let Decision::Create { new, view } = decision else { continue };
            let mut trial = NasTrial::create("small", &new, view);
            trial.metadata.owner_references = experiment.controller_owner_ref(&()).map(|owner| vec![owner]);
            let api = namespace.api::<NasTrial>();
            api.create(&PostParams::default(), &trial).await.unwrap();
            let status = Patch::Merge(json!({"status": NasTrialStatus::default()}));
            api.patch_status(&trial.name_any(), &PatchParams::default(), &status).await.unwrap();
        }
        let search = Self { namespace };
        let mut counts = json!({"created": 2, "running": 2});
        for outcome in ["completed", "retired", "infeasible", "diverged", "outOfMemory", "failed", "misconfigured", "cancelled"] {
            counts[outcome] = json!(0);
        }
        search.status(json!({"trials": counts})).await;
        search
    }

    /// What an operator would write.
    async fn status(&self, status: Value) {
        let patch = Patch::Merge(json!({ "status": status }));
        self.namespace.api::<NasExperiment>().patch_status("small", &PatchParams::default(), &patch).await.unwrap();
    }

    async fn spec(&self) -> Value {
        serde_json::to_value(self.namespace.api::<NasExperiment>().get("small").await.unwrap().spec).unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = rig::nasctl();
        command.args(arguments).args(["--namespace", &self.namespace.name]).env("KUBECONFIG", Cluster::shared().kubeconfig());
        command
    }

    /// Runs nasctl: its exit code and what it said.
    fn nasctl(&self, arguments: &[&str]) -> (i32, String) {
        rig::told(&mut self.command(arguments))
    }

    fn done(&self, arguments: &[&str], words: &str) {
        let (code, said) = self.nasctl(arguments);
        assert!(code == 0 && said.contains(words), "{arguments:?} {code}: {said}");
    }

    fn refused(&self, arguments: &[&str], words: &str) {
        let (code, said) = self.nasctl(arguments);
        assert!(code == 64 && said.contains(words), "{arguments:?} {code}: {said}");
    }

    /// A pod of trial 0.
    async fn pod(&self, name: &str, attempt: &str) -> Pod {
        let confined = json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
        let pod = json!({
            "metadata": {"name": name, "labels": {labels::TRIAL: "small-0", labels::RUNG: "0", labels::ATTEMPT: attempt}},
            "spec": {
                "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
                "automountServiceAccountToken": false, "restartPolicy": "Never",
                "containers": [{"name": labels::CONTAINER, "image": "image", "securityContext": confined}],
            },
        });
        let pod: Pod = serde_json::from_value(pod).unwrap();
        nas_testkit::eventually("the namespace's service account", || async {
            self.namespace.api::<Pod>().create(&PostParams::default(), &pod).await.map_err(|error| error.to_string())
        })
        .await
    }
}

#[tokio::test]
async fn a_search_is_suspended_resumed_scaled_and_drained() {
    let search = Search::new("steer").await;
    search.done(&["suspend", "small"], "small is suspended: 2 trials in training now stop after a checkpoint");
    assert_eq!(search.spec().await["suspend"], true);
    search.done(&["suspend", "small"], "suspended already");
    search.done(&["scale", "small", "5"], "small trains 5 trials at a time, 2 before; it is suspended");
    assert_eq!(search.spec().await["parallelTrials"], 5);
    search.done(&["resume", "small"], "small goes on, with at most 5 trials at a time");
    assert_eq!(search.spec().await["suspend"], false);
    search.done(&["resume", "small"], "neither suspended nor stalled");
    search.done(&["scale", "small", "0"], "0 trials at a time");
    search.done(&["resume", "small"], "nasctl scale small N");
    search.done(&["stop", "small", "--drain"], "small creates no more than the 2 trials it has");
    assert_eq!(search.spec().await["maxTrials"], 2);
    search.done(&["stop", "small", "--drain"], "all 2 trials of small were created already");
    search.refused(&["suspend", "other"], "there is no NasExperiment other");
}

#[tokio::test]
async fn a_search_is_ended_by_its_budget_and_then_nothing_is_changed() {
    let search = Search::new("stop").await;
    search.done(&["stop", "small"], "small ends: 2 trials in training now stop");
    let spec = search.spec().await;
    let seconds: f64 =
        spec["budget"]["wallClock"].as_str().unwrap().trim_end_matches("ns").trim_end_matches('s').parse().unwrap();
    // Not longer than the experiment is old, and what else was budgeted stays.
    assert!((0.0..3600.0).contains(&seconds) && spec["budget"]["gpuHours"] == 5.0, "{spec}");
    let view = json!({"decisionSeq": 0, "count": 0, "digest": "0000000000000000"});
    search.status(json!({"end": {"reason": "WallClockSpent", "message": "it is spent", "succeeded": true, "view": view}})).await;
    for verb in [["suspend", "small"].as_slice(), &["resume", "small"], &["scale", "small", "4"], &["stop", "small"]] {
        search.refused(verb, "small has ended (it is spent): later edits change nothing");
    }
}

#[tokio::test]
async fn a_stall_is_cleared_once_the_operator_has_seen_that_a_person_looked() {
    let search = Search::new("stall").await;
    let condition = |status: &str| json!({"type": "Stalled", "status": status, "reason": "TrialsRefused", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"});
    search.status(json!({"conditions": [condition("True")]})).await;
    let resuming = search.command(&["resume", "small"]).stdout(Stdio::piped()).spawn().unwrap();
    // What an operator does.
    nas_testkit::eventually("spec.suspend", || async { if search.spec().await["suspend"] == true { Ok(()) } else { Err(()) } })
        .await;
    search.status(json!({"conditions": [condition("False")]})).await;
    let output = tokio::task::spawn_blocking(|| resuming.wait_with_output()).await.unwrap().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && said.contains("small goes on"), "{said}");
    assert_eq!(search.spec().await["suspend"], false);
}

#[tokio::test]
async fn another_attempt_is_asked_for_by_the_number_of_the_present_one() {
    let search = Search::new("again").await;
    search.done(&["retry", "small-0"], "attempt 0 of small-0 is given up");
    let trials = search.namespace.api::<NasTrial>();
    assert_eq!(trials.get("small-0").await.unwrap().annotations()[labels::RETRY], "0");
    search.refused(&["retry", "small", "0"], "was to be given up before");
    let recorded = json!([{"rung": 0, "outcome": "Diverged", "decisionSeq": 1}]);
    let patch = Patch::Merge(json!({"status": {"rungs": recorded}}));
    trials.patch_status("small-1", &PatchParams::default(), &patch).await.unwrap();
    search.refused(&["retry", "small-1"], "rung 0 came to Diverged, which is never taken back");
    search.refused(&["retry", "small-9"], "there is no NasTrial small-9");
}

#[tokio::test]
async fn logs_are_followed_from_pod_to_pod() {
    let search = Search::new("logs").await;
    search.refused(&["logs", "small-0"], "small-0 has no pod yet");
    let node = LogNode::start();
    // The kubelet that is played binds to it.
    node.join(&search.namespace.client, "node").await;
    let kubelet = Kubelet::new(search.namespace.client.clone(), &search.namespace.name);
    let first = search.pod("first", "0").await;
    kubelet.waits(&first, labels::CONTAINER, "ImagePullBackOff", "no such image").await.unwrap();
    search.done(&["logs", "small-0"], "small-0: the trainer of pod first has not begun: ImagePullBackOff: no such image");
    kubelet.start(&first, labels::CONTAINER).await.unwrap();
    node.say("first", labels::CONTAINER, "batch 20: loss 2.1");
    let mut command = search.command(&["logs", "small-0", "--follow"]);
    let mut follower = rig::Running::start(command.stdout(Stdio::piped()).stderr(Stdio::null()));
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut next = tokio::task::spawn_blocking(move || {
        let two: Vec<String> = lines.by_ref().take(2).collect();
        (two, lines)
    });
    let (seen, mut lines) = (&mut next).await.unwrap();
    assert_eq!(seen, ["=== attempt 0: to rung 0, training, pod first (Running)", "batch 20: loss 2.1"]);
    node.say("first", labels::CONTAINER, "stopped after a checkpoint");
    node.end("first", labels::CONTAINER);
    kubelet.end(&first, labels::CONTAINER, 143, "Error", "").await.unwrap();
    let second = search.pod("second", "1").await;
    kubelet.start(&second, labels::CONTAINER).await.unwrap();
    node.say("second", labels::CONTAINER, "resumed after batch 20");
    let (seen, lines) = tokio::task::spawn_blocking(move || (lines.by_ref().take(3).collect::<Vec<_>>(), lines)).await.unwrap();
    let heading = "=== attempt 1: to rung 0, training, pod second (Running)";
    assert_eq!(seen, ["stopped after a checkpoint", heading, "resumed after batch 20"]);

    let trials = search.namespace.api::<NasTrial>();
    trials.patch("small-0", &PatchParams::default(), &Patch::Merge(json!({"spec": {"attempt": 1}}))).await.unwrap();
    let (code, said) = search.nasctl(&["logs", "small-0", "--previous", "--tail", "5"]);
    assert_eq!(
        (code, said.as_str()),
        (0, "=== attempt 0: to rung 0, training, pod first (Failed)\nbatch 20: loss 2.1\nstopped after a checkpoint\n")
    );
    search.refused(&["logs", "small-0", "--attempt", "2"], "trial 0 has no attempt 2: it is in its attempt 1");

    let view = json!({"decisionSeq": 1, "count": 1, "digest": "0000000000000000"});
    let segment = json!({"rung": 0, "attempt": 1, "outcome": "Value", "acceleratorSeconds": 9.5, "message": "all was well"});
    let status = json!({"rungs": [{"rung": 0, "outcome": "Value", "value": 0.5, "decisionSeq": 1}], "segments": [segment]});
    trials.patch_status("small-0", &PatchParams::default(), &Patch::Merge(json!({ "status": status }))).await.unwrap();
    trials.patch("small-0", &PatchParams::default(), &Patch::Merge(json!({"spec": {"retired": [view]}}))).await.unwrap();
    node.end("second", labels::CONTAINER);
    kubelet.end(&second, labels::CONTAINER, 0, "Completed", "").await.unwrap();
    let rest = tokio::task::spawn_blocking(move || lines.collect::<Vec<_>>()).await.unwrap();
    assert!(rest.is_empty() && follower.wait().unwrap().success(), "it ends with its trial: {rest:?}");
    for pod in [&first, &second] {
        kubelet.remove(pod).await.unwrap();
    }
    search.refused(&["logs", "small-0"], "attempt 1, to rung 0: Value: all was well");
}

#[tokio::test]
async fn a_doctor_names_what_lacks_until_it_is_there() {
    let search = Search::new("doctor").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("small.yaml");
    std::fs::write(&file, EXPERIMENT).unwrap();
    let doctor = |more: &[&str]| search.nasctl(&[&["doctor", "--file", file.to_str().unwrap()], more].concat());
    let (code, said) = doctor(&[]);
    assert_eq!(code, 1, "{said}");
    for words in [
        "ok       API server",
        "ok       NasExperiment",
        "PROBLEM  operator",
        "helm install nas-operator",
        "ok       your rights",
        "PROBLEM  accelerators",
        "PROBLEM  spec.trial.checkpoints.claim",
        "enforces Pod Security restricted",
        "the search small can not run yet",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let quota = json!({"metadata": {"name": "team"}, "spec": {"hard": {"requests.nvidia.com/gpu": "0"}}});
    let quota: ResourceQuota = serde_json::from_value(quota).unwrap();
    search.namespace.api().create(&PostParams::default(), &quota).await.unwrap();
    let claim = json!({"metadata": {"name": "checkpoints"}, "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}});
    let claim: PersistentVolumeClaim = serde_json::from_value(claim).unwrap();
    search.namespace.api().create(&PostParams::default(), &claim).await.unwrap();
    let (code, said) = doctor(&["--output", "json"]);
    let document: Value = serde_json::from_str(said.split("\nnasctl:").next().unwrap()).unwrap();
    assert_eq!((code, &document["ready"]), (1, &json!(false)), "{said}");
    let level = |what: &str| {
        let findings = document["findings"].as_array().unwrap();
        findings.iter().find(|finding| finding["what"] == what).map(|finding| finding["level"].as_str().unwrap().to_owned())
    };
    assert_eq!(level("spec.trial.checkpoints.claim").as_deref(), Some("warning"), "no volume is bound to it: {document}");
    assert_eq!(level("quota team").as_deref(), Some("problem"), "{document}");
}

#[test]
fn linked_under_another_name_it_is_a_plugin_of_kubectl() {
    let folder = tempfile::tempdir().unwrap();
    let as_program = |name: &str, arguments: &[&str]| {
        let path = folder.path().join(name);
        if !path.exists() {
            std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_nasctl"), &path).unwrap();
        }
        rig::told(Command::new(path).args(arguments)).1
    };
    let help = as_program("kubectl-nas", &["scale", "--help"]);
    assert!(help.contains("Usage: kubectl nas scale") && help.contains("kubectl nas scale constrained-adaptive 32"), "{help}");
    assert_eq!(
        as_program("kubectl_complete-nas", &["get", "--all"]),
        "--all-namespaces\tShow the experiments of all namespaces of the cluster\n:4\n"
    );
}
