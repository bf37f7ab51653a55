//! The schedulers, and all in which they differ: nothing else asks which one a search has, so one more answers each question here.

use super::pasha;
use crate::{Index, Plan};

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

impl Scheduler {
    /// Whether brackets have the fixed sizes of Hyperband, one after the other, and a rung is compared once all of its trials have ended. If
    /// not, brackets get their shares of `maxTrials` side by side, and a rung is compared whenever a slot is free.
    pub(super) const fn is_synchronous(self) -> bool {
        match self {
            Self::Hyperband => true,
            Self::Asha { .. } | Self::Progressive => false,
        }
    }

    /// Whether a trial goes on, or is stopped for good, by how it stood when it arrived. If not, it pauses until others let it go on or are
    /// too many.
    pub(super) const fn judges_on_arrival(self) -> bool {
        match self {
            Self::Asha { kind: Halving::Stopping, .. } => true,
            Self::Asha { kind: Halving::Promotion, .. } | Self::Hyperband | Self::Progressive => false,
        }
    }

    /// Whether one trial of a rung goes on even where it has fewer than `eta`.
    pub(super) const fn always_lets_one_go_on(self) -> bool {
        match self {
            Self::Asha { kind: Halving::Stopping, .. } | Self::Hyperband => true,
            Self::Asha { kind: Halving::Promotion, .. } | Self::Progressive => false,
        }
    }

    /// The rung at which trials of a bracket are compared first, where there are rungs up to `top`.
    pub(super) fn first_rung(self, bracket: usize, top: usize) -> usize {
        match self {
            Self::Asha { .. } => bracket.min(top),
            Self::Hyperband => bracket % (top + 1),
            Self::Progressive => 0,
        }
    }

    /// Number of brackets that have shares of `maxTrials`, where there are so many rungs. A synchronous one is not asked.
    pub(super) const fn brackets(self, rungs: usize) -> usize {
        match self {
            Self::Asha { brackets: Brackets::Standard, .. } => rungs - (rungs - 1) / 2,
            Self::Asha { brackets: Brackets::Conservative, .. } => rungs,
            Self::Asha { brackets: Brackets::Aggressive, .. } | Self::Hyperband | Self::Progressive => 1,
        }
    }

    /// The rung beyond which nobody goes on for now.
    pub(super) fn top_rung(self, plan: &Plan, index: &Index) -> usize {
        match self {
            Self::Asha { .. } | Self::Hyperband => plan.rungs.top(),
            Self::Progressive => pasha::top_rung(plan, index),
        }
    }

    /// Whether a sampler's model, where it has one, says who is best, rather than the values of a rung.
    pub(super) const fn lets_a_model_rank(self) -> bool {
        match self {
            Self::Asha { .. } | Self::Progressive => true,
            Self::Hyperband => false,
        }
    }

    /// Whether a sampler may learn at which rung new trials are compared first: in place of a bracket, and of trials that may wait there.
    pub(crate) const fn lets_first_rungs_be_learned(self) -> bool {
        match self {
            Self::Asha { kind: Halving::Promotion, brackets: Brackets::Aggressive } => true,
            Self::Asha { .. } | Self::Hyperband | Self::Progressive => false,
        }
    }
}
