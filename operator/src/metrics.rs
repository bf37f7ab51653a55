//! Prometheus metrics: controller-runtime's names for what every controller has, `nas_*` for what only this one has. No label names a
//! trial: a series for each would live for as long as Prometheus keeps it.

mod decision;
mod observed;
mod queue;
mod register;
mod segment;

use std::{sync::Arc, time::Duration};

use http::HeaderMap;
use k8s_openapi::jiff::Timestamp;
use prometheus::{Encoder, GaugeVec, HistogramVec, IntCounterVec, IntGaugeVec, Registry, TextEncoder, exponential_buckets};

use nas_api::objects::NasExperimentStatus;

pub(crate) use self::segment::SegmentEnd;
use self::{
    decision::Decision,
    observed::Observed,
    queue::Queue,
    register::{OfExperiment, Register},
    segment::Segments,
};
use crate::{server_clock::ServerClock, store::ExperimentKey};

/// All metrics of the operator, in a registry of their own.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    /// All that have the label `experiment`.
    of_experiment: Vec<Box<dyn OfExperiment>>,
    server_clock: ServerClock,
    clock_ahead: IntGaugeVec,
    requests: IntCounterVec,
    request_seconds: HistogramVec,
    reconciles: IntCounterVec,
    reconcile_errors: IntCounterVec,
    reconcile_seconds: HistogramVec,
    leader: IntGaugeVec,
    trials: IntGaugeVec,
    best: GaugeVec,
    decisions: IntCounterVec,
    outcomes: IntCounterVec,
    accelerator_seconds: GaugeVec,
    gpu_hours_left: GaugeVec,
    gpu_hours_saved: GaugeVec,
    segments: Segments,
    decision: Decision,
    queue: Queue,
    observed: Observed,
}

/// What all passes are of.
const CONTROLLER: &str = "nasexperiment";

const OF_EXPERIMENT: [&str; 2] = ["namespace", "experiment"];

impl Metrics {
    /// The metrics, all at zero.
    pub fn new() -> Result<Self, crate::Error> {
        let mut register = Register::default();
        let seconds = exponential_buckets(0.001, 2.0, 14)?;
        #[cfg(target_os = "linux")]
        register.registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        let build = register.gauges("nas_operator_build_info", "The version that runs; always 1.", &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let errors = register.counters(
            "controller_runtime_reconcile_errors_total",
            "Passes that ended with an error, by kind.",
            &["controller", "category"],
        )?;
        // There from the beginning: a counter that appears with its first error has not grown.
        for category in crate::Error::CATEGORIES {
            errors.with_label_values(&[CONTROLLER, category]);
        }
        Ok(Self(Arc::new(Inner {
            server_clock: ServerClock::default(),
            clock_ahead: register.gauges(
                "nas_operator_clock_ahead_seconds",
                "Seconds that the clock of the operator's node is ahead of the API server's; below 2 either way it is 0.",
                &[],
            )?,
            requests: register.counters("rest_client_requests_total", "Requests to the API server.", &["method", "code"])?,
            request_seconds: register.histograms(
                "rest_client_request_duration_seconds",
                "Time until the API server answered (for a watch: began to).",
                &["method"],
                seconds.clone(),
            )?,
            reconciles: register.counters(
                "controller_runtime_reconcile_total",
                "Passes over an experiment.",
                &["controller", "result"],
            )?,
            reconcile_errors: errors,
            reconcile_seconds: register.histograms(
                "controller_runtime_reconcile_time_seconds",
                "Duration of a pass.",
                &["controller"],
                seconds,
            )?,
            leader: register.gauges("leader_election_master_status", "1 where this replica holds the lease.", &["name"])?,
            trials: register.gauges(
                "nas_experiment_trials",
                "Trials of an experiment by state.",
                &["namespace", "experiment", "state"],
            )?,
            best: register.values(
                "nas_experiment_best_value",
                "The best value of the objective at the highest rung that has one.",
                &["namespace", "experiment", "metric"],
            )?,
            decisions: register.counters(
                "nas_decisions_total",
                "Decisions that were recorded.",
                &["namespace", "experiment", "decision"],
            )?,
            outcomes: register.counters(
                "nas_outcomes_total",
                "Recorded ends of rungs.",
                &["namespace", "experiment", "outcome"],
            )?,
            accelerator_seconds: register.values(
                "nas_experiment_accelerator_seconds",
                "Time that accelerators were held for an experiment, summed over them.",
                &OF_EXPERIMENT,
            )?,
            gpu_hours_left: register.values(
                "nas_experiment_gpu_hours_left",
                "Accelerator hours that an experiment's budget leaves.",
                &OF_EXPERIMENT,
            )?,
            gpu_hours_saved: register.values(
                "nas_experiment_gpu_hours_saved",
                "Accelerator hours that training every trial to full length would have cost on top.",
                &OF_EXPERIMENT,
            )?,
            segments: Segments::new(&mut register)?,
            decision: Decision::new(&mut register)?,
            queue: Queue::new(&mut register)?,
            observed: Observed::new(&mut register)?,
            of_experiment: register.of_experiment,
            registry: register.registry,
        })))
    }

    /// The text that Prometheus reads.
    pub fn text(&self) -> String {
        let mut text = Vec::new();
        // Encoding fails only on invalid names, which registration has refused.
        let _ = TextEncoder::new().encode(&self.0.registry.gather(), &mut text);
        String::from_utf8(text).unwrap_or_default()
    }

    pub(crate) fn requested(&self, method: &str, code: &str, took: Duration) {
        self.0.requests.with_label_values(&[method, code]).inc();
        self.0.request_seconds.with_label_values(&[method]).observe(took.as_secs_f64());
    }

    /// Takes in when an answer was given.
    pub(crate) fn answered(&self, headers: &HeaderMap) {
        if let Some(ahead) = self.0.server_clock.heard(headers, Timestamp::now()) {
            self.0.clock_ahead.with_label_values::<&str>(&[]).set(ahead);
        }
    }

    /// The time by the API server's clock.
    pub(crate) fn now(&self) -> Timestamp {
        self.0.server_clock.now()
    }

    pub(crate) fn reconciled(&self, result: &str, took: Duration) {
        self.0.reconciles.with_label_values(&[CONTROLLER, result]).inc();
        self.0.reconcile_seconds.with_label_values(&[CONTROLLER]).observe(took.as_secs_f64());
    }

    pub(crate) fn failed(&self, category: &str) {
        self.0.reconcile_errors.with_label_values(&[CONTROLLER, category]).inc();
    }

    pub(crate) fn leads(&self, name: &str, leads: bool) {
        self.0.leader.with_label_values(&[name]).set(leads.into());
        self.0.observed.leads(leads);
    }

    pub(crate) fn decided(&self, key: &ExperimentKey, decision: &str) {
        self.0.decisions.with_label_values(&[&key.namespace, &key.experiment, &decision.to_owned()]).inc();
    }

    pub(crate) fn recorded(&self, key: &ExperimentKey, outcome: &str) {
        self.0.outcomes.with_label_values(&[&key.namespace, &key.experiment, &outcome.to_owned()]).inc();
    }

    /// Where an experiment stands.
    pub(crate) fn stands(&self, key: &ExperimentKey, metric: &str, standing: &ExperimentStanding) {
        let ExperimentKey { namespace, experiment } = key;
        for (state, count) in standing.trials {
            self.0.trials.with_label_values(&[namespace, experiment, &state.to_owned()]).set(count);
        }
        if let Some(best) = standing.best {
            self.0.best.with_label_values(&[namespace, experiment, &metric.to_owned()]).set(best);
        }
        self.0.accelerator_seconds.with_label_values(&[namespace, experiment]).set(standing.accelerator_seconds);
        let hours = [(&self.0.gpu_hours_left, standing.gpu_hours_left), (&self.0.gpu_hours_saved, standing.gpu_hours_saved)];
        for (gauge, hours) in hours.into_iter().filter_map(|(gauge, hours)| Some((gauge, hours?))) {
            gauge.with_label_values(&[namespace, experiment]).set(hours);
        }
    }

    /// The experiment is gone: its series go, too.
    pub(crate) fn forget(&self, key: &ExperimentKey) {
        self.0.queue.taken(key);
        self.0.of_experiment.iter().for_each(|metric| metric.forget(key));
    }
}

/// What the gauges of an experiment show.
pub(crate) struct ExperimentStanding {
    pub(crate) trials: [(&'static str, i64); 10],
    pub(crate) best: Option<f64>,
    pub(crate) accelerator_seconds: f64,
    pub(crate) gpu_hours_left: Option<f64>,
    pub(crate) gpu_hours_saved: Option<f64>,
}

impl ExperimentStanding {
    /// The gauges of a status.
    pub(crate) fn of(status: &NasExperimentStatus, accelerator_seconds: f64) -> Self {
        let counts = status.trials.unwrap_or_default();
        Self {
            trials: [
                ("created", counts.created),
                ("running", counts.running),
                ("completed", counts.completed),
                ("retired", counts.retired),
                ("infeasible", counts.infeasible),
                ("diverged", counts.diverged),
                ("outOfMemory", counts.out_of_memory),
                ("failed", counts.failed),
                ("misconfigured", counts.misconfigured),
                ("cancelled", counts.cancelled),
            ],
            best: status.best.first().map(|best| best.value),
            accelerator_seconds,
            gpu_hours_left: status.budget.as_ref().and_then(|budget| budget.gpu_hours_left),
            gpu_hours_saved: status.budget.as_ref().map(|budget| budget.gpu_hours_saved),
        }
    }
}
