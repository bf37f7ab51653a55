//! The status of an experiment, out of the index and what its trials wait for. Pure.

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use nas_api::{
    objects::{
        BestEstimate, BestTrial, BudgetStatus, ConfirmStatus, FrontTrialStatus, NasExperiment, NasExperimentStatus, NasTrial,
        RungStatus, TrialCounts,
    },
    to_object, verdict,
};
use nas_search::{FrontTrial, Index, Outcome, Plan, Trial, best_estimate, front};

use super::{confirm::Confirming, search::Records};
use crate::{
    conditions::{Conditions, Kind, holds},
    events::Happened,
    trial::Waiting,
};

/// `best` lists this many.
const BEST: usize = 5;

/// `front` lists this many.
const FRONT: usize = 16;

/// What a status is made of, beside the experiment.
pub(crate) struct Inputs<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) index: &'a Index,
    /// The index of what is at work: the search, or its confirmation.
    pub(crate) at_work: &'a Index,
    pub(crate) accelerator_seconds: f64,
    /// Why the trial that was recorded last has no value, where it has none.
    pub(crate) failure: Option<Failure>,
    /// What keeps trials from training, one for each that waits.
    pub(crate) waiting: Vec<Waiting>,
    /// Nothing of the search is at work any more.
    pub(crate) is_quiet: bool,
    /// How the confirmation stands.
    pub(crate) confirming: &'a Confirming,
    pub(crate) now: Timestamp,
}

/// Why a trial has no value.
#[derive(Debug)]
pub(crate) struct Failure {
    outcome: Outcome,
    /// The trial, and the words of its trainer.
    said: String,
}

/// The status as it should be.
pub(crate) fn status(experiment: &NasExperiment, inputs: &Inputs<'_>) -> NasExperimentStatus {
    let Inputs { plan, index, accelerator_seconds, confirming, .. } = inputs;
    let mut status = experiment.status.clone().unwrap_or_default();
    status.observed_generation = experiment.metadata.generation;
    status.trials = Some(counts(index, plan));
    status.rungs = index
        .summaries(&plan.rungs)
        .map(|row| RungStatus {
            step: whole(row.step),
            running: whole(row.running),
            entries: whole(row.entries),
            promoted: whole(row.promoted),
            best: row.best.map(|(value, _)| value),
        })
        .collect();
    status.best = best(index, experiment);
    status.front = trade_offs(index, plan, experiment);
    status.best_estimate = best_estimate(plan, index).map(|best| BestEstimate {
        trial: NasTrial::name_of(experiment.metadata.name.as_deref().unwrap_or_default(), best.trial),
        rung: whole(best.rung),
        // Five digits: more than it knows would make every pass a write.
        value: format!("{:.4e}", best.value).parse().unwrap_or(best.value),
    });
    status.earlier_trials = (!experiment.warm_start().is_empty()).then(|| whole(plan.earlier.len()));
    if confirming.has_begun() {
        status.confirm.clone_from(&confirming.list);
    }
    status.budget = (experiment.accelerators_of_a_trial() > 0).then(|| BudgetStatus {
        confirm_gpu_hours: confirming.has_begun().then(|| hours(confirming.accelerator_seconds)),
        ..budget(index, plan, experiment, *accelerator_seconds)
    });
    let cleared = stall_cleared(experiment);
    if experiment.spec.suspend && inputs.at_work.is_stalled(cleared) {
        status.stall_cleared_seq = Some(whole(inputs.at_work.view().seq));
    }
    let mut list = std::mem::take(&mut status.conditions);
    let mut conditions = Conditions { list: &mut list, generation: experiment.metadata.generation, now: inputs.now };
    conditions.set(Kind::Accepted, true, "Valid", "the experiment is valid, and everything that it names is there");
    set_progress(&mut conditions, experiment, inputs);
    status.conditions = list;
    status
}

/// Outcomes up to this `decisionSeq` do not stall the search: a person has looked at them.
pub(crate) fn stall_cleared(experiment: &NasExperiment) -> u64 {
    let cleared = experiment.status.as_ref().and_then(|status| status.stall_cleared_seq);
    cleared.and_then(|seq| u64::try_from(seq).ok()).unwrap_or_default()
}

/// The search has ended for good: later edits change nothing.
pub(crate) fn is_finished(experiment: &NasExperiment) -> bool {
    experiment.status.as_ref().is_some_and(|status| holds(&status.conditions, Kind::Finished))
}

fn set_progress(conditions: &mut Conditions<'_>, experiment: &NasExperiment, inputs: &Inputs<'_>) {
    let spec = &experiment.spec;
    let stalled = inputs.at_work.is_stalled(stall_cleared(experiment));
    let confirming = inputs.confirming;
    let failure = if confirming.has_begun() { &confirming.failure } else { &inputs.failure };
    if stalled && !spec.suspend {
        let said = failure.as_ref().map_or("see status.segments of the last NasTrials", |failure| &failure.said);
        let message = format!(
            "three trials in a row were refused by their trainer ({said}); mend what it names, then set spec.suspend to true and back to false"
        );
        conditions.set(Kind::Stalled, true, "TrialsRefused", &message);
    } else {
        conditions.clear(Kind::Stalled);
    }
    let end = experiment.status.as_ref().and_then(|status| status.end.as_ref());
    if let Some(end) = end.filter(|_| confirming.is_over || !confirming.has_begun()) {
        let is_over = inputs.is_quiet && confirming.is_over;
        let (reason, message) =
            if is_over { ("Ended", "the search has ended") } else { ("Ending", "the last pods are being stopped") };
        conditions.set(Kind::Progressing, false, reason, message);
        if is_over {
            conditions.set(Kind::Succeeded, end.succeeded, &end.reason, &end.message);
            conditions.set(Kind::Finished, true, &end.reason, &end.message);
        }
        return;
    }
    let (reason, message) = if end.is_none() {
        ("Searching", "the search goes on")
    } else {
        ("Confirming", "the search has ended; its best trials are trained anew (status.confirm)")
    };
    conditions.set(Kind::Finished, false, reason, message);
    if spec.suspend {
        conditions.set(Kind::Progressing, false, "Suspended", "spec.suspend is true: set it to false to go on");
    } else if spec.parallel_trials == 0 {
        conditions.set(Kind::Progressing, false, "Paused", "spec.parallelTrials is 0: raise it to go on");
    } else if stalled {
        conditions.set(Kind::Progressing, false, "Stalled", "see the condition Stalled");
    } else if let Some(waiting) = inputs.waiting.iter().chain(&confirming.waiting).min() {
        conditions.set(Kind::Progressing, true, waiting.reason.as_str(), &waiting.message);
    } else if let Some((reason, message)) = failure.as_ref().and_then(Failure::told) {
        conditions.set(Kind::Progressing, true, reason, &message);
    } else if confirming.has_begun() {
        let sum = |count: fn(&ConfirmStatus) -> i64| confirming.list.iter().map(count).sum::<i64>();
        let (ended, all) = (sum(|at| at.done + at.failed), sum(|at| at.seeds));
        let message = format!("{ended} of {all} trainings of the best {} trials have ended", confirming.list.len());
        conditions.set(Kind::Progressing, true, "Confirming", &message);
    } else {
        conditions.set(Kind::Progressing, true, "Searching", "trials are training");
    }
}

impl Failure {
    /// Of the trial that was recorded last, after the `decisionSeq` `cleared`.
    pub(crate) fn last(records: &mut Records, plan: &Plan, cleared: u64) -> Option<Self> {
        let (number, recorded) = records.index(plan).last_recorded().filter(|(_, recorded)| recorded.seq > cleared)?;
        let outcome = recorded.outcome;
        let trial = records.roster.get(number)?;
        let segment = trial.status.as_ref()?.segments.last().filter(|_| !matches!(outcome, Outcome::Value(_)))?;
        Some(Self { outcome, said: format!("{}: {}", trial.name_any(), segment.message) })
    }

    /// As a reason of the condition Progressing, where somebody may have to do something about it.
    fn told(&self) -> Option<(&'static str, String)> {
        let Self { outcome, said } = self;
        match outcome {
            Outcome::Misconfigured => {
                let message =
                    format!("the last trial was refused by its trainer ({said}); after three in a row nothing new starts");
                Some(("TrialRefused", message))
            }
            Outcome::Failed => Some((
                "TrialFailed",
                format!(
                    "the last trial failed and counts as worst ({said}); spec.maxFailedTrials ends a search in which too many do"
                ),
            )),
            Outcome::OutOfMemory => Some((
                "TrialOutOfMemory",
                format!(
                    "the last trial ran out of memory and counts as worst ({said}); where many do, a new experiment needs more spec.trial.memory or a larger accelerator (spec.warmStart learns from this one)"
                ),
            )),
            Outcome::Value(_) | Outcome::Diverged | Outcome::Infeasible | Outcome::Cancelled => None,
        }
    }
}

/// What a new status tells that the old one did not.
pub(crate) fn transitions(experiment: &NasExperiment, wanted: &NasExperimentStatus) -> Vec<Happened> {
    let old = experiment.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let begins = |kind| !holds(old, kind) && holds(&wanted.conditions, kind);
    let message = |kind: &str| {
        let found = wanted.conditions.iter().find(|condition| condition.type_ == kind);
        found.map(|condition| condition.message.clone()).unwrap_or_default()
    };
    let mut happened = Vec::new();
    if begins(Kind::Accepted) {
        happened.push(Happened::Accepted);
    }
    if begins(Kind::Stalled) {
        happened.push(Happened::Stalled { message: message("Stalled") });
    }
    if begins(Kind::Finished) {
        if !wanted.confirm.is_empty() {
            let message = verdict(&wanted.confirm, experiment.spec.objective.direction.into());
            happened.push(Happened::Confirmed { message });
        }
        let best = wanted.best.first().map(|best| format!("; best: {} with {}", best.trial, best.value)).unwrap_or_default();
        happened.push(Happened::Finished { message: message("Finished") + &best });
    }
    happened
}

fn counts(index: &Index, plan: &Plan) -> TrialCounts {
    let mut counts = TrialCounts { created: whole(index.created()), running: whole(index.running()), ..TrialCounts::default() };
    let mut known = 0;
    for trial in index.trials() {
        known += 1;
        if trial.retired || trial.stopped {
            counts.retired += 1;
        }
        match trial.last().map(|last| (last.rung, last.outcome)) {
            Some((rung, Outcome::Value(_))) if rung == plan.rungs.top() => counts.completed += 1,
            None | Some((_, Outcome::Value(_))) => {}
            Some((_, Outcome::Infeasible)) => counts.infeasible += 1,
            Some((_, Outcome::Diverged)) => counts.diverged += 1,
            Some((_, Outcome::OutOfMemory)) => counts.out_of_memory += 1,
            Some((_, Outcome::Failed)) => counts.failed += 1,
            Some((_, Outcome::Misconfigured)) => counts.misconfigured += 1,
            Some((_, Outcome::Cancelled)) => counts.cancelled += 1,
        }
    }
    // A trial that a person deleted counts as cancelled.
    counts.cancelled += whole(index.created().saturating_sub(known));
    counts
}

fn best(index: &Index, experiment: &NasExperiment) -> Vec<BestTrial> {
    let name = experiment.metadata.name.as_deref().unwrap_or_default();
    let status = |(rung, value, trial): (usize, f64, &Trial)| BestTrial {
        trial: format!("{name}-{}", trial.number),
        rung: whole(rung),
        value,
        assignment: to_object(&trial.assignment),
    };
    index.best().take(BEST).map(status).collect()
}

fn trade_offs(index: &Index, plan: &Plan, experiment: &NasExperiment) -> Vec<FrontTrialStatus> {
    let name = experiment.metadata.name.as_deref().unwrap_or_default();
    let metrics = || plan.additional.iter().map(|objective| objective.metric.clone());
    let status = |at: FrontTrial| FrontTrialStatus {
        trial: format!("{name}-{}", at.trial),
        rung: whole(at.rung),
        value: at.value,
        additional: metrics().zip(at.additional.0).collect(),
    };
    front(plan, index, FRONT).into_iter().map(status).collect()
}

fn budget(index: &Index, plan: &Plan, experiment: &NasExperiment, accelerator_seconds: f64) -> BudgetStatus {
    let trained = index.steps_trained(&plan.rungs);
    let full = index.steps_in_full(&plan.rungs);
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
    let times = if trained == 0 { 1.0 } else { full as f64 / trained as f64 };
    let saved = (accelerator_seconds * (times - 1.0)).max(0.0);
    let limit = experiment.spec.budget.as_ref().and_then(|budget| budget.gpu_hours);
    BudgetStatus {
        gpu_hours: hours(accelerator_seconds),
        gpu_hours_left: limit.map(|limit| hours((limit * 3600.0 - accelerator_seconds).max(0.0))),
        gpu_hours_saved: hours(saved),
        confirm_gpu_hours: None,
    }
}

/// Hours in hundredths: what is finer is noise in an object that is compared before it is written.
fn hours(seconds: f64) -> f64 {
    (seconds / 36.0).round() / 100.0
}

fn whole<T: TryInto<i64>>(number: T) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use nas_api::read_experiment;

    use super::*;

    /// What the status says was spent, and what the budget leaves, where half an hour of two is charged.
    fn spent(trial: &str) -> Option<(f64, Option<f64>)> {
        let lines = format!("  budget: {{gpuHours: 2}}\n  trial:\n    {trial}\n");
        let text = include_str!("../../../configs/quickstart.yaml").replacen("  trial:\n", &lines, 1);
        let Ok(source) = read_experiment(&text) else { unreachable!("{trial}") };
        let index = Index::new(source.plan.direction, &source.plan.rungs);
        let inputs = Inputs {
            plan: &source.plan,
            index: &index,
            at_work: &index,
            accelerator_seconds: 1800.0,
            failure: None,
            waiting: Vec::new(),
            is_quiet: false,
            confirming: &Confirming::default(),
            now: Timestamp::default(),
        };
        status(&source.experiment, &inputs).budget.map(|budget| (budget.gpu_hours, budget.gpu_hours_left))
    }

    #[test]
    fn what_was_spent_of_accelerators_is_told_where_a_claim_brings_them_too() {
        let known = Some((0.5, Some(1.5)));
        assert_eq!(spent("accelerator: {count: 2}"), known);
        assert_eq!(spent("pod: {resourceClaims: [{name: gpu, resourceClaimTemplateName: a-part}]}"), known);
        assert_eq!(spent(""), None);
    }
}
