//! Sampling: the next configuration, as a function of the seed, the trial's number and, where the sampler learns, the records.

mod ahead;
mod axes;
mod draw;
mod evidence;
mod grid;
mod guided;
mod mutation;
mod standardization;
mod tpe;
mod weights;

use std::{cell::LazyCell, collections::BTreeMap};

pub use ahead::first_samples;
pub use draw::{MAX_DRAWS, first_draw, rejections};
pub use evidence::Memory;
pub use grid::{Grid, GridError};
pub use guided::{Estimate, Guided, GuidedSettings, Pool, best_estimate};
pub(crate) use guided::{deep_trials, estimates, first_rung};

use crate::{Assignment, Index, Plan, Verdict};

/// How configurations are chosen.
#[derive(Clone, Debug, PartialEq)]
pub enum Sampler {
    /// At random, without repeats while others are left.
    Random,
    /// The points of a grid, in order.
    Grid(Grid),
    /// These configurations, in order, whatever the space and the constraints say of them; none is drawn anew. Where they are used up, the
    /// space is exhausted.
    Listed(Vec<Assignment>),
    /// Neighbours of good trials (regularised evolution, Real et al. 2019).
    Mutation(Memory),
    /// What the best trials have more often than the others (tree-structured Parzen estimator, Bergstra et al. 2011).
    Tpe(Memory),
    /// What a linear model of all rungs holds for best.
    Guided(Guided),
}

impl Sampler {
    /// Whether what it proposes depends on what came out.
    pub fn learns(&self) -> bool {
        matches!(self, Self::Mutation(_) | Self::Tpe(_) | Self::Guided(_))
    }

    /// How it goes about it; those that cannot be set are as the guided one is by default.
    pub(crate) fn settings(&self) -> GuidedSettings {
        if let Self::Guided(guided) = self { guided.settings } else { GuidedSettings::default() }
    }
}

/// A configuration for a new trial.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// The configuration.
    pub assignment: Assignment,
    /// Draws that a rule rejected before it.
    pub rejected: u32,
    /// Draws that repeated an earlier trial before it.
    pub repeats: u32,
}

/// No configuration was found: which rule rejected how many draws.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoSample {
    /// Draws made.
    pub draws: u32,
    /// Rejected draws by rule.
    pub rejected: BTreeMap<usize, u32>,
}

impl NoSample {
    /// The rule that rejected most.
    pub fn worst_rule(&self) -> Option<usize> {
        self.rejected.iter().max_by_key(|(rule, count)| (**count, std::cmp::Reverse(**rule))).map(|(rule, _)| *rule)
    }
}

/// The configuration of trial `number`, where `drawn` were decided on since the index was made.
///
/// A sampler that learns draws at random at first and now and then; what it proposes satisfies all rules and is no repeat.
pub fn sample(plan: &Plan, index: &Index, drawn: &[Assignment], number: u64) -> Result<Sample, NoSample> {
    let given = |found: Option<Assignment>| {
        let sample = found.map(|assignment| Sample { assignment, rejected: 0, repeats: 0 });
        sample.ok_or_else(NoSample::default)
    };
    let is_taken = |assignment: &Assignment| index.has_assignment(assignment) || drawn.contains(assignment);
    // Not every sampler looks at the rules.
    let checker = LazyCell::new(|| plan.constraints.checker());
    let is_open = |assignment: &Assignment| !is_taken(assignment) && checker.check(assignment) == Verdict::Satisfied;
    let learned = match &plan.sampler {
        Sampler::Random => None,
        Sampler::Grid(grid) => return given(grid.assignment(&plan.space, number)),
        Sampler::Listed(list) => return given(usize::try_from(number).ok().and_then(|number| list.get(number)).cloned()),
        Sampler::Mutation(memory) => mutation::propose(plan, memory, index, number, is_open),
        Sampler::Tpe(memory) => tpe::propose(plan, memory, index, number, is_open),
        Sampler::Guided(guided) => guided::propose(plan, guided, index, number, is_open),
    };
    match learned {
        Some(assignment) => given(Some(assignment)),
        // Nothing beside a pool is tried.
        None if matches!(&plan.sampler, Sampler::Guided(guided) if guided.pool.is_some()) => given(None),
        None => draw::draw(plan, &checker, number, index.distinct_assignments() + drawn.len(), is_taken),
    }
}
