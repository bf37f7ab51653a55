//! What a search spent, and what it had for it at any time.

use std::collections::BTreeMap;

use nas_api::objects::NasTrial;
use nas_search::{Index, Outcome};
use serde::Serialize;

use super::columns::count;
use crate::records::Records;

/// Totals.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Spent {
    /// Steps that were trained for results.
    pub(super) steps: u64,
    /// Steps that the full training of all trials would take.
    pub(super) full_steps: u64,
    /// Time that accelerators were held, or slots where trials hold none; in hours.
    pub(super) hours: f64,
    /// The same for the full training of all trials, at the mean speed of this search.
    pub(super) full_hours: Option<f64>,
    /// Whether trials hold accelerators.
    pub(super) accelerators: bool,
    /// Time from the beginning to the last result, as far as it is known.
    pub(super) wall_clock_hours: Option<f64>,
}

/// All results that are values, in the order in which they count: each list has one entry for each.
#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct Progress {
    pub(super) trial: Vec<u64>,
    pub(super) rung: Vec<usize>,
    pub(super) value: Vec<f64>,
    /// Steps that were trained until then.
    pub(super) steps: Vec<u64>,
    /// Seconds that were spent until then on what had come out; empty where nobody measured them.
    pub(super) seconds: Vec<f64>,
    /// Seconds since the beginning; empty where nobody wrote them down.
    pub(super) wall_clock: Vec<Option<f64>>,
}

impl Progress {
    pub(super) fn new(records: &Records, index: &Index) -> Self {
        let rungs = &records.source.plan.rungs;
        let costs: BTreeMap<u64, Vec<f64>> = records.trials.iter().map(|trial| (trial.number(), costs(trial))).collect();
        let mut outcomes: Vec<_> =
            index.trials().flat_map(|trial| trial.recorded.iter().map(|recorded| (trial.number, *recorded))).collect();
        outcomes.sort_by_key(|(number, recorded)| (recorded.seq, *number, recorded.rung));
        let mut progress = Self::default();
        let (mut steps, mut seconds) = (0, 0.0);
        for (number, recorded) in outcomes {
            seconds += costs.get(&number).and_then(|costs| costs.get(recorded.rung)).copied().unwrap_or_default();
            let Outcome::Value(value) = recorded.outcome else { continue };
            steps += rungs.increment(recorded.rung);
            progress.trial.push(number);
            progress.rung.push(recorded.rung);
            progress.value.push(value);
            progress.steps.push(steps);
            progress.seconds.push(tenths(seconds));
            progress.wall_clock.push(records.times.get(&recorded.seq).map(|seconds| tenths(*seconds)));
        }
        if seconds == 0.0 {
            progress.seconds.clear();
        }
        if progress.wall_clock.iter().all(Option::is_none) {
            progress.wall_clock.clear();
        }
        progress
    }
}

impl Spent {
    pub(super) fn new(records: &Records, index: &Index, progress: &Progress) -> Self {
        let rungs = &records.source.plan.rungs;
        let steps = index.steps_trained(rungs);
        let full_steps = index.steps_in_full(rungs);
        let seconds: f64 = records.trials.iter().map(NasTrial::accelerator_seconds).sum();
        let known = seconds > 0.0 && steps > 0;
        Self {
            steps,
            full_steps,
            hours: hours(seconds),
            full_hours: known.then(|| hours(seconds / count(steps) * count(full_steps))),
            accelerators: records.source.experiment.accelerators_of_a_trial() > 0,
            wall_clock_hours: progress.wall_clock.iter().rev().find_map(|at| *at).map(hours),
        }
    }
}

/// Seconds that each rung of a trial took, from rung 0: those of all processes that were to reach it, and of what came before it.
fn costs(trial: &NasTrial) -> Vec<f64> {
    let recorded = trial.status.as_ref().map_or(0, |status| status.rungs.len());
    let mut costs = vec![0.0; recorded];
    for segment in trial.segments() {
        let rung = usize::try_from(segment.rung).unwrap_or_default();
        // A process that was to go further than its trial came is what its last result cost.
        if let Some(cost) = costs.get_mut(rung.min(recorded.saturating_sub(1))) {
            *cost += segment.accelerator_seconds;
        }
    }
    costs
}

fn hours(seconds: f64) -> f64 {
    tenths(seconds) / 3600.0
}

/// To a tenth of a second: nobody sees more, and 10,000 trials need less space.
fn tenths(seconds: f64) -> f64 {
    (seconds * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use nas_api::{RungEnd, objects::RunSegment};
    use nas_search::{NewTrial, View};

    use super::*;

    #[test]
    fn a_rung_costs_what_its_processes_took() {
        let mut trial = NasTrial::create("small", &NewTrial::default(), View::default());
        let status = trial.status.get_or_insert_default();
        status.record(&[RungEnd::new(0, Outcome::Value(0.5)), RungEnd::new(1, Outcome::Value(0.6))], 0);
        for (rung, accelerator_seconds) in [(0, 1.0), (1, 2.0), (1, 4.0), (2, 8.0)] {
            status.note(RunSegment { rung, accelerator_seconds, ..RunSegment::default() });
        }
        // The last was to go to rung 2 and has not come there: it counts where the trial stands.
        assert_eq!(costs(&trial), [1.0, 14.0]);
        assert!((hours(3600.04) - 1.0).abs() < 1e-12);
    }
}
