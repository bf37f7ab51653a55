//! How segments ended, and their times.

use k8s_openapi::{api::core::v1::Pod, jiff::Timestamp};
use nas_api::objects::SegmentOutcome;
use prometheus::{CounterVec, HistogramVec, IntCounterVec, exponential_buckets};

use super::{Metrics, register::Register};
use crate::{
    store::ExperimentKey,
    trial::{Account, Moments, TrialView},
};

pub(super) struct Segments {
    ended: IntCounterVec,
    accelerator_seconds: CounterVec,
    queue: HistogramVec,
    startup: HistogramVec,
    duration: HistogramVec,
}

impl Segments {
    pub(super) fn new(register: &mut Register) -> Result<Self, prometheus::Error> {
        let labels = ["namespace", "experiment", "outcome"];
        let ended = "Segments that ended, by what became of them: an outcome, or why another attempt follows.";
        let accelerator_seconds = "Time that segments held accelerators, by how they ended.";
        // Jobs wait for nodes and train for minutes to days: 1 s to 12 days.
        let buckets = exponential_buckets(1.0, 4.0, 11)?;
        let mut times = |name: &str, help: &str| register.histograms(name, help, &["namespace"], buckets.clone());
        Ok(Self {
            queue: times("nas_segment_queue_seconds", "Time from a segment's Job until its pod had a node.")?,
            startup: times("nas_segment_startup_seconds", "Time from a pod's node until its trainer ran.")?,
            duration: times("nas_segment_duration_seconds", "Time for which the trainer of a segment ran.")?,
            ended: register.counters("nas_segments_total", ended, &labels)?,
            accelerator_seconds: register.sums("nas_segment_accelerator_seconds_total", accelerator_seconds, &labels)?,
        })
    }
}

/// What is counted of a segment that has ended.
#[derive(Debug, PartialEq)]
pub(crate) struct SegmentEnd {
    outcome: SegmentOutcome,
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
        Some(Self { outcome: segment.outcome, accelerator_seconds: segment.accelerator_seconds, times })
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
    pub(crate) fn segment_ended(&self, key: &ExperimentKey, ended: SegmentEnd) {
        let SegmentEnd { outcome, accelerator_seconds, times } = ended;
        let labels = [key.namespace.as_str(), key.experiment.as_str(), outcome.name()];
        let segments = &self.0.segments;
        segments.ended.with_label_values(&labels).inc();
        segments.accelerator_seconds.with_label_values(&labels).inc_by(accelerator_seconds.max(0.0));
        let measured = [(&segments.queue, times.queue), (&segments.startup, times.startup), (&segments.duration, times.duration)];
        for (histogram, seconds) in measured.into_iter().filter_map(|(histogram, seconds)| Some((histogram, seconds?))) {
            histogram.with_label_values(&[&key.namespace]).observe(seconds);
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
