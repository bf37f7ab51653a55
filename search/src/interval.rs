//! How sure a search is of what it saw: intervals by Student's t-distribution.

use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::{mean, rungs::real};

/// An estimate and the interval around it that covers the truth with the confidence that was asked for, where what is left is noise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The estimate.
    pub estimate: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// By how much `y` changes where `x` grows by one: least squares over the points, with the interval of its slope.
///
/// `None`: there are fewer than three points, or all have the same `x`.
pub fn slope_interval(points: &[(f64, f64)], confidence: f64) -> Option<Interval> {
    let (xs, ys): (Vec<f64>, Vec<f64>) = points.iter().copied().unzip();
    let (centre, level) = (mean(&xs)?, mean(&ys)?);
    let spread: f64 = xs.iter().map(|x| (x - centre).powi(2)).sum();
    let freedom = points.len().checked_sub(2).filter(|freedom| *freedom > 0)?;
    if spread == 0.0 {
        return None;
    }
    let slope = points.iter().map(|(x, y)| (x - centre) * (y - level)).sum::<f64>() / spread;
    let rest: f64 = points.iter().map(|(x, y)| (y - level - slope * (x - centre)).powi(2)).sum();
    let freedom = real(freedom as u64);
    let error = (rest / freedom / spread).sqrt();
    let reach = StudentsT::new(0.0, 1.0, freedom).ok()?.inverse_cdf(f64::midpoint(1.0, confidence)) * error;
    Some(Interval { estimate: slope, low: slope - reach, high: slope + reach })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn close(found: f64, expected: f64, within: f64) {
        assert!((found - expected).abs() < within, "{found}, not {expected}");
    }

    /// Heights and masses of women, the example of Wikipedia's article on simple linear regression: slope 61.272, 95 % within 57.4 and 65.1.
    #[test]
    fn a_published_example_comes_out_alike() {
        let heights = [1.47, 1.50, 1.52, 1.55, 1.57, 1.60, 1.63, 1.65, 1.68, 1.70, 1.73, 1.75, 1.78, 1.80, 1.83];
        let masses = [52.21, 53.12, 54.48, 55.84, 57.20, 58.57, 59.93, 61.29, 63.11, 64.47, 66.28, 68.10, 69.92, 72.19, 74.46];
        let points: Vec<_> = heights.into_iter().zip(masses).collect();
        let found = slope_interval(&points, 0.95).unwrap();
        close(found.estimate, 61.272, 0.001);
        close(found.low, 57.4, 0.06);
        close(found.high, 65.1, 0.06);
    }

    #[test]
    fn without_three_points_and_two_places_nothing_can_be_said() {
        for points in [&[][..], &[(0.0, 1.0), (1.0, 2.0)], &[(1.0, 1.0), (1.0, 2.0), (1.0, 3.0)]] {
            assert_eq!(slope_interval(points, 0.95), None);
        }
        let exact = slope_interval(&[(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)], 0.95).unwrap();
        assert_eq!((exact.estimate, exact.low, exact.high), (2.0, 2.0, 2.0));
    }

    proptest! {
        #[test]
        fn the_interval_holds_its_estimate_and_a_surer_one_holds_it(
            points in prop::collection::vec((0.0_f64..8.0, 0.0..1.0), 3..40),
        ) {
            prop_assume!(points.iter().any(|(x, _)| (x - points[0].0).abs() > 0.001));
            let [narrow, wide] = [0.8, 0.99].map(|confidence| slope_interval(&points, confidence).unwrap());
            prop_assert!(narrow.low <= narrow.estimate && narrow.estimate <= narrow.high);
            prop_assert!(wide.low <= narrow.low && narrow.high <= wide.high);
        }
    }
}
