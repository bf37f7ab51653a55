//! The times of a segment that has ended.

use k8s_openapi::{api::core::v1::Pod, jiff::Timestamp};

use super::Metrics;
use crate::{
    store::Group,
    trial::{Account, Moments, TrialView},
};

/// What is counted of a segment that has ended.
#[derive(Debug, PartialEq)]
pub(crate) struct SegmentEnd {
    outcome: String,
    accelerator_seconds: f64,
    times: Times,
}

/// Seconds; `None`: nobody saw it.
#[derive(Debug, Default, PartialEq)]
struct Times {
    queue: Option<f64>,
    startup: Option<f64>,
    duration: Option<f64>,
}

impl SegmentEnd {
    /// What is to be counted once `account` is written; `None`: nothing has ended.
    pub(crate) fn of(view: &TrialView, account: &Account) -> Option<Self> {
        let (Account::Record { segment, .. } | Account::Note(segment)) = account else { return None };
        let created = view.job().and_then(|job| job.metadata.creation_timestamp.as_ref()).map(|time| time.0);
        // A Job's first pod waited longest; what came after it went on from a checkpoint.
        let first = view.segment_pods().min_by_key(|pod| pod.metadata.creation_timestamp.as_ref().map(|time| time.0));
        let times = first.map(|pod| times(pod, created)).unwrap_or_default();
        Some(Self { outcome: segment.outcome.clone(), accelerator_seconds: segment.accelerator_seconds, times })
    }
}

fn times(pod: &Pod, created: Option<Timestamp>) -> Times {
    let Moments { scheduled, started, ended } = Moments::of(pod);
    let between = |from: Option<Timestamp>, to: Option<Timestamp>| {
        let seconds = to?.duration_since(from?).as_secs_f64();
        // Clocks of nodes differ.
        (seconds >= 0.0).then_some(seconds)
    };
    Times { queue: between(created, scheduled), startup: between(scheduled, started), duration: between(started, ended) }
}

impl Metrics {
    /// A segment has ended, and that is written down.
    pub(crate) fn segment_ended(&self, group: &Group, ended: SegmentEnd) {
        let SegmentEnd { outcome, accelerator_seconds, times } = ended;
        let labels = [group.namespace.as_str(), group.experiment.as_str(), outcome.as_str()];
        self.0.segments.with_label_values(&labels).inc();
        self.0.segment_accelerator_seconds.with_label_values(&labels).inc_by(accelerator_seconds.max(0.0));
        let Times { queue, startup, duration } = times;
        let inner = &self.0;
        let measured = [
            (&inner.segment_queue_seconds, queue),
            (&inner.segment_startup_seconds, startup),
            (&inner.segment_seconds, duration),
        ];
        for (histogram, seconds) in measured.into_iter().filter_map(|(histogram, seconds)| Some((histogram, seconds?))) {
            histogram.with_label_values(&[&group.namespace]).observe(seconds);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_time_is_told_that_was_seen() {
        let at = |second: i64| Timestamp::from_second(second).unwrap_or_default();
        let pod: Pod = serde_json::from_value(json!({"status": {
            "conditions": [{"type": "PodScheduled", "status": "True", "lastTransitionTime": at(107)}],
            "containerStatuses": [{"name": "trainer", "image": "", "imageID": "", "ready": false, "restartCount": 0,
                "state": {"terminated": {"exitCode": 0, "startedAt": at(110), "finishedAt": at(170)}}}],
        }}))
        .unwrap_or_default();
        let seen = Times { queue: Some(7.0), startup: Some(3.0), duration: Some(60.0) };
        assert_eq!(times(&pod, Some(at(100))), seen);
        assert_eq!(times(&pod, Some(at(108))), Times { queue: None, ..seen }, "the clocks differ");
        assert_eq!(times(&Pod::default(), Some(at(100))), Times::default());
    }
}
