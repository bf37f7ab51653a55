//! What a pass does does not wait for an answer to something else that it asked for.

use std::sync::atomic::{AtomicUsize, Ordering};

use http::{Method, Request};
use k8s_openapi::api::batch::v1::Job;
use kube::{
    Resource,
    api::{DeleteParams, ObjectMeta, PostParams},
    client::Body,
};
use nas_api::objects::NasTrial;
use nas_testkit::eventually;
use serde_json::json;

use super::lagging::Lag;
use crate::{
    between::Between,
    rig::{EXPERIMENT, Rig, surrogate},
};

fn two_at_once() -> String {
    EXPERIMENT.replace("parallelTrials: 1", "parallelTrials: 2")
}

fn creates_a_trial(request: &Request<Body>) -> bool {
    request.method() == Method::POST && request.uri().path().ends_with("/nastrials")
}

#[tokio::test]
async fn an_outcome_is_recorded_while_a_grant_is_on_its_way() {
    let rig = Rig::new("outcome-at-once").await;
    let lag = Lag::of(creates_a_trial);
    let operator = lag.operator(&rig, rig.config());
    rig.create(&two_at_once()).await;
    let [first, second] = rig.two_pods().await;
    lag.begin();
    rig.report(&first, surrogate).await;
    lag.holds().await;
    rig.report(&second, surrogate).await;
    eventually("the second's outcome is there", || async {
        let trial = rig.trials().await.remove(1);
        if trial.to_record().value_at(0) == Some(surrogate(1, 0)) { Ok(()) } else { Err(trial.status) }
    })
    .await;
    lag.release();
    rig.close(operator).await;
}

#[tokio::test]
async fn a_job_is_created_while_the_next_grant_is_on_its_way() {
    static CREATED: AtomicUsize = AtomicUsize::new(0);
    let rig = Rig::new("job-at-once").await;
    let lag = Lag::of(|request| creates_a_trial(request) && CREATED.fetch_add(1, Ordering::Relaxed) == 1);
    lag.begin();
    let operator = lag.operator(&rig, rig.config());
    rig.create(&two_at_once()).await;
    lag.holds().await;
    eventually("the first trial has its Job", || async {
        let jobs = rig.jobs().await;
        if jobs.len() == 1 { Ok(()) } else { Err(jobs.len()) }
    })
    .await;
    assert_eq!(rig.trials().await.len(), 1);
    lag.release();
    rig.close(operator).await;
}

#[tokio::test]
async fn what_a_deleted_experiment_left_behind_holds_up_no_other() {
    let rig = Rig::new("left-over").await;
    let lag = Lag::of(|request| request.uri().path().ends_with("/nastrials/other-0"));
    lag.begin();
    let operator = lag.operator(&rig, rig.config());
    rig.create(EXPERIMENT).await;
    let started = rig.next_pod().await;
    // A trial that outlived its experiment, with a Job.
    let mut trial = rig.trials().await.remove(0);
    trial.metadata = ObjectMeta { name: Some("other-0".to_owned()), ..ObjectMeta::default() };
    (trial.spec.experiment, trial.status) = ("other".to_owned(), None);
    let trial: NasTrial = rig.namespace.api().create(&PostParams::default(), &trial).await.unwrap();
    let owner = trial.controller_owner_ref(&()).unwrap();
    let labels = json!({"nas-operator.dev/experiment": "other", "nas-operator.dev/trial": "other-0"});
    let pod = json!({"restartPolicy": "Never", "containers": [{"name": "trainer", "image": "trainer:test"}]});
    let job = json!({"metadata": {"name": "other-0-r0-a0", "labels": labels, "ownerReferences": [owner]},
        "spec": {"suspend": true, "template": {"spec": pod}}});
    let job: Job = serde_json::from_value(job).unwrap();
    rig.namespace.api().create(&PostParams::default(), &job).await.unwrap();
    lag.holds().await;
    rig.report(&started, surrogate).await;
    assert_eq!(rig.next_pod().await.segment.trial_name, "small-1");
    lag.release();
    rig.namespace.api::<NasTrial>().delete("other-0", &DeleteParams::background()).await.unwrap();
    rig.close(operator).await;
}
