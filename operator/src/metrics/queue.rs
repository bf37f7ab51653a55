//! Experiments that something has touched and no pass has looked at yet: kube's runtime tells nobody of its queue.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use prometheus::{HistogramVec, IntGauge, exponential_buckets};

use super::{CONTROLLER, Metrics, register::Register};
use crate::store::ExperimentKey;

pub(super) struct Queue {
    /// Since when each waits.
    waiting: Mutex<HashMap<ExperimentKey, Instant>>,
    depth: IntGauge,
    seconds: HistogramVec,
    working: IntGauge,
    at_once: IntGauge,
}

/// A pass that is at work. It is also over where it is cancelled.
pub(crate) struct Working(IntGauge);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Queue {
    pub(super) fn new(register: &mut Register) -> Result<Self, prometheus::Error> {
        let help = "Time from an event until a pass looks at its experiment.";
        let buckets = exponential_buckets(0.001, 2.0, 14)?;
        let seconds = register.histograms("workqueue_queue_duration_seconds", help, &["name"], buckets)?;
        let mut gauge = |name: &str, help: &str, label: &str| {
            register.gauges(name, help, &[label])?.get_metric_with_label_values(&[CONTROLLER])
        };
        Ok(Self {
            waiting: Mutex::default(),
            depth: gauge("workqueue_depth", "Experiments that wait for a pass.", "name")?,
            seconds,
            working: gauge("controller_runtime_active_workers", "Passes that are at work.", "controller")?,
            at_once: gauge("controller_runtime_max_concurrent_reconciles", "Passes that may be at work at once.", "controller")?,
        })
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<ExperimentKey, Instant>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It does not wait any more; returns since when it did.
    pub(super) fn taken(&self, key: &ExperimentKey) -> Option<Instant> {
        let mut waiting = self.waiting();
        let since = waiting.remove(key);
        self.depth.set(i64::try_from(waiting.len()).unwrap_or(i64::MAX));
        since
    }
}

impl Metrics {
    /// So many passes may be at work at once.
    pub(crate) fn works_at_once(&self, passes: u16) {
        self.0.queue.at_once.set(passes.into());
    }

    /// Something has touched an experiment. What waits already waits no longer for it.
    pub(crate) fn queued(&self, key: &ExperimentKey) {
        let queue = &self.0.queue;
        let mut waiting = queue.waiting();
        waiting.entry(key.clone()).or_insert_with(Instant::now);
        queue.depth.set(i64::try_from(waiting.len()).unwrap_or(i64::MAX));
    }

    /// A pass looks at an experiment, as long as what this returns is there.
    pub(crate) fn takes(&self, key: &ExperimentKey) -> Working {
        let queue = &self.0.queue;
        if let Some(since) = queue.taken(key) {
            queue.seconds.with_label_values(&[CONTROLLER]).observe(since.elapsed().as_secs_f64());
        }
        queue.working.inc();
        Working(queue.working.clone())
    }
}
