//! The decisions of a search, as a pure function of what is recorded.
//!
//! Promotion ASHA (Li et al. 2020, Algorithm 2): whenever a slot is free, the best trial of the highest rung that ranks among the
//! top `1 / eta` of its rung and was not promoted yet goes on; where there is none, a new trial is drawn.

use std::collections::BTreeSet;

use crate::{
    Assignment, Index, Plan, Sample, Sampler, Usage, View,
    random::trial_seed,
    reason::{Cutoff, End, Retirement},
    sample,
};

/// Something to do, with its reason. Recording it is up to the caller; once recorded, it is never decided again.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Create trial `number` and grant it rung 0.
    Create {
        /// The trial's number.
        number: u64,
        /// The seed that it trains with.
        seed: u64,
        /// Its configuration and how it was found.
        sample: Sample,
    },
    /// Grant a trial the next rung.
    Promote {
        /// The trial.
        trial: u64,
        /// The rung that is granted.
        rung: usize,
        /// What was seen.
        view: View,
        /// Why this one.
        reason: Cutoff,
    },
    /// A trial can never be promoted again: its checkpoints may go.
    Retire {
        /// The trial.
        trial: u64,
        /// What was seen.
        view: View,
        /// Why.
        reason: Retirement,
    },
    /// End the experiment.
    Finish {
        /// What was seen.
        view: View,
        /// Why.
        reason: End,
    },
}

/// Decides what to do now. Level-triggered: everything is in the index, and nothing that is recorded there is decided again.
///
/// The decisions stand in the order in which they have to be recorded. An empty list means: wait for an outcome.
pub fn decide(plan: &Plan, index: &Index, usage: &Usage) -> Vec<Decision> {
    let view = index.view();
    if let Some(reason) = end_by_limit(plan, index, usage) {
        return vec![Decision::Finish { view, reason }];
    }
    let mut decisions = grants(plan, index, usage, view);
    let granted: BTreeSet<u64> = decisions
        .iter()
        .filter_map(|decision| match decision {
            Decision::Promote { trial, .. } => Some(*trial),
            _ => None,
        })
        .collect();
    decisions.extend(retirements(plan, index, &granted, view));
    if paused(plan, index, usage) {
        decisions.retain(|decision| matches!(decision, Decision::Retire { .. }));
        return decisions;
    }
    let starts = decisions.iter().any(|decision| matches!(decision, Decision::Create { .. } | Decision::Promote { .. }));
    if !starts && index.running() == 0 && usage.held == 0 {
        let wants_more = counted(plan, index, 0) < plan.max_trials;
        let reason = if wants_more { End::SpaceExhausted } else { End::Completed };
        decisions.push(Decision::Finish { view, reason });
    }
    decisions
}

/// Trials that count towards `maxTrials`, with `new` ones that were just decided on. An infeasible one is replaced, unless it is the point
/// of a grid.
pub(crate) fn counted(plan: &Plan, index: &Index, new: u64) -> u64 {
    let replaced = if plan.sampler == Sampler::Random { index.infeasible() } else { 0 };
    index.created() + new - replaced
}

/// Whether nothing new may start, though the search has not ended.
fn paused(plan: &Plan, index: &Index, usage: &Usage) -> bool {
    usage.suspended || plan.parallel_trials == 0 || index.is_stalled(usage.stall_cleared)
}

fn end_by_limit(plan: &Plan, index: &Index, usage: &Usage) -> Option<End> {
    let spent = |used, limit: Option<_>| limit.is_some_and(|limit| used >= limit);
    if let Some(trial) = plan.target.and_then(|target| index.reached(target)) {
        return Some(End::TargetReached { trial });
    }
    if plan.max_failed_trials.is_some_and(|max| index.failed() > max) {
        return Some(End::TooManyFailed { failed: index.failed() });
    }
    if index.infeasible() > plan.max_infeasible_trials {
        return Some(End::TooManyInfeasible { infeasible: index.infeasible() });
    }
    if spent(usage.wall_clock, plan.budget.wall_clock) {
        return Some(End::WallClockSpent);
    }
    spent(usage.accelerator, plan.budget.accelerator).then_some(End::AcceleratorTimeSpent)
}

/// One grant for each free slot: promotions from the top rung downwards, then new trials.
fn grants(plan: &Plan, index: &Index, usage: &Usage, view: View) -> Vec<Decision> {
    let free = plan.parallel_trials.saturating_sub(index.running() + usage.held);
    if free == 0 || paused(plan, index, usage) {
        return Vec::new();
    }
    let mut grants: Vec<_> = promotions(plan, index, view).take(free).collect();
    let mut drawn: Vec<Assignment> = Vec::new();
    while grants.len() < free && counted(plan, index, drawn.len() as u64) < plan.max_trials {
        let number = index.created() + drawn.len() as u64;
        let distinct = index.distinct_assignments() + drawn.len();
        let Ok(sample) = sample(plan, number, distinct, |a| index.has_assignment(a) || drawn.contains(a)) else { break };
        drawn.push(sample.assignment.clone());
        grants.push(Decision::Create { number, seed: trial_seed(plan.seed, number), sample });
    }
    grants
}

/// All promotions that may be made now, in the order in which they are: from the top rung downwards, in each the best first.
pub(crate) fn promotions<'a>(plan: &'a Plan, index: &'a Index, view: View) -> impl Iterator<Item = Decision> + 'a {
    (0..plan.rungs.top()).rev().flat_map(move |rung| promotable(plan, index, rung, view))
}

/// The trials of a rung that may be promoted now, best first.
fn promotable<'a>(plan: &Plan, index: &'a Index, rung: usize, view: View) -> impl Iterator<Item = Decision> + 'a {
    let entries = index.entries(rung);
    let quota = plan.rungs.quota(entries);
    index.waiting(rung).take_while(move |(rank, _)| *rank < quota).map(move |(rank, trial)| Decision::Promote {
        trial,
        rung: rung + 1,
        view,
        reason: Cutoff {
            rung,
            rank: rank + 1,
            entries,
            quota,
            value: index.value_of_rank(rung, rank),
            cutoff: index.value_of_rank(rung, quota - 1),
        },
    })
}

/// Trials that at least floor(maxTrials / eta) others beat in their rung: no later result can bring them among the top `1 / eta`,
/// since a rung never holds more than maxTrials.
pub(crate) fn retirements(plan: &Plan, index: &Index, granted: &BTreeSet<u64>, view: View) -> Vec<Decision> {
    let quota = plan.rungs.quota(usize::try_from(plan.max_trials).unwrap_or(usize::MAX));
    let retire = |rung| {
        index.waiting(rung).rev().take_while(move |(rank, _)| *rank >= quota).map(move |(rank, trial)| Decision::Retire {
            trial,
            view,
            reason: Retirement { rung, better: rank, quota },
        })
    };
    (0..plan.rungs.top())
        .flat_map(retire)
        .filter(|decision| !matches!(decision, Decision::Retire { trial, .. } if granted.contains(trial)))
        .collect()
}
