//! A made-up landscape of hyperparameters whose learning curves do not cross: only the noise of short trainings hides who is better.
//!
//! Four floats of which three lie on logarithmic scales, two whole numbers and two choices; one float exists with one choice only. What is
//! best for the learning rate depends on the optimizer and on the batch. Each seed has optima of its own. It is for comparisons of
//! samplers and schedulers where short trainings can be trusted on the average; nothing was trained.

use nas_search::{Assignment, Condition, Domain, Parameter, Scalar, Scale, Space};

use crate::{
    Landscape, LandscapeError,
    chance::{chance, digest},
};

/// Full length, in steps.
const FULL: u64 = 81;
/// What every configuration shows before it is trained, and what the best one is worth.
const UNTRAINED: f64 = 10.0;
const BEST: f64 = 94.0;
/// What a configuration loses for each unit of badness.
const LOSS: f64 = 3.0;
const OPTIMIZERS: [&str; 3] = ["adamw", "lion", "sgd"];
const SCHEDULES: [&str; 3] = ["constant", "cosine", "linear"];

/// The landscape of one seed.
#[derive(Clone, Debug)]
pub struct Smooth {
    seed: u64,
    /// Where its optima are, each within `[0, 1)`.
    optima: Vec<f64>,
}

/// A configuration as numbers: floats and whole numbers as places on their (logarithmic) ranges.
struct At {
    rate: f64,
    decay: f64,
    dropout: f64,
    /// Of an optimizer that has one.
    momentum: Option<f64>,
    batch: f64,
    layers: f64,
    optimizer: usize,
    schedule: usize,
}

impl Smooth {
    /// The landscape of a seed.
    pub fn new(seed: u64) -> Self {
        let optima = (0..16).map(|at| chance(seed, *b"smoothly", [0; 16], at).unit()).collect();
        Self { seed, optima }
    }

    /// Seconds of a mean full training: a step takes 1 s at the fewest layers and 3 s at the most, evenly.
    pub const fn full_training_seconds() -> f64 {
        2.0 * 81.0
    }

    /// The space.
    ///
    /// # Panics
    ///
    /// Never: the parameters are constant and sound.
    pub fn space() -> Space {
        let parameter = |name: &str, domain| Parameter { name: name.into(), domain, when: None, count: None };
        let double = |min, max, scale| Domain::Double { min, max, scale };
        let words = |words: [&str; 3]| Domain::Categorical(words.map(Scalar::from).into());
        let mut momentum = parameter("momentum", double(0.0, 1.0, Scale::Linear));
        momentum.when = Some(Condition { name: "optimizer".into(), values: vec!["sgd".into()] });
        let parameters = vec![
            parameter("batch", Domain::Int { min: 16, max: 1024, scale: Scale::Log }),
            parameter("decay", double(1e-6, 1e-1, Scale::Log)),
            parameter("dropout", double(1e-3, 0.9, Scale::Log)),
            parameter("layers", Domain::Int { min: 2, max: 10, scale: Scale::Linear }),
            momentum,
            parameter("optimizer", words(OPTIMIZERS)),
            parameter("rate", double(1e-5, 1.0, Scale::Log)),
            parameter("schedule", words(SCHEDULES)),
        ];
        Space::new(parameters).unwrap_or_else(|problems| unreachable!("{problems:?}"))
    }

    fn at(assignment: &Assignment) -> Result<At, LandscapeError> {
        let unknown = || LandscapeError::Unknown(assignment.clone());
        let number = |name: &str| assignment.get(name).and_then(Scalar::as_f64).ok_or_else(unknown);
        let log = |name: &str, low: f64, high: f64| number(name).map(|number| libm::log(number / low) / libm::log(high / low));
        let choice = |name: &str, words: [&str; 3]| {
            let place = |value: &Scalar| words.iter().position(|word| *value == Scalar::from(*word));
            assignment.get(name).and_then(place).ok_or_else(unknown)
        };
        Ok(At {
            rate: log("rate", 1e-5, 1.0)?,
            decay: log("decay", 1e-6, 1e-1)?,
            dropout: log("dropout", 1e-3, 0.9)?,
            momentum: assignment.get("momentum").and_then(Scalar::as_f64),
            batch: log("batch", 16.0, 1024.0)?,
            layers: (number("layers")? - 2.0) / 8.0,
            optimizer: choice("optimizer", OPTIMIZERS)?,
            schedule: choice("schedule", SCHEDULES)?,
        })
    }

    /// How far a configuration is from the best: 0 is there, about 2.5 the mean.
    fn badness(&self, at: &At) -> f64 {
        let best = |axis: usize| 0.15 + 0.7 * self.optima[axis];
        let square = |off: f64| off * off;
        // A larger batch bears a higher rate; each optimizer has a range of its own.
        let rate = 0.25 + 0.5 * self.optima[0] + 0.3 * (self.optima[1 + at.optimizer] - 0.5) + 0.2 * (at.batch - 0.5);
        let least = |places: std::ops::Range<usize>| self.optima[places].iter().copied().fold(1.0, f64::min);
        8.0 * square(at.rate - rate)
            + 3.0 * square(at.decay - best(4))
            + 2.0 * square(at.dropout - best(5))
            + 1.5 * square(at.batch - best(6))
            + 2.0 * square(at.layers - best(7))
            + at.momentum.map_or(0.0, |momentum| 2.0 * square(momentum - best(8)))
            + 0.8 * (self.optima[9 + at.optimizer] - least(9..12))
            + 0.6 * (self.optima[12 + at.schedule] - least(12..15))
    }
}

/// The share of its way that each configuration has gone after so many steps; 1 at full length.
fn gone(steps: f64) -> f64 {
    let gone = |steps: f64| 1.0 - libm::exp(-libm::pow(steps / 8.0, 0.7));
    gone(steps) / gone(real(FULL))
}

impl Landscape for Smooth {
    fn observed(&self, assignment: &Assignment, step: u64) -> Result<f64, LandscapeError> {
        let truth = self.truth(assignment)?;
        let noise = chance(self.seed, *b"observed", digest(assignment), step).normal();
        let left = 1.0 - real(step) / real(FULL);
        Ok(UNTRAINED + (truth - UNTRAINED) * gone(real(step)) + (0.15 + 1.6 * left * left) * noise)
    }

    fn seconds(&self, assignment: &Assignment, from: u64, to: u64) -> Result<f64, LandscapeError> {
        Ok(real(to.saturating_sub(from)) * (1.0 + 2.0 * Self::at(assignment)?.layers))
    }

    fn truth(&self, assignment: &Assignment) -> Result<f64, LandscapeError> {
        Ok(BEST - LOSS * self.badness(&Self::at(assignment)?))
    }
}

#[expect(clippy::cast_precision_loss, reason = "steps are small numbers")]
fn real(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    /// The configuration at the optima of an optimizer and a schedule.
    fn optimum(smooth: &Smooth, optimizer: usize, schedule: usize) -> Assignment {
        let best = |axis: usize| 0.15 + 0.7 * smooth.optima[axis];
        let log = |place: f64, low: f64, high: f64| low * libm::pow(high / low, place);
        #[expect(clippy::cast_possible_truncation, reason = "small numbers")]
        let whole = |number: f64| Scalar::Int(number.round() as i64);
        let rate = 0.25 + 0.5 * smooth.optima[0] + 0.3 * (smooth.optima[1 + optimizer] - 0.5) + 0.2 * (best(6) - 0.5);
        let choices = Assignment::from([
            ("rate".into(), Scalar::Float(log(rate, 1e-5, 1.0))),
            ("decay".into(), Scalar::Float(log(best(4), 1e-6, 1e-1))),
            ("dropout".into(), Scalar::Float(log(best(5), 1e-3, 0.9))),
            ("batch".into(), whole(log(best(6), 16.0, 1024.0))),
            ("layers".into(), whole(2.0 + 8.0 * best(7))),
            ("optimizer".into(), OPTIMIZERS[optimizer].into()),
            ("schedule".into(), SCHEDULES[schedule].into()),
        ]);
        let momentum = (OPTIMIZERS[optimizer] == "sgd").then(|| ("momentum".into(), Scalar::Float(best(8))));
        choices.with(momentum)
    }

    #[test]
    fn the_best_there_can_be_is_there() {
        for seed in 0..20 {
            let smooth = Smooth::new(seed);
            let of = |choice: usize| smooth.truth(&optimum(&smooth, choice / 3, choice % 3)).unwrap();
            let best = (0..9).map(of).fold(f64::MIN, f64::max);
            // Whole numbers round.
            assert!(best <= BEST && best > BEST - 0.1, "{seed}: {best}");
        }
    }

    #[test]
    fn curves_do_not_cross() {
        let steps = [1, 3, 9, 27, 81].map(|step| gone(real(step)));
        assert!(steps.is_sorted() && steps[0] > 0.1 && (steps[4] - 1.0).abs() < 1e-12, "{steps:?}");
    }
}
