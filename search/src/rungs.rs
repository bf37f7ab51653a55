//! The rungs of a search: after how much training trials are compared.

use thiserror::Error;

/// At most this many rungs: what a report of 4,096 bytes holds.
pub const MAX_RUNGS: usize = 16;

/// Training lengths at which trials are compared, and the share `1 / eta` that goes on from each.
///
/// One rung is full-length training of every trial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rungs {
    steps: Vec<u64>,
    eta: u64,
}

/// Why a list of rungs cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RungsError {
    /// No rung at all, or too many.
    #[error("must list 1 to {MAX_RUNGS} lengths, not {0}")]
    Count(usize),
    /// Not ascending from 1.
    #[error("must ascend and start at 1 or more, but {later} follows {earlier}")]
    NotAscending {
        /// The length before it.
        earlier: u64,
        /// The length at fault.
        later: u64,
    },
    /// A length is beyond `resource.max`.
    #[error("{rung} is beyond resource.max, which is {max}")]
    BeyondMax {
        /// The length at fault.
        rung: u64,
        /// `resource.max`.
        max: u64,
    },
    /// The top rung is below full length.
    #[error("the last length is {last}, but the top rung must be full length: append {max}, which is resource.max")]
    BelowMax {
        /// The highest length listed.
        last: u64,
        /// `resource.max`.
        max: u64,
    },
    /// Too few trials for one of them to reach the top.
    #[error(
        "no trial could reach the top rung: {rungs} rungs with eta {eta} need at least {needed} trials, and maxTrials is {max_trials}; list fewer rungs or raise maxTrials"
    )]
    OutOfReach {
        /// Number of rungs.
        rungs: usize,
        /// One in `eta` goes on.
        eta: u64,
        /// eta to the power of the rungs above the first.
        needed: u64,
        /// Trials of the experiment.
        max_trials: u64,
    },
}

impl Rungs {
    /// Every trial trains to `max`.
    pub fn full_length(max: u64) -> Self {
        Self { steps: vec![max.max(1)], eta: 1 }
    }

    /// `count` rungs of lengths `max(floor(max / eta^(count - 1 - i)), 1)`, as in Determined's ASHA (Li et al. 2020, Algorithm 2).
    ///
    /// `count` is lowered until some trial can reach the top (`max_trials >= eta^(count - 1)`) and no length is there twice.
    pub fn geometric(max: u64, eta: u64, count: usize, max_trials: u64) -> Self {
        let eta = eta.max(2);
        let fits = |count: usize| needed(eta, count) <= max_trials.max(1) && needed(eta, count) <= max.max(1);
        let count = (1..=count.clamp(1, MAX_RUNGS)).rev().find(|&count| fits(count)).unwrap_or(1);
        let steps = (0..count).map(|rung| (max / needed(eta, count - rung)).max(1)).collect();
        Self { steps, eta }
    }

    /// These lengths.
    ///
    /// # Errors
    ///
    /// Where they do not ascend to `max`, or where no trial of `max_trials` could reach the last.
    pub fn explicit(steps: Vec<u64>, eta: u64, max: u64, max_trials: u64) -> Result<Self, RungsError> {
        if steps.is_empty() || steps.len() > MAX_RUNGS {
            return Err(RungsError::Count(steps.len()));
        }
        let mut earlier = 0;
        for &later in &steps {
            if later <= earlier {
                return Err(RungsError::NotAscending { earlier, later });
            }
            if later > max {
                return Err(RungsError::BeyondMax { rung: later, max });
            }
            earlier = later;
        }
        if earlier < max {
            return Err(RungsError::BelowMax { last: earlier, max });
        }
        let needed = needed(eta, steps.len());
        if needed > max_trials {
            return Err(RungsError::OutOfReach { rungs: steps.len(), eta, needed, max_trials });
        }
        Ok(Self { steps, eta })
    }

    /// Training length at each rung, ascending, counted from a trial's beginning.
    pub fn steps(&self) -> &[u64] {
        &self.steps
    }

    /// The highest rung.
    pub fn top(&self) -> usize {
        self.steps.len() - 1
    }

    /// How many of `entries` trials at one rung go on to the next.
    pub fn quota(&self, entries: usize) -> usize {
        entries / usize::try_from(self.eta).unwrap_or(usize::MAX)
    }

    /// The length of a rung as a share of a full training.
    pub fn share(&self, rung: usize) -> f64 {
        real(self.steps[rung]) / real(self.steps[self.top()])
    }

    /// How many trials it takes for one to reach the last of so many rungs: `eta^(rungs - 1)`.
    pub(crate) fn needed(&self, rungs: usize) -> u64 {
        needed(self.eta, rungs)
    }

    /// Steps that so many trials at each rung train in all.
    pub fn steps_of(&self, entries: &[u64]) -> u64 {
        entries.iter().enumerate().map(|(rung, count)| count * self.increment(rung)).sum()
    }

    /// Steps that training from one rung to the next (or from nothing to rung 0) takes.
    pub fn increment(&self, rung: usize) -> u64 {
        self.steps[rung] - if rung == 0 { 0 } else { self.steps[rung - 1] }
    }
}

/// eta^(rungs - 1): how many trials it takes for one to reach the top.
fn needed(eta: u64, rungs: usize) -> u64 {
    u32::try_from(rungs - 1).ok().and_then(|exponent| eta.checked_pow(exponent)).unwrap_or(u64::MAX)
}

/// As a float; what is lost beyond 2^53 moves nobody's search.
#[expect(clippy::cast_precision_loss, reason = "see above")]
pub(crate) fn real(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn geometric_lengths_are_those_of_determined() {
        let steps = |max, eta, count| Rungs::geometric(max, eta, count, u64::MAX).steps;
        assert_eq!(steps(9, 3, 3), [1, 3, 9]);
        assert_eq!(steps(10, 2, 4), [1, 2, 5, 10]);
        assert_eq!(steps(9, 3, 1), [9]);
        assert_eq!(steps(900, 3, 3), [100, 300, 900]);
        assert_eq!(steps(156_200, 4, 5), [610, 2440, 9762, 39_050, 156_200]);
        assert_eq!(steps(300, 4, 5), [1, 4, 18, 75, 300]);
    }

    #[test]
    fn the_number_of_rungs_is_lowered_to_what_trials_and_length_allow() {
        assert_eq!(Rungs::geometric(300, 4, 5, 100).steps, [4, 18, 75, 300]);
        assert_eq!(Rungs::geometric(300, 4, 5, 1).steps, [300]);
        // 1, 1, 3 in Determined; a length that is there twice compares nothing.
        assert_eq!(Rungs::geometric(3, 4, 3, 1000).steps, [3]);
        assert_eq!(Rungs::geometric(1 << 40, 2, 99, u64::MAX).steps.len(), MAX_RUNGS);
    }

    #[test]
    fn a_segment_trains_only_what_is_new() {
        let rungs = Rungs::geometric(156_200, 4, 5, 1000);
        assert_eq!([0, 1, 2].map(|rung| rungs.increment(rung)), [610, 2440 - 610, 9762 - 2440]);
        assert_eq!(rungs.steps_of(&[2, 1, 0, 0, 0]), 2 * 610 + (2440 - 610));
    }

    #[test]
    fn one_in_eta_goes_on_and_full_length_is_one_rung() {
        let rungs = Rungs::geometric(156_200, 4, 5, 1000);
        assert_eq!([0, 3, 4, 7, 8, 1000].map(|entries| rungs.quota(entries)), [0, 0, 1, 1, 2, 250]);
        assert_eq!([1, 2, 5].map(|count| rungs.needed(count)), [1, 4, 256]);
        assert_eq!(Rungs::full_length(7).steps, [7]);
    }

    #[test]
    fn bad_explicit_lengths_are_told_apart() {
        let explicit = |steps: &[u64], max_trials| Rungs::explicit(steps.to_vec(), 3, 180, max_trials);
        assert_eq!(explicit(&[20, 60, 180], 9).unwrap().steps, [20, 60, 180]);
        assert_eq!(explicit(&[], 9), Err(RungsError::Count(0)));
        let many = |count: u64| Rungs::explicit((1..=count).collect(), 2, count, u64::MAX);
        assert_eq!(many(16).unwrap().top(), 15);
        assert_eq!(many(17), Err(RungsError::Count(17)));
        assert_eq!(explicit(&[60, 60, 180], 9), Err(RungsError::NotAscending { earlier: 60, later: 60 }));
        assert_eq!(explicit(&[0, 180], 9), Err(RungsError::NotAscending { earlier: 0, later: 0 }));
        assert_eq!(explicit(&[20, 181], 9), Err(RungsError::BeyondMax { rung: 181, max: 180 }));
        assert_eq!(explicit(&[20, 60], 9), Err(RungsError::BelowMax { last: 60, max: 180 }));
        assert_eq!(explicit(&[20, 60, 180], 8), Err(RungsError::OutOfReach { rungs: 3, eta: 3, needed: 9, max_trials: 8 }));
    }
}
