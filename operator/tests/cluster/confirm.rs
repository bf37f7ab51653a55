//! What follows a search that asks for it: its best configurations trained anew, on a real API server.

use std::collections::HashSet;

use crate::rig::{EXPERIMENT, Operator, Rig, Started, stays};
use k8s_openapi::api::{coordination::v1::Lease, events::v1::Event};
use kube::{
    ResourceExt,
    api::{DeleteParams, ListParams},
};
use nas_api::{
    contract::Validation,
    objects::{ConfirmStatus, NasTrial},
};
use nas_operator::Config;
use nas_testkit::eventually;
use serde_json::json;

/// Three trials in full, then the best two with two seeds each, twice as long.
fn experiment() -> String {
    EXPERIMENT
        .replace("scheduler: {asha: {eta: 2, rungs: [1, 2, 4]}}", "scheduler: {fullLength: {}}")
        .replace("maxTrials: 4", "maxTrials: 3\n  confirm: {topK: 2, seeds: 2, resource: 8}")
}

/// Trial 1 is the best of the search, then trial 2.
fn searched(number: u64, _: usize) -> f64 {
    [0.5, 0.7, 0.6][usize::try_from(number).unwrap()]
}

/// Runs the search to its end.
async fn search(rig: &Rig) {
    for _ in 0..3 {
        let started = rig.next_pod().await;
        rig.report(&started, searched).await;
    }
}

async fn confirm_status(rig: &Rig) -> Vec<ConfirmStatus> {
    rig.experiment().await.status.unwrap_or_default().confirm
}

/// An operator in the place of one that was killed: it need not wait for its lease.
async fn successor(rig: &Rig, identity: &str) -> Operator {
    rig.namespace.api::<Lease>().delete("nas-operator", &DeleteParams::default()).await.unwrap();
    rig.operator_with(Config { identity: identity.to_owned(), ..rig.config() })
}

/// The next pod, which must be that of this training.
async fn training(rig: &Rig, number: u64) -> Started {
    let started = rig.next_pod().await;
    assert_eq!(started.segment.trial_name, format!("small-confirm-{number}"));
    started
}

#[tokio::test]
async fn the_best_are_trained_anew_on_all_images_whoever_goes_on_with_it() {
    let rig = Rig::new("confirm").await;
    let operator = rig.operator();
    rig.create(&experiment()).await;
    for _ in 0..2 {
        let started = rig.next_pod().await;
        rig.report(&started, searched).await;
    }
    let last = rig.next_pod().await;
    // The last trial ends while nobody looks: another operator ends the search, and chooses.
    operator.kill().await;
    rig.report(&last, searched).await;
    let operator = successor(&rig, "two").await;

    let first = training(&rig, 0).await;
    let segment = &first.segment;
    assert_eq!((segment.validation, segment.target_step, segment.max_step), (Validation::Final, 8, 8));
    assert_eq!((segment.rung_steps.as_slice(), segment.target_rung), (&[8][..], 0));
    let trials = rig.trials().await;
    assert_eq!(segment.parameters, *trials[1].assignment());
    assert_eq!(rig.condition("Finished", "False").await, "Confirming");
    assert_eq!(rig.condition("Progressing", "True").await, "Confirming");
    let chosen: Vec<_> = confirm_status(&rig).await.into_iter().map(|at| (at.trial, at.search_value, at.seeds)).collect();
    assert_eq!(chosen, [("small-1".to_owned(), 0.7, 2), ("small-2".to_owned(), 0.6, 2)]);

    // Killed in the middle of a training, which ends meanwhile; the next one crashes and is tried again; one is out of memory.
    operator.kill().await;
    rig.report(&first, |_, _| 0.75).await;
    let operator = successor(&rig, "three").await;
    let second = training(&rig, 1).await;
    operator.kill().await;
    let operator = successor(&rig, "four").await;
    rig.end(&second, 0, "half a rep").await;
    let again = training(&rig, 1).await;
    assert_eq!(again.segment.attempt, 1);
    rig.report(&again, |_, _| 0.25).await;
    let third = training(&rig, 2).await;
    rig.report(&third, |_, _| 0.73).await;
    let fourth = training(&rig, 3).await;
    rig.end(&fourth, 71, "CUDA out of memory").await;
    assert_eq!(rig.condition("Finished", "True").await, "Completed");
    assert_eq!(rig.condition("Succeeded", "True").await, "Completed");

    let trainings = rig.trainings().await;
    let seeds: HashSet<i64> = trials.iter().chain(&trainings).map(|trial| trial.spec.seed).collect();
    assert_eq!((trainings.len(), seeds.len()), (4, 7), "no two trainings have the same seed");
    let status = rig.experiment().await.status.unwrap();
    let [best, second] = &status.confirm[..] else { panic!("{:?}", status.confirm) };
    assert_eq!((best.started, best.done, best.failed, best.values.as_slice()), (2, 2, 0, &[0.75, 0.73][..]));
    assert_eq!((best.mean, best.better_than.len()), (Some(0.74), 0));
    assert_eq!((second.done, second.failed, second.mean, second.standard_deviation), (1, 1, Some(0.25), None));
    // Nothing of the search has changed.
    let counts = status.trials.unwrap();
    assert_eq!((counts.created, counts.completed, counts.out_of_memory, counts.running), (3, 3, 0, 0));
    assert_eq!((status.rungs.len(), status.rungs[0].entries), (1, 3));
    assert_eq!((status.best[0].trial.as_str(), status.best[0].value), ("small-1", 0.7));
    let budget = status.budget.unwrap();
    assert_eq!((budget.gpu_hours, budget.confirm_gpu_hours), (0.05, Some(0.08)), "3 and 5 segments of a minute");
    assert!(rig.jobs().await.is_empty(), "finished Jobs are deleted");
    let events = eventually("the end is told", || async {
        let events = rig.namespace.api::<Event>().list(&ListParams::default()).await.unwrap().items;
        if events.iter().any(|event| event.reason.as_deref() == Some("Finished")) { Ok(events) } else { Err(events) }
    })
    .await;
    let told = |reason: &str| {
        let event = events.iter().find(|event| event.reason.as_deref() == Some(reason));
        event.and_then(|event| event.note.clone()).unwrap_or_default()
    };
    assert!(told("Confirming").contains("2 seeds: small-1, small-2"), "{}", told("Confirming"));
    assert!(told("Confirmed").contains("best mean: small-1 with 0.7400"), "{}", told("Confirmed"));
    assert!(told("Confirmed").contains("nothing can be said about the difference to small-2"), "{}", told("Confirmed"));
    rig.close(operator).await;
}

#[tokio::test]
async fn two_leaders_at_once_train_each_once() {
    let rig = Rig::new("confirm-leaders").await;
    rig.allow_any_lease().await;
    let [one, two] = ["one", "two"].map(|lease| {
        let identity = lease.to_owned();
        rig.operator_with(Config { lease_name: lease.to_owned(), identity, ..rig.config() })
    });
    rig.create(&experiment()).await;
    search(&rig).await;
    for number in 0..4 {
        let started = training(&rig, number).await;
        assert_eq!(started.segment.attempt, 0);
        // Those of small-1 are better beyond chance.
        rig.report(&started, |number, _| [0.90, 0.30, 0.91, 0.31][usize::try_from(number).unwrap()]).await;
    }
    assert_eq!(rig.condition("Finished", "True").await, "Completed");
    let better: Vec<_> = confirm_status(&rig).await.into_iter().map(|at| (at.values.len(), at.better_than)).collect();
    assert_eq!(better, [(2, vec!["small-2".to_owned()]), (2, Vec::new())]);
    assert!(rig.trainings().await.iter().all(|trial| trial.status.as_ref().unwrap().segments.len() == 1));
    one.stop().await;
    rig.close(two).await;
}

#[tokio::test]
async fn slots_and_suspend_are_heeded_and_what_a_person_deletes_is_not_made_again() {
    let rig = Rig::new("confirm-edits").await;
    let operator = rig.operator();
    rig.create(&experiment()).await;
    search(&rig).await;
    let first = training(&rig, 0).await;
    rig.edit(json!({"parallelTrials": 2})).await;
    let second = training(&rig, 1).await;
    rig.edit(json!({"suspend": true})).await;
    assert_eq!(rig.condition("Progressing", "False").await, "Suspended");
    eventually("the Jobs are gone", || async { if rig.jobs().await.is_empty() { Ok(()) } else { Err(()) } }).await;
    for started in [&first, &second] {
        rig.kubelet.remove(&started.pod).await.unwrap();
    }
    assert_eq!(stays(|| async { rig.jobs().await.len() }).await, 0);
    rig.edit(json!({"suspend": false, "parallelTrials": 1})).await;
    let again = training(&rig, 0).await;
    assert_eq!(again.segment.attempt, 1);
    assert_eq!(stays(|| async { rig.jobs().await.len() }).await, 1, "one slot");
    rig.report(&again, |_, _| 0.7).await;
    let again = training(&rig, 1).await;
    // Neither the configuration's trial nor a training of it is needed any more, as long as a copy is there.
    let trials = rig.namespace.api::<NasTrial>();
    trials.delete("small-2", &DeleteParams::background()).await.unwrap();
    rig.report(&again, |_, _| 0.6).await;
    let third = training(&rig, 2).await;
    trials.delete("small-confirm-2", &DeleteParams::background()).await.unwrap();
    eventually("the pod is told to stop", || async {
        let pods = rig.pods().await;
        let leaves =
            |name: &str| pods.iter().any(|pod| pod.name_any().starts_with(name) && pod.metadata.deletion_timestamp.is_some());
        if leaves("small-confirm-2") { Ok(()) } else { Err(pods.len()) }
    })
    .await;
    rig.kubelet.remove(&third.pod).await.unwrap();
    let last = training(&rig, 3).await;
    assert_eq!(last.segment.parameters, *rig.trainings().await[1].assignment());
    rig.report(&last, |_, _| 0.6).await;
    assert_eq!(rig.condition("Finished", "True").await, "Completed");
    let ended: Vec<_> = confirm_status(&rig).await.into_iter().map(|at| (at.started, at.done, at.failed)).collect();
    assert_eq!(ended, [(2, 1, 1), (2, 2, 0)]);
    rig.close(operator).await;
}

#[tokio::test]
async fn three_trainings_that_are_refused_wait_for_a_person() {
    let rig = Rig::new("confirm-stall").await;
    let operator = rig.operator();
    rig.create(&experiment()).await;
    search(&rig).await;
    for number in 0..3 {
        let started = training(&rig, number).await;
        rig.end(&started, 65, "data set cifar10: there are no test images").await;
    }
    assert_eq!(rig.condition("Stalled", "True").await, "TrialsRefused");
    assert!(rig.message("Stalled").await.contains("no test images"));
    assert_eq!(stays(|| async { rig.trainings().await.len() }).await, 3);
    rig.edit(json!({"suspend": true})).await;
    eventually("the operator has seen it", || async {
        let status = rig.experiment().await.status.unwrap();
        if status.stall_cleared_seq == Some(6) { Ok(()) } else { Err(status.stall_cleared_seq) }
    })
    .await;
    rig.edit(json!({"suspend": false})).await;
    let last = training(&rig, 3).await;
    rig.report(&last, |_, _| 0.6).await;
    assert_eq!(rig.condition("Finished", "True").await, "Completed");
    let ended: Vec<_> = confirm_status(&rig).await.into_iter().map(|at| (at.done, at.failed)).collect();
    assert_eq!(ended, [(0, 2), (1, 1)]);
    rig.close(operator).await;
}

#[tokio::test]
async fn a_search_without_a_value_has_nothing_to_confirm() {
    let rig = Rig::new("confirm-nothing").await;
    let operator = rig.operator();
    rig.create(&experiment()).await;
    for _ in 0..3 {
        let started = rig.next_pod().await;
        let diverged =
            r#"{"attempt":0,"seq":1,"step":4,"results":[{"rung":0,"outcome":"Diverged","message":"the loss is NaN"}]}"#;
        rig.end(&started, 0, diverged).await;
    }
    assert_eq!(rig.condition("Finished", "True").await, "Completed");
    assert!(confirm_status(&rig).await.is_empty() && rig.trainings().await.is_empty());
    rig.close(operator).await;
}
