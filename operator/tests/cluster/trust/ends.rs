//! An end is written once, on everything that is there, and nothing is at work after it.

use http::Method;
use k8s_openapi::api::{batch::v1::Job, coordination::v1::Lease};
use kube::{
    ResourceExt,
    api::{DeleteParams, PostParams},
};
use nas_api::objects::NasTrial;
use nas_operator::Config;
use nas_testkit::eventually;

use super::lagging::Lag;
use crate::{
    between::Between,
    rig::{EXPERIMENT, Rig, surrogate},
};

fn single() -> String {
    let whole = EXPERIMENT.replace("scheduler: {asha: {eta: 2, rungs: [1, 2, 4]}}", "scheduler: {fullLength: {}}");
    whole.replace("maxTrials: 4", "maxTrials: 1")
}

#[tokio::test]
async fn a_leader_that_has_not_heard_of_a_grant_does_not_end_the_search() {
    let rig = Rig::new("unaware").await;
    let first = rig.operator();
    // The second waits for the lease. It knows no trial, and hears of none.
    let lag = Lag::of_trials();
    let second = lag.operator(&rig, Config { identity: "two".to_owned(), ..rig.config() });
    lag.holds().await;
    rig.create(&single()).await;
    let started = rig.next_pod().await;
    eventually("the experiment tells of its trial", || async {
        let counts = rig.experiment().await.status.unwrap_or_default().trials;
        if counts.is_some_and(|counts| counts.created == 1) { Ok(()) } else { Err(counts) }
    })
    .await;
    first.kill().await;
    rig.report(&started, surrogate).await;
    rig.namespace.api::<Lease>().delete("nas-operator", &DeleteParams::default()).await.unwrap();

    assert_eq!(rig.condition("Finished", "True").await, "Completed");
    assert_eq!(rig.trials().await[0].to_record().value_at(0), Some(surrogate(0, 0)), "what it reported counts");
    let status = rig.experiment().await.status.unwrap();
    assert_eq!((status.end.unwrap().view.count, status.best[0].value), (1, surrogate(0, 0)));
    lag.release();
    rig.close(second).await;
}

#[tokio::test]
async fn what_an_unaware_leader_grants_after_the_end_is_cancelled() {
    let rig = Rig::new("after-end").await;
    let operator = rig.operator();
    rig.create(&single()).await;
    let started = rig.next_pod().await;
    let job = rig.jobs().await.remove(0);
    rig.report(&started, surrogate).await;
    rig.condition("Finished", "True").await;
    let status = rig.experiment().await.status;

    // The other leader has seen neither the end nor the trial's.
    let mut trial = rig.trials().await.remove(0);
    trial.metadata.name = Some("small-1".to_owned());
    trial.metadata.resource_version = None;
    trial.spec.number = 1;
    trial.status = None;
    let trial = rig.namespace.api::<NasTrial>().create(&PostParams::default(), &trial).await.unwrap();
    rig.namespace.api().create(&PostParams::default(), &job_of(&trial, job)).await.unwrap();
    eventually("it is cancelled, and nothing of it is at work", || async {
        for pod in rig.pods().await {
            rig.kubelet.remove(&pod).await.ok();
        }
        let last = rig.trials().await[1].to_record().last().map(|last| last.outcome.name());
        let left = (last, rig.jobs().await.len(), rig.pods().await.len());
        if left == (Some("Cancelled"), 0, 0) { Ok(()) } else { Err(left) }
    })
    .await;
    assert_eq!(rig.experiment().await.status, status, "the end stays as it is");
    operator.stop().await;
}

/// The Job of another trial, as it would be made for this one.
fn job_of(trial: &NasTrial, mut job: Job) -> Job {
    let name = trial.name_any();
    job.metadata = kube::api::ObjectMeta {
        name: Some(format!("{name}-r0-a0")),
        labels: job.metadata.labels.map(|labels| with_name(labels, &name)),
        annotations: job.metadata.annotations,
        owner_references: kube::Resource::controller_owner_ref(trial, &()).map(|owner| vec![owner]),
        ..kube::api::ObjectMeta::default()
    };
    job.status = None;
    let spec = job.spec.as_mut().unwrap();
    spec.selector = None;
    let template = spec.template.metadata.as_mut().unwrap();
    template.labels = template.labels.take().map(|labels| with_name(labels, &name));
    job
}

/// The labels of a trial's Job, without those that the server adds.
fn with_name(mut labels: std::collections::BTreeMap<String, String>, trial: &str) -> std::collections::BTreeMap<String, String> {
    labels.retain(|label, _| !label.ends_with("controller-uid") && !label.ends_with("job-name"));
    labels.insert("nas-operator.dev/trial".to_owned(), trial.to_owned());
    labels
}

#[tokio::test]
async fn what_a_pod_reported_counts_though_it_is_gone_before_anybody_looked() {
    let rig = Rig::new("last-words").await;
    // A pass that takes so long that the next one finds neither the Job nor the pod.
    let lag =
        Lag::of(|request| request.method() == Method::PATCH && request.uri().path().ends_with("/nasexperiments/small/status"));
    let operator = lag.operator(&rig, rig.config());
    rig.create(&EXPERIMENT.replace("parallelTrials: 1", "parallelTrials: 2")).await;
    let [first, second] = rig.two_pods().await;
    lag.begin();
    rig.report(&first, surrogate).await;
    lag.holds().await;
    rig.report(&second, surrogate).await;
    let job = second.pod.labels()["batch.kubernetes.io/job-name"].clone();
    rig.namespace.api::<Job>().delete(&job, &DeleteParams::background()).await.unwrap();
    eventually("its pod is gone", || async {
        let pods = rig.pods().await;
        if pods.iter().all(|pod| pod.uid() != second.pod.uid()) { Ok(()) } else { Err(pods.len()) }
    })
    .await;
    lag.release();
    let rung = eventually("its segment is accounted for", || async {
        let trial = rig.trials().await.remove(1);
        let segments = trial.status.as_ref().map(|status| status.segments.clone()).unwrap_or_default();
        if segments.is_empty() { Err(trial.status) } else { Ok((segments[0].attempt, trial.to_record().value_at(0))) }
    })
    .await;
    assert_eq!(rung, (0, Some(surrogate(1, 0))));
    rig.close(operator).await;
}
