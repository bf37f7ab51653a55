//! A trial with its Jobs and pods, as one pass sees them.

use std::{sync::Arc, time::Duration};

use k8s_openapi::{
    api::{batch::v1::Job, core::v1::Pod},
    jiff::{SignedDuration, Timestamp, Unit},
};
use kube::ResourceExt;
use nas_api::objects::NasTrial;

use super::{
    end::{PodEnd, terminated, trainer},
    fetch,
    job::job_name,
};
use crate::labels;

/// The time of a pass, and how long it waits for what may never come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    pub(crate) now: Timestamp,
    /// A pod that should be gone for so long counts as given up.
    pub(crate) stuck_after: Duration,
    /// A Job's name that somebody else has had for so long is not waited for.
    pub(crate) name_taken_after: Duration,
}

impl Clock {
    /// How much time has passed since then.
    pub(crate) fn since(&self, at: Timestamp) -> Duration {
        Duration::try_from(self.now.duration_since(at)).unwrap_or_default()
    }

    /// Whether so much time has passed since then.
    fn is_past(&self, since: Timestamp, wait: Duration) -> bool {
        end_of(since, wait).is_some_and(|end| self.now >= end)
    }
}

pub(super) fn end_of(since: Timestamp, wait: Duration) -> Option<Timestamp> {
    since.checked_add(SignedDuration::try_from(wait).ok()?).ok()
}

/// A trial and everything in the cluster that belongs to it.
#[derive(Clone)]
pub(crate) struct TrialView {
    pub(crate) trial: Arc<NasTrial>,
    /// The Job of the present segment.
    job: Option<Arc<Job>>,
    other_jobs: Vec<Arc<Job>>,
    segment_pods: Vec<Arc<Pod>>,
    other_pods: Vec<Arc<Pod>>,
    /// Digest of the segment that was granted last.
    pub(crate) digest: Arc<str>,
    /// A Job of the present segment was seen before, in this life of the operator.
    pub(crate) job_was_seen: bool,
    /// When the present segment's Job began to have pods, as far as that was seen.
    pub(crate) job_started: Option<Timestamp>,
    /// Seconds for which pods of the present segment held their accelerators that were seen and are gone.
    pub(crate) vanished_seconds: f64,
    /// Since when a Job that is not ours is known to have the name of the present segment's.
    pub(crate) name_taken_since: Option<Timestamp>,
    /// The pods were read from the server, not only from the cache.
    pub(crate) pods_are_live: bool,
}

impl TrialView {
    pub(crate) fn new(trial: Arc<NasTrial>, jobs: Vec<Arc<Job>>, pods: Vec<Arc<Pod>>, digest: Arc<str>) -> Self {
        let mut view = Self {
            trial,
            job: None,
            other_jobs: Vec::new(),
            segment_pods: Vec::new(),
            other_pods: Vec::new(),
            digest,
            job_was_seen: false,
            job_started: None,
            vanished_seconds: 0.0,
            name_taken_since: None,
            pods_are_live: false,
        };
        view.set_jobs(jobs);
        view.set_pods(pods);
        view
    }

    pub(super) fn set_jobs(&mut self, jobs: Vec<Arc<Job>>) {
        let name = job_name(&self.trial);
        let (own, others) = jobs.into_iter().partition::<Vec<_>, _>(|job| job.name_any() == name);
        self.job = own.into_iter().next();
        self.other_jobs = others;
    }

    pub(super) fn set_pods(&mut self, pods: Vec<Arc<Pod>>) {
        let spec = &self.trial.spec;
        let wanted = [(labels::RUNG, spec.target_rung.to_string()), (labels::ATTEMPT, spec.attempt.to_string())];
        (self.segment_pods, self.other_pods) = pods.into_iter().partition(|pod| {
            let labels = pod.labels();
            wanted.iter().all(|(label, value)| labels.get(*label) == Some(value))
                // Pods of version 0.1 lack this label.
                && labels.get(labels::SEGMENT).is_none_or(|digest| **digest == *self.digest)
        });
    }

    /// The same with its pods as they were read from the server.
    pub(crate) fn with_live_pods(&self, pods: Vec<Arc<Pod>>) -> Self {
        let mut view = Self { pods_are_live: true, ..self.clone() };
        view.set_pods(pods);
        view
    }

    /// The Job of the present segment.
    pub(crate) fn job(&self) -> Option<&Job> {
        self.job.as_deref()
    }

    /// Jobs of other segments.
    pub(crate) fn other_jobs(&self) -> impl Iterator<Item = &Job> {
        self.other_jobs.iter().map(Arc::as_ref)
    }

    pub(crate) fn has_jobs(&self) -> bool {
        self.job.is_some() || !self.other_jobs.is_empty()
    }

    /// The pods of the present segment, also where their Job is gone. Not those of a trial of this name that was deleted before.
    pub(crate) fn segment_pods(&self) -> impl Iterator<Item = &Pod> {
        self.segment_pods.iter().map(Arc::as_ref)
    }

    /// The same, to be kept.
    pub(crate) fn shared_segment_pods(&self) -> impl Iterator<Item = &Arc<Pod>> {
        self.segment_pods.iter()
    }

    fn pods(&self) -> impl Iterator<Item = &Pod> {
        self.segment_pods().chain(self.other_pods.iter().map(Arc::as_ref))
    }

    /// Whether its present segment has yet to begin for the first time: its Job is not there, or its queue has let no pod of it start.
    pub(crate) fn is_queued(&self) -> bool {
        let waits = |job: &Job| job.spec.as_ref().and_then(|spec| spec.suspend) == Some(true);
        self.trial.running().is_some() && self.job_started.is_none() && self.job().is_none_or(waits)
    }

    /// Whether a process of this trial may still be at work somewhere.
    pub(crate) fn has_live_pods(&self, clock: &Clock) -> bool {
        self.pods().any(|pod| is_live(pod, clock))
    }

    /// Seconds for which the present segment has held one accelerator, and whether they are estimated: where nobody saw a pod, the time
    /// since its Job began.
    pub(crate) fn held_seconds(&self, now: Timestamp) -> (f64, bool) {
        let mut pods = self.segment_pods().peekable();
        match self.job_started {
            Some(started) if pods.peek().is_none() && self.vanished_seconds == 0.0 => (seconds_between(started, now), true),
            _ => (pods.map(|pod| held_seconds(pod, now)).sum::<f64>() + self.vanished_seconds, false),
        }
    }

    /// When the last pod of the present segment ended; `None`: nobody saw one end, or one may still be at work.
    pub(super) fn ended_at(&self) -> Option<Timestamp> {
        let mut last = None;
        for pod in self.segment_pods() {
            match PodEnd::of(pod) {
                Some(end) => last = last.max(end.finished_at()),
                None if is_terminal(pod) => {}
                None => return None,
            }
        }
        last
    }

    /// Whether a pod of the present segment has started.
    pub(crate) fn trains(&self) -> bool {
        self.segment_pods().any(|pod| pod.status.as_ref().is_some_and(|status| status.phase.as_deref() == Some("Running")))
    }

    /// Whether the present segment's end has been noted though nothing was recorded: it needs another attempt.
    pub(crate) fn is_noted(&self) -> bool {
        let spec = &self.trial.spec;
        let segments = self.trial.segments().iter();
        segments.filter(|segment| segment.rung == spec.target_rung).any(|segment| segment.attempt == spec.attempt)
    }

    /// Whether a person wants the present attempt to be given up for another one.
    pub(crate) fn is_retried(&self) -> bool {
        let asked = self.trial.annotations().get(labels::RETRY).and_then(|attempt| attempt.parse().ok());
        asked == Some(self.trial.spec.attempt)
    }

    /// Whether somebody else has had the name of the segment's Job for too long.
    pub(crate) fn gives_up_name(&self, clock: &Clock) -> bool {
        self.name_taken_since.is_some_and(|since| clock.is_past(since, clock.name_taken_after))
    }

    /// When the next wait will be over: for a pod that should be gone, for a name, or until a fetch is told about. One that is over already
    /// wakes nobody again.
    pub(crate) fn wakes_at(&self, clock: &Clock) -> Option<Timestamp> {
        let leaving = self.pods().filter(|pod| !is_terminal(pod)).filter_map(|pod| pod.metadata.deletion_timestamp.as_ref());
        let pods = leaving.filter_map(|time| end_of(time.0, clock.stuck_after));
        pods.chain(self.segment_pods().filter_map(fetch::told_at))
            .chain(self.name_taken_since.and_then(|since| end_of(since, clock.name_taken_after)))
            .filter(|end| *end > clock.now)
            .min()
    }
}

/// How long a pod held its accelerators: from the start of its container to its end, or until now. What comes before, such as the pull of
/// an image or the fetch of a data set, does not count.
pub(crate) fn held_seconds(pod: &Pod, now: Timestamp) -> f64 {
    let (start, end) = run_of(pod);
    let Some(start) = start else { return 0.0 };
    // Both are told by the clock of the pod's node. As long as there is no end: it did not begin before it was made, by the API server's clock.
    let made = || pod.metadata.creation_timestamp.as_ref().map_or(start, |time| time.0);
    end.map_or_else(|| seconds_between(start.max(made()), now), |end| seconds_between(start, end))
}

/// When a pod's trainer started and ended.
pub(crate) fn run_of(pod: &Pod) -> (Option<Timestamp>, Option<Timestamp>) {
    let end = terminated(pod);
    let running = || trainer(pod)?.running.as_ref()?.started_at.clone();
    let start = end.and_then(|end| end.started_at.clone()).or_else(running);
    (start.map(|time| time.0), end.and_then(|end| end.finished_at.as_ref()).map(|time| time.0))
}

fn seconds_between(start: Timestamp, end: Timestamp) -> f64 {
    end.since(start).ok().and_then(|span| span.total(Unit::Second).ok()).unwrap_or_default().max(0.0)
}

/// Whether the pod's container may still be at work.
pub(crate) fn is_live(pod: &Pod, clock: &Clock) -> bool {
    !is_terminal(pod) && !is_stuck(pod, clock)
}

/// Whether the pod's container has ended for good.
pub(crate) fn is_terminal(pod: &Pod) -> bool {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).is_some_and(|phase| matches!(phase, "Succeeded" | "Failed"))
}

/// Whether the pod was deleted so long ago that its node does not answer. (The timestamp is the end of its grace period.)
pub(crate) fn is_stuck(pod: &Pod, clock: &Clock) -> bool {
    !is_terminal(pod) && pod.metadata.deletion_timestamp.as_ref().is_some_and(|time| clock.is_past(time.0, clock.stuck_after))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
    use nas_search::{NewTrial, View};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_wait_that_is_over_wakes_nobody_again() {
        let at = |second| Timestamp::new(second, 0).unwrap_or_default();
        let trial = NasTrial::create("small", &NewTrial::default(), View::default());
        let metadata = ObjectMeta { deletion_timestamp: Some(Time(at(100))), ..ObjectMeta::default() };
        let pod = Pod { metadata, ..Pod::default() };
        let mut view = TrialView::new(Arc::new(trial), Vec::new(), vec![Arc::new(pod)], "".into());
        view.name_taken_since = Some(at(110));
        let wakes = |second| {
            let wait = Duration::from_secs(10);
            view.wakes_at(&Clock { now: at(second), stuck_after: wait, name_taken_after: wait })
        };
        assert_eq!(wakes(105), Some(at(110)));
        assert_eq!(wakes(110), Some(at(120)));
        assert_eq!(wakes(120), None);
    }

    #[test]
    fn a_node_whose_clock_is_behind_spends_no_more_than_there_was() {
        let at = |second: i64| Timestamp::from_second(second).unwrap_or_default();
        let held = |finished: Option<i64>| {
            let state = match finished {
                Some(end) => json!({"terminated": {"exitCode": 0, "startedAt": at(10), "finishedAt": at(end)}}),
                None => json!({"running": {"startedAt": at(10)}}),
            };
            let of = |name: &str, state| json!({"name": name, "state": state, "image": "", "imageID": "", "ready": false, "restartCount": 0});
            let sidecar = of("proxy", json!({"running": {"startedAt": at(1)}}));
            let status = json!({"phase": "Running", "containerStatuses": [sidecar, of(labels::CONTAINER, state)]});
            let pod = json!({"metadata": {"name": "pod", "creationTimestamp": at(100)}, "status": status});
            held_seconds(&serde_json::from_value(pod).unwrap_or_default(), at(130))
        };
        assert_eq!((held(None).to_bits(), held(Some(70)).to_bits()), (30_f64.to_bits(), 60_f64.to_bits()));
    }

    #[test]
    fn a_segment_ended_with_its_last_pod_once_none_is_at_work() {
        let at = |second: i64| Timestamp::from_second(second).unwrap_or_default();
        let pod = |phase: &str, ended: Option<i64>| -> Pod {
            let state = ended.map(|second| json!({"terminated": {"exitCode": 1, "finishedAt": at(second)}}));
            let container =
                json!({"name": labels::CONTAINER, "state": state, "image": "", "imageID": "", "ready": false, "restartCount": 0});
            let labels = json!({labels::RUNG: "0", labels::ATTEMPT: "0"});
            let pod = json!({"metadata": {"name": "pod", "labels": labels}, "status": {"phase": phase, "containerStatuses": [container]}});
            serde_json::from_value(pod).unwrap_or_default()
        };
        let ended = |pods: Vec<Pod>| {
            let trial = NasTrial::create("small", &NewTrial::default(), View::default());
            TrialView::new(Arc::new(trial), Vec::new(), pods.into_iter().map(Arc::new).collect(), "".into()).ended_at()
        };
        assert_eq!(ended(vec![pod("Failed", Some(50)), pod("Succeeded", Some(90))]), Some(at(90)));
        assert_eq!(ended(vec![pod("Failed", Some(50)), pod("Running", None)]), None, "one is at work");
        // An evicted pod has a phase and no end.
        assert_eq!(ended(vec![pod("Failed", None), pod("Succeeded", Some(90))]), Some(at(90)));
        assert_eq!((ended(vec![pod("Failed", None)]), ended(Vec::new())), (None, None));
    }
}
