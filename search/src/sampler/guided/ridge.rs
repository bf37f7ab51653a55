//! Bayesian linear regression with the strength of its prior chosen by evidence, and draws from its posterior.

use super::{features::Features, linear::Cholesky};
use crate::{random::RandomStream, sampler::axes::real};

/// Strengths of the prior that are tried. The largest keeps a rung with few results from claiming that nothing but noise is left to say.
const STRENGTHS: [f64; 7] = [4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 192.0];
/// Least variance of the noise, of targets that vary by about 1.
const LEAST_NOISE: f64 = 1e-9;

/// A regression on sparse features.
#[derive(Debug)]
pub(super) struct Ridge {
    /// Mean of the weights, one for each feature.
    pub(super) weights: Vec<f64>,
    /// Variance of the noise.
    noise: f64,
    strength: f64,
    factor: Cholesky,
    /// The rows, where there are fewer than features: `factor` is then that of the rows' products.
    rows: Option<Vec<Features>>,
}

impl Ridge {
    /// Regresses `targets` on `rows` of `width` features.
    pub(super) fn fit(rows: &[&Features], targets: &[f64], width: usize) -> Self {
        let is_dual = rows.len() < width;
        let size = if is_dual { rows.len() } else { width };
        let (products, right) =
            if is_dual { (row_products(rows, width), targets.to_vec()) } else { feature_products(rows, targets, width) };
        let count = real(rows.len());
        let squares: f64 = targets.iter().map(|target| target * target).sum();
        let fits = STRENGTHS.iter().map(|&strength| {
            let (factor, determinant) = Cholesky::of(&products, size, strength);
            let mut solved = right.clone();
            factor.forward(&mut solved);
            let explained: f64 = solved.iter().map(|value| value * value).sum();
            factor.backward(&mut solved);
            let noise = (if is_dual { strength * explained } else { squares - explained } / count).max(LEAST_NOISE);
            let evidence = -0.5 * (count * libm::log(noise) + determinant - real(size) * libm::log(strength));
            (evidence, Self { weights: solved, noise, strength, factor, rows: None })
        });
        let best = fits.reduce(|best, other| if other.0 > best.0 { other } else { best });
        let Some((_, mut best)) = best else { unreachable!("there are strengths to try") };
        if is_dual {
            let mut weights = vec![0.0; width];
            rows.iter().zip(&best.weights).for_each(|(row, weight)| row.add_to(&mut weights, *weight));
            best.weights = weights;
            best.rows = Some(rows.iter().map(|row| (*row).clone()).collect());
        }
        best
    }

    /// Weights from the posterior.
    pub(super) fn draw(&self, stream: &mut RandomStream) -> Vec<f64> {
        let deviation = libm::sqrt(self.noise);
        let Some(rows) = &self.rows else {
            let mut normal: Vec<f64> = self.weights.iter().map(|_| stream.normal()).collect();
            self.factor.backward(&mut normal);
            return self.weights.iter().zip(normal).map(|(weight, normal)| weight + deviation * normal).collect();
        };
        // Matheron's rule: a draw from the prior, corrected by what it gets wrong about noisy targets.
        let prior = libm::sqrt(self.noise / self.strength);
        let mut weights: Vec<f64> = self.weights.iter().map(|_| prior * stream.normal()).collect();
        let mut missed: Vec<f64> = rows.iter().map(|row| deviation * stream.normal() - row.dot(&weights)).collect();
        self.factor.forward(&mut missed);
        self.factor.backward(&mut missed);
        rows.iter().zip(missed).for_each(|(row, missed)| row.add_to(&mut weights, missed));
        self.weights.iter().zip(weights).map(|(mean, deviation)| mean + deviation).collect()
    }
}

/// The product of each row with each, as a lower triangle.
fn row_products(rows: &[&Features], width: usize) -> Vec<f64> {
    let mut products = vec![0.0; rows.len() * rows.len()];
    let mut dense = vec![0.0; width];
    for (at, row) in rows.iter().enumerate() {
        row.add_to(&mut dense, 1.0);
        for (other, product) in rows[..=at].iter().zip(&mut products[at * rows.len()..]) {
            *product = other.dot(&dense);
        }
        row.clear(&mut dense);
    }
    products
}

/// The product of each feature with each, as a lower triangle, and with the targets.
fn feature_products(rows: &[&Features], targets: &[f64], width: usize) -> (Vec<f64>, Vec<f64>) {
    let mut products = vec![0.0; width * width];
    let mut right = vec![0.0; width];
    for (row, target) in rows.iter().zip(targets) {
        row.add_to(&mut right, *target);
        for (at, value) in row.iter() {
            let below = row.iter().filter(|(other, _)| *other <= at);
            below.for_each(|(other, factor)| products[at * width + other] += value * factor);
        }
    }
    (products, right)
}
