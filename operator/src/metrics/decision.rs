//! How long what a pod's end brought waited for what was decided on it.

use std::{
    collections::HashMap,
    mem,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use k8s_openapi::api::core::v1::Pod;
use kube::{ResourceExt, runtime::watcher::Event};
use prometheus::{HistogramVec, exponential_buckets};

use super::{Metrics, register::Register};
use crate::{
    store::ExperimentKey,
    trial::{TrialView, is_terminal, run_of},
};

pub(super) struct Decision {
    heard: Mutex<Heard>,
    seconds: HistogramVec,
}

/// When it was heard first of each pod that has ended, by UID; as long as the pod is there.
#[derive(Default)]
struct Heard {
    ends: HashMap<String, Instant>,
    /// While the watch lists all pods anew: those that are there.
    listed: HashMap<String, Instant>,
}

impl Heard {
    fn take(&mut self, event: &Event<Pod>) {
        let ended = |pod: &Pod| pod.uid().filter(|_| is_terminal(pod) || run_of(pod).1.is_some());
        match event {
            Event::Apply(pod) => {
                if let Some(uid) = ended(pod) {
                    self.ends.entry(uid).or_insert_with(Instant::now);
                }
            }
            Event::Delete(pod) => drop(pod.uid().and_then(|uid| self.ends.remove(&uid))),
            Event::Init => self.listed.clear(),
            Event::InitApply(pod) => {
                if let Some(uid) = ended(pod) {
                    let at = self.ends.get(&uid).copied().unwrap_or_else(Instant::now);
                    self.listed.insert(uid, at);
                }
            }
            Event::InitDone => self.ends = mem::take(&mut self.listed),
        }
    }
}

impl Decision {
    pub(super) fn new(register: &mut Register) -> Result<Self, prometheus::Error> {
        let help = "Time from the news that a trial's pod has ended until what was decided on its outcome is written.";
        let buckets = exponential_buckets(0.002, 2.0, 15)?;
        let seconds = register.histograms("nas_decision_latency_seconds", help, &["namespace"], buckets)?;
        Ok(Self { heard: Mutex::default(), seconds })
    }
}

impl Metrics {
    /// Takes in what the watch of pods brings.
    pub(crate) fn heard(&self, event: &Event<Pod>) {
        self.0.decision.heard.lock().unwrap_or_else(PoisonError::into_inner).take(event);
    }

    /// Since when the end of a segment is known; `None`: no pod told it.
    pub(crate) fn known_since(&self, view: &TrialView) -> Option<Instant> {
        let heard = self.0.decision.heard.lock().unwrap_or_else(PoisonError::into_inner);
        view.segment_pods().filter_map(|pod| heard.ends.get(pod.metadata.uid.as_ref()?).copied()).max()
    }

    /// What was decided on outcomes that are known since then is written.
    pub(crate) fn decided_on(&self, key: &ExperimentKey, known: impl Iterator<Item = Instant>) {
        for since in known {
            self.0.decision.seconds.with_label_values(&[&key.namespace]).observe(since.elapsed().as_secs_f64());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(uid: &str, phase: &str) -> Pod {
        serde_json::from_value(json!({"metadata": {"uid": uid}, "status": {"phase": phase}})).unwrap_or_default()
    }

    #[test]
    fn an_end_is_known_since_it_was_heard_first_and_as_long_as_its_pod_is_there() {
        let mut heard = Heard::default();
        heard.take(&Event::Apply(pod("a", "Running")));
        assert!(heard.ends.is_empty(), "it has not ended");
        heard.take(&Event::Apply(pod("a", "Succeeded")));
        heard.take(&Event::Apply(pod("b", "Failed")));
        let first = heard.ends["a"];
        heard.take(&Event::Apply(pod("a", "Succeeded")));
        assert_eq!(heard.ends["a"], first);
        // The watch begins anew: `b` has gone meanwhile, `c` has ended.
        heard.take(&Event::Init);
        heard.take(&Event::InitApply(pod("a", "Succeeded")));
        heard.take(&Event::InitApply(pod("c", "Failed")));
        heard.take(&Event::InitApply(pod("d", "Pending")));
        heard.take(&Event::InitDone);
        assert_eq!(heard.ends["a"], first);
        assert_eq!((heard.ends.len(), heard.ends.contains_key("c")), (2, true));
        heard.take(&Event::Delete(pod("a", "Succeeded")));
        heard.take(&Event::Delete(pod("c", "Failed")));
        assert!(heard.ends.is_empty());
    }
}
