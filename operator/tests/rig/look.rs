//! What a test sees of its namespace: objects, conditions, and that nothing more happens. Nothing is changed here.

use std::time::Duration;

use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::{ResourceExt, api::ListParams, core::DeserializeGuard};
use nas_api::objects::{NasExperiment, NasTrial};
use nas_testkit::eventually;

use super::Rig;

impl Rig {
    pub async fn experiment(&self) -> NasExperiment {
        self.namespace.api().get("small").await.unwrap()
    }

    /// The trials of the search, by number.
    pub async fn trials(&self) -> Vec<NasTrial> {
        self.trials_that(|trial| !trial.is_confirmation()).await
    }

    /// The trainings that confirm the best of them, by number.
    pub async fn trainings(&self) -> Vec<NasTrial> {
        self.trials_that(NasTrial::is_confirmation).await
    }

    async fn trials_that(&self, is_wanted: fn(&NasTrial) -> bool) -> Vec<NasTrial> {
        let found = self.namespace.api::<DeserializeGuard<NasTrial>>().list(&ListParams::default()).await.unwrap().items;
        // What only a newer version can read is none of ours.
        let mut trials: Vec<NasTrial> = found.into_iter().filter_map(|DeserializeGuard(trial)| trial.ok()).collect();
        trials.retain(is_wanted);
        trials.sort_by_key(|trial| trial.spec.number);
        trials
    }

    /// How the segments of a trial ended, in order.
    pub async fn segments(&self, number: usize) -> Vec<&'static str> {
        let status = self.trials().await[number].status.clone().unwrap_or_default();
        status.segments.into_iter().map(|segment| segment.outcome.name()).collect()
    }

    /// How many trials there are, also such as this version cannot read.
    pub async fn trials_unread(&self) -> usize {
        self.namespace.api::<NasTrial>().list_metadata(&ListParams::default()).await.unwrap().items.len()
    }

    pub async fn jobs(&self) -> Vec<Job> {
        self.namespace.api::<Job>().list(&ListParams::default()).await.unwrap().items
    }

    pub async fn pods(&self) -> Vec<Pod> {
        self.namespace.api::<Pod>().list(&ListParams::default()).await.unwrap().items
    }

    /// Waits until a condition of the experiment has this status; returns its reason.
    pub async fn condition(&self, kind: &str, status: &str) -> String {
        eventually(&format!("{kind}={status}"), || async {
            let experiment = self.experiment().await;
            let conditions = experiment.status.map(|status| status.conditions).unwrap_or_default();
            let found = conditions.iter().find(|condition| condition.type_ == kind && condition.status == status);
            match found {
                Some(found) => Ok(found.reason.clone()),
                None => Err((conditions, self.seen().await)),
            }
        })
        .await
    }

    /// Waits until the condition Progressing has this reason; returns its message.
    pub async fn progressing(&self, reason: &str) -> String {
        eventually(&format!("Progressing says {reason}"), || async {
            let conditions = self.experiment().await.status.unwrap_or_default().conditions;
            let found = conditions.iter().find(|condition| condition.type_ == "Progressing" && condition.reason == reason);
            found.map(|condition| condition.message.clone()).ok_or(conditions)
        })
        .await
    }

    pub async fn message(&self, kind: &str) -> String {
        let conditions = self.experiment().await.status.unwrap_or_default().conditions;
        conditions.into_iter().find(|condition| condition.type_ == kind).map(|condition| condition.message).unwrap_or_default()
    }

    /// What a person would look at first.
    pub async fn seen(&self) -> Vec<String> {
        let trials = [self.trials().await, self.trainings().await].concat();
        let trials = trials.iter().map(|trial| {
            let status = trial.status.clone().unwrap_or_default();
            format!(
                "{}: target {} attempt {} rungs {:?} segments {:?}",
                trial.name_any(),
                trial.spec.target_rung,
                trial.spec.attempt,
                status.rungs,
                status.segments
            )
        });
        let jobs = self.jobs().await;
        let jobs =
            jobs.iter().map(|job| format!("job {}: {:?}", job.name_any(), job.status.clone().unwrap_or_default().conditions));
        let pods = self.pods().await;
        let pods = pods.iter().map(|pod| {
            format!(
                "pod {}: {:?} {:?}",
                pod.name_any(),
                pod.status.clone().unwrap_or_default().phase,
                pod.metadata.deletion_timestamp
            )
        });
        trials.chain(jobs).chain(pods).collect()
    }
}

/// Nothing more happens: what `look` sees stays the same for a while. For asserting that something does *not* come, once what could bring it has been
/// seen by the operator.
///
/// Nothing says that an operator has nothing left to do: what its watches are to bring, and when it looks again by itself (a status a second after the
/// last, a failed pass after two), is in no queue.
pub async fn stays<T, R>(look: impl Fn() -> R) -> T
where
    T: PartialEq + std::fmt::Debug,
    R: Future<Output = T>,
{
    let before = look().await;
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(look().await, before);
    }
    before
}
