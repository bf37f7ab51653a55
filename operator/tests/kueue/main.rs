//! A search in a queue of the real Kueue. By `make verify-kueue`, which builds it.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "each program uses its part")]
mod queue;
#[path = "../rig/mod.rs"]
mod rig;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::ResourceExt;
use nas_testkit::eventually;
use queue::Kueue;
use rig::{EXPERIMENT, Rig, stays, surrogate};
use serde_json::json;

/// Four slots, but a quota of two accelerators.
fn queued() -> String {
    EXPERIMENT
        .replace("parallelTrials: 1", "parallelTrials: 4")
        .replace("    cpu: 1\n", "    queue: {name: gpus, priorityClasses: [low, high], maxPendingTrials: 1}\n")
}

fn is_suspended(job: &Job) -> bool {
    job.spec.as_ref().and_then(|spec| spec.suspend) == Some(true)
}

/// Names of trials with a pod that nobody has told to stop, and of those whose Job waits.
async fn stand(rig: &Rig) -> (Vec<String>, Vec<String>) {
    let trial = |labels: &BTreeMap<String, String>| labels.get("nas-operator.dev/trial").cloned();
    let is_at_work = |pod: &&Pod| {
        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        pod.metadata.deletion_timestamp.is_none() && matches!(phase, Some("Pending" | "Running"))
    };
    let pods: BTreeSet<String> = rig.pods().await.iter().filter(is_at_work).filter_map(|pod| trial(pod.labels())).collect();
    let jobs: BTreeSet<String> =
        rig.jobs().await.iter().filter(|job| is_suspended(job)).filter_map(|job| trial(job.labels())).collect();
    (pods.into_iter().collect(), jobs.into_iter().collect())
}

async fn stands(rig: &Rig, pods: &[&str], waiting: &[&str]) {
    eventually(&format!("{pods:?} at work, {waiting:?} waiting"), || async {
        let found = stand(rig).await;
        if found.0 == pods && found.1 == waiting { Ok(()) } else { Err(found) }
    })
    .await;
}

#[tokio::test]
#[ignore = "needs Kueue: make verify-kueue"]
async fn a_search_keeps_to_its_quota_gives_way_and_goes_on() {
    let rig = Rig::new("queued").await;
    let kueue = Kueue::start(&rig, 2, json!({})).await;
    let operator = rig.operator();
    rig.create(&queued()).await;

    // Two fit, one waits, and the fourth is not even chosen.
    stands(&rig, &["small-0", "small-1"], &["small-2"]).await;
    assert_eq!(stays(|| async { rig.trials_unread().await }).await, 3);
    rig.progressing("Queued").await;
    let [first, second] = rig.two_pods().await;
    assert_eq!(first.segment.attempt, 0);

    // The first ends: the one that waits has its turn, and another is chosen, or the first goes on.
    rig.report(&first, surrogate).await;
    eventually("two are at work", || async {
        let (pods, waiting) = stand(&rig).await;
        if pods.contains(&"small-2".to_owned()) && pods.len() == 2 && waiting.len() == 1 { Ok(()) } else { Err((pods, waiting)) }
    })
    .await;

    // What is more urgent takes the room of a beginner: its pod is told to stop, and its trial waits, with no attempt used up.
    kueue.another_team_wants(2).await;
    eventually("the beginners are told to stop", || async {
        let pods = rig.pods().await;
        let told = pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_some()).count();
        if told >= 1 { Ok(()) } else { Err(stand(&rig).await) }
    })
    .await;
    for pod in rig.pods().await.iter().filter(|pod| pod.metadata.deletion_timestamp.is_some()) {
        rig.kubelet.remove(pod).await.unwrap();
    }
    eventually("nobody of the search is at work", || async {
        for pod in rig.pods().await.iter().filter(|pod| pod.metadata.deletion_timestamp.is_some()) {
            rig.kubelet.remove(pod).await.ok();
        }
        let (pods, waiting) = stand(&rig).await;
        if pods.is_empty() && !waiting.is_empty() { Ok(()) } else { Err((pods, waiting)) }
    })
    .await;
    let waits = rig.trials().await;
    assert!(waits.iter().all(|trial| trial.spec.attempt == 0), "to give way is no failure");

    // The room is given back: all of them go on, and the search comes to its end within the quota.
    kueue.another_team_is_done().await;
    drop(second);
    loop {
        let end = rig.experiment().await.status.and_then(|status| status.end);
        if end.is_some() {
            break;
        }
        let (pods, _) = stand(&rig).await;
        assert!(pods.len() <= 2, "the quota is 2: {pods:?}");
        let pods = rig.pods().await;
        let waiting = |pod: &&Pod| pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Pending");
        if pods.iter().any(|pod| waiting(&pod) && pod.metadata.deletion_timestamp.is_none()) {
            let started = rig.next_pod().await;
            rig.report(&started, surrogate).await;
        } else {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
    rig.condition("Finished", "True").await;
    let trials = rig.trials().await;
    assert_eq!(trials.len(), 4);
    assert!(trials.iter().all(|trial| trial.spec.attempt == 0), "nothing was trained twice");
    rig.close(operator).await;
}
