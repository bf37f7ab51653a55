//! Compatibility mode: the searcher of Determined AI as it behaved, event by event, with its random generator, tie rules and brackets.
//!
//! It exists to show, trace by trace, what this project's own rules do otherwise (`docs/determined.md`); no search runs on it. The rules
//! were written down from the observed behaviour of versions 0.12 to 0.38. Stopping ASHA is that of 0.38, promotion ASHA the default
//! of the versions before. Their option `stop_once` is stopping ASHA, told length by length.

mod brackets;
mod promotion;
mod random;
mod sample;
mod stopping;

pub use brackets::{AdaptiveAsha, Bracket, Mode, preview};
pub use promotion::{Entry, PromotionAsha};
pub use random::RandomState;
pub use sample::{Created, create};
pub use stopping::StoppingAsha;

/// What stands for the metric of a trial that ended early: the worst there is, whichever way is better.
const WORST: f64 = f64::MAX;

/// What the searcher asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Create the trial of this number.
    Create(u64),
    /// Train a trial to this length, then validate it. (Promotion only.)
    ValidateAfter(u64, u64),
    /// Stop a trial. (Stopping only.)
    Stop(u64),
    /// Close a trial: it will not be trained further. (Promotion only.)
    Close(u64),
}

/// Why a trial ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EarlyExit {
    /// Its configuration makes no sense.
    InvalidHp,
    /// An error, or a person.
    Other,
}

/// One ASHA: a number of rungs up to a length.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AshaSettings {
    /// Number of rungs.
    pub rungs: usize,
    /// Trials to create; invalid ones do not count.
    pub max_trials: u64,
    /// One in so many goes on.
    pub divisor: f64,
    /// Length of the top rung.
    pub max_length: u64,
    /// Trials at the same time; 0: as many as it takes for one to reach the top.
    pub max_concurrent_trials: u64,
    /// Whether a smaller metric is better.
    pub smaller_is_better: bool,
}

impl AshaSettings {
    /// Lengths of the rungs: `max(floor(L / d^(n - 1 - i)), 1)`. A length may be there twice.
    pub fn lengths(&self) -> Vec<u64> {
        let top = self.rungs.saturating_sub(1);
        let length = |rung: usize| (real(self.max_length) / libm::pow(self.divisor, real((top - rung) as u64))).max(1.0);
        (0..self.rungs).map(|rung| whole(length(rung))).collect()
    }

    /// How many trials it starts with, which is how many run at the same time from then on.
    fn initial(&self) -> u64 {
        match self.max_concurrent_trials {
            0 => {
                let needed = whole(libm::pow(self.divisor, real(self.rungs.saturating_sub(1) as u64)));
                needed.clamp(1, self.max_trials.max(1))
            }
            limit => limit.min(self.max_trials),
        }
    }

    /// The metric, turned so that smaller is better. What is not a number is the worst.
    fn oriented(&self, metric: f64) -> f64 {
        match (metric.is_nan(), self.smaller_is_better) {
            (true, _) => WORST,
            (false, true) => metric,
            (false, false) => -metric,
        }
    }

    /// How many of so many go on.
    fn share(&self, entries: usize) -> usize {
        usize::try_from(whole(real(entries as u64) / self.divisor)).unwrap_or(usize::MAX)
    }

    /// Progress, from the entries of the lowest rung and the trials that are done.
    fn progress(&self, entries: usize, done: u64) -> f64 {
        let all = real(self.max_trials);
        let progress = real(entries as u64) / (1.2 * all);
        if entries as u64 == self.max_trials { progress.max(real(done) / all) } else { progress }
    }
}

#[expect(clippy::cast_precision_loss, reason = "the original computes with floats, and its numbers are small")]
fn real(number: u64) -> f64 {
    number as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "cut off towards zero, as in the original")]
fn whole(number: f64) -> u64 {
    number as u64
}
