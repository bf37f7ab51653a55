//! Several objectives as one, for samplers that learn: a weighted sum, with other weights from trial to trial, so that the front is approached
//! everywhere (`ParEGO`, Knowles 2006; random scalarisations, Paria et al. 2019).

use super::standardization::Standardization;
use crate::{
    Plan, Trial,
    pareto::{MAX_ADDITIONAL, Point, point},
    random::RandomStream,
};

/// Different weights: so many models are kept.
pub(super) const VECTORS: u64 = 8;

/// Weights of the objectives, each at least 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Weights {
    of: Point,
}

impl Weights {
    /// Those with which a trial is proposed; `None`: there is one objective.
    pub(crate) fn of_trial(plan: &Plan, number: u64) -> Option<Self> {
        if plan.additional.is_empty() {
            return None;
        }
        let which = number % VECTORS;
        let mut stream = RandomStream::of_weights(plan.seed, which);
        // Of the first objective in even steps; what is left goes to the others, evenly spread over all mixtures by exponential numbers.
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let first = (which as f64 + 0.5) / VECTORS as f64;
        let mut of: Point =
            std::array::from_fn(|at| if at <= plan.additional.len() { -libm::log(1.0 - stream.unit()) } else { 0.0 });
        let sum: f64 = of[1..].iter().sum();
        of[1..].iter_mut().for_each(|weight| *weight *= (1.0 - first) / sum);
        of[0] = first;
        Some(Self { of })
    }

    /// What trials are worth at each rung from 0: the weighted sum of their objectives there, each in deviations from the mean of the trials
    /// that have a value. `lengths` says how many rungs of each trial are looked at.
    pub(crate) fn values(&self, plan: &Plan, trials: &[(&Trial, usize)]) -> Vec<Vec<f64>> {
        let most = trials.iter().map(|(_, rungs)| *rungs).max().unwrap_or_default();
        let mut values: Vec<Vec<f64>> = vec![Vec::new(); trials.len()];
        for rung in 0..most {
            let points: Vec<Option<Point>> =
                trials.iter().map(|(trial, rungs)| (rung < *rungs).then(|| point(plan, trial, rung)).flatten()).collect();
            let of_axis = |axis: usize| points.iter().flatten().map(|point| point[axis]).collect::<Vec<f64>>();
            let axes: [Standardization; 1 + MAX_ADDITIONAL] = std::array::from_fn(|axis| match of_axis(axis).as_slice() {
                [] => Standardization::UNIT,
                values => Standardization::of(values),
            });
            for ((values, point), (_, rungs)) in values.iter_mut().zip(&points).zip(trials) {
                if rung >= *rungs {
                    continue;
                }
                let term = |axis: usize, value: f64| self.of[axis] * axes[axis].standard(value);
                let sum = |point: &Point| point.iter().enumerate().map(|(axis, value)| term(axis, *value)).sum();
                values.push(point.as_ref().map_or(f64::NEG_INFINITY, sum));
            }
        }
        values
    }
}
