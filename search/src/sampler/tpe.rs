//! The tree-structured Parzen estimator (Bergstra et al. 2011) on the highest rung that has enough results, as in BOHB (Falkner et al.
//! 2018): candidates are drawn from the density of the best trials, and the one that is likeliest there, compared with the others, is tried.

use super::{
    axes::{Axes, Axis, real},
    evidence::{Memory, Seen, evidence},
    weights::Weights,
};
use crate::{Assignment, Index, Plan, random::RandomStream};

/// A rung with fewer results teaches nothing yet.
pub(super) const ENOUGH: usize = 16;
/// Share of trials that are drawn at random ever after.
const RANDOM_SHARE: f64 = 0.2;
/// Share of a rung's trials that are good.
const GOOD: f64 = 0.2;
/// Candidates of which the best is taken.
const CANDIDATES: usize = 32;
/// Least width of a kernel on a range.
const LEAST_WIDTH: f64 = 0.05;

/// The best candidate; `None`: draw at random.
pub(super) fn propose(
    plan: &Plan,
    memory: &Memory,
    index: &Index,
    number: u64,
    is_open: impl Fn(&Assignment) -> bool,
) -> Option<Assignment> {
    let axes = Axes::new(&plan.space);
    let seen = evidence(plan, memory, &axes, index, usize::MAX, Weights::of_trial(plan, number));
    let mut stream = RandomStream::of_proposal(plan.seed, number);
    let (good, bad) = divided(&seen, plan.rungs.top())?;
    if stream.unit() < RANDOM_SHARE {
        return None;
    }
    let (good, bad) = (Density::new(axes.list(), &good), Density::new(axes.list(), &bad));
    let mut candidates: Vec<(f64, Vec<f64>)> = (0..CANDIDATES)
        .map(|_| {
            let point = good.draw(&mut stream);
            (good.logarithm(&point) - bad.logarithm(&point), point)
        })
        .collect();
    candidates.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    candidates.into_iter().map(|(_, point)| axes.assignment(&point)).find(is_open)
}

/// The good trials and the others, at the highest rung with enough results. Trials that ended without a value are bad, wherever they did.
fn divided(seen: &[Seen], top: usize) -> Option<(Vec<&Seen>, Vec<&Seen>)> {
    let at = |rung: usize| seen.iter().filter(move |trial| trial.values.get(rung).is_some_and(|value| value.is_finite()));
    let rung = (0..=top).rev().find(|rung| at(*rung).count() >= ENOUGH)?;
    let mut good: Vec<&Seen> = at(rung).collect();
    good.sort_by(|a, b| b.values[rung].total_cmp(&a.values[rung]).then(a.place.cmp(&b.place)));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a small number")]
    let mut bad = good.split_off((real(good.len()) * GOOD).ceil() as usize);
    bad.extend(seen.iter().filter(|trial| trial.values.contains(&f64::NEG_INFINITY)));
    Some((good, bad))
}

/// How likely each value of each axis is among some trials; the axes for themselves.
struct Density<'a> {
    axes: &'a [Axis],
    trials: &'a [&'a Seen],
    /// Width of the kernels on each axis.
    widths: Vec<f64>,
}

impl<'a> Density<'a> {
    fn new(axes: &'a [Axis], trials: &'a [&'a Seen]) -> Self {
        let count = real(trials.len());
        let width = |at: usize| {
            let mean = trials.iter().map(|trial| trial.point[at]).sum::<f64>() / count;
            let variance = trials.iter().map(|trial| (trial.point[at] - mean) * (trial.point[at] - mean)).sum::<f64>() / count;
            // Scott's rule in one dimension.
            (libm::sqrt(variance) * libm::pow(count, -0.2)).max(LEAST_WIDTH)
        };
        Self { axes, trials, widths: (0..axes.len()).map(width).collect() }
    }

    /// A point of it: each axis from a trial of its own, or, as if there were one more trial, from anywhere.
    fn draw(&self, stream: &mut RandomStream) -> Vec<f64> {
        let value = |(at, axis): (usize, &Axis)| {
            let trial = self.trials.get(stream.below(self.trials.len() + 1));
            match (axis, trial) {
                (Axis::Constant, _) => 0.0,
                (Axis::Choice(count) | Axis::Ladder(count), None) => real(stream.below(*count)),
                (Axis::Choice(_) | Axis::Ladder(_), Some(trial)) => trial.point[at],
                (Axis::Range, None) => stream.unit(),
                (Axis::Range, Some(trial)) => (trial.point[at] + self.widths[at] * stream.normal()).clamp(0.0, 1.0),
            }
        };
        self.axes.iter().enumerate().map(value).collect()
    }

    /// Logarithm of the density at a point, but for a constant.
    fn logarithm(&self, point: &[f64]) -> f64 {
        let of_axis = |(at, axis): (usize, &Axis)| {
            let near: f64 = match axis {
                Axis::Constant => return 0.0,
                Axis::Choice(count) | Axis::Ladder(count) => {
                    let same = |trial: &&&Seen| (trial.point[at] - point[at]).abs() < 0.5;
                    real(self.trials.iter().filter(same).count()) + 1.0 / real(*count)
                }
                Axis::Range => {
                    let kernel = |trial: &&Seen| {
                        let distance = (trial.point[at] - point[at]) / self.widths[at];
                        libm::exp(-0.5 * distance * distance) / (self.widths[at] * libm::sqrt(std::f64::consts::TAU))
                    };
                    self.trials.iter().map(kernel).sum::<f64>() + 1.0
                }
            };
            libm::log(near / (real(self.trials.len()) + 1.0))
        };
        self.axes.iter().enumerate().map(of_axis).sum()
    }
}
