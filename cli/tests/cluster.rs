//! `nasctl describe` and `nasctl replay` on a real API server.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a test fails by panicking")]

mod rig;

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use kube::{
    CustomResourceExt, Resource, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use nas_api::{
    Confirmation, SourceFile,
    objects::{ConfirmStatus, EndStatus, NasExperiment, NasTrial, RecordedRung, RunSegment},
    read_experiment,
};
use nas_search::{Decision, Index, Outcome, Plan, Usage, decide};
use nas_testkit::{Cluster, Namespace};
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
  maxTrials: 4
  parallelTrials: 1
  confirm: {topK: 1, seeds: 2}
  trial: {data: {name: cifar10}, checkpoints: {claim: checkpoints}}
";

/// Runs nasctl against the cluster: its exit code, stdout and stderr.
fn nasctl(arguments: &[&str], kubeconfig: &str) -> (i32, String, String) {
    rig::ended(rig::nasctl().args(arguments).env("KUBECONFIG", kubeconfig))
}

/// What an operator would have written: a whole search, of which the value of each trial is its number.
fn search(plan: &Plan) -> (Vec<NasTrial>, EndStatus) {
    let mut index = Index::new(plan.direction, &plan.rungs);
    let mut trials: Vec<NasTrial> = Vec::new();
    loop {
        for decision in decide(plan, &index, &Usage::default()) {
            match &decision {
                Decision::Create { new, view } => {
                    let mut trial = NasTrial::create("small", new, *view);
                    trial.status = Some(nas_api::objects::NasTrialStatus::default());
                    trials.push(trial);
                }
                Decision::Finish { view, reason } => return (trials, EndStatus::new(*reason, *view)),
                other => trials[usize::try_from(other.trial().unwrap()).unwrap()].take(other),
            }
            index.apply(index.record(&decision).unwrap());
        }
        let seq = index.view().seq;
        let trial = trials.iter_mut().find(|trial| trial.to_record().running().is_some()).unwrap();
        let rung = trial.to_record().running().unwrap();
        let value = Outcome::Value((f64::from(u32::try_from(trial.spec.number).unwrap()) + 1.0) / 100.0);
        trial.status.as_mut().unwrap().record(&[nas_api::RungEnd::new(rung, value)], seq);
        index.apply(trial.to_record());
    }
}

/// The first training that confirms a trial, as an operator would have written it.
fn confirmation(source: &SourceFile, of: &NasTrial) -> NasTrial {
    let status = ConfirmStatus { trial: of.metadata.name.clone().unwrap(), seeds: 2, ..ConfirmStatus::default() };
    let (confirmation, plan) = Confirmation::new(&source.experiment, &source.plan, &[status], |_| Some(of.assignment().clone()));
    let index = Index::new(plan.direction, &plan.rungs);
    let Some(Decision::Create { new, view }) = decide(&plan, &index, &Usage::default()).into_iter().next() else {
        unreachable!()
    };
    let mut training = confirmation.trial(&new, view).unwrap();
    let mut status = nas_api::objects::NasTrialStatus::default();
    status.record(&[nas_api::RungEnd::new(0, Outcome::Value(0.75))], 99);
    training.status = Some(status);
    training
}

/// The segment that brought a result: it ended as many minutes after the search began as results count before this one, and one.
fn segment(experiment: &NasExperiment, at: &RecordedRung) -> RunSegment {
    let began = experiment.metadata.creation_timestamp.as_ref().unwrap().0.as_second();
    RunSegment {
        rung: at.rung,
        attempt: at.rung,
        job_uid: "uid".to_owned(),
        outcome: at.outcome.into(),
        accelerator_seconds: 30.0,
        ended_at: Some(Time(Timestamp::from_second(began + 60 * at.decision_seq).unwrap())),
        ..RunSegment::default()
    }
}

/// Writes the objects as an operator would.
async fn write(namespace: &Namespace, name: &str) {
    let source = read_experiment(&EXPERIMENT.replace("small", name)).unwrap();
    let experiment: NasExperiment = namespace.api().create(&PostParams::default(), &source.experiment).await.unwrap();
    let (trials, end) = search(&source.plan);
    let created = trials.len();
    let training = confirmation(&source, trials.last().unwrap());
    for mut trial in trials.into_iter().chain([training]) {
        trial.metadata.owner_references = experiment.controller_owner_ref(&()).map(|owner| vec![owner]);
        let status = trial.status.take().map(|mut status| {
            for at in status.rungs.clone() {
                status.note(segment(&experiment, &at));
            }
            status
        });
        let api = namespace.api::<NasTrial>();
        api.create(&PostParams::default(), &trial).await.unwrap();
        let status = Patch::Merge(json!({"status": status}));
        api.patch_status(&trial.name_any(), &PatchParams::default(), &status).await.unwrap();
    }
    let zero =
        ["running", "completed", "retired", "infeasible", "diverged", "outOfMemory", "failed", "misconfigured", "cancelled"];
    let mut counts: Value = zero.iter().map(|name| ((*name).to_owned(), json!(0))).collect::<serde_json::Map<_, _>>().into();
    counts["created"] = json!(created);
    let confirm = json!({"trial": "small-3", "searchValue": 0.04, "seeds": 2, "started": 1, "done": 1, "failed": 0, "values": [0.75], "mean": 0.75});
    let budget = json!({"gpuHours": 1.5, "gpuHoursSaved": 3.0, "confirmGpuHours": 2.5});
    let status = json!({"end": end, "trials": counts, "budget": budget, "confirm": [confirm]});
    let patch = Patch::Merge(json!({"status": status}));
    namespace.api::<NasExperiment>().patch_status(name, &PatchParams::default(), &patch).await.unwrap();
}

/// What holds a search up is told where searches are listed, and where one is watched.
async fn holding_up_is_told(namespace: &Namespace, on: impl Fn(&[&str]) -> (i32, String, String)) {
    let source = read_experiment(&EXPERIMENT.replace("small", "held")).unwrap();
    let experiments = namespace.api::<NasExperiment>();
    experiments.create(&PostParams::default(), &source.experiment).await.unwrap();
    let (code, told, said) = on(&["get"]);
    assert!(code == 0 && told.contains("NotSeen"), "{told}{said}");
    let since = "2026-01-01T00:00:00Z";
    let condition = |kind: &str, status: &str, reason: &str, message: &str| json!({"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": since});
    let refused = [
        condition("Accepted", "False", "ClaimMissing", "claim checkpoints is not there"),
        condition("Progressing", "False", "NotAccepted", "see the condition Accepted"),
    ];
    let suspended =
        [condition("Accepted", "True", "Valid", ""), condition("Progressing", "False", "Suspended", "set it to false")];
    for (conditions, reason, message) in
        [(refused, "ClaimMissing", "claim checkpoints is not there"), (suspended, "Suspended", "set it to false")]
    {
        let status = Patch::Merge(json!({"status": {"conditions": conditions}}));
        experiments.patch_status("held", &PatchParams::default(), &status).await.unwrap();
        let (_, told, said) = on(&["get", "--output", "wide"]);
        assert!(told.contains(reason) && told.contains(message), "{told}{said}");
        let (_, told, said) = on(&["top", "held", "--once"]);
        assert!(told.contains(&format!("{reason}: {message}")), "{told}{said}");
    }
}

#[tokio::test]
async fn a_search_on_a_cluster_is_described_and_replayed() {
    let cluster = Cluster::shared();
    let kubeconfig = cluster.kubeconfig().to_str().unwrap();
    let namespace = cluster.namespace("nasctl").await;
    let on = |arguments: &[&str]| nasctl(&[arguments, &["--namespace", &namespace.name]].concat(), kubeconfig);

    let (code, _, said) = on(&["describe", "small"]);
    assert_eq!(code, 69, "{said}");
    assert!(said.contains("helm install"), "{said}");
    namespace.define(&[NasExperiment::crd(), NasTrial::crd()]).await;
    let (code, _, said) = on(&["describe", "small"]);
    assert_eq!(code, 64, "{said}");
    assert!(said.contains(&format!("no NasExperiment small in namespace {}", namespace.name)), "{said}");

    write(&namespace, "small").await;
    let (code, told, said) = on(&["describe", "small", "--trials"]);
    assert_eq!(code, 0, "{said}");
    let table = ["Trained anew for 4 epochs", "small-3     0.0400  0.7500          -  1 of 2", "The confirmation took 2.5 more"];
    let search = ["The search ended: all trials went", "Best: trial", "1.5 accelerator hours", "rank 1 of 2 at rung 0"];
    for words in search.into_iter().chain(table).chain(["training 0: 0.7500", "confirms small-3: seed 1 of 2"]) {
        assert!(told.contains(words), "{words}: {told}");
    }
    let (code, told, said) = on(&["report", "small", "--output", "json"]);
    assert_eq!(code, 0, "{said}");
    let data: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(
        (&data["best"]["trial"], &data["best"]["value"], &data["confirm"][0]["mean"]),
        (&json!(3), &json!(0.04), &json!(0.75))
    );
    // These results came when their segments ended, but for those that a trial was decided on with: all trials were created at once.
    let times: Vec<f64> = serde_json::from_value(data["progress"]["wallClock"].clone()).unwrap();
    let minutes = f64::from(u32::try_from(times.len()).unwrap());
    assert!(times.is_sorted() && times[0] < 60.0 && minutes > 4.0, "{times:?}");
    assert_eq!(times[times.len() - 2..], [60.0 * (minutes - 1.0), 60.0 * minutes], "{times:?}");
    assert_eq!(data["spent"]["wallClockHours"], json!(minutes / 60.0));
    let (_, told, _) = on(&["best", "small"]);
    assert!(
        told.contains("trial 3: accuracy 0.0400") && told.contains("confirmed: 0.7500 on the test images, in 1 training ("),
        "{told}"
    );
    let (code, told, _) = on(&["top", "small"]);
    assert!(code == 0 && told.contains("ended: all trials went as far as they could") && !told.contains('\x1b'), "{told}");
    let (code, told, said) = on(&["get"]);
    assert!(code == 0 && told.contains("small   Completed   4 of 4"), "{told}{said}");
    let (code, _, said) = on(&["export", "small", "--output", "/nowhere"]);
    assert!(code == 64 && said.contains("PersistentVolumeClaim checkpoints") && said.contains("small-3"), "{code}: {said}");
    let (_, told, _) = on(&["describe", "nasexp/small", "--output", "json"]);
    let document: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(document["trials"].as_array().unwrap().len(), 4);
    assert_eq!(document["end"]["reason"], "Completed");
    assert_eq!(
        (&document["confirm"][0]["mean"], &document["confirmTrials"][0]["spec"]["confirms"]),
        (&json!(0.75), &json!("small-3"))
    );

    let (code, told, said) = on(&["explain", "small-1"]);
    assert_eq!(code, 0, "{said}");
    for words in ["created, granted rung 0", "rung 0: 0.0200, rank 1 of 2", "granted rung 1: rank 1 of 2 at rung 0"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let (code, _, said) = on(&["explain", "small-confirm-0"]);
    assert!(code == 64 && said.contains("spec.confirms"), "{said}");
    let (code, _, said) = on(&["explain", "small", "99"]);
    assert_eq!(code, 64, "{said}");
    assert!(said.contains("there is no trial 99"), "{said}");

    let (code, told, said) = on(&["replay", "small"]);
    assert_eq!(code, 0, "{told}{said}");
    assert!(told.contains(": 0 differences"), "{told}");
    // The last trial's configuration is another: the record is not what was decided.
    let trials = namespace.api::<NasTrial>();
    let mut forged = trials.get("small-3").await.unwrap();
    trials.delete("small-3", &kube::api::DeleteParams::default()).await.unwrap();
    forged.metadata.resource_version = None;
    forged.spec.seed += 1;
    let status = Patch::Merge(json!({"status": forged.status.take()}));
    trials.create(&PostParams::default(), &forged).await.unwrap();
    trials.patch_status("small-3", &PatchParams::default(), &status).await.unwrap();
    let (code, told, said) = on(&["replay", "small"]);
    assert_eq!(code, 1, "{told}{said}");
    assert!(told.contains("trial 3: its configuration or seed"), "{told}");
    holding_up_is_told(&namespace, on).await;
}

#[test]
fn without_a_folder_and_without_a_cluster_both_are_named() {
    let (code, _, said) = nasctl(&["describe", "nowhere"], "/nonexistent/kubeconfig");
    assert_eq!(code, 64, "{said}");
    assert!(said.contains("nowhere is no folder of a run") && said.contains("KUBECONFIG"), "{said}");
    let (code, _, said) = nasctl(&["replay", "no/such/folder"], "/nonexistent/kubeconfig");
    assert_eq!(code, 64, "{said}");
    assert!(said.contains("no/such/folder holds no search"), "{said}");
}
