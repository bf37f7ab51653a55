//! What a search draws first, before anything has come out.

use super::{Sampler, guided, mutation, sample, tpe};
use crate::{Assignment, Index, Plan, Trial};

/// The configurations of the first `count` trials, as far as they are the same whatever comes out of the trials before them.
///
/// They are fewer where the sampler learns (its first ones alone are draws at random, of which earlier searches take the place), and where the
/// search or its space has no more.
pub fn first_samples(plan: &Plan, count: usize) -> Vec<Assignment> {
    let drawn = match &plan.sampler {
        Sampler::Random | Sampler::Grid(_) | Sampler::Listed(_) => usize::MAX,
        Sampler::Mutation(_) => mutation::RANDOM_FIRST.saturating_sub(plan.earlier.len()),
        Sampler::Tpe(_) => tpe::ENOUGH.saturating_sub(plan.earlier.len()),
        Sampler::Guided(_) => guided::RANDOM_FIRST.saturating_sub(plan.earlier.len()),
    };
    let mut index = Index::new(plan.direction, &plan.rungs);
    let mut samples = Vec::new();
    for number in (0..plan.max_trials).take(count.min(drawn)) {
        let Ok(sample) = sample(plan, &index, &[], number) else { break };
        index.apply(Trial::new(number, sample.assignment.clone()));
        samples.push(sample.assignment);
    }
    samples
}
