//! Checkpoints that nobody will ask for again are taken away, on a real API server.

use crate::rig::{EXPERIMENT, Rig, stays, surrogate};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use nas_testkit::eventually;
use serde_json::json;

const CONTAINER: &str = "cleanup";

/// Plays trainers until the search has ended.
async fn search(rig: &Rig, experiment: &str) {
    rig.create(experiment).await;
    rig.play(|_| ()).await;
    rig.condition("Finished", "True").await;
}

async fn cleanup_pod(rig: &Rig) -> Pod {
    eventually("the clean-up's pod", || async {
        let pods = rig.pods().await;
        pods.iter().find(|pod| pod.name_any().starts_with("small-cleanup-")).cloned().ok_or(pods.len())
    })
    .await
}

/// Names of the trials without checkpoints.
async fn without(rig: &Rig) -> Vec<String> {
    let removed = |trial: &nas_api::objects::NasTrial| {
        let conditions = trial.status.iter().flat_map(|status| &status.conditions);
        conditions.into_iter().any(|condition| condition.type_ == "CheckpointsRemoved" && condition.status == "True")
    };
    rig.trials().await.iter().filter(|trial| removed(trial)).map(ResourceExt::name_any).collect()
}

#[tokio::test]
async fn when_a_search_has_ended_only_the_best_keep_their_checkpoints() {
    let rig = Rig::new("retention").await;
    let operator = rig.operator();
    search(&rig, &EXPERIMENT.replace("retention: {checkpoints: All}", "retention: {best: 1}")).await;
    let best = rig.experiment().await.status.unwrap().best[0].trial.clone();
    let others: Vec<String> = rig.trials().await.iter().map(ResourceExt::name_any).filter(|name| *name != best).collect();
    assert_eq!(others.len(), 3);

    let pod = cleanup_pod(&rig).await;
    let container = &pod.spec.as_ref().unwrap().containers[0];
    let command = container.command.clone().unwrap();
    assert_eq!(command[..5], ["nas-trainer", "checkpoints", "remove", "--dir", "/checkpoints"]);
    assert_eq!(command[5..], others);
    let uid = rig.experiment().await.uid();
    assert_eq!(container.volume_mounts.as_ref().unwrap()[0].sub_path, uid, "it sees this experiment's part alone");
    // It is not the search's, which has ended.
    assert_eq!(without(&rig).await, Vec::<String>::new());
    rig.kubelet.start(&pod, CONTAINER).await.unwrap();
    rig.kubelet.end(&pod, CONTAINER, 0, "Completed", "").await.unwrap();
    eventually("it is told, and the Job is gone", || async {
        let seen = (without(&rig).await, rig.jobs().await.len());
        if seen == (others.clone(), 0) { Ok(()) } else { Err(seen) }
    })
    .await;
    // Once more, by an operator that knows nothing of it: there is nothing to do.
    operator.stop().await;
    let operator = rig.operator();
    operator.has_looked().await;
    assert_eq!(stays(|| async { rig.jobs().await.len() }).await, 0);
    // Whoever keeps fewer loses more, also after the end.
    rig.edit(json!({"retention": {"best": 0}})).await;
    let pod = cleanup_pod(&rig).await;
    assert_eq!(pod.spec.unwrap().containers[0].command.clone().unwrap()[5..], [best]);
    rig.close(operator).await;
}

#[tokio::test]
async fn a_search_in_which_nothing_could_go_before_its_end_cleans_up_after_it() {
    let rig = Rig::new("late").await;
    let operator = rig.operator();
    let whole = EXPERIMENT.replace("scheduler: {asha: {eta: 2, rungs: [1, 2, 4]}}", "scheduler: {fullLength: {}}");
    rig.create(&whole.replace("retention: {checkpoints: All}", "retention: {best: 1}")).await;
    for _ in 0..4 {
        let started = rig.next_pod().await;
        rig.report(&started, surrogate).await;
    }
    rig.condition("Finished", "True").await;
    let pod = cleanup_pod(&rig).await;
    assert_eq!(pod.spec.unwrap().containers[0].command.clone().unwrap().len(), 5 + 3);
    rig.close(operator).await;
}

#[tokio::test]
async fn a_search_that_keeps_all_checkpoints_cleans_up_nothing() {
    let rig = Rig::new("kept").await;
    let operator = rig.operator();
    search(&rig, EXPERIMENT).await;
    assert_eq!(stays(|| async { rig.jobs().await.len() }).await, 0);
    rig.close(operator).await;
}
