//! What a report shows, as data: computed from the records of a search, drawn by the page, known to neither.

use nas_api::{
    objects::{ConfirmStatus, EndStatus},
    verdict,
};
use nas_search::{Direction, Index};
use serde::Serialize;

use super::{
    columns::{Columns, ParameterColumn, parameters},
    configuration::Configuration,
    curves::Curve,
    decisions::Decisions,
    effects::{EffectGroup, effects},
    failures::{Cause, failures},
    front::front_of_size,
    spent::{Progress, Spent},
};
use crate::{
    records::Records,
    reproduce,
    table::{judged_by, unit},
};

/// All of it. Lists of trials and of results are kept by column: with 10,000 trials that is a third of the size.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReportData {
    /// Of this form; a reader that knows another number does not know this one.
    pub(super) version: u32,
    pub(super) name: String,
    pub(super) metric: String,
    pub(super) direction: Direction,
    pub(super) unit: &'static str,
    /// What was simulated, where nothing was trained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) simulated: Option<String>,
    /// Which images the values speak of.
    pub(super) judged_by: &'static str,
    pub(super) end: Option<EndStatus>,
    pub(super) created: u64,
    pub(super) max_trials: u64,
    pub(super) rungs: Vec<RungReport>,
    pub(super) spent: Spent,
    pub(super) best: Option<BestReport>,
    pub(super) confirm: Vec<ConfirmStatus>,
    /// What the confirmation says, once it has ended.
    pub(super) verdict: Option<String>,
    pub(super) trials: Columns,
    pub(super) parameters: Vec<ParameterColumn>,
    pub(super) progress: Progress,
    pub(super) curves: Vec<Curve>,
    pub(super) effects: Vec<EffectGroup>,
    /// Numbers of the trials than which none at the highest rung is both better and smaller.
    pub(super) front: Vec<u64>,
    pub(super) failures: Vec<Cause>,
    pub(super) decisions: Decisions,
    /// The experiment file that searches the same once more.
    pub(super) experiment: String,
}

/// One row of the table of rungs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RungReport {
    pub(super) step: u64,
    pub(super) running: usize,
    pub(super) entries: usize,
    pub(super) promoted: usize,
    pub(super) best: Option<f64>,
    pub(super) best_trial: Option<u64>,
}

/// The best trial.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BestReport {
    pub(super) trial: u64,
    pub(super) rung: usize,
    pub(super) step: u64,
    pub(super) value: f64,
    #[serde(flatten)]
    pub(super) configuration: Configuration,
}

impl ReportData {
    /// The report of a search, with the learning curves that were found for it.
    pub(crate) fn new(records: &Records, curves: Vec<Curve>) -> Self {
        let Records { source, trials, end, confirm, .. } = records;
        let (experiment, plan) = (&source.experiment, &source.plan);
        let index = records.index();
        let confirmed = !confirm.is_empty() && confirm.iter().all(|at| at.done + at.failed == at.seeds);
        let rungs = index.summaries(&plan.rungs).map(|row| RungReport {
            step: row.step,
            running: row.running,
            entries: row.entries,
            promoted: row.promoted,
            best: row.best.map(|(value, _)| value),
            best_trial: row.best.map(|(_, trial)| trial),
        });
        let columns = Columns::new(trials, &index, source, end.is_some());
        let parameters = parameters(&columns, &index, source);
        let progress = Progress::new(records, &index);
        Self {
            version: 1,
            name: experiment.metadata.name.clone().unwrap_or_default(),
            metric: experiment.spec.objective.metric.clone(),
            direction: plan.direction,
            unit: unit(source),
            judged_by: if records.simulated.is_some() { "recorded curves" } else { judged_by(source) },
            simulated: records.simulated.clone(),
            end: end.clone(),
            created: index.created(),
            max_trials: plan.max_trials,
            rungs: rungs.collect(),
            spent: Spent::new(records, &index, &progress),
            best: best(records, &index),
            confirm: confirm.clone(),
            verdict: confirmed.then(|| verdict(confirm, plan.direction)),
            front: front_of_size(&columns, plan.direction, plan.rungs.top()),
            effects: effects(&index, source),
            failures: failures(trials),
            decisions: Decisions::new(trials, end.as_ref()),
            experiment: reproduce::same_search(experiment),
            trials: columns,
            parameters,
            progress,
            curves,
        }
    }
}

fn best(records: &Records, index: &Index) -> Option<BestReport> {
    let incumbent = index.incumbent()?;
    Some(BestReport {
        trial: incumbent.trial,
        rung: incumbent.rung,
        step: records.source.plan.rungs.steps()[incumbent.rung],
        value: incumbent.value,
        configuration: Configuration::new(&index.trial(incumbent.trial)?.assignment, &records.source),
    })
}
