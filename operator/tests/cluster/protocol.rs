//! Each step of the protocol between decisions, Jobs and pods, on a real API server.

use crate::rig::{EXPERIMENT, Rig, Started, stays, surrogate};
use k8s_openapi::api::{batch::v1::Job, coordination::v1::Lease};
use kube::{
    ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
};
use nas_api::objects::{NasExperiment, NasTrial};
use nas_operator::Config;
use nas_testkit::{ENDED, eventually};
use serde_json::json;

#[tokio::test]
async fn with_one_slot_a_search_decides_as_the_simulation_does() {
    let rig = Rig::new("one-slot").await;
    let operator = rig.operator();
    rig.create(EXPERIMENT).await;

    let look = |started: &Started| {
        let container = &started.pod.spec.as_ref().unwrap().containers[0];
        assert_eq!(container.resources.as_ref().unwrap().limits.as_ref().unwrap()["nvidia.com/gpu"].0, "1");
        assert_eq!(started.segment.threads, Some(1));
    };
    let simulated = rig.play(look).await;
    assert_eq!(rig.condition("Finished", "True").await, "Completed");
    assert_eq!(rig.condition("Succeeded", "True").await, "Completed");

    let trials = rig.trials().await;
    for trial in &trials {
        let expected = simulated.index.trial(trial.number()).unwrap();
        assert_eq!(trial.to_record(), *expected, "{}", trial.name_any());
        // Each result came when the pod that brought it ended, by the clock of its node.
        let status = trial.status.as_ref().unwrap();
        let seqs = status.rungs.iter().map(|rung| (u64::try_from(rung.decision_seq).unwrap(), ENDED.parse().unwrap()));
        assert_eq!(status.result_times().collect::<Vec<_>>(), seqs.collect::<Vec<_>>(), "{}", trial.name_any());
    }
    assert_eq!(trials.len(), 4);
    assert!(rig.jobs().await.is_empty(), "finished Jobs are deleted");
    let status = rig.experiment().await.status.unwrap();
    let best = &status.best[0];
    let incumbent = simulated.index.incumbent().unwrap();
    assert_eq!((best.trial.clone(), best.value), (format!("small-{}", incumbent.trial), incumbent.value));
    let series =
        format!("nas_experiment_best_value{{experiment=\"small\",metric=\"accuracy\",namespace=\"{}\"}}", rig.namespace.name);
    assert_eq!(operator.metric(&series), Some(best.value));
    assert_eq!(status.budget.unwrap().gpu_hours, 0.12, "7 segments of a minute");
    rig.close(operator).await;
}

/// The outcomes of a trial's segments, in order.
async fn segments(rig: &Rig, number: usize) -> Vec<&'static str> {
    let status = rig.trials().await[number].status.clone().unwrap_or_default();
    status.segments.into_iter().map(|segment| segment.outcome.name()).collect()
}

#[tokio::test]
async fn an_operator_that_is_killed_and_started_again_adopts_what_runs() {
    let rig = Rig::new("restart").await;
    let operator = rig.operator();
    rig.create(EXPERIMENT).await;
    let started = rig.next_pod().await;
    operator.kill().await;
    // The trainer ends while nobody looks.
    rig.report(&started, surrogate).await;
    let uids = |jobs: Vec<k8s_openapi::api::batch::v1::Job>| jobs.into_iter().map(|job| job.uid()).collect::<Vec<_>>();
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
    assert_eq!(segments(&rig, 0).await, ["Value"]);
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

#[tokio::test]
async fn a_pod_that_ends_without_a_report_is_tried_again_five_times_and_fails() {
    let rig = Rig::new("no-report").await;
    let operator = rig.operator();
    rig.create(&EXPERIMENT.replace("maxTrials: 4", "maxTrials: 4\n  maxFailedTrials: 0")).await;
    for attempt in 0..5 {
        let started = rig.next_pod().await;
        assert_eq!((started.segment.attempt, started.segment.trial_name.as_str()), (attempt, "small-0"));
        // Nothing, half a report, the report of another attempt.
        let mut stale = crate::rig::report(&started.segment, surrogate);
        stale.attempt += 1;
        let message = ["", "{\"attempt\":", &stale.to_message()][attempt as usize % 3].to_owned();
        rig.end(&started, 0, &message).await;
    }
    assert_eq!(rig.condition("Finished", "True").await, "TooManyFailed");
    assert_eq!(rig.condition("Succeeded", "False").await, "TooManyFailed");
    assert_eq!(segments(&rig, 0).await, ["Crashed", "Crashed", "Crashed", "Crashed", "Failed"]);
    rig.close(operator).await;
}

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
        let noted = segments(&rig, 3).await;
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
    assert_eq!(segments(&rig, 0).await, ["Suspended"]);
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
async fn a_report_that_comes_while_the_pod_is_stopped_is_recorded() {
    let rig = Rig::new("late").await;
    let operator = rig.operator();
    rig.create(EXPERIMENT).await;
    let started = rig.next_pod().await;
    rig.edit(json!({"suspend": true})).await;
    eventually("the pod is told to stop", || async {
        let pods = rig.pods().await;
        if pods.iter().any(|pod| pod.metadata.deletion_timestamp.is_some()) { Ok(()) } else { Err(pods.len()) }
    })
    .await;
    rig.report(&started, surrogate).await;
    eventually("its value is recorded", || async {
        let trials = rig.trials().await;
        trials[0].to_record().value_at(0).ok_or(trials)
    })
    .await;
    rig.close(operator).await;
}

#[tokio::test]
async fn a_report_that_goes_back_is_recorded_and_does_not_hold_up_the_search() {
    let rig = Rig::new("back").await;
    let operator = rig.operator();
    rig.create(EXPERIMENT).await;
    for _ in 0..2 {
        let started = rig.next_pod().await;
        let mut report = crate::rig::report(&started.segment, surrogate);
        report.seq = 9;
        rig.end(&started, 0, &report.to_message()).await;
    }
    // The same trial again, at the next rung, with a lower seq and more metrics than the schema takes.
    let started = rig.next_pod().await;
    assert_eq!((started.segment.trial_name.as_str(), started.segment.target_rung), ("small-1", 1));
    let mut report = crate::rig::report(&started.segment, surrogate);
    report.results[1].metrics = (0..40).map(|number| (format!("m{number}"), 0.5)).collect();
    rig.end(&started, 0, &report.to_message()).await;
    rig.next_pod().await;
    let trial = &rig.trials().await[1];
    assert_eq!(trial.to_record().value_at(1), Some(surrogate(1, 1)));
    assert_eq!(trial.status.as_ref().unwrap().reported.as_ref().unwrap().seq, 9);
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
        let noted = segments(&rig, 1).await;
        if noted == ["Suspended"] { Ok(()) } else { Err(noted) }
    })
    .await;
    assert!(segments(&rig, 0).await.is_empty());
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
        let noted = segments(&rig, 0).await;
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

#[tokio::test]
async fn a_pod_of_a_lost_node_is_given_up_and_what_it_says_later_is_void() {
    let rig = Rig::new("lost").await;
    let operator = rig.operator_with(Config { stuck_seconds: 1, ..rig.config() });
    rig.create(EXPERIMENT).await;
    let started = rig.next_pod().await;
    // The node is gone: the pod was told to stop, and nothing answers.
    rig.kubelet.disrupt(&started.pod).await.unwrap();
    let parameters = DeleteParams::default().grace_period(1);
    rig.namespace.api::<k8s_openapi::api::core::v1::Pod>().delete(&started.pod.name_any(), &parameters).await.unwrap();
    let again = rig.next_pod().await;
    assert_eq!((again.segment.trial_name.as_str(), again.segment.attempt), ("small-0", 1));
    assert_eq!(segments(&rig, 0).await, ["Lost"]);
    rig.report(&started, |_, _| 0.99).await;
    rig.report(&again, surrogate).await;
    rig.next_pod().await;
    assert_eq!(rig.trials().await[0].to_record().value_at(0), Some(surrogate(0, 0)));
    rig.close(operator).await;
}

#[tokio::test]
async fn a_disrupted_pod_is_replaced_within_its_attempt_for_free() {
    let rig = Rig::new("disrupted").await;
    let operator = rig.operator();
    rig.create(EXPERIMENT).await;
    let started = rig.next_pod().await;
    rig.kubelet.disrupt(&started.pod).await.unwrap();
    rig.end(&started, 143, "stopped after a checkpoint").await;
    let again = rig.next_pod().await;
    assert_eq!((again.segment.attempt, again.segment.trial_name.as_str()), (0, "small-0"));
    rig.report(&again, surrogate).await;
    rig.next_pod().await;
    assert_eq!(segments(&rig, 0).await, ["Value"]);
    rig.close(operator).await;
}

#[tokio::test]
async fn outcomes_are_told_apart() {
    let rig = Rig::new("outcomes").await;
    let operator = rig.operator();
    rig.create(&EXPERIMENT.replace("maxTrials: 4", "maxTrials: 4\n  maxInfeasibleTrials: 1")).await;
    let first = rig.next_pod().await;
    rig.end(&first, 71, "CUDA out of memory").await;
    let second = rig.next_pod().await;
    let infeasible = r#"{"attempt":0,"seq":1,"step":0,"results":[{"rung":0,"outcome":"Infeasible","message":"no such width"}]}"#;
    rig.end(&second, 0, infeasible).await;
    let third = rig.next_pod().await;
    let diverged = r#"{"attempt":0,"seq":1,"step":1,"results":[{"rung":0,"outcome":"Diverged","message":"the loss is NaN"}]}"#;
    rig.end(&third, 0, diverged).await;
    let fourth = rig.next_pod().await;
    // A newer attempt has fenced it: it starts again, uncounted.
    rig.end(&fourth, 70, "attempt 1 exists").await;
    let again = rig.next_pod().await;
    assert_eq!((again.segment.trial_name.as_str(), again.segment.attempt), ("small-3", 1));
    rig.report(&again, surrogate).await;
    rig.next_pod().await;
    let outcomes: Vec<_> =
        rig.trials().await.iter().take(4).map(|trial| trial.to_record().last().map(|last| last.outcome.name())).collect();
    assert_eq!(outcomes, ["OutOfMemory", "Infeasible", "Diverged", "Value"].map(Some));
    eventually("the counts follow", || async {
        let counts = rig.experiment().await.status.unwrap().trials.unwrap();
        if (counts.created, counts.out_of_memory, counts.diverged, counts.infeasible) == (4, 1, 1, 1) {
            Ok(())
        } else {
            Err(counts)
        }
    })
    .await;
    rig.close(operator).await;
}

#[tokio::test]
async fn an_end_by_wall_clock_stops_what_runs_and_keeps_what_it_still_reports() {
    let rig = Rig::new("clock").await;
    let operator = rig.operator();
    rig.create(&EXPERIMENT.replace("parallelTrials: 1", "parallelTrials: 2\n  budget: {wallClock: 3s}")).await;
    let [first, second] = rig.two_pods().await;
    eventually("the end is decided", || async {
        let status = rig.experiment().await.status.unwrap_or_default();
        status.end.clone().ok_or(status)
    })
    .await;
    eventually("the Jobs are gone, and the pods are told to stop", || async {
        let running = rig.pods().await.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()).count();
        let jobs = rig.jobs().await.len();
        if (jobs, running) == (0, 0) { Ok(()) } else { Err((jobs, running)) }
    })
    .await;
    rig.report(&first, surrogate).await;
    rig.kubelet.remove(&second.pod).await.unwrap();
    assert_eq!(rig.condition("Finished", "True").await, "WallClockSpent");
    let outcomes: Vec<_> =
        rig.trials().await.iter().map(|trial| trial.to_record().last().map(|last| last.outcome.name())).collect();
    assert_eq!(outcomes, ["Value", "Cancelled"].map(Some));
    // Later edits change nothing.
    rig.edit_seen(json!({"budget": {"wallClock": "48h"}})).await;
    assert_eq!(stays(|| async { rig.trials().await.len() }).await, 2);
    rig.close(operator).await;
}

#[tokio::test]
async fn a_target_that_is_reached_ends_the_search() {
    let rig = Rig::new("target").await;
    let operator = rig.operator();
    rig.create(
        &EXPERIMENT.replace("scheduler: {asha: {eta: 2, rungs: [1, 2, 4]}}", "scheduler: {fullLength: {}}\n  target: 0.2"),
    )
    .await;
    let first = rig.next_pod().await;
    rig.report(&first, surrogate).await;
    assert_eq!(rig.condition("Finished", "True").await, "TargetReached");
    assert_eq!(rig.condition("Succeeded", "True").await, "TargetReached");
    assert_eq!(rig.trials().await.len(), 1);
    operator.stop().await;
    // Finished is final, whatever the cluster lacks by now.
    let status = rig.experiment().await.status;
    let operator = rig.operator_with(Config { trainer_service_account: "gone".to_owned(), ..rig.config() });
    operator.has_looked().await;
    assert_eq!(stays(|| async { rig.experiment().await.status }).await, status);
    rig.close(operator).await;
}
