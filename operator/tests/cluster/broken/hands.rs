//! What people do to objects by hand.

use k8s_openapi::api::batch::v1::Job;
use kube::{
    ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PropagationPolicy},
};
use nas_api::objects::{NasExperiment, NasTrial};
use nas_testkit::eventually;
use serde_json::{Value, json};

use crate::rig::{EXPERIMENT, Rig, surrogate};

async fn owners(rig: &Rig, trial: &str, owners: Value) {
    let patch = Patch::Merge(json!({"metadata": {"ownerReferences": owners}}));
    rig.namespace.api::<NasTrial>().patch(trial, &PatchParams::default(), &patch).await.unwrap();
}

#[tokio::test]
async fn a_trial_whose_owner_somebody_took_away_is_named_and_counts_again_with_it() {
    let rig = Rig::new("disowned").await;
    let operator = rig.operator();
    rig.create(EXPERIMENT).await;
    let first = rig.next_pod().await;
    let before = json!(rig.trials().await[0].metadata.owner_references);
    owners(&rig, "small-0", Value::Null).await;
    let message = rig.progressing("TrialDisowned").await;
    assert!(message.contains("small-0") && message.contains("ownerReferences"), "{message}");
    // Its pod has a slot as long as it trains; then the search goes on without it.
    rig.report(&first, surrogate).await;
    assert_eq!(rig.next_pod().await.segment.trial_name, "small-1");
    assert_eq!(rig.trials().await[0].to_record().value_at(0), None);
    owners(&rig, "small-0", before).await;
    eventually("what it reported counts", || async {
        let trial = rig.trials().await.remove(0);
        trial.to_record().value_at(0).filter(|value| *value == surrogate(0, 0)).ok_or(trial.status)
    })
    .await;
    rig.progressing("Searching").await;
    // Not `close`: what was decided without it is not what a replay would decide with it.
    operator.stop().await;
}

#[tokio::test]
async fn trials_that_an_earlier_experiment_left_behind_are_named() {
    let rig = Rig::new("left-behind").await;
    let operator = rig.operator();
    rig.create(EXPERIMENT).await;
    let first = rig.next_pod().await;
    rig.report(&first, surrogate).await;
    let second = rig.next_pod().await;
    // Somebody keeps the trials, and begins anew. (By hand: whether the garbage collector knows the kind yet is up to its clock.)
    for trial in ["small-0", "small-1"] {
        owners(&rig, trial, Value::Null).await;
    }
    let orphan = DeleteParams { propagation_policy: Some(PropagationPolicy::Orphan), ..DeleteParams::default() };
    let experiments = rig.namespace.api::<NasExperiment>();
    experiments.delete("small", &orphan).await.unwrap();
    let job = second.pod.labels()["batch.kubernetes.io/job-name"].clone();
    rig.namespace.api::<Job>().delete(&job, &DeleteParams::background()).await.unwrap();
    rig.kubelet.remove(&second.pod).await.unwrap();
    eventually("the experiment is gone", || async { experiments.get_opt("small").await.unwrap().map_or(Ok(()), Err) }).await;
    rig.create(EXPERIMENT).await;
    let message = rig.progressing("TrialDisowned").await;
    assert!(message.contains("NasTrial small-0") && message.contains("delete it"), "{message}");
    for trial in ["small-0", "small-1"] {
        rig.namespace.api::<NasTrial>().delete(trial, &DeleteParams::background()).await.unwrap();
    }
    let started = rig.next_pod().await;
    assert_eq!((started.segment.trial_name.as_str(), started.segment.attempt), ("small-0", 0));
    rig.report(&started, surrogate).await;
    rig.next_pod().await;
    rig.close(operator).await;
}
