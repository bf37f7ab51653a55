//! How training time is divided among trials: brackets, and who of a rung goes on.

mod brackets;
mod order;
mod pasha;

use std::collections::HashSet;

pub use brackets::Course;
use order::{Estimates, arrivals, beaten, by_estimate, cutoff, estimates_of, waiting};
pub(crate) use order::{prospects, standing};
use pasha::top_rung;

use crate::{
    Decision, Index, Plan, Settings, View,
    horizon::Horizon,
    reason::{Cutoff, Retirement},
    sampler::deep_trials,
};

/// Which trials go on from a rung, and when that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheduler {
    /// Asynchronous successive halving (Li et al. 2020): the best `1 / eta` of each rung go on, as soon as a slot is free.
    Asha {
        /// When a trial's fate at a rung is sealed.
        kind: Halving,
        /// How many trials begin at which rung.
        brackets: Brackets,
    },
    /// Hyperband (Li et al. 2018): brackets of fixed sizes, one after the other; a rung's best `1 / eta` go on once all of its trials
    /// have ended.
    Hyperband,
    /// PASHA (Bohdal et al. 2023): ASHA whose top rung grows only while the ranking of the two top rungs is unstable.
    Progressive,
}

/// When a trial's fate at a rung is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halving {
    /// Never: a trial pauses, and goes on whenever it is among the best of those that have arrived by then.
    Promotion,
    /// On arrival: a trial goes on if it is among the best of those that arrived before it, and is stopped for good if not.
    Stopping,
}

/// How early trials are stopped. Brackets are compared each for itself; they share the slots and `maxTrials`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Brackets {
    /// One bracket: all trials begin at the lowest rung.
    Aggressive,
    /// Brackets that begin at each rung of the lower half.
    Standard,
    /// Brackets that begin at each rung: one trains all of its trials in full.
    Conservative,
}

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
    if is_stopping(plan) {
        return Box::new(arrivals(plan, index, bracket, rung).filter(|(_, standing)| standing.rank <= standing.quota));
    }
    let entries = index.entries(bracket, rung);
    let quota = match plan.scheduler {
        Scheduler::Hyperband if !is_complete(plan, index, bracket, rung) => 0,
        Scheduler::Progressive if rung >= top_rung(plan, index) => 0,
        Scheduler::Asha { .. } | Scheduler::Progressive if horizon.opens(rung) => entries,
        _ => plan.quota(entries),
    };
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

/// How many more trials of a rung may go on for now.
///
/// A sampler that learns makes nearly every newcomer one of the best: plain ASHA would promote all of them and hardly ever ask it again. So
/// while there are trials to create, a rung waits for a few entries, and only so many of them go on in all.
pub(crate) fn patience(plan: &Plan, index: &Index, bracket: usize, rung: usize) -> usize {
    if !plan.sampler.learns() || plan.counted(index, 0) >= plan.max_trials || plan.scheduler == Scheduler::Hyperband {
        return usize::MAX;
    }
    let entries = index.entries(bracket, rung);
    let Settings { fewest, quota, .. } = plan.sampler.settings();
    let deep = deep_trials(plan);
    if index.standing_in(bracket, rung).filter(|number| *number >= deep).take(fewest).count() < fewest {
        return 0;
    }
    plan.rungs.quota(entries * quota / 100).saturating_sub(index.promoted(bracket, rung))
}

/// Trials that are stopped for good, since they were not among the best when they arrived.
pub(crate) fn stops(plan: &Plan, index: &Index, view: View) -> Vec<Decision> {
    if !is_stopping(plan) {
        return Vec::new();
    }
    let rungs = (0..plan.rungs.top()).flat_map(|rung| index.brackets().map(move |bracket| (bracket, rung)));
    let beaten = rungs.flat_map(|(bracket, rung)| arrivals(plan, index, bracket, rung)).filter(|(_, at)| at.rank > at.quota);
    beaten.map(|(trial, reason)| Decision::Stop { trial, view, reason }).collect()
}

/// Trials that can never be promoted any more: of ASHA those that at least floor(size / eta) others beat in their rung, since a rung
/// never holds more trials than its bracket; of Hyperband those that a complete rung left behind. Where a model ranks, the rule is the same,
/// by values: a trial that so many beat is given up whatever a model may hold of it later.
pub(crate) fn retirements(plan: &Plan, index: &Index, view: View) -> Vec<Decision> {
    if is_stopping(plan) {
        return Vec::new();
    }
    let retire = |(bracket, rung): (usize, usize)| {
        let (quota, beaten): (usize, Vec<(usize, u64)>) = match plan.scheduler {
            Scheduler::Hyperband if is_complete(plan, index, bracket, rung) => {
                let quota = plan.quota(index.entries(bracket, rung));
                (quota, waiting(plan, index, bracket, rung).filter(|(rank, _)| *rank >= quota).collect())
            }
            Scheduler::Hyperband => (usize::MAX, Vec::new()),
            _ => {
                let quota = plan.quota(usize::try_from(plan.most_trials(bracket)).unwrap_or(usize::MAX));
                (quota, beaten(plan, index, bracket, rung, quota))
            }
        };
        let retired = |(better, trial)| Decision::Retire { trial, view, reason: Retirement { rung, better, quota } };
        beaten.into_iter().map(retired).collect::<Vec<_>>()
    };
    let rungs = (0..plan.rungs.top()).flat_map(|rung| index.brackets().map(move |bracket| (bracket, rung)));
    rungs.flat_map(retire).collect()
}

fn is_stopping(plan: &Plan) -> bool {
    matches!(plan.scheduler, Scheduler::Asha { kind: Halving::Stopping, .. })
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
