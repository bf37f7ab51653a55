//! Where new trials are compared first: how short a training still says something is read off trials that were not selected by it.
//!
//! The first few trials train to a deep rung at once and report on the way there. They give pairs of an early and a late value that no
//! comparison has filtered; the lowest rung whose values are in about the same order as the late ones is where others begin.

use super::fitted;
use crate::{
    Index, Plan, Sampler,
    sampler::{
        axes::{Axes, real},
        evidence::Seen,
        guided::features::Layout,
        weights::Weights,
    },
};

/// Trials that train to the deep rung at once.
const DEEP: u64 = 6;
/// Searches of fewer trials are not worth them.
const WORTHWHILE: u64 = 100;
/// A rung speaks where the rank correlation with the deep rung is at least this.
const SPEAKS: f64 = 0.3;
/// Before anything is known, trials are compared from this share of the full length on.
const SAFE: f64 = 1.0 / 27.0;
/// The deep rung is the one that is nearest, as a ratio, to this share of the full length.
const DEEP_SHARE: f64 = 1.0 / 3.0;

/// How many trials train to the deep rung at once.
pub(crate) fn deep_trials(plan: &Plan) -> u64 {
    if rungs(plan).is_some() { DEEP } else { 0 }
}

/// The rung at which trial `number` of a bracket is compared first.
pub(crate) fn first_rung(plan: &Plan, index: &Index, number: u64, bracket: usize) -> usize {
    learned_for(plan, index, number).unwrap_or_else(|| plan.first_rung(bracket))
}

/// What the data say; `None`: they have no say in it.
fn learned_for(plan: &Plan, index: &Index, number: u64) -> Option<usize> {
    let Sampler::Guided(guided) = &plan.sampler else { return None };
    let (safe, deep) = rungs(plan)?;
    if number < DEEP {
        return Some(deep);
    }
    if index.outcomes() < super::RANDOM_FIRST {
        return Some(safe);
    }
    let axes = Axes::new(&plan.space);
    let layout = Layout::new(&plan.space, axes.list(), guided.settings.counts);
    Some(fitted(plan, guided, index, (&axes, &layout), Weights::of_trial(plan, number)).first_rung)
}

/// The lowest rung that speaks, as far as trials that were not selected show.
pub(super) fn learned(plan: &Plan, seen: &[Seen]) -> usize {
    let Some((safe, deep)) = rungs(plan) else { return 0 };
    let is_pair = |trial: &&Seen| trial.first_rung >= deep && trial.values.get(deep).is_some_and(|value| value.is_finite());
    let unselected: Vec<&Seen> = seen.iter().filter(is_pair).collect();
    if (unselected.len() as u64) < DEEP {
        return safe;
    }
    let at = |rung: usize| -> Vec<f64> { unselected.iter().map(|trial| trial.values[rung]).collect() };
    let late = at(deep);
    (0..deep).find(|rung| correlation(&at(*rung), &late) >= SPEAKS).unwrap_or(deep - 1)
}

/// The safe and the deep rung, where both are above the lowest, and trials enough to learn from.
fn rungs(plan: &Plan) -> Option<(usize, usize)> {
    let (full, lower) = plan.rungs.steps().split_last()?;
    let distance = |rung: &usize| libm::fabs(libm::log(plan.rungs.share(*rung) / DEEP_SHARE));
    let deep = (0..lower.len()).min_by(|one, other| distance(one).total_cmp(&distance(other)))?;
    // 1 of 98 epochs is less than 1 / 27 of them, 3 are taken to be that.
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let safe = (0..lower.len()).find(|rung| lower[*rung] as f64 >= libm::floor(*full as f64 * SAFE))?;
    let asks = matches!(&plan.sampler, Sampler::Guided(guided) if guided.settings.learned_first_rung);
    let learns = asks && plan.scheduler.lets_first_rungs_be_learned() && plan.max_trials >= WORTHWHILE;
    (learns && safe > 0 && safe < deep).then_some((safe, deep))
}

/// Spearman's rank correlation; of equal values the earlier ranks lower.
fn correlation(one: &[f64], other: &[f64]) -> f64 {
    let ranks = |values: &[f64]| {
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
        let mut ranks = vec![0.0; values.len()];
        order.iter().enumerate().for_each(|(rank, at)| ranks[*at] = real(rank));
        ranks
    };
    let count = real(one.len());
    let squares: f64 = ranks(one).iter().zip(ranks(other)).map(|(a, b)| (a - b) * (a - b)).sum();
    1.0 - 6.0 * squares / (count * (count * count - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Brackets, Guided, Halving, Rungs, Scheduler, testing::plan};

    #[test]
    fn only_promotion_asha_without_brackets_lets_it_be_learned() {
        let learns = |kind, brackets| {
            let rungs = Rungs::explicit(vec![1, 3, 11, 33, 98], 3, 98, WORTHWHILE).unwrap();
            let sampler = Sampler::Guided(Guided::default());
            let plan = Plan { rungs, sampler, scheduler: Scheduler::Asha { kind, brackets }, ..plan(WORTHWHILE) };
            super::rungs(&plan).is_some()
        };
        assert!(learns(Halving::Promotion, Brackets::Aggressive));
        assert!(!learns(Halving::Promotion, Brackets::Standard));
        assert!(!learns(Halving::Stopping, Brackets::Aggressive));
    }

    #[test]
    fn a_correlation_is_of_ranks() {
        assert!((correlation(&[1.0, 2.0, 9.0], &[0.1, 0.2, 0.3]) - 1.0).abs() < 1e-12);
        assert!((correlation(&[1.0, 2.0, 9.0], &[3.0, 2.0, 1.0]) + 1.0).abs() < 1e-12);
        assert!((correlation(&[1.0, 2.0, 3.0, 4.0], &[2.0, 1.0, 4.0, 3.0]) - 0.6).abs() < 1e-12);
    }
}
