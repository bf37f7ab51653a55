//! Whatever is deleted, and in whatever order: the end is clean, and nothing waits for somebody who is gone.

use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{Namespace, Pod},
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use nas_api::objects::{NasExperiment, NasTrial};
use nas_testkit::eventually;
use serde_json::json;

use crate::rig::{EXPERIMENT, Operator, Rig, Started, surrogate};

/// A search with one trial that has ended and one that trains.
async fn search(rig: &Rig) -> (Operator, Started) {
    let operator = rig.operator();
    rig.create(EXPERIMENT).await;
    let first = rig.next_pod().await;
    rig.report(&first, surrogate).await;
    let second = rig.next_pod().await;
    assert_eq!(second.segment.trial_name, "small-1");
    let owned =
        rig.trials().await.into_iter().map(|trial| trial.metadata).chain(rig.jobs().await.into_iter().map(|job| job.metadata));
    for metadata in owned.chain([rig.experiment().await.metadata]) {
        assert_eq!(metadata.finalizers, None, "{:?}", metadata.name);
    }
    (operator, second)
}

/// Ends the pods that were told to, as their nodes do, until nothing of the search is left.
async fn nothing_is_left(rig: &Rig) {
    eventually("nothing is left", || async {
        for pod in rig.pods().await.iter().filter(|pod| pod.metadata.deletion_timestamp.is_some()) {
            rig.kubelet.remove(pod).await.ok();
        }
        let experiments = rig.namespace.api::<NasExperiment>().list(&ListParams::default()).await.unwrap().items;
        let left = (experiments.len(), rig.trials().await.len(), rig.jobs().await.len(), rig.pods().await.len());
        if left == (0, 0, 0, 0) { Ok(()) } else { Err((left, rig.pods().await)) }
    })
    .await;
}

#[tokio::test]
async fn an_experiment_takes_everything_with_it_whether_the_operator_is_there_or_not() {
    let rig = Rig::new("gone").await;
    for (parameters, present) in
        [(DeleteParams::background(), true), (DeleteParams::foreground(), true), (DeleteParams::background(), false)]
    {
        let (operator, _) = search(&rig).await;
        let running = if present {
            Some(operator)
        } else {
            operator.stop().await;
            None
        };
        rig.namespace.api::<NasExperiment>().delete("small", &parameters).await.unwrap();
        nothing_is_left(&rig).await;
        // The next of this name begins anew.
        if let Some(operator) = running {
            operator.stop().await;
        }
    }
}

#[tokio::test]
async fn what_a_pod_of_a_deleted_experiment_reports_is_not_taken_for_its_successors() {
    let rig = Rig::new("successor").await;
    let operator = rig.operator();
    rig.create(EXPERIMENT).await;
    let old = rig.next_pod().await;
    rig.namespace.api::<NasExperiment>().delete("small", &DeleteParams::background()).await.unwrap();
    eventually("its pod is told to stop", || async {
        let pods = rig.pods().await;
        if pods.iter().all(|pod| pod.metadata.deletion_timestamp.is_some()) { Ok(()) } else { Err(pods.len()) }
    })
    .await;
    // The old pod has one of its slots, and its first trial waits until that pod has gone.
    rig.create(&EXPERIMENT.replace("parallelTrials: 1", "parallelTrials: 2")).await;
    eventually("its first trial is there", || async {
        let trials = rig.trials().await;
        if trials.is_empty() { Err(rig.seen().await) } else { Ok(()) }
    })
    .await;
    rig.report(&old, |_, _| 0.99).await;
    let [new, other] = rig.two_pods().await;
    let names = [&new, &other].map(|pod| (pod.segment.trial_name.as_str(), pod.segment.attempt));
    assert_eq!(names, [("small-0", 0), ("small-1", 0)]);
    rig.report(&new, surrogate).await;
    let value = eventually("its value is recorded", || async {
        let trials = rig.trials().await;
        trials[0].to_record().value_at(0).ok_or(trials)
    })
    .await;
    assert_eq!(value, surrogate(0, 0));
    rig.close(operator).await;
}

#[tokio::test]
async fn trials_and_jobs_that_are_deleted_before_their_experiment_hold_up_nothing() {
    let rig = Rig::new("piecemeal").await;
    let (operator, second) = search(&rig).await;
    let background = DeleteParams::background();
    // The Job with its finalizer, the trial below it, the pod: each before what owns it.
    let job = rig.jobs().await[0].name_any();
    rig.namespace.api::<Job>().delete(&job, &DeleteParams::foreground()).await.unwrap();
    rig.namespace.api::<NasTrial>().delete("small-1", &background).await.unwrap();
    rig.namespace.api::<Pod>().delete(&second.pod.name_any(), &DeleteParams::default()).await.unwrap();
    rig.kubelet.remove(&second.pod).await.ok();
    let third = rig.next_pod().await;
    assert_eq!(third.segment.trial_name, "small-2", "what was deleted is not made again");
    // A trial in the foreground: its Job and pod go first.
    rig.namespace.api::<NasTrial>().delete("small-2", &DeleteParams::foreground()).await.unwrap();
    eventually("the pod is told to stop", || async {
        let pods = rig.pods().await;
        if pods.iter().any(|pod| pod.metadata.deletion_timestamp.is_some()) { Ok(()) } else { Err(pods.len()) }
    })
    .await;
    rig.kubelet.remove(&third.pod).await.unwrap();
    let fourth = rig.next_pod().await;
    assert_eq!(fourth.segment.trial_name, "small-3");
    // Everything at once, the owners last.
    rig.namespace.api::<Job>().delete_collection(&background, &ListParams::default()).await.unwrap();
    rig.namespace.api::<NasTrial>().delete_collection(&background, &ListParams::default()).await.unwrap();
    rig.namespace.api::<NasExperiment>().delete_collection(&background, &ListParams::default()).await.unwrap();
    nothing_is_left(&rig).await;
    operator.stop().await;
}

#[tokio::test]
async fn a_namespace_goes_with_a_search_in_it() {
    let rig = Rig::new("emptied").await;
    let (operator, _) = search(&rig).await;
    // A Job without pods: with them, Kubernetes lets a namespace go only half of their grace later, whatever they do.
    let job = rig.jobs().await[0].name_any();
    let suspend = Patch::Merge(json!({"spec": {"suspend": true}}));
    rig.namespace.api::<Job>().patch(&job, &PatchParams::default(), &suspend).await.unwrap();
    eventually("its pod is gone", || async {
        for pod in rig.pods().await.iter().filter(|pod| pod.metadata.deletion_timestamp.is_some()) {
            rig.kubelet.remove(pod).await.ok();
        }
        let running = rig.pods().await.into_iter().filter(|pod| pod.labels()["nas-operator.dev/trial"] == "small-1").count();
        if running == 0 { Ok(()) } else { Err(running) }
    })
    .await;
    let namespaces: Api<Namespace> = Api::all(rig.namespace.client.clone());
    namespaces.delete(&rig.namespace.name, &DeleteParams::default()).await.unwrap();
    eventually("the namespace is gone", || async {
        let left = namespaces.get_opt(&rig.namespace.name).await.unwrap();
        left.map_or(Ok(()), |namespace| Err(namespace.status))
    })
    .await;
    // Its lease went with it.
    operator.kill().await;
}
