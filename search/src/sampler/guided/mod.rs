//! The guided sampler: a linear model of all rungs, and a search in the space for what it holds for best.
//!
//! It also says which trials of a rung go on (the model smooths the noise of short trainings), and at which rung new trials are compared
//! first (where curves cross, short trainings mislead, and the data show it). Each of these is a function of the seed, the trial's number
//! and the records in their order. The model is fitted anew only after a few more outcomes, so that a proposal costs a millisecond.

mod chain;
mod features;
mod first_rung;
mod linear;
mod pool;
mod ridge;
mod settings;

use std::{collections::HashMap, sync::Arc};

use chain::Chain;
pub(crate) use features::Features;
use features::Layout;
pub(crate) use first_rung::{deep_trials, first_rung};
pub use pool::Pool;
pub use settings::{Guided, GuidedSettings};

use super::{
    axes::{Axes, Point, real},
    evidence::{Memory, Seen, evidence},
    weights::{VECTORS, Weights},
};
use crate::{Assignment, Index, MAX_RUNGS, Plan, Sampler, random::RandomStream};

/// Trials that are drawn at random before the first proposal, and outcomes that it takes.
pub(super) const RANDOM_FIRST: usize = 16;
/// Functions from the posterior whose mean and deviation are what is climbed.
const DRAWS: usize = 8;
/// The best trials, of which mutants are made; how many mutants, and how many points at random beside them.
const PARENTS: usize = 10;
const MUTANTS: usize = 64;
const STRANGERS: usize = 32;
/// Neighbours that are looked at on the way up.
const STEPS: usize = 256;
/// Outcomes between two fits: at least so many, and at least one in so many.
const REFIT: usize = 8;
const REFIT_ONE_IN: usize = 25;
/// A rung with fewer values is not what trials are compared at.
const FEW: usize = 3;

/// A fit, and what it rests on.
#[derive(Debug)]
pub(crate) struct Fitted {
    /// With it, the outcomes say which configurations they are of.
    seed: u64,
    weights: Option<Weights>,
    outcomes: usize,
    digest: u64,
    chain: Option<Chain>,
    /// The rung at which new trials are compared first.
    first_rung: usize,
}

/// What the model holds for best among all that may be tried; `None`: draw at random.
pub(super) fn propose(
    plan: &Plan,
    guided: &Guided,
    index: &Index,
    number: u64,
    is_open: impl Fn(&Assignment) -> bool,
) -> Option<Assignment> {
    let mut stream = RandomStream::of_proposal(plan.seed, number);
    let (first, earlier) = (RANDOM_FIRST as u64, plan.earlier.len() as u64);
    let is_early = number + earlier < first || index.outcomes() as u64 + earlier < first;
    let is_random = is_early || stream.unit() < guided.settings.random_share;
    let best = if is_random { None } else { best(plan, guided, index, (number, &mut stream), &is_open) };
    best.or_else(|| guided.pool.as_ref()?.any(&mut stream, is_open))
}

/// The open point that the model holds for best, as far as it is looked for; `None`: there is no model yet.
fn best(
    plan: &Plan,
    guided: &Guided,
    index: &Index,
    (number, stream): (u64, &mut RandomStream),
    is_open: impl Fn(&Assignment) -> bool,
) -> Option<Assignment> {
    let axes = Axes::new(&plan.space);
    let layout = Layout::new(&plan.space, axes.list(), guided.settings.counts);
    let weights = Weights::of_trial(plan, number);
    let fitted = fitted(plan, guided, index, (&axes, &layout), weights);
    let chain = fitted.chain.as_ref()?;
    let bound = Bound::new(chain, &layout, guided.settings.optimism, stream);
    if let Some(pool) = &guided.pool {
        return pool.best(stream, |features| bound.of(features), is_open);
    }
    let height = |point: &Point| bound.of(&layout.of(&axes, point));
    let open = |point: &Point| is_open(&axes.assignment(point));

    let memory = &guided.memory;
    let seen = evidence(plan, memory, &axes, index, usize::MAX, weights);
    let parents = parents(chain, &layout, &axes, memory, &seen);
    let mut best: Option<(f64, Point)> = None;
    for candidate in 0..MUTANTS + STRANGERS {
        let point = if candidate < MUTANTS {
            let parent = parents.get(stream.below(parents.len()))?;
            let mutant = axes.neighbour(parent, stream)?;
            if stream.unit() < 0.5 { axes.neighbour(&mutant, stream)? } else { mutant }
        } else {
            axes.random(stream)
        };
        let here = height(&point);
        if best.as_ref().is_none_or(|(highest, _)| here > *highest) && open(&point) {
            best = Some((here, point));
        }
    }
    let (mut highest, mut point) = best?;
    for _ in 0..STEPS {
        let neighbour = axes.neighbour(&point, stream)?;
        let here = height(&neighbour);
        if here > highest && open(&neighbour) {
            (highest, point) = (here, neighbour);
        }
    }
    Some(axes.assignment(&point))
}

/// What the model holds of each trial that has a result; `None`: there is no model yet, or it has no say.
pub(crate) fn estimates(plan: &Plan, guided: &Guided, index: &Index) -> Option<HashMap<u64, f64>> {
    let trusted = guided.settings.trusted?;
    if index.created() <= RANDOM_FIRST as u64 {
        return None;
    }
    let axes = Axes::new(&plan.space);
    let layout = Layout::new(&plan.space, axes.list(), guided.settings.counts);
    let fitted = fitted(plan, guided, index, (&axes, &layout), None);
    let chain = fitted.chain.as_ref()?;
    let estimate = |trial: &Seen| {
        let features = guided.memory.features(trial, |point| layout.of(&axes, point));
        Some((trial.number?, chain.score(&features, &trial.values, trusted)))
    };
    Some(evidence(plan, &guided.memory, &axes, index, usize::MAX, None).iter().filter_map(estimate).collect())
}

/// The trial that the guided sampler's model holds for best, and how good at which rung.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The trial.
    pub trial: u64,
    /// What the model expects of it at `rung`, in the objective's own direction.
    pub value: f64,
    /// The highest rung that the model knows.
    pub rung: usize,
}

/// The best trial by the guided sampler's model; `None`: another sampler, no model yet, or several objectives.
///
/// It averages out the noise of single trainings, which the incumbent (the best value at the highest rung) cannot. Only trials that came
/// at least to the rung below the highest one with three values are considered: of the others it knows too little.
pub fn best_estimate(plan: &Plan, index: &Index) -> Option<Estimate> {
    let Sampler::Guided(guided) = &plan.sampler else { return None };
    if !plan.additional.is_empty() {
        return None;
    }
    let memory = &guided.memory;
    let axes = Axes::new(&plan.space);
    let layout = Layout::new(&plan.space, axes.list(), guided.settings.counts);
    let fitted = fitted(plan, guided, index, (&axes, &layout), None);
    let chain = fitted.chain.as_ref()?;
    let seen = evidence(plan, memory, &axes, index, usize::MAX, None);
    let own = || seen.iter().filter(|trial| trial.number.is_some());
    let has_value = |trial: &Seen, rung: usize| trial.values.get(rung).is_some_and(|value| value.is_finite());
    let highest = (0..=plan.rungs.top()).rev().find(|rung| own().filter(|trial| has_value(trial, *rung)).count() >= FEW)?;
    let known = own().filter(|trial| has_value(trial, highest.saturating_sub(1)));
    let score = |trial: &Seen| chain.score(&memory.features(trial, |point| layout.of(&axes, point)), &trial.values, 1.0);
    let better = |best: (f64, u64), other: (f64, u64)| if other.0 > best.0 { other } else { best };
    let (value, trial) = known.filter_map(|trial| Some((score(trial), trial.number?))).reduce(better)?;
    Some(Estimate { trial, value: plan.direction.upwards(value), rung: chain.top() })
}

/// The model in force: that of the outcomes which were there when it was last due.
fn fitted(
    plan: &Plan,
    guided: &Guided,
    index: &Index,
    (axes, layout): (&Axes<'_>, &Layout),
    weights: Option<Weights>,
) -> Arc<Fitted> {
    let due = |last: usize, now: usize| now - last >= REFIT.max(now / REFIT_ONE_IN);
    let first = if plan.earlier.is_empty() { REFIT } else { 0 };
    let outcomes = (first..=index.outcomes()).fold(first, |last, now| if due(last, now) { now } else { last });
    let digest = index.digest_of_first(outcomes);
    let memory = &guided.memory;
    let fit = || {
        let seen = evidence(plan, memory, axes, index, outcomes, weights);
        let of_trial = |trial| (memory.features(trial, |point| layout.of(axes, point)), trial.values.as_slice());
        let trials: Vec<(Arc<Features>, &[f64])> = seen.iter().map(of_trial).collect();
        let lowest = if guided.settings.chained { 0 } else { highest_known(&trials) };
        Fitted {
            seed: plan.seed,
            weights,
            outcomes,
            digest,
            chain: Chain::fit(layout, &trials, lowest),
            first_rung: first_rung::learned(plan, &seen),
        }
    };
    let kept = weights.map_or(1, |_| VECTORS);
    let is_same =
        |known: &Fitted| (known.seed, known.weights, known.outcomes, known.digest) == (plan.seed, weights, outcomes, digest);
    memory.fitted(usize::try_from(kept).unwrap_or(1), is_same, fit)
}

/// The highest rung that is a model by itself.
fn highest_known(trials: &[(Arc<Features>, &[f64])]) -> usize {
    let at = |rung: usize| trials.iter().filter(|(_, values)| values.get(rung).is_some_and(|value| value.is_finite())).count();
    (0..MAX_RUNGS).rev().find(|rung| at(*rung) >= GuidedSettings::ENOUGH).unwrap_or_default()
}

/// The points of the best trials, by what the model holds of them; of equal ones the older first.
fn parents(chain: &Chain, layout: &Layout, axes: &Axes<'_>, memory: &Memory, seen: &[Seen]) -> Vec<Point> {
    let score = |trial: &Seen| chain.score(&memory.features(trial, |point| layout.of(axes, point)), &trial.values, 1.0);
    let mut scored: Vec<(f64, &Seen)> = seen.iter().map(|trial| (score(trial), trial)).collect();
    scored.sort_by(|(one, first), (other, second)| other.total_cmp(one).then(first.place.cmp(&second.place)));
    scored.iter().take(PARENTS).map(|(_, trial)| trial.point.as_ref().clone()).collect()
}

/// The upper confidence bound: mean and deviation of a few functions from the posterior.
struct Bound {
    constants: [f64; DRAWS],
    /// Of each feature, the weight in each function.
    weights: Vec<[f64; DRAWS]>,
    /// Deviations that are added to the mean.
    optimism: f64,
}

impl Bound {
    fn new(chain: &Chain, layout: &Layout, optimism: f64, stream: &mut RandomStream) -> Self {
        let mut bound = Self { constants: [0.0; DRAWS], weights: vec![[0.0; DRAWS]; layout.width()], optimism };
        for draw in 0..DRAWS {
            let (constant, weights) = chain.draw(stream);
            bound.constants[draw] = constant;
            bound.weights.iter_mut().zip(weights).for_each(|(row, weight)| row[draw] = weight);
        }
        bound
    }

    fn of(&self, features: &Features) -> f64 {
        let mut heights = self.constants;
        for (at, value) in features.iter() {
            heights.iter_mut().zip(&self.weights[at]).for_each(|(height, weight)| *height += value * weight);
        }
        let count = real(DRAWS);
        let mean = heights.iter().sum::<f64>() / count;
        let variance = heights.iter().map(|height| (height - mean) * (height - mean)).sum::<f64>() / count;
        mean + self.optimism * libm::sqrt(variance)
    }
}
