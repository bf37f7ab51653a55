//! The model of a search: one regression for each rung, chained. A rung's values are explained by what the rung below predicted, by what was
//! left of it there, and by the features; so that many short trainings inform about the few long ones, as far as they agree.

use std::sync::Arc;

use super::{
    features::{Features, Layout},
    linear::Cholesky,
    ridge::Ridge,
};
use crate::{
    random::RandomStream,
    sampler::{
        axes::real,
        standardization::{NO_DEVIATION, Standardization},
    },
};

/// A rung with fewer results is not modelled.
const ENOUGH: usize = 4;
/// Values further from the median than so many deviations, below and above, count as if they were there.
const CLIP: (f64, f64) = (4.0, 6.0);
/// A median absolute deviation is this share of a standard deviation.
const MAD: f64 = 1.4826;
/// What is believed about [1, prediction, residual] of the rung below, and how strongly, in results.
const PRIOR: [f64; 3] = [0.0, 0.5, 0.3];
const PRIOR_RESULTS: f64 = 4.0;
/// Least share of a residual at the highest modelled rung that is the trial's own; of the lowest rung alone.
const KEPT: f64 = 0.5;
const KEPT_ALONE: f64 = 0.3;

/// Models of the rungs that have enough results, from the lowest modelled one.
#[derive(Debug)]
pub(super) struct Chain {
    /// The lowest modelled rung.
    lowest: usize,
    rungs: Vec<Rung>,
    /// Share of a residual at the highest modelled rung that is the trial's own.
    kept: f64,
}

/// A function of the features: constant, and weights.
pub(super) type Function = (f64, Vec<f64>);

#[derive(Debug)]
struct Rung {
    clip: (f64, f64),
    values: Standardization,
    /// Of the predictions and residuals of the rung below.
    predictions: Standardization,
    residuals: Standardization,
    /// Coefficients of [1, prediction, residual], all standardised.
    below: [f64; 3],
    factor: Cholesky,
    noise: f64,
    ridge: Ridge,
}

/// Where a trial stands in the chain: what is predicted of it at a rung, and what it showed beyond that.
#[derive(Clone, Copy, Debug, Default)]
struct Track {
    prediction: f64,
    residual: f64,
}

impl Chain {
    /// Fits trials, each with its features and its values from rung 0 (minus infinity: no value), from the rung `lowest`. `None`: it has too
    /// few.
    pub(super) fn fit(layout: &Layout, trials: &[(Arc<Features>, &[f64])], lowest: usize) -> Option<Self> {
        let mut chain = Self { lowest, rungs: Vec::new(), kept: KEPT_ALONE };
        let mut tracks = vec![Track::default(); trials.len()];
        let most = trials.iter().map(|(_, values)| values.len()).max().unwrap_or_default();
        for rung in lowest..most {
            let here: Vec<usize> = (0..trials.len()).filter(|at| trials[*at].1.len() > rung).collect();
            let values: Vec<f64> = here.iter().map(|at| trials[*at].1[rung]).collect();
            let Some(clip) = clip(&values).filter(|_| values.len() >= ENOUGH) else { break };
            let values: Vec<f64> = values.iter().map(|value| value.clamp(clip.0, clip.1)).collect();
            let before: Vec<Track> = here.iter().map(|at| tracks[*at]).collect();
            let features: Vec<&Features> = here.iter().map(|at| trials[*at].0.as_ref()).collect();
            let fitted = Rung::fit(layout, clip, &values, &features, (rung > lowest).then_some(&before));
            for (track, (features, values)) in tracks.iter_mut().zip(trials) {
                *track = fitted.step(*track, features, values.get(rung).copied());
            }
            chain.rungs.push(fitted);
        }
        let top = chain.rungs.last()?;
        if chain.rungs.len() > 1 {
            let of_residual = top.below[2] / top.residuals.deviation;
            let of_prediction = (top.below[1] / top.predictions.deviation).max(0.001);
            chain.kept = (of_residual / of_prediction).clamp(KEPT, 1.0);
        }
        Some(chain)
    }

    /// What a trial is worth at the highest modelled rung: what is predicted of it, and what of its residual is its own, of which `trusted`
    /// is counted.
    pub(super) fn score(&self, features: &Features, values: &[f64], trusted: f64) -> f64 {
        let step = |track, (at, model): (usize, &Rung)| model.step(track, features, values.get(self.lowest + at).copied());
        let track = self.rungs.iter().enumerate().fold(Track::default(), step);
        track.prediction + trusted * self.kept * track.residual
    }

    /// The highest modelled rung.
    pub(super) fn top(&self) -> usize {
        self.lowest + self.rungs.len() - 1
    }

    /// A function from the posterior, at the highest modelled rung.
    pub(super) fn draw(&self, stream: &mut RandomStream) -> Function {
        let mut drawn: Function = (0.0, Vec::new());
        for (rung, model) in self.rungs.iter().enumerate() {
            let weights = model.ridge.draw(stream);
            let Standardization { mean, deviation } = model.values;
            if rung == 0 {
                drawn = (mean, weights.into_iter().map(|weight| deviation * weight).collect());
                continue;
            }
            let mut normal = [stream.normal(), stream.normal(), stream.normal()];
            model.factor.backward(&mut normal);
            let [constant, prediction, residual] = [0, 1, 2].map(|at| model.below[at] + libm::sqrt(model.noise) * normal[at]);
            let slope = deviation * prediction / model.predictions.deviation;
            let standing = constant
                - prediction * model.predictions.mean / model.predictions.deviation
                - residual * model.residuals.mean / model.residuals.deviation;
            drawn.0 = mean + deviation * standing + slope * drawn.0;
            drawn.1.iter_mut().zip(weights).for_each(|(below, weight)| *below = slope * *below + deviation * weight);
        }
        drawn
    }
}

impl Rung {
    /// Fits clipped values on where the trials stood at the rung below (`None`: this is the lowest) and on their features.
    fn fit(layout: &Layout, clip: (f64, f64), values: &[f64], features: &[&Features], before: Option<&Vec<Track>>) -> Self {
        let standardization = Standardization::of(values);
        let mut targets: Vec<f64> = values.iter().map(|value| standardization.standard(*value)).collect();
        let (mut predictions, mut residuals) = (Standardization::UNIT, Standardization::UNIT);
        let (mut below, mut noise) = ([0.0; 3], 0.0);
        let mut products = [0.0; 9];
        if let Some(before) = before {
            predictions = Standardization::of(&before.iter().map(|track| track.prediction).collect::<Vec<_>>());
            residuals = Standardization::of(&before.iter().map(|track| track.residual).collect::<Vec<_>>());
            let rows: Vec<[f64; 3]> = before
                .iter()
                .map(|track| [1.0, predictions.standard(track.prediction), residuals.standard(track.residual)])
                .collect();
            below = PRIOR.map(|coefficient| PRIOR_RESULTS * coefficient);
            for (row, target) in rows.iter().zip(&targets) {
                for one in 0..3 {
                    below[one] += row[one] * target;
                    (0..3).for_each(|other| products[3 * one + other] += row[one] * row[other]);
                }
            }
            let (factor, _) = Cholesky::of(&products, 3, PRIOR_RESULTS);
            factor.forward(&mut below);
            factor.backward(&mut below);
            // A low rung may mislead as a whole, but what a trial showed beyond it is never a bad sign.
            below[2] = below[2].max(0.0);
            for (row, target) in rows.iter().zip(&mut targets) {
                *target -= (0..3).map(|at| below[at] * row[at]).sum::<f64>();
            }
            noise = targets.iter().map(|target| target * target).sum::<f64>() / real(targets.len());
        }
        let (factor, _) = Cholesky::of(&products, 3, PRIOR_RESULTS);
        let ridge = Ridge::fit(features, &targets, layout.width());
        Self { clip, values: standardization, predictions, residuals, below, factor, noise, ridge }
    }

    /// Where a trial stands at this rung; `None`: it has not come so far.
    fn step(&self, before: Track, features: &Features, value: Option<f64>) -> Track {
        let standing = self.below[0]
            + self.below[1] * self.predictions.standard(before.prediction)
            + self.below[2] * self.residuals.standard(before.residual);
        let prediction = self.values.mean + self.values.deviation * (standing + features.dot(&self.ridge.weights));
        let residual = value.map_or(0.0, |value| value.clamp(self.clip.0, self.clip.1) - prediction);
        Track { prediction, residual }
    }
}

/// Between what values are taken as they are; `None`: too few are numbers.
fn clip(values: &[f64]) -> Option<(f64, f64)> {
    let mut finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    if finite.len() + 1 < ENOUGH {
        return None;
    }
    let centre = median(&mut finite);
    let mut distances: Vec<f64> = finite.iter().map(|value| (value - centre).abs()).collect();
    let deviation = (MAD * median(&mut distances)).max(NO_DEVIATION);
    Some((centre - CLIP.0 * deviation, centre + CLIP.1 * deviation))
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    if values.len() % 2 == 1 { values[half] } else { 0.5 * (values[half - 1] + values[half]) }
}
