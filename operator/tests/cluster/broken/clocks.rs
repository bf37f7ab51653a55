//! Clocks of nodes that are wrong spend no budget.

use futures::FutureExt;
use http::{Request, header::DATE};
use kube::client::Body;

use crate::{
    between::{Answer, Between},
    rig::{EXPERIMENT, Rig, stays, surrogate},
};

/// An API server whose clock is not the operator's: every answer is of another time.
#[derive(Clone)]
struct OtherTime;

impl Between for OtherTime {
    fn between(&self, request: Request<Body>, send: impl FnOnce(Request<Body>) -> Answer) -> Answer {
        let answer = send(request);
        async move {
            let mut answer = answer.await?;
            answer.headers_mut().insert(DATE, "Fri, 01 Jan 2100 00:00:00 GMT".parse()?);
            Ok(answer)
        }
        .boxed()
    }
}

/// An operator whose own clock is wrong is one whose server has another: all that has a time has it from there.
#[tokio::test]
async fn the_time_that_a_search_has_taken_is_the_api_servers() {
    let rig = Rig::new("other-time").await;
    let operator = OtherTime.operator(&rig, rig.config());
    rig.create(&EXPERIMENT.replace("maxTrials: 4", "maxTrials: 4\n  budget: {wallClock: 240h}")).await;
    assert_eq!(rig.condition("Finished", "True").await, "WallClockSpent");
    rig.close(operator).await;
}

/// The kubelet of the tests is such a node: by its clock, pods run since the beginning of 2026.
#[tokio::test]
async fn a_node_whose_clock_is_behind_does_not_end_a_search() {
    let rig = Rig::new("behind-node").await;
    let operator = rig.operator();
    rig.create(&EXPERIMENT.replace("maxTrials: 4", "maxTrials: 4\n  budget: {gpuHours: 1}")).await;
    let started = rig.next_pod().await;
    let end = stays(|| async { rig.experiment().await.status.and_then(|status| status.end) }).await;
    assert_eq!(end, None);
    let spent = rig.experiment().await.status.unwrap().budget.unwrap().gpu_hours;
    assert!(spent < 0.1, "{spent} hours");
    // It ended a minute after it began, by the same clock.
    rig.report(&started, surrogate).await;
    assert_eq!(rig.next_pod().await.segment.trial_name, "small-1");
    let segments = rig.trials().await[0].status.clone().unwrap().segments;
    let seconds: Vec<f64> = segments.iter().map(|segment| segment.accelerator_seconds).collect();
    assert_eq!(seconds, [60.0]);
    rig.close(operator).await;
}
