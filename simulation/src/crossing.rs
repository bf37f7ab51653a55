//! A made-up landscape of hyperparameters whose learning curves cross: what learns slowly often ends best.
//!
//! Four floats, two whole numbers and two choices; the best floats depend on a choice, two of them depend on each other, a corner diverges,
//! and a step costs up to seven times as much as another. Each seed has optima of its own. It is for comparisons of samplers and
//! schedulers away from architectures; nothing was trained.

use nas_search::{Assignment, Domain, Parameter, Scalar, Scale, Space};

use crate::{
    Landscape, LandscapeError,
    chance::{chance, digest},
};

/// Full length, in steps.
const FULL: u64 = 81;
/// What a trial shows that diverges.
const DIVERGED: f64 = 10.0;

/// The landscape of one seed.
#[derive(Clone, Debug)]
pub struct Crossing {
    seed: u64,
    /// Where its optima are.
    optima: Vec<f64>,
}

/// A configuration as numbers.
struct At {
    floats: [f64; 4],
    /// Each a share of its range.
    wholes: [f64; 2],
    choices: [usize; 2],
}

impl Crossing {
    /// The landscape of a seed.
    pub fn new(seed: u64) -> Self {
        let optima = (0..60).map(|at| chance(seed, *b"crossing", [0; 16], at).unit()).collect();
        Self { seed, optima }
    }

    /// Full length, in steps.
    pub const fn full_length() -> u64 {
        FULL
    }

    /// Seconds of a mean full training: of 2,000 configurations at random.
    pub fn full_training_seconds(&self) -> f64 {
        let mean: f64 = (0..2000)
            .map(|draw| {
                let mut chance = chance(self.seed, *b"lengthof", [0; 16], draw);
                let mut unit = || chance.unit();
                cost(&At {
                    floats: [unit(), unit(), unit(), unit()],
                    wholes: [(unit() * 6.0).floor() / 5.0, 0.0],
                    choices: [0, 0],
                })
            })
            .sum::<f64>()
            / 2000.0;
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let full = FULL as f64;
        mean * full
    }

    /// The space: x1 to x4, n1 and n2, kind and group.
    ///
    /// # Panics
    ///
    /// Never: the parameters are constant and sound.
    pub fn space() -> Space {
        let parameter = |name: &str, domain| Parameter { name: name.into(), domain, when: None, count: None };
        let float = || Domain::Double { min: 0.0, max: 1.0, scale: Scale::Linear };
        let words = |words: &[&str]| Domain::Categorical(words.iter().map(|word| Scalar::from(*word)).collect());
        let parameters = vec![
            parameter("x1", float()),
            parameter("x2", float()),
            parameter("x3", float()),
            parameter("x4", float()),
            parameter("n1", Domain::Int { min: 0, max: 5, scale: Scale::Linear }),
            parameter("n2", Domain::Int { min: 0, max: 3, scale: Scale::Linear }),
            parameter("kind", words(&["a", "b", "c"])),
            parameter("group", words(&["p", "q", "r", "s"])),
        ];
        Space::new(parameters).unwrap_or_else(|problems| unreachable!("{problems:?}"))
    }

    fn at(assignment: &Assignment) -> Result<At, LandscapeError> {
        let unknown = || LandscapeError::Unknown(assignment.clone());
        let number = |name: &str| assignment.get(name).and_then(Scalar::as_f64).ok_or_else(unknown);
        let choice = |name: &str, words: &[&str]| {
            let place = |value: &Scalar| words.iter().position(|word| *value == Scalar::from(*word));
            assignment.get(name).and_then(place).ok_or_else(unknown)
        };
        Ok(At {
            floats: [number("x1")?, number("x2")?, number("x3")?, number("x4")?],
            wholes: [number("n1")? / 5.0, number("n2")? / 3.0],
            choices: [choice("kind", &["a", "b", "c"])?, choice("group", &["p", "q", "r", "s"])?],
        })
    }

    /// How far a configuration is from the best: 0 is there, about 3 the mean.
    fn badness(&self, at: &At) -> f64 {
        let [kind, group] = at.choices;
        let best = |axis: usize| 0.15 + 0.7 * (0.6 * self.optima[axis] + 0.4 * self.optima[20 + 3 * axis + kind]);
        let off = |axis: usize| at.floats[axis] - best(axis);
        let floats: f64 = [9.0, 5.0, 4.0, 3.0].iter().enumerate().map(|(axis, weight)| weight * off(axis) * off(axis)).sum();
        let whole = |axis: usize| at.wholes[axis] - self.optima[5 + axis];
        floats
            + 2.0 * off(0) * off(1)
            + 2.5 * whole(0) * whole(0)
            + 2.0 * whole(1) * whole(1)
            + 1.5 * self.optima[40 + kind]
            + 1.5 * self.optima[44 + group]
    }

    fn final_value(badness: f64) -> f64 {
        94.0 - 3.0 * badness.max(0.0)
    }

    fn diverges(at: &At) -> bool {
        at.floats[0] > 0.9 && at.floats[1] > 0.5
    }
}

/// Seconds of a step.
fn cost(at: &At) -> f64 {
    libm::exp(1.95 * (0.7 * at.wholes[0] + 0.3 * at.floats[2]))
}

impl Landscape for Crossing {
    fn observed(&self, assignment: &Assignment, step: u64) -> Result<f64, LandscapeError> {
        let at = Self::at(assignment)?;
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let (now, full) = (step as f64, FULL as f64);
        let noise = chance(self.seed, *b"observed", digest(assignment), step).normal();
        if Self::diverges(&at) {
            return Ok(DIVERGED + 0.1 * noise);
        }
        let badness = self.badness(&at);
        // The better the end, the longer the way.
        let slowness = 2.2
            + 2.0 * (0.5 - at.floats[0])
            + 0.8 * (at.wholes[0] - 0.5)
            + 0.9 * (1.5 - badness).clamp(-2.0, 1.5)
            + 0.5 * (self.optima[50 + at.choices[1]] - 0.5);
        let gone = |steps: f64| 1.0 - libm::exp(-libm::pow(steps / libm::exp(slowness), 0.8));
        let left = 1.0 - now / full;
        let value = DIVERGED + (Self::final_value(badness) - DIVERGED) * gone(now) / gone(full);
        Ok(value + (0.15 + left * left) * noise)
    }

    fn seconds(&self, assignment: &Assignment, from: u64, to: u64) -> Result<f64, LandscapeError> {
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let steps = to.saturating_sub(from) as f64;
        Ok(steps * cost(&Self::at(assignment)?))
    }

    fn truth(&self, assignment: &Assignment) -> Result<f64, LandscapeError> {
        let at = Self::at(assignment)?;
        Ok(if Self::diverges(&at) { DIVERGED } else { Self::final_value(self.badness(&at)) })
    }
}
