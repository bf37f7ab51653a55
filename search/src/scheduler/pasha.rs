//! PASHA: when the ranking of the two highest rungs is unstable enough to open the next (Bohdal et al. 2023).

use crate::{Index, Plan};

/// PASHA compares the ranking of so many trials: the order of the others does not matter, and a decision has to be quick.
const RANKED: usize = 100;

/// The highest rung of PASHA: one above the highest that was granted if the ranking of its two top rungs is unstable. It starts with two.
pub(super) fn top_rung(plan: &Plan, index: &Index) -> usize {
    let granted = index.highest_target().max(1);
    let grows = granted < plan.rungs.top() && is_unstable(index, granted);
    granted + usize::from(grows)
}

/// Whether the best trials of a rung stand in another order at the rung below, by more than noise: PASHA's soft ranking. Trials whose
/// values below differ by at most epsilon are in either order.
pub(super) fn is_unstable(index: &Index, rung: usize) -> bool {
    let curves = index.curves(rung, RANKED);
    let mut below: Vec<f64> = curves.iter().map(|curve| curve[rung - 1]).collect();
    let epsilon = noise(&curves);
    let as_ranked = below.clone();
    below.sort_by(|a, b| b.total_cmp(a));
    as_ranked.iter().zip(below).any(|(value, expected)| (value - expected).abs() > epsilon)
}

/// PASHA's epsilon: of the pairs that change places twice, which only noise does, nine in ten differ by at most this at the top rung.
/// Measured at the rungs (the paper: at every epoch), hence 0 until there are three.
pub(super) fn noise(curves: &[Vec<f64>]) -> f64 {
    let changes = |a: &[f64], b: &[f64]| {
        let first_is_better: Vec<bool> = a.iter().zip(b).map(|(a, b)| a > b).collect();
        first_is_better.windows(2).filter(|pair| pair[0] != pair[1]).count()
    };
    let pairs = curves.iter().enumerate().flat_map(|(at, a)| curves[at + 1..].iter().map(move |b| (a, b)));
    let crossing = pairs.filter(|(a, b)| changes(a, b) >= 2);
    let mut distances: Vec<f64> = crossing.filter_map(|(a, b)| Some((a.last()? - b.last()?).abs())).collect();
    distances.sort_by(f64::total_cmp);
    let at = (distances.len() * 9).div_ceil(10);
    at.checked_sub(1).and_then(|at| distances.get(at)).copied().unwrap_or(0.0)
}
