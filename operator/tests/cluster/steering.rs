//! What a person does to a search that runs: suspends it, looks at what it stalls on, gives it other slots or more trials, deletes a part.

use k8s_openapi::api::batch::v1::Job;
use kube::api::{DeleteParams, Patch, PatchParams};
use nas_api::objects::{NasExperiment, NasTrial};
use nas_testkit::eventually;
use serde_json::json;

use crate::rig::{EXPERIMENT, Rig, stays, surrogate};

#[tokio::test]
async fn three_trials_that_are_refused_stall_the_search_until_a_person_has_looked() {
    let rig = Rig::new("stall").await;
    let operator = rig.operator();
    rig.create(&EXPERIMENT.replace("parallelTrials: 1", "parallelTrials: 2").replace("maxTrials: 4", "maxTrials: 8")).await;
    let mut left = rig.next_pod().await;
    for _ in 0..3 {
        let next = rig.next_pod().await;
        rig.end(&left, 65, "data set cifar10: /data/cifar10 is not a folder").await;
        left = next;
        eventually("the refusal is told", || async {
            let said = [rig.message("Progressing").await, rig.message("Stalled").await];
            if said.iter().any(|said| said.contains("/data/cifar10 is not a folder")) { Ok(()) } else { Err(said) }
        })
        .await;
    }
    assert_eq!(rig.condition("Stalled", "True").await, "TrialsRefused");
    assert!(rig.message("Stalled").await.contains("/data/cifar10 is not a folder"));
    // The one that still ran is refused, too: it waits unrecorded.
    rig.end(&left, 65, "data set cifar10: /data/cifar10 is not a folder").await;
    eventually("the last is noted", || async {
        let noted = rig.segments(3).await;
        if noted == ["Refused"] { Ok(()) } else { Err(noted) }
    })
    .await;
    let created = stays(|| async { rig.trials().await.len() }).await;
    assert_eq!(created, 4, "at most parallelTrials + 2 pods were started");
    assert!(rig.trials().await[0].status.as_ref().unwrap().segments[0].message.contains("/data/cifar10"));

    rig.edit(json!({"suspend": true})).await;
    eventually("the operator has seen it", || async {
        let status = rig.experiment().await.status.unwrap();
        if status.stall_cleared_seq == Some(3) { Ok(()) } else { Err(status.conditions) }
    })
    .await;
    rig.edit(json!({"suspend": false})).await;
    // The refused trial goes on, and the free slot takes a new one: in either order.
    let [again, new] = rig.two_pods().await;
    assert_eq!((again.segment.trial_name.as_str(), again.segment.attempt), ("small-3", 1));
    assert_eq!((new.segment.trial_name.as_str(), new.segment.attempt), ("small-4", 0));
    rig.report(&again, surrogate).await;
    eventually("the stall is over", || async {
        let conditions = rig.experiment().await.status.unwrap().conditions;
        if conditions.iter().any(|condition| condition.type_ == "Stalled") { Err(conditions) } else { Ok(()) }
    })
    .await;
    rig.close(operator).await;
}

#[tokio::test]
async fn suspend_stops_what_runs_and_lets_it_go_on_as_an_uncounted_attempt() {
    let rig = Rig::new("suspend").await;
    let operator = rig.operator();
    rig.create(EXPERIMENT).await;
    let started = rig.next_pod().await;
    rig.edit(json!({"suspend": true})).await;
    assert_eq!(rig.condition("Progressing", "False").await, "Suspended");
    eventually("the Job is gone", || async { if rig.jobs().await.is_empty() { Ok(()) } else { Err(()) } }).await;
    assert_eq!(rig.segments(0).await, ["Suspended"]);
    // The pod is still writing its checkpoint: nothing else may start, also not when the search goes on.
    rig.edit_seen(json!({"suspend": false})).await;
    assert_eq!(stays(|| async { rig.jobs().await.len() }).await, 0);
    rig.kubelet.remove(&started.pod).await.unwrap();
    let again = rig.next_pod().await;
    assert_eq!((again.segment.attempt, again.segment.target_rung), (1, 0));
    rig.report(&again, surrogate).await;
    rig.next_pod().await;
    assert_eq!(rig.trials().await[0].counted_ends(), 0);
    rig.close(operator).await;
}

#[tokio::test]
async fn scaling_down_pauses_the_newest_and_scaling_up_goes_on() {
    let rig = Rig::new("scale").await;
    let operator = rig.operator();
    rig.create(&EXPERIMENT.replace("parallelTrials: 1", "parallelTrials: 2")).await;
    let [first, second] = rig.two_pods().await;
    let experiments = rig.namespace.api::<NasExperiment>();
    let replicas = |count: i32| Patch::Merge(json!({"spec": {"replicas": count}}));
    experiments.patch_scale("small", &PatchParams::default(), &replicas(1)).await.unwrap();
    eventually("the newest is suspended", || async {
        let noted = rig.segments(1).await;
        if noted == ["Suspended"] { Ok(()) } else { Err(noted) }
    })
    .await;
    assert!(rig.segments(0).await.is_empty());
    rig.kubelet.remove(&second.pod).await.unwrap();
    experiments.patch_scale("small", &PatchParams::default(), &replicas(2)).await.unwrap();
    let again = rig.next_pod().await;
    assert_eq!((again.segment.trial_name.as_str(), again.segment.attempt), ("small-1", 1));
    rig.report(&first, surrogate).await;
    rig.close(operator).await;
}

#[tokio::test]
async fn more_trials_do_not_change_the_rungs_of_a_search_that_has_begun() {
    let rig = Rig::new("rungs").await;
    let operator = rig.operator();
    // Two trials allow two rungs, of 2 and 4 epochs; eight would allow three.
    let experiment = EXPERIMENT.replace("rungs: [1, 2, 4]", "maxRungs: 3").replace("maxTrials: 4", "maxTrials: 2");
    rig.create(&experiment).await;
    let first = rig.next_pod().await;
    rig.edit(json!({"maxTrials": 8})).await;
    rig.report(&first, surrogate).await;
    for _ in 0..2 {
        let started = rig.next_pod().await;
        assert_eq!(started.segment.rung_steps, [2, 4]);
        rig.report(&started, surrogate).await;
    }
    let steps: Vec<_> = rig.experiment().await.status.unwrap().rungs.iter().map(|rung| rung.step).collect();
    assert_eq!(steps, [2, 4]);
    rig.close(operator).await;
}

#[tokio::test]
async fn what_a_person_deletes_is_made_up_for_or_counted() {
    let rig = Rig::new("deleted").await;
    let operator = rig.operator();
    rig.create(EXPERIMENT).await;
    let started = rig.next_pod().await;
    // A Job: the segment starts again, and it counts.
    let background = DeleteParams::background();
    rig.namespace.api::<Job>().delete("small-0-r0-a0", &background).await.unwrap();
    eventually("the loss is noted", || async {
        let noted = rig.segments(0).await;
        if noted == ["Crashed"] { Ok(()) } else { Err(noted) }
    })
    .await;
    rig.kubelet.remove(&started.pod).await.unwrap();
    let again = rig.next_pod().await;
    assert_eq!(again.segment.attempt, 1);
    // A trial: it counts as created, is cancelled, and never comes back.
    rig.namespace.api::<NasTrial>().delete("small-0", &background).await.unwrap();
    eventually("the pod is told to stop", || async {
        let pods = rig.pods().await;
        if pods.iter().any(|pod| pod.metadata.deletion_timestamp.is_some()) { Ok(()) } else { Err(pods.len()) }
    })
    .await;
    // Its pod may still be at work: the slot is not free.
    assert_eq!(stays(|| async { rig.trials().await.len() }).await, 0);
    rig.kubelet.remove(&again.pod).await.unwrap();
    let next = rig.next_pod().await;
    assert_eq!(next.segment.trial_name, "small-1");
    eventually("it is counted", || async {
        let counts = rig.experiment().await.status.unwrap().trials.unwrap();
        if (counts.created, counts.cancelled) == (2, 1) { Ok(()) } else { Err(counts) }
    })
    .await;
    // The experiment: everything goes.
    rig.namespace.api::<NasExperiment>().delete("small", &background).await.unwrap();
    rig.kubelet.remove(&next.pod).await.unwrap();
    eventually("nothing is left", || async {
        let left = (rig.trials().await.len(), rig.jobs().await.len(), rig.pods().await.len());
        if left == (0, 0, 0) { Ok(()) } else { Err(left) }
    })
    .await;
    eventually("its series are gone", || async {
        let text = operator.metrics.text();
        if text.contains("experiment=\"small\"") { Err(text) } else { Ok(()) }
    })
    .await;
    rig.close(operator).await;
}
