//! The order in which the trials of a rung go on: by value, by a model's estimates, or by all objectives.

use std::{
    cell::OnceCell,
    collections::{HashMap, HashSet},
};

use crate::{
    Index, Plan, Sampler,
    pareto::{Point, dominates, order, point},
    reason::{Cutoff, Ranked},
    sampler::estimates,
};

/// Where a trial of this rank (from 0) stands, and where the line is: by value, or by all objectives.
pub(super) fn cutoff(
    plan: &Plan,
    index: &Index,
    (bracket, rung): (usize, usize),
    (rank, trial): (usize, u64),
    quota: usize,
) -> Cutoff {
    let (entries, value) = (index.entries(bracket, rung), index.trial(trial).and_then(|trial| trial.value_at(rung)));
    let at = Cutoff { rung, rank: rank + 1, entries, quota, value, cutoff: None, by: Ranked::Front };
    if plan.additional.is_empty() {
        let cutoff = quota.checked_sub(1).and_then(|rank| index.value_of_rank(bracket, rung, rank));
        return Cutoff { cutoff, by: Ranked::Value, ..at };
    }
    at
}

/// The trials of a rung that may still go on, with their rank from 0, the best first: by value, or by all objectives.
pub(super) fn waiting<'a>(
    plan: &Plan,
    index: &'a Index,
    bracket: usize,
    rung: usize,
) -> Box<dyn Iterator<Item = (usize, u64)> + 'a> {
    if plan.additional.is_empty() {
        return Box::new(index.waiting(bracket, rung));
    }
    let waiting: HashSet<u64> = index.waiting(bracket, rung).map(|(_, number)| number).collect();
    let ranked = by_front(plan, index, rung, index.standing_in(bracket, rung)).into_iter().enumerate();
    Box::new(ranked.filter(move |(_, number)| waiting.contains(number)))
}

/// Trials of a rung in the order in which they go on; whoever has no value there comes last.
fn by_front(plan: &Plan, index: &Index, rung: usize, trials: impl Iterator<Item = u64>) -> Vec<u64> {
    let with_point = |number: u64| (number, index.trial(number).and_then(|trial| point(plan, trial, rung)));
    let (valued, without): (Vec<_>, Vec<_>) = trials.map(with_point).partition(|(_, point)| point.is_some());
    let points: Vec<Point> = valued.iter().filter_map(|(_, point)| *point).collect();
    order(&points).into_iter().map(|at| valued[at].0).chain(without.into_iter().map(|(number, _)| number)).collect()
}

/// What a model holds of each trial, asked for at most once in a decision.
pub(super) type Estimates = OnceCell<Option<HashMap<u64, f64>>>;

/// What the guided sampler's model holds of each trial, where it is what trials are ranked by.
pub(super) fn estimates_of(plan: &Plan, index: &Index) -> Option<HashMap<u64, f64>> {
    match &plan.sampler {
        Sampler::Guided(guided) if plan.scheduler.lets_a_model_rank() && plan.additional.is_empty() => {
            estimates(plan, guided, index)
        }
        _ => None,
    }
}

/// The trials of a rung, the best by a model's estimates first, each with where it stands.
pub(super) fn by_estimate(
    index: &Index,
    bracket: usize,
    rung: usize,
    quota: usize,
    estimates: &HashMap<u64, f64>,
) -> Vec<(u64, Cutoff)> {
    let estimate = |number: u64| estimates.get(&number).copied().unwrap_or(f64::NEG_INFINITY);
    let mut ranked: Vec<(f64, u64)> = index.standing_in(bracket, rung).map(|number| (estimate(number), number)).collect();
    ranked.sort_by(|(one, first), (other, second)| other.total_cmp(one).then(first.cmp(second)));
    let entries = ranked.len();
    let standing = |(rank, (_, number)): (usize, (f64, u64))| {
        let value = index.trial(number).and_then(|trial| trial.value_at(rung));
        (number, Cutoff { rung, rank: rank + 1, entries, quota, value, cutoff: None, by: Ranked::Estimate })
    };
    ranked.into_iter().enumerate().map(standing).collect()
}

/// Where a trial stands in a rung now, and where the line is; `None`: it does not stand there.
pub(crate) fn standing(plan: &Plan, index: &Index, trial: u64, rung: usize) -> Option<Cutoff> {
    let (bracket, mut rank) = index.rank_of(trial, rung)?;
    if !plan.additional.is_empty() {
        let ranked = by_front(plan, index, rung, index.standing_in(bracket, rung));
        rank = ranked.iter().position(|number| *number == trial)?;
    }
    let quota = plan.quota(index.entries(bracket, rung));
    Some(cutoff(plan, index, (bracket, rung), (rank, trial), quota))
}

/// Where a trial stands among those of its rung that may go on: by what they are ranked by now.
pub(crate) fn prospects(plan: &Plan, index: &Index, trial: u64, rung: usize) -> Option<Cutoff> {
    let (bracket, _) = index.rank_of(trial, rung)?;
    let Some(estimates) = estimates_of(plan, index) else { return standing(plan, index, trial, rung) };
    let ranked = by_estimate(index, bracket, rung, plan.quota(index.entries(bracket, rung)), &estimates);
    ranked.into_iter().find(|(number, _)| *number == trial).map(|(_, standing)| standing)
}

/// The waiting trials of a rung that at least so many others beat, with how many do: by value, or in no objective worse.
pub(super) fn beaten(plan: &Plan, index: &Index, bracket: usize, rung: usize, quota: usize) -> Vec<(usize, u64)> {
    if plan.additional.is_empty() {
        return index.waiting(bracket, rung).rev().take_while(|(rank, _)| *rank >= quota).collect();
    }
    let points_of = |number| index.trial(number).and_then(|trial| point(plan, trial, rung));
    let points: Vec<Point> = index.standing_in(bracket, rung).filter_map(points_of).collect();
    let dominators = |number: u64| {
        let own = points_of(number)?;
        let better = points.iter().filter(|other| dominates(other, &own)).count();
        (better >= quota).then_some((better, number))
    };
    // Who dominates a trial is no worse by the first objective: whoever ranks high enough there need not be compared.
    index.waiting(bracket, rung).filter(|(rank, _)| *rank >= quota).filter_map(|(_, number)| dominators(number)).collect()
}

/// The trials of a rung whose fate is not recorded yet, with where they stood when they arrived. The first of a rung always goes on.
pub(super) fn arrivals<'a>(
    plan: &'a Plan,
    index: &'a Index,
    bracket: usize,
    rung: usize,
) -> impl Iterator<Item = (u64, Cutoff)> + 'a {
    index.waiting(bracket, rung).map(move |(rank, trial)| {
        let (better, later) = index.arrived_after(bracket, rung, trial);
        let entries = index.entries(bracket, rung) - later;
        let quota = plan.quota(entries);
        let value = index.value_of_rank(bracket, rung, rank);
        let at = Cutoff { rung, rank: rank - better + 1, entries, quota, value, cutoff: None, by: Ranked::Value };
        if plan.additional.is_empty() {
            return (trial, at);
        }
        let own = index.arrival(trial, rung);
        let before = index.standing_in(bracket, rung).filter(|other| index.arrival(*other, rung) <= own);
        let rank = by_front(plan, index, rung, before).iter().position(|number| *number == trial);
        (trial, Cutoff { rank: rank.map_or(entries, |rank| rank + 1), by: Ranked::Front, ..at })
    })
}
