//! How training time is divided among trials: brackets, and who of a rung goes on.

mod brackets;
mod order;
mod pasha;
mod rules;

use std::collections::HashSet;

pub use brackets::Course;
use order::{Estimates, arrivals, beaten, by_estimate, cutoff, estimates_of, waiting};
pub(crate) use order::{prospects, standing};
pub use rules::{Brackets, Halving, Scheduler};

use crate::{
    Decision, GuidedSettings, Index, Plan, View,
    horizon::Horizon,
    reason::{Cutoff, Retirement},
    sampler::deep_trials,
};

/// The first `limit` promotions that may be made now: from the top rung downwards, in each bracket after bracket, the best first.
pub(crate) fn promotions(plan: &Plan, index: &Index, view: View, limit: usize) -> Vec<Decision> {
    let mut promotions = Vec::new();
    let estimates = Estimates::default();
    let horizon = Horizon::of(plan, index, view);
    for rung in (0..plan.rungs.top()).rev().filter(|rung| horizon.admits(plan, Some(*rung), rung + 1)) {
        for bracket in index.brackets() {
            let left = limit - promotions.len();
            let going_on = going_on(plan, index, (bracket, rung), horizon, &estimates).take(left);
            promotions.extend(going_on.map(|(trial, reason)| Decision::Promote { trial, rung: rung + 1, view, reason }));
        }
    }
    promotions
}

/// The trials of a rung that may go on now, best first.
fn going_on<'a>(
    plan: &'a Plan,
    index: &'a Index,
    (bracket, rung): (usize, usize),
    horizon: Horizon,
    estimates: &Estimates,
) -> Box<dyn Iterator<Item = (u64, Cutoff)> + 'a> {
    if plan.scheduler.judges_on_arrival() {
        return Box::new(arrivals(plan, index, bracket, rung).filter(|(_, standing)| standing.rank <= standing.quota));
    }
    let quota = quota_for_now(plan, index, (bracket, rung), horizon);
    let most = if horizon.opens(rung) { usize::MAX } else { patience(plan, index, bracket, rung) };
    if most == 0 || quota == 0 {
        return Box::new(std::iter::empty());
    }
    if let Some(estimates) = estimates.get_or_init(|| estimates_of(plan, index)) {
        let best = by_estimate(index, bracket, rung, quota, estimates).into_iter().take(quota);
        let waiting: HashSet<u64> = index.waiting(bracket, rung).map(|(_, number)| number).collect();
        return Box::new(best.filter(move |(number, _)| waiting.contains(number)).take(most));
    }
    let within = waiting(plan, index, bracket, rung).take_while(move |(rank, _)| *rank < quota);
    Box::new(within.take(most).map(move |(rank, trial)| (trial, cutoff(plan, index, (bracket, rung), (rank, trial), quota))))
}

/// How many trials of a rung go on by what has come to it so far, those included that have.
fn quota_for_now(plan: &Plan, index: &Index, (bracket, rung): (usize, usize), horizon: Horizon) -> usize {
    let entries = index.entries(bracket, rung);
    if plan.scheduler.is_synchronous() {
        return if is_complete(plan, index, bracket, rung) { plan.quota(entries) } else { 0 };
    }
    if rung >= plan.scheduler.top_rung(plan, index) {
        return 0;
    }
    if horizon.opens(rung) { entries } else { plan.quota(entries) }
}

/// How many more trials of a rung may go on for now.
///
/// A sampler that learns makes nearly every newcomer one of the best: plain ASHA would promote all of them and hardly ever ask it again. So
/// while there are trials to create, a rung waits for a few entries, and only so many of them go on in all.
pub(crate) fn patience(plan: &Plan, index: &Index, bracket: usize, rung: usize) -> usize {
    if !plan.sampler.learns() || plan.counted(index, 0) >= plan.max_trials || plan.scheduler.is_synchronous() {
        return usize::MAX;
    }
    let entries = index.entries(bracket, rung);
    let GuidedSettings { fewest, quota, .. } = plan.sampler.settings();
    let deep = deep_trials(plan);
    if index.standing_in(bracket, rung).filter(|number| *number >= deep).take(fewest).count() < fewest {
        return 0;
    }
    plan.rungs.quota(entries * quota / 100).saturating_sub(index.promoted(bracket, rung))
}

/// Trials that are stopped for good, since they were not among the best when they arrived.
pub(crate) fn stops(plan: &Plan, index: &Index, view: View) -> Vec<Decision> {
    if !plan.scheduler.judges_on_arrival() {
        return Vec::new();
    }
    let rungs = (0..plan.rungs.top()).flat_map(|rung| index.brackets().map(move |bracket| (bracket, rung)));
    let beaten = rungs.flat_map(|(bracket, rung)| arrivals(plan, index, bracket, rung)).filter(|(_, at)| at.rank > at.quota);
    beaten.map(|(trial, reason)| Decision::Stop { trial, view, reason }).collect()
}

/// Trials that can never be promoted any more: of an asynchronous scheduler those that at least floor(size / eta) others beat in their
/// rung, since a rung never holds more trials than its bracket; of a synchronous one those that a complete rung left behind. Where a model
/// ranks, the rule is the same, by values: a trial that so many beat is given up whatever a model may hold of it later.
pub(crate) fn retirements(plan: &Plan, index: &Index, view: View) -> Vec<Decision> {
    if plan.scheduler.judges_on_arrival() {
        return Vec::new();
    }
    let retire = |(bracket, rung): (usize, usize)| {
        let (quota, beaten): (usize, Vec<(usize, u64)>) = if plan.scheduler.is_synchronous() {
            if !is_complete(plan, index, bracket, rung) {
                return Vec::new();
            }
            let quota = plan.quota(index.entries(bracket, rung));
            (quota, waiting(plan, index, bracket, rung).filter(|(rank, _)| *rank >= quota).collect())
        } else {
            let quota = plan.quota(usize::try_from(plan.most_trials(bracket)).unwrap_or(usize::MAX));
            (quota, beaten(plan, index, bracket, rung, quota))
        };
        let retired = |(better, trial)| Decision::Retire { trial, view, reason: Retirement { rung, better, quota } };
        beaten.into_iter().map(retired).collect::<Vec<_>>()
    };
    let rungs = (0..plan.rungs.top()).flat_map(|rung| index.brackets().map(move |bracket| (bracket, rung)));
    rungs.flat_map(retire).collect()
}

/// Whether all trials of a bracket that will ever stand at a rung do: a trial that ended without a value keeps nobody waiting.
fn is_complete(plan: &Plan, index: &Index, bracket: usize, rung: usize) -> bool {
    let all_created = plan.counted(index, 0) >= plan.max_trials;
    let is_full = all_created || plan.counted_in(index, bracket) >= plan.hyperband_size(bracket);
    let is_left_behind = |lower: usize| {
        let quota = plan.quota(index.entries(bracket, lower));
        waiting(plan, index, bracket, lower).next().is_none_or(|(rank, _)| rank >= quota)
    };
    is_full && (0..=rung).all(|rung| index.running_towards(bracket, rung) == 0) && (0..rung).all(is_left_behind)
}

#[cfg(test)]
mod tests;
