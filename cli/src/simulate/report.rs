//! What simulated searches did, as data.

use nas_api::SourceFile;
use nas_search::{Assignment, Plan};
use nas_simulation::{Landscape, LandscapeError, Run, trajectory};
use serde::Serialize;

use super::{Arguments, fitted::Fitted};
use crate::table::unit;

/// Times at which repeated searches are compared, in mean full trainings.
const TIMES: [f64; 8] = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0];

/// All of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    pub(super) experiment: String,
    pub(super) curves: String,
    pub(super) about: String,
    /// What was taken to be so.
    pub(super) notes: Vec<String>,
    pub(super) metric: String,
    pub(super) unit: &'static str,
    pub(super) workers: usize,
    pub(super) startup_seconds: f64,
    pub(super) failures: f64,
    pub(super) full_training_seconds: f64,
    /// Means over several runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mean: Option<Means>,
    pub(super) runs: Vec<RunReport>,
}

/// One search.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RunReport {
    pub(super) seed: u64,
    pub(super) end: &'static str,
    pub(super) message: String,
    pub(super) wall_clock_hours: f64,
    pub(super) accelerator_hours: f64,
    /// Share of the workers' time in which they were held.
    pub(super) utilisation: f64,
    pub(super) trials: u64,
    pub(super) full_trainings: usize,
    pub(super) failed_attempts: u64,
    /// How many times as much training every trial in full would have taken.
    pub(super) saved_factor: f64,
    pub(super) rungs: Vec<RungReport>,
    /// Each time at which a better value than all before was seen, at whatever rung.
    pub(super) incumbents: Vec<IncumbentReport>,
    /// The best at the highest rung that has a result.
    pub(super) best: Option<BestReport>,
    /// Worth of the incumbent at each of `TIMES`.
    #[serde(skip)]
    standings: Vec<Option<f64>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RungReport {
    pub(super) step: u64,
    pub(super) results: usize,
    pub(super) promoted: usize,
    pub(super) best: Option<f64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct IncumbentReport {
    pub(super) seconds: f64,
    pub(super) trial: u64,
    pub(super) step: u64,
    pub(super) value: f64,
    /// After full training, without noise where that is known.
    pub(super) truth: f64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BestReport {
    pub(super) trial: u64,
    pub(super) step: u64,
    pub(super) value: f64,
    pub(super) truth: f64,
    pub(super) assignment: Assignment,
}

/// A mean and its standard error.
#[derive(Serialize, Clone, Copy)]
pub(super) struct Mean {
    pub(super) mean: f64,
    pub(super) error: f64,
}

/// Means over all runs; `None` where a run has no such number.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Means {
    pub(super) best: Option<Mean>,
    pub(super) truth: Option<Mean>,
    pub(super) trials: Mean,
    pub(super) full_trainings: Mean,
    pub(super) wall_clock_hours: Mean,
    pub(super) accelerator_hours: Mean,
    pub(super) utilisation: Mean,
    pub(super) saved_factor: Mean,
    pub(super) incumbents: Vec<StandingReport>,
}

/// Worth of the incumbents at one time.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StandingReport {
    pub(super) full_trainings: f64,
    pub(super) truth: Mean,
}

/// One search as a report.
pub(super) fn of_run(seed: u64, run: &Run, plan: &Plan, fitted: &Fitted, accelerators: u32) -> Result<RunReport, LandscapeError> {
    let truth = |trial: u64| run.index.trial(trial).map(|trial| fitted.truth(&trial.assignment)).transpose();
    let mut incumbents = Vec::new();
    for (event, value) in run.improvements(plan.direction) {
        let truth = truth(event.trial)?.unwrap_or(value);
        incumbents.push(IncumbentReport { seconds: event.seconds, trial: event.trial, step: event.step, value, truth });
    }
    let best = match run.index.incumbent().and_then(|best| Some((best, run.index.trial(best.trial)?))) {
        None => None,
        Some((best, trial)) => Some(BestReport {
            trial: best.trial,
            step: plan.rungs.steps()[best.rung],
            value: best.value,
            truth: fitted.truth(&trial.assignment)?,
            assignment: trial.assignment.clone(),
        }),
    };
    let grid: Vec<f64> = TIMES.map(|time| time * fitted.full_training_seconds()).into();
    let standings = trajectory(run, plan.direction, fitted, &grid)?;
    let rungs = run.index.summaries(&plan.rungs).map(|row| RungReport {
        step: row.step,
        results: row.entries,
        promoted: row.promoted,
        best: row.best.map(|(value, _)| value),
    });
    Ok(RunReport {
        seed,
        end: run.end.name(),
        message: run.end.to_string(),
        wall_clock_hours: run.seconds / 3600.0,
        accelerator_hours: run.held_seconds * f64::from(accelerators) / 3600.0,
        utilisation: run.utilisation(),
        trials: run.index.created(),
        full_trainings: run.full,
        failed_attempts: run.failed_attempts,
        saved_factor: saved_factor(run, plan),
        rungs: rungs.collect(),
        incumbents,
        best,
        standings: standings.into_iter().map(|standing| standing.map(|standing| standing.truth)).collect(),
    })
}

fn saved_factor(run: &Run, plan: &Plan) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
    let factor = run.index.steps_in_full(&plan.rungs) as f64 / run.index.steps_trained(&plan.rungs).max(1) as f64;
    factor
}

impl Report {
    /// All runs, with their means where there are several.
    pub(super) fn new(source: &SourceFile, fitted: &Fitted, arguments: &Arguments, runs: Vec<RunReport>) -> Self {
        let mut notes = fitted.notes().to_vec();
        if !source.experiment.warm_start().is_empty() {
            notes.push("spec.warmStart plays no part: nothing is known here of earlier experiments".to_owned());
        }
        Self {
            experiment: source.experiment.metadata.name.clone().unwrap_or_default(),
            curves: arguments.curves.clone(),
            about: fitted.about(),
            notes,
            metric: source.experiment.spec.objective.metric.clone(),
            unit: unit(source),
            workers: source.plan.parallel_trials,
            startup_seconds: arguments.startup,
            failures: arguments.failures,
            full_training_seconds: fitted.full_training_seconds(),
            mean: (runs.len() > 1).then(|| means(&runs, fitted.full_training_seconds())),
            runs,
        }
    }
}

fn means(runs: &[RunReport], unit: f64) -> Means {
    let of =
        |number: &dyn Fn(&RunReport) -> Option<f64>| runs.iter().map(number).collect::<Option<Vec<f64>>>().map(|all| mean(&all));
    let always = |number: &dyn Fn(&RunReport) -> f64| mean(&runs.iter().map(number).collect::<Vec<f64>>());
    let last = runs.iter().map(|run| run.wall_clock_hours * 3600.0).fold(0.0, f64::max);
    let incumbents = TIMES.into_iter().enumerate().filter(|(_, time)| time * unit <= last);
    Means {
        best: of(&|run| run.best.as_ref().map(|best| best.value)),
        truth: of(&|run| run.best.as_ref().map(|best| best.truth)),
        #[expect(clippy::cast_precision_loss, reason = "trials are few")]
        trials: always(&|run| run.trials as f64),
        #[expect(clippy::cast_precision_loss, reason = "trials are few")]
        full_trainings: always(&|run| run.full_trainings as f64),
        wall_clock_hours: always(&|run| run.wall_clock_hours),
        accelerator_hours: always(&|run| run.accelerator_hours),
        utilisation: always(&|run| run.utilisation),
        saved_factor: always(&|run| run.saved_factor),
        incumbents: incumbents
            .filter_map(|(at, time)| Some(StandingReport { full_trainings: time, truth: of(&|run| run.standings[at])? }))
            .collect(),
    }
}

fn mean(numbers: &[f64]) -> Mean {
    let count = f64::from(u32::try_from(numbers.len()).unwrap_or(u32::MAX));
    let mean = numbers.iter().sum::<f64>() / count;
    let squares: f64 = numbers.iter().map(|number| (number - mean) * (number - mean)).sum();
    Mean { mean, error: (squares / (count - 1.0).max(1.0) / count).sqrt() }
}

#[cfg(test)]
mod tests {
    use super::mean;

    #[test]
    fn the_standard_error_is_of_the_mean() {
        let found = mean(&[1.0, 2.0, 3.0, 4.0]);
        assert!((found.mean - 2.5).abs() < 1e-12 && (found.error - (5.0_f64 / 12.0).sqrt()).abs() < 1e-12);
        assert!(mean(&[7.0]).error.abs() < 1e-12);
    }
}
