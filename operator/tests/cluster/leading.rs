//! An operator that is killed, takes over from another, or is not alone: each thing is done once all the same.

use k8s_openapi::api::{batch::v1::Job, coordination::v1::Lease};
use kube::{ResourceExt, api::DeleteParams};
use nas_operator::Config;
use nas_testkit::eventually;

use crate::rig::{EXPERIMENT, Rig, stays, surrogate};

#[tokio::test]
async fn an_operator_that_is_killed_and_started_again_adopts_what_runs() {
    let rig = Rig::new("restart").await;
    let operator = rig.operator();
    rig.create(EXPERIMENT).await;
    let started = rig.next_pod().await;
    operator.kill().await;
    // The trainer ends while nobody looks.
    rig.report(&started, surrogate).await;
    let uids = |jobs: Vec<Job>| jobs.into_iter().map(|job| job.uid()).collect::<Vec<_>>();
    let before = uids(rig.jobs().await);
    assert_eq!(before.len(), 1);

    let config = Config { identity: "two".to_owned(), ..rig.config() };
    let lease = rig.namespace.api::<Lease>();
    lease.delete("nas-operator", &DeleteParams::default()).await.unwrap();
    let operator = rig.operator_with(config);
    let next = rig.next_pod().await;
    assert_eq!(next.segment.trial_name, "small-1");
    let trials = rig.trials().await;
    assert_eq!(trials[0].to_record().value_at(0), Some(surrogate(0, 0)));
    assert_eq!(rig.segments(0).await, ["Value"]);
    // Stopped in the middle of a segment, and started again: the Job goes on.
    operator.stop().await;
    let before = uids(rig.jobs().await);
    let operator = rig.operator();
    operator.has_looked().await;
    assert_eq!(stays(|| async { uids(rig.jobs().await) }).await, before);
    rig.report(&next, surrogate).await;
    assert_eq!(rig.next_pod().await.segment.target_rung, 1);
    rig.close(operator).await;
}

#[tokio::test]
async fn a_second_replica_waits_and_takes_over_when_the_first_stops() {
    let rig = Rig::new("leader").await;
    let first = rig.operator();
    rig.create(EXPERIMENT).await;
    let started = rig.next_pod().await;
    let second = rig.operator_with(Config { identity: "two".to_owned(), ..rig.config() });
    let leads = "leader_election_master_status{name=\"nas-operator\"}";
    eventually("the second is up", || async { second.metric(leads).ok_or(()) }).await;
    assert_eq!(stays(|| async { second.metric(leads) }).await, Some(0.0));
    first.stop().await;
    eventually("the second leads", || async { if second.metric(leads) == Some(1.0) { Ok(()) } else { Err(()) } }).await;
    rig.report(&started, surrogate).await;
    assert_eq!(rig.next_pod().await.segment.trial_name, "small-1");
    rig.close(second).await;
}

#[tokio::test]
async fn two_leaders_at_once_do_each_thing_once() {
    let rig = Rig::new("two-leaders").await;
    rig.allow_any_lease().await;
    let leaders = ["one", "two"].map(|lease| {
        let identity = lease.to_owned();
        rig.operator_with(Config { lease_name: lease.to_owned(), identity, ..rig.config() })
    });
    rig.create(EXPERIMENT).await;
    let simulated = rig.play(|started| assert_eq!(started.segment.attempt, 0)).await;
    assert_eq!(rig.condition("Finished", "True").await, "Completed");
    for trial in rig.trials().await {
        assert_eq!(trial.to_record(), *simulated.index.trial(trial.number()).unwrap());
        assert_eq!(trial.status.unwrap().segments.len(), trial.spec.grants.len());
    }
    let [one, two] = leaders;
    assert!(one.lost_races() + two.lost_races() > 0.0, "they never met: the test shows nothing");
    one.stop().await;
    rig.close(two).await;
}
