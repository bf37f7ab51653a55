//! A person asks for another attempt of a trial that trains.

use k8s_openapi::jiff::Timestamp;
use kube::{
    ResourceExt,
    api::{Patch, PatchParams},
};
use nas_api::{labels, objects::NasTrial};
use nas_testkit::{ENDED, eventually};
use serde_json::json;

use crate::rig::{EXPERIMENT, Rig, surrogate};

#[tokio::test]
async fn an_attempt_that_is_asked_for_follows_once_the_pod_has_gone_and_counts_for_nothing() {
    let rig = Rig::new("retry").await;
    let operator = rig.operator();
    rig.create(EXPERIMENT).await;
    let hangs = rig.next_pod().await;
    assert_eq!(hangs.segment.attempt, 0);
    let ask = |attempt: &str| {
        let patch = Patch::Merge(json!({"metadata": {"annotations": {labels::RETRY: attempt}}}));
        let trials = rig.namespace.api::<NasTrial>();
        async move { trials.patch("small-0", &PatchParams::default(), &patch).await.map(drop).unwrap() }
    };
    ask("0").await;
    eventually("its pod is told to stop", || async {
        let pod = rig.pods().await.into_iter().find(|pod| pod.name_any() == hangs.pod.name_any());
        pod.is_none_or(|pod| pod.metadata.deletion_timestamp.is_some()).then_some(()).ok_or(())
    })
    .await;
    // Two of them at once would write to the same folder.
    assert!(rig.pods().await.iter().all(|pod| pod.name_any() == hangs.pod.name_any()));
    rig.kubelet.remove(&hangs.pod).await.unwrap();
    let next = rig.next_pod().await;
    assert_eq!((next.segment.trial_name.as_str(), next.segment.attempt), ("small-0", 1));
    // What was asked of attempt 0 says nothing about this one.
    rig.report(&next, surrogate).await;
    rig.next_pod().await;
    let trial = rig.trials().await.remove(0);
    let status = trial.status.clone().unwrap();
    let outcomes: Vec<_> = status.segments.iter().map(|segment| (segment.attempt, segment.outcome.name())).collect();
    assert_eq!(outcomes, [(0, "Retried"), (1, "Value")]);
    assert!(status.segments[0].accelerator_seconds > 0.0, "its time counts towards the budget");
    // The first was given up while its pod still trained: that counts as its end.
    let [given_up, ended] = [0, 1].map(|at| status.segments[at].ended_at.as_ref().map(|time| time.0).unwrap());
    let created = trial.metadata.creation_timestamp.as_ref().map(|time| time.0).unwrap();
    assert!(created <= given_up && given_up <= Timestamp::now(), "{created} {given_up}");
    assert_eq!(ended, ENDED.parse().unwrap());
    assert_eq!(trial.counted_ends(), 0);
    rig.close(operator).await;
}
