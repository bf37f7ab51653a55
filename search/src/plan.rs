//! The plan of a search: everything that decisions depend on and that changes only where a person changes it.

use std::time::Duration;

use crate::{AdditionalObjective, Constraints, Direction, Evidence, Index, Rungs, Sampler, Scheduler, Space};

/// A checked experiment, as decisions need it.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Seed of the search: the same seed gives the same configurations.
    pub seed: u64,
    /// Which way the objective's metric is better.
    pub direction: Direction,
    /// What else is optimised; none: the objective alone decides.
    pub additional: Vec<AdditionalObjective>,
    /// What is searched.
    pub space: Space,
    /// How configurations are chosen.
    pub sampler: Sampler,
    /// What came out of earlier searches, for a sampler that learns; with several objectives nothing is learned from it.
    pub earlier: Vec<Evidence>,
    /// Which configurations count.
    pub constraints: Constraints,
    /// After how much training trials are compared; one rung is full-length training of all.
    pub rungs: Rungs,
    /// Who goes on from a rung.
    pub scheduler: Scheduler,
    /// Trials to create, infeasible ones not counted.
    pub max_trials: u64,
    /// Trials that train at the same time.
    pub parallel_trials: usize,
    /// More failed trials than this end the search; `None`: any number is borne.
    pub max_failed_trials: Option<u64>,
    /// More infeasible trials than this end the search.
    pub max_infeasible_trials: u64,
    /// A trial that reaches this value at full length ends the search.
    pub target: Option<f64>,
    /// What may be spent.
    pub budget: Budget,
}

/// What a search may spend; `None`: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// Since the experiment began.
    pub wall_clock: Option<Duration>,
    /// Summed over all accelerators.
    pub accelerator: Option<Duration>,
    /// Accelerators that each trial holds; 0: its slot counts as one.
    pub accelerators: u32,
}

/// What has been spent, and what a person did: read from the world, handed in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Since the experiment began.
    pub wall_clock: Duration,
    /// Summed over all accelerators.
    pub accelerator: Duration,
    /// For which slots were held by segments that have ended, summed over them.
    pub segments: Duration,
    /// Outcomes up to this `decisionSeq` no longer count as a stall: a person has looked.
    pub stall_cleared: u64,
    /// A person has asked that nothing new starts.
    pub suspended: bool,
    /// Slots that are still held though their trial's outcome is recorded: a pod that lingers.
    pub held: usize,
    /// So many grants at once, at most; `None`: one for each free slot. Each draws a configuration, which may take a while.
    pub at_most: Option<usize>,
}

impl Plan {
    /// Trials that count towards `maxTrials`, with `new` ones that were just decided on.
    pub(crate) fn counted(&self, index: &Index, new: u64) -> u64 {
        index.created() + new - if self.replaces_infeasible() { index.infeasible() } else { 0 }
    }

    /// Trials of a bracket that count towards its size. One that was deleted counts in none.
    pub(crate) fn counted_in(&self, index: &Index, bracket: usize) -> u64 {
        let (trials, infeasible) = index.members(bracket);
        trials - if self.replaces_infeasible() { infeasible } else { 0 }
    }

    /// An infeasible trial is replaced, unless it is the point of a grid or list.
    pub(crate) fn replaces_infeasible(&self) -> bool {
        !matches!(self.sampler, Sampler::Grid(_) | Sampler::Listed(_))
    }
}
