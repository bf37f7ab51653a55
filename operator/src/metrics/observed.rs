//! What a scrape reads out of the caches: it is as they are then, and what is gone has no series.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use prometheus::{GaugeVec, IntGaugeVec};

use super::{Metrics, register::Register};
use crate::{store::ExperimentKey, world::World};

pub(super) struct Observed {
    /// One scrape at a time: each clears what the last one has set.
    scraped: Mutex<()>,
    /// Other replicas see the same, and would tell it a second time.
    leads: AtomicBool,
    conditions: IntGaugeVec,
    rungs: IntGaugeVec,
    rung_best: GaugeVec,
    pods: IntGaugeVec,
}

impl Observed {
    pub(super) fn new(register: &mut Register) -> Result<Self, prometheus::Error> {
        Ok(Self {
            scraped: Mutex::default(),
            leads: AtomicBool::default(),
            conditions: register.gauges(
                "nas_experiment_condition",
                "1 for each condition of an experiment, and the status and reason that it has.",
                &["namespace", "experiment", "type", "status", "reason"],
            )?,
            rungs: register.gauges(
                "nas_experiment_rung_trials",
                "Trials at a rung: running (towards it), entries (with an outcome) and promoted (from it).",
                &["namespace", "experiment", "rung", "state"],
            )?,
            rung_best: register.values(
                "nas_experiment_rung_best_value",
                "The best value of the objective at a rung.",
                &["namespace", "experiment", "rung"],
            )?,
            pods: register.gauges(
                "nas_experiment_pods",
                "Pods of an experiment that have not ended, by phase.",
                &["namespace", "experiment", "phase"],
            )?,
        })
    }

    pub(super) fn leads(&self, leads: bool) {
        self.leads.store(leads, Ordering::Relaxed);
    }

    fn read(&self, world: &World) {
        self.conditions.reset();
        self.rungs.reset();
        self.rung_best.reset();
        self.pods.reset();
        if self.leads.load(Ordering::Relaxed) {
            for key in world.experiments.groups() {
                self.read_experiment(world, &key);
            }
        }
    }

    fn read_experiment(&self, world: &World, key: &ExperimentKey) {
        let Some(experiment) = world.experiments.get(key, &key.experiment) else { return };
        let (namespace, name) = (key.namespace.as_str(), key.experiment.as_str());
        let status = experiment.status.clone().unwrap_or_default();
        for condition in &status.conditions {
            let labels = [namespace, name, &condition.type_, &condition.status, &condition.reason];
            self.conditions.with_label_values(&labels).set(1);
        }
        for (rung, row) in status.rungs.iter().enumerate() {
            let rung = rung.to_string();
            for (state, count) in [("running", row.running), ("entries", row.entries), ("promoted", row.promoted)] {
                self.rungs.with_label_values(&[namespace, name, &rung, state]).set(count);
            }
            if let Some(best) = row.best {
                self.rung_best.with_label_values(&[namespace, name, &rung]).set(best);
            }
        }
        let pods = world.pods.of(key);
        for phase in ["Pending", "Running"] {
            let is_in = |status: &k8s_openapi::api::core::v1::PodStatus| status.phase.as_deref().unwrap_or("Pending") == phase;
            let count = pods.iter().filter(|pod| pod.status.as_ref().is_some_and(is_in)).count();
            self.pods.with_label_values(&[namespace, name, phase]).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }
}

impl Metrics {
    /// The text that Prometheus reads, with what the caches hold now.
    pub(crate) fn scrape(&self, world: &World) -> String {
        let observed = &self.0.observed;
        let _one = observed.scraped.lock().unwrap_or_else(PoisonError::into_inner);
        observed.read(world);
        self.text()
    }
}
