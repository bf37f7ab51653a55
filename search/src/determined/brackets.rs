//! `adaptive_asha`: a tournament of brackets, each an ASHA of its own.

use std::collections::BTreeMap;

use super::{AshaSettings, real, whole};

/// How early trials are stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// One bracket with all rungs.
    Aggressive,
    /// Brackets from half of the rungs to all.
    Standard,
    /// Brackets from one rung to all.
    Conservative,
}

/// The settings of a tournament.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdaptiveAsha {
    /// How early trials are stopped.
    pub mode: Mode,
    /// Most rungs of a bracket.
    pub max_rungs: usize,
    /// One in so many goes on.
    pub divisor: f64,
    /// Trials of all brackets.
    pub max_trials: u64,
    /// Length of the top rungs.
    pub max_length: u64,
    /// Trials at the same time; 0: no limit of their own.
    pub max_concurrent_trials: u64,
    /// Whether a smaller metric is better.
    pub smaller_is_better: bool,
}

/// One bracket.
pub type Bracket = AshaSettings;

impl AdaptiveAsha {
    /// The brackets, the one with most rungs first. Each has at least one trial, so that their sum may be more than was asked for.
    pub fn brackets(&self) -> Vec<Bracket> {
        let sizes = self.sizes();
        let weights: Vec<f64> =
            sizes.iter().map(|&size| libm::pow(self.divisor, real(size as u64 - 1)) / real(size as u64)).collect();
        let sum: f64 = weights.iter().sum();
        let mut trials: Vec<u64> = weights.iter().map(|weight| whole(weight / sum * real(self.max_trials)).max(1)).collect();
        let missing = self.max_trials.saturating_sub(trials.iter().sum());
        if let Some(first) = trials.first_mut() {
            *first += missing;
        }
        let last = trials.last().copied().unwrap_or_default();
        let bracket = |(at, (rungs, max_trials)): (usize, (usize, u64))| Bracket {
            rungs,
            max_trials,
            divisor: self.divisor,
            max_length: self.max_length,
            max_concurrent_trials: self.slots(at as u64, sizes.len() as u64, last),
            smaller_is_better: self.smaller_is_better,
        };
        sizes.iter().copied().zip(trials).enumerate().map(bracket).collect()
    }

    /// Rungs of each bracket, descending.
    fn sizes(&self) -> Vec<usize> {
        // A ratio of logarithms just below a whole number loses a rung (1000 trials by 10): with this library's, which is not the original's.
        let fits = |number: u64| whole(libm::log(real(number)) / libm::log(self.divisor)) + 1;
        let most = fits(self.max_length).min(fits(self.max_trials));
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(self.max_rungs).max(1);
        let least = match self.mode {
            Mode::Aggressive => most,
            Mode::Standard => (most - 1) / 2 + 1,
            Mode::Conservative => 1,
        };
        (least..=most).rev().collect()
    }

    /// A bracket's share of the slots.
    fn slots(&self, at: u64, brackets: u64, trials_of_last: u64) -> u64 {
        if self.max_concurrent_trials == 0 {
            return trials_of_last.max(whole(self.divisor));
        }
        let all = self.max_concurrent_trials.max(brackets);
        all / brackets + u64::from(at < all % brackets)
    }
}

/// How many trials end at which length if exactly one in `divisor` goes on from each rung, at least one.
pub fn preview(brackets: &[Bracket]) -> BTreeMap<u64, u64> {
    let mut ends = BTreeMap::new();
    for bracket in brackets {
        let mut left = bracket.max_trials;
        let lengths = bracket.lengths();
        for (rung, length) in lengths.iter().enumerate() {
            let on = if rung + 1 < lengths.len() { whole(real(left) / bracket.divisor).max(1) } else { 0 };
            *ends.entry(*length).or_default() += left.saturating_sub(on);
            left = on;
        }
    }
    ends
}
