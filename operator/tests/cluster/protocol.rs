//! Each step of the protocol between decisions, Jobs and pods, on a real API server.

use kube::{ResourceExt, api::DeleteParams};
use nas_operator::Config;
use nas_testkit::{ENDED, eventually};
use serde_json::json;

use crate::rig::{EXPERIMENT, Rig, Started, stays, surrogate};

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
    assert_eq!(rig.segments(0).await, ["Crashed", "Crashed", "Crashed", "Crashed", "Failed"]);
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
    assert_eq!(rig.segments(0).await, ["Lost"]);
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
    assert_eq!(rig.segments(0).await, ["Value"]);
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
