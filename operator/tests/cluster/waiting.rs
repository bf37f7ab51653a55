//! What a search waits for is told, and the search goes on once it is there; on a real API server.

use crate::rig::{EXPERIMENT, Rig, surrogate};
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{ConfigMap, ResourceQuota},
};
use kube::{
    ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use nas_api::objects::NasExperiment;
use nas_operator::Config;
use nas_testkit::eventually;
use serde_json::json;

/// A Job that has nothing to do with the operator, under the name that the first segment needs.
async fn take_name(rig: &Rig) -> Job {
    let job = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "small-0-r0-a0"},
        "spec": {"suspend": true, "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "x"}]}}},
    });
    let job: Job = serde_json::from_value(job).unwrap();
    rig.namespace.api::<Job>().create(&PostParams::default(), &job).await.unwrap()
}

#[tokio::test]
async fn a_job_of_somebody_else_is_left_alone_and_named() {
    let rig = Rig::new("foreign").await;
    let job = take_name(&rig).await;
    let operator = rig.operator();
    rig.create(EXPERIMENT).await;
    eventually("the reason", || async {
        let message = rig.message("Progressing").await;
        if message.contains("small-0-r0-a0") && message.contains("delete it") { Ok(()) } else { Err(message) }
    })
    .await;
    assert_eq!(rig.jobs().await[0].uid(), job.uid());
    rig.namespace.api::<Job>().delete("small-0-r0-a0", &DeleteParams::background()).await.unwrap();
    assert_eq!(rig.next_pod().await.segment.trial_name, "small-0");
    rig.close(operator).await;
}

#[tokio::test]
async fn a_name_that_somebody_keeps_is_given_up_for_that_of_the_next_attempt() {
    let rig = Rig::new("name").await;
    let job = take_name(&rig).await;
    let operator = rig.operator_with(Config { name_taken_seconds: 1, ..rig.config() });
    rig.create(EXPERIMENT).await;
    let started = rig.next_pod().await;
    assert_eq!((started.segment.trial_name.as_str(), started.segment.attempt), ("small-0", 1));
    let found = rig.namespace.api::<Job>().get("small-0-r0-a0").await.unwrap();
    assert_eq!((found.uid(), found.metadata.deletion_timestamp), (job.uid(), None));
    // It counts neither as an attempt nor as a second Job of the trial.
    assert_eq!(rig.trials().await[0].counted_ends(), 0);
    rig.report(&started, surrogate).await;
    assert_eq!(rig.next_pod().await.segment.trial_name, "small-1");
    rig.close(operator).await;
}

#[tokio::test]
async fn what_keeps_a_pod_from_training_is_a_reason_of_progressing() {
    let rig = Rig::new("pending").await;
    let operator = rig.operator();
    rig.create(EXPERIMENT).await;
    let pod = eventually("the pod", || async { rig.pods().await.pop().ok_or(()) }).await;
    rig.kubelet.fits_nowhere(&pod, "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.").await.unwrap();
    assert!(rig.progressing("Unschedulable").await.contains("Insufficient nvidia.com/gpu"));
    rig.kubelet.waits(&pod, "trainer", "ImagePullBackOff", "Back-off pulling image \"trainer:test\"").await.unwrap();
    assert!(rig.progressing("ImageNotPulled").await.contains("trainer:test"));
    rig.kubelet.waits(&pod, "trainer", "CreateContainerConfigError", "no such secret").await.unwrap();
    assert!(rig.progressing("ContainerNotCreated").await.contains("no such secret"));
    let started = rig.next_pod().await;
    rig.progressing("Searching").await;
    rig.report(&started, surrogate).await;
    rig.next_pod().await;
    rig.close(operator).await;
}

#[tokio::test]
async fn a_job_that_a_queue_holds_back_is_waited_for_and_does_not_count() {
    let rig = Rig::new("queue").await;
    let operator = rig.operator();
    rig.create(EXPERIMENT).await;
    let jobs = rig.namespace.api::<Job>();
    let suspend = |suspend: bool| Patch::Merge(json!({"spec": {"suspend": suspend}}));
    let job = eventually("the Job", || async { rig.jobs().await.pop().ok_or(()) }).await.name_any();
    jobs.patch(&job, &PatchParams::default(), &suspend(true)).await.unwrap();
    assert!(rig.progressing("Queued").await.contains(&job));
    eventually("its pod is gone", || async {
        for pod in rig.pods().await {
            rig.kubelet.remove(&pod).await.ok();
        }
        if rig.pods().await.is_empty() { Ok(()) } else { Err(()) }
    })
    .await;
    jobs.patch(&job, &PatchParams::default(), &suspend(false)).await.unwrap();
    let started = rig.next_pod().await;
    assert_eq!((started.segment.trial_name.as_str(), started.segment.attempt), ("small-0", 0));
    assert_eq!(rig.trials().await[0].counted_ends(), 0);
    rig.close(operator).await;
}

#[tokio::test]
async fn what_is_missing_in_the_cluster_is_named_and_waited_for() {
    let rig = Rig::new("missing").await;
    let operator = rig.operator();
    rig.create(&EXPERIMENT.replace("{claim: checkpoints}", "{claim: elsewhere}")).await;
    assert_eq!(rig.condition("Accepted", "False").await, "ClaimMissing");
    assert!(rig.message("Accepted").await.contains("PersistentVolumeClaim elsewhere"));
    rig.claim("elsewhere").await;
    rig.condition("Accepted", "True").await;
    rig.next_pod().await;
    operator.stop().await;

    let rig = Rig::new("no-claim").await;
    let operator = rig.operator();
    rig.create(&EXPERIMENT.replace("    checkpoints: {claim: checkpoints}\n", "")).await;
    assert_eq!(rig.condition("Accepted", "False").await, "CheckpointsNeeded");
    rig.close(operator).await;
}

#[tokio::test]
async fn a_quota_that_lets_no_pod_start_is_a_reason_of_progressing() {
    let rig = Rig::new("quota").await;
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "gpus"}, "spec": {"hard": {"requests.nvidia.com/gpu": "0"}}});
    let quota: ResourceQuota = serde_json::from_value(quota).unwrap();
    rig.namespace.api().create(&PostParams::default(), &quota).await.unwrap();
    eventually("the quota counts", || async {
        let quota = rig.namespace.api::<ResourceQuota>().get("gpus").await.unwrap();
        quota.status.filter(|status| status.hard.is_some()).map(drop).ok_or(())
    })
    .await;
    let operator = rig.operator();
    rig.create(EXPERIMENT).await;
    rig.progressing("QuotaExceeded").await;
    rig.close(operator).await;
}

#[tokio::test]
async fn a_search_learns_from_an_earlier_one_and_keeps_what_it_learned() {
    let rig = Rig::new("warm-start").await;
    let operator = rig.operator();
    let warm = EXPERIMENT
        .replace("{name: small}", "{name: warm}")
        .replace("sampler: {random: {}}", "sampler: {mutation: {}}\n  warmStart: {experiments: [small]}")
        .replace("rungs: [1, 2, 4]", "rungs: [2, 4]");
    rig.create(&warm).await;
    let accepted = || async {
        let experiment = rig.namespace.api::<NasExperiment>().get("warm").await.unwrap();
        let conditions = experiment.status.map(|status| status.conditions).unwrap_or_default();
        conditions.into_iter().find(|condition| condition.type_ == "Accepted").map(|condition| condition.reason).ok_or(())
    };
    assert_eq!(eventually("a verdict", accepted).await, "WarmStartMissing");
    rig.create(EXPERIMENT).await;
    let simulated = rig.play(|started| assert_eq!(started.segment.experiment, "small", "it has not waited")).await;
    let started = rig.next_pod().await;
    assert_eq!(started.segment.trial_name, "warm-0");
    let experiment = rig.namespace.api::<NasExperiment>().get("warm").await.unwrap();
    // Its shortest rung is half of a training: of trials that came to a quarter it learns nothing.
    let known = simulated.index.trials().filter(|trial| trial.value_at(1).is_some()).count();
    assert_eq!(experiment.status.as_ref().unwrap().earlier_trials, Some(i64::try_from(known).unwrap()));
    let map = rig.namespace.api::<ConfigMap>().get("warm-warm-start").await.unwrap();
    assert_eq!(map.immutable, Some(true));
    assert_eq!(map.owner_references()[0].uid, experiment.uid().unwrap());
    // It is its own: the earlier experiment may go, and the operator may start again.
    rig.namespace.api::<NasExperiment>().delete("small", &DeleteParams::default()).await.unwrap();
    operator.stop().await;
    let operator = rig.operator();
    rig.report(&started, surrogate).await;
    assert_eq!(rig.next_pod().await.segment.trial_name, "warm-1");
    operator.stop().await;
}
