//! How metrics come into the registry. Those of an experiment are remembered on the way, so that none can outlive it.

use std::collections::HashMap;

use prometheus::{
    CounterVec, Error, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry,
    core::{Collector, MetricVec, MetricVecBuilder},
};

use crate::store::ExperimentKey;

/// A metric with the label `experiment`.
pub(super) trait OfExperiment: Send + Sync {
    /// Removes the series of an experiment.
    fn forget(&self, key: &ExperimentKey);
}

impl<T: MetricVecBuilder> OfExperiment for MetricVec<T> {
    fn forget(&self, key: &ExperimentKey) {
        let wanted = [("namespace", key.namespace.as_str()), ("experiment", key.experiment.as_str())];
        for family in self.collect() {
            for metric in family.get_metric() {
                let labels: HashMap<&str, &str> = metric.get_label().iter().map(|pair| (pair.name(), pair.value())).collect();
                if wanted.iter().all(|(name, value)| labels.get(name) == Some(value)) {
                    // Who else removes it does the same.
                    let _ = self.remove(&labels);
                }
            }
        }
    }
}

/// Takes in metrics.
#[derive(Default)]
pub(super) struct Register {
    pub(super) registry: Registry,
    pub(super) of_experiment: Vec<Box<dyn OfExperiment>>,
}

impl Register {
    pub(super) fn counters(&mut self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, Error> {
        self.take(IntCounterVec::new(Opts::new(name, help), labels))
    }

    /// Counters of what comes in fractions.
    pub(super) fn sums(&mut self, name: &str, help: &str, labels: &[&str]) -> Result<CounterVec, Error> {
        self.take(CounterVec::new(Opts::new(name, help), labels))
    }

    pub(super) fn gauges(&mut self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, Error> {
        self.take(IntGaugeVec::new(Opts::new(name, help), labels))
    }

    /// Gauges of what has fractions.
    pub(super) fn values(&mut self, name: &str, help: &str, labels: &[&str]) -> Result<GaugeVec, Error> {
        self.take(GaugeVec::new(Opts::new(name, help), labels))
    }

    pub(super) fn histograms(
        &mut self,
        name: &str,
        help: &str,
        labels: &[&str],
        buckets: Vec<f64>,
    ) -> Result<HistogramVec, Error> {
        self.take(HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets), labels))
    }

    fn take<T: MetricVecBuilder + 'static>(&mut self, made: Result<MetricVec<T>, Error>) -> Result<MetricVec<T>, Error> {
        let metric = made?;
        self.registry.register(Box::new(metric.clone()))?;
        if metric.desc().iter().any(|desc| desc.variable_labels.iter().any(|label| label == "experiment")) {
            self.of_experiment.push(Box::new(metric.clone()));
        }
        Ok(metric)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_experiment_that_is_gone_has_no_series_of_any_kind() {
        let mut register = Register::default();
        let of_experiment = ["namespace", "experiment"];
        let counters = register.counters("a", "a", &["namespace", "experiment", "outcome"]).unwrap();
        let sums = register.sums("b", "b", &of_experiment).unwrap();
        let gauges = register.gauges("c", "c", &of_experiment).unwrap();
        let values = register.values("d", "d", &of_experiment).unwrap();
        let histograms = register.histograms("e", "e", &of_experiment, vec![1.0]).unwrap();
        let of_all = register.gauges("f", "f", &["namespace"]).unwrap();
        for (namespace, experiment) in [("one", "small"), ("one", "large"), ("other", "small")] {
            let labels = [namespace, experiment];
            for outcome in ["Value", "Failed"] {
                counters.with_label_values(&[namespace, experiment, outcome]).inc();
            }
            sums.with_label_values(&labels).inc();
            gauges.with_label_values(&labels).set(1);
            values.with_label_values(&labels).set(1.0);
            histograms.with_label_values(&labels).observe(1.0);
            of_all.with_label_values(&[namespace]).set(1);
        }
        let series = || -> Vec<usize> { register.registry.gather().iter().map(|family| family.get_metric().len()).collect() };
        assert_eq!(series(), [6, 3, 3, 3, 3, 2]);
        let gone = ExperimentKey { namespace: "one".into(), experiment: "small".into() };
        register.of_experiment.iter().for_each(|metric| metric.forget(&gone));
        assert_eq!(series(), [4, 2, 2, 2, 2, 2]);
        assert!(gauges.remove_label_values(&["one", "large"]).is_ok() && gauges.remove_label_values(&["other", "small"]).is_ok());
    }
}
