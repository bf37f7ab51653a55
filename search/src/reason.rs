//! Why something was decided: data that reads as a sentence.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a trial stood in its rung when it was decided whether it goes on, and where the line was.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cutoff {
    /// The rung in which it stood.
    pub rung: usize,
    /// Its rank there, from 1.
    pub rank: usize,
    /// Trials in the rung.
    pub entries: usize,
    /// How many of them go on.
    pub quota: usize,
    /// Its value.
    pub value: Option<f64>,
    /// The value of the last that goes on; `None` where something else than values decided.
    pub cutoff: Option<f64>,
    /// What the trials are ranked by.
    pub by: Ranked,
}

/// What the trials of a rung are ranked by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ranked {
    /// Their values in it.
    Value,
    /// Non-dominated sorting of all objectives; within a front, those first that cover it best.
    Front,
    /// What the guided sampler's model holds of them, which knows their values at all rungs and trials like them.
    Estimate,
}

/// Why a trial can never be promoted again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retirement {
    /// The rung in which it stands.
    pub rung: usize,
    /// Trials that rank better there.
    pub better: usize,
    /// How many can ever go on from there.
    pub quota: usize,
}

/// Why an experiment ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// All trials were created and went as far as they could.
    Completed,
    /// A trial reached the target at full length.
    TargetReached {
        /// The trial.
        trial: u64,
    },
    /// `budget.wallClock` is spent.
    WallClockSpent,
    /// `budget.gpuHours` is spent.
    AcceleratorTimeSpent,
    /// More than `maxFailedTrials` failed.
    TooManyFailed {
        /// How many.
        failed: u64,
    },
    /// More than `maxInfeasibleTrials` were infeasible.
    TooManyInfeasible {
        /// How many.
        infeasible: u64,
    },
    /// No further configuration satisfies the constraints.
    SpaceExhausted,
}

impl End {
    /// The name in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Completed => "Completed",
            Self::TargetReached { .. } => "TargetReached",
            Self::WallClockSpent => "WallClockSpent",
            Self::AcceleratorTimeSpent => "AcceleratorTimeSpent",
            Self::TooManyFailed { .. } => "TooManyFailed",
            Self::TooManyInfeasible { .. } => "TooManyInfeasible",
            Self::SpaceExhausted => "SpaceExhausted",
        }
    }

    /// Whether the search did what it was asked to (a spent budget counts: it was asked for).
    pub fn is_success(self) -> bool {
        match self {
            Self::Completed | Self::TargetReached { .. } | Self::WallClockSpent | Self::AcceleratorTimeSpent => true,
            Self::TooManyFailed { .. } | Self::TooManyInfeasible { .. } | Self::SpaceExhausted => false,
        }
    }
}

impl fmt::Display for Cutoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rung, rank, entries, quota, .. } = self;
        let by = match self.by {
            Ranked::Value => "",
            Ranked::Estimate => " by the model's estimate",
            Ranked::Front => " by all objectives",
        };
        write!(f, "rank {rank} of {entries} at rung {rung}{by}, ")?;
        if quota == entries && *entries > 1 {
            f.write_str("any may go on towards the end of the budget")?;
        } else {
            write!(f, "the best {quota} go on")?;
        }
        match (self.value, self.cutoff) {
            (Some(value), Some(cutoff)) => write!(f, " ({value:.4}, cut-off {cutoff:.4})"),
            (Some(value), None) => write!(f, " ({value:.4})"),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Retirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rank better at rung {}, where at most {} can go on", self.better, self.rung, self.quota)
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Completed => f.write_str("all trials went as far as they could"),
            Self::TargetReached { trial } => write!(f, "trial {trial} reached the target at full length"),
            Self::WallClockSpent => f.write_str("budget.wallClock is spent, or what is left of it is too short for another step"),
            Self::AcceleratorTimeSpent => {
                f.write_str("budget.gpuHours is spent, or what is left of it is too little for another step")
            }
            Self::TooManyFailed { failed } => write!(f, "{failed} trials failed, more than maxFailedTrials allows"),
            Self::TooManyInfeasible { infeasible } => {
                write!(f, "{infeasible} trials were infeasible, more than maxInfeasibleTrials allows")
            }
            Self::SpaceExhausted => f.write_str("no further configuration satisfies the constraints"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_that_did_what_it_was_asked_to_is_a_success() {
        let done = [End::Completed, End::TargetReached { trial: 3 }, End::WallClockSpent, End::AcceleratorTimeSpent];
        let failed = [End::TooManyFailed { failed: 3 }, End::TooManyInfeasible { infeasible: 3 }, End::SpaceExhausted];
        assert!(done.into_iter().all(End::is_success) && !failed.into_iter().any(End::is_success));
    }
}
