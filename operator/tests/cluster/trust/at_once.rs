//! What a pass does does not wait for an answer to something else that it asked for.

use std::sync::atomic::{AtomicUsize, Ordering};

use http::{Method, Request};
use kube::client::Body;
use nas_testkit::eventually;

use super::lagging::Lag;
use crate::rig::{EXPERIMENT, Rig, surrogate};

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
