//! Mutation: neighbours of good trials, as in regularised evolution (Real et al. 2019).

use super::{
    axes::Axes,
    evidence::{Memory, evidence},
    weights::Weights,
};
use crate::{Assignment, Index, Plan, random::RandomStream};

/// Trials that are drawn at random before the first neighbour.
pub(super) const RANDOM_FIRST: usize = 16;
/// Share of trials that are drawn at random ever after.
const RANDOM_SHARE: f64 = 0.1;
/// The newest so many trials are the population: older ones have died.
const POPULATION: usize = 100;
/// The best of so many, drawn from the population, is the parent.
const TOURNAMENT: usize = 10;
/// Neighbours that are tried where the first are repeats or break a rule.
const TRIES: usize = 200;

/// A neighbour of a parent; `None`: draw at random.
pub(super) fn propose(
    plan: &Plan,
    memory: &Memory,
    index: &Index,
    number: u64,
    is_open: impl Fn(&Assignment) -> bool,
) -> Option<Assignment> {
    let axes = Axes::new(&plan.space);
    let seen = evidence(plan, memory, &axes, index, usize::MAX, Weights::of_trial(plan, number));
    let mut stream = RandomStream::of_proposal(plan.seed, number);
    if seen.len() < RANDOM_FIRST || stream.unit() < RANDOM_SHARE {
        return None;
    }
    let population = &seen[seen.len().saturating_sub(POPULATION)..];
    let contestants = (0..TOURNAMENT).map(|_| &population[stream.below(population.len())]);
    let parent = contestants.max_by(|a, b| {
        let ((rungs, value), (other_rungs, other)) = (a.standing(), b.standing());
        // Of equal ones the older.
        rungs.cmp(&other_rungs).then(value.total_cmp(&other)).then(b.place.cmp(&a.place))
    })?;
    let mut neighbours = (0..TRIES).filter_map(|_| axes.neighbour(&parent.point, &mut stream));
    neighbours.find_map(|neighbour| Some(axes.assignment(&neighbour)).filter(|assignment| is_open(assignment)))
}
