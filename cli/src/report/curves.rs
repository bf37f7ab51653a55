//! The learning curves of the best trials, from the files that their trainers left, or as far as their records tell.

use std::{collections::BTreeMap, fs, path::Path};

use nas_api::{
    contract::checkpoint::{CURVE, attempt_of},
    objects::NasTrial,
};
use nas_search::Index;
use serde::{Deserialize, Serialize};

use super::columns::six_digits;
use crate::{records::Records, run::trial_folder};

/// Curves that are shown.
const SHOWN: usize = 24;

/// One of them: the metric by step.
#[derive(Serialize)]
pub(crate) struct Curve {
    pub(super) trial: u64,
    pub(super) points: Vec<(f64, f64)>,
}

/// A line of a trainer's file.
#[derive(Deserialize)]
struct Evaluation {
    step: f64,
    metrics: BTreeMap<String, Option<f64>>,
}

/// The curves of the trials that were trained longest, among those the best first.
pub(crate) fn of_the_best(records: &Records, index: &Index) -> Vec<Curve> {
    let trials: BTreeMap<u64, &NasTrial> = records.trials.iter().map(|trial| (trial.number(), trial)).collect();
    let best = index.best().filter_map(|(_, _, trial)| trials.get(&trial.number)).take(SHOWN);
    best.map(|trial| curve(records, trial)).collect()
}

/// The curve of a trial.
pub(crate) fn curve(records: &Records, trial: &NasTrial) -> Curve {
    let mut points = recorded(trial, records.source.plan.rungs.steps());
    points.extend(reported(trial));
    if let (Some(folder), Some(name)) = (&records.folder, &trial.metadata.name) {
        points.extend(written(&trial_folder(folder, name), &records.source.experiment.spec.objective.metric));
    }
    let points: Points = points.into_iter().collect();
    Curve {
        trial: trial.number(),
        points: points.into_iter().map(|(step, value)| (f64::from_bits(step), six_digits(value))).collect(),
    }
}

/// Values by the bits of their steps, which are in the order of the steps: none is negative.
type Points = BTreeMap<u64, f64>;

/// What its rungs recorded.
fn recorded(trial: &NasTrial, steps: &[u64]) -> Vec<(u64, f64)> {
    let rungs = trial.status.iter().flat_map(|status| &status.rungs);
    let point = |rung: i64, value: Option<f64>| {
        let step = steps.get(usize::try_from(rung).ok()?)?;
        Some((super::columns::count(*step).to_bits(), value?))
    };
    rungs.filter_map(|at| point(at.rung, at.value)).collect()
}

/// What its trainer reported while it trained.
fn reported(trial: &NasTrial) -> Vec<(u64, f64)> {
    let points = trial.status.iter().filter_map(|status| status.reported.as_ref()).flat_map(|reported| &reported.curve);
    points.filter(|point| point.step >= 0.0).map(|point| (point.step.to_bits(), point.value)).collect()
}

/// What its processes wrote into their folders, later ones over earlier ones. What cannot be read is not there: the records stand without it.
fn written(trial: &Path, metric: &str) -> Vec<(u64, f64)> {
    let Ok(entries) = fs::read_dir(trial) else { return Vec::new() };
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path().join(CURVE)).filter(|path| path.is_file()).collect();
    files.sort_by_key(|path| (path.parent().and_then(attempt_of), path.clone()));
    let texts = files.iter().filter_map(|path| fs::read_to_string(path).ok());
    texts.flat_map(|text| points(&text, metric)).collect()
}

fn points(text: &str, metric: &str) -> Vec<(u64, f64)> {
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Evaluation>(line).ok());
    let point = |line: Evaluation| Some((line.step, line.metrics.get(metric).copied()??));
    lines.filter_map(point).filter(|(step, _)| *step >= 0.0).map(|(step, value)| (step.to_bits(), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_cut_or_has_no_value_is_no_point() {
        let text = "{\"step\":2.5,\"metrics\":{\"accuracy\":0.25,\"loss\":1.0}}\n{\"step\":5.0,\"metrics\":{\"accuracy\":null}}\n\
                    {\"step\":7.5,\"metrics\":{\"loss\":2}}\n{\"step\":10,\"metr";
        assert_eq!(points(text, "accuracy"), [(2.5_f64.to_bits(), 0.25)]);
    }
}
