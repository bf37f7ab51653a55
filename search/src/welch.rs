//! What repeated measurements tell: their mean, their spread, and whether two of them differ.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// The mean; `None`: there are no values.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / count(values))
}

/// The standard deviation of the population that the values are a sample of; `None`: there are fewer than two.
pub fn standard_deviation(values: &[f64]) -> Option<f64> {
    variance(values).map(f64::sqrt)
}

/// How likely means at least as far apart are where there is no difference: Welch's t-test (1947), two-sided; `None`: with fewer than two
/// values of either nothing can be said.
pub fn welch(one: &[f64], other: &[f64]) -> Option<f64> {
    let difference = (mean(one)? - mean(other)?).abs();
    let share = |values: &[f64]| Some((variance(values)? / count(values), count(values) - 1.0));
    let ((first, first_freedom), (second, second_freedom)) = (share(one)?, share(other)?);
    let sum = first + second;
    if sum == 0.0 {
        return Some(if difference == 0.0 { 1.0 } else { 0.0 });
    }
    // Welch and Satterthwaite, in shares of the sum: squares of small variances would be zero.
    let (first, second) = (first / sum, second / sum);
    let freedom = 1.0 / (first * first / first_freedom + second * second / second_freedom);
    let distribution = StudentsT::new(0.0, 1.0, freedom).ok()?;
    Some(2.0 * distribution.sf(difference / sum.sqrt()))
}

fn variance(values: &[f64]) -> Option<f64> {
    let mean = mean(values).filter(|_| values.len() > 1)?;
    Some(values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count(values) - 1.0))
}

#[expect(clippy::cast_precision_loss, reason = "nobody repeats anything 2^53 times")]
fn count(values: &[f64]) -> f64 {
    values.len() as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn close(found: Option<f64>, expected: f64, within: f64) {
        assert!((found.unwrap() - expected).abs() < within, "{found:?}, not {expected}");
    }

    #[test]
    fn mean_and_deviation_are_those_of_a_sample() {
        close(mean(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]), 5.0, 1e-15);
        close(standard_deviation(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]), (32.0_f64 / 7.0).sqrt(), 1e-15);
        assert_eq!((mean(&[]), mean(&[3.0]), standard_deviation(&[3.0])), (None, Some(3.0), None));
    }

    /// Samples and p-values of the three examples in Wikipedia's article on the test: unequal sizes, unequal variances.
    #[test]
    fn published_examples_come_out_alike() {
        let first = [27.5, 21.0, 19.0, 23.6, 17.0, 17.9, 16.9, 20.1, 21.9, 22.6, 23.1, 19.6, 19.0, 21.7, 21.4];
        let second = [27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8, 22.0, 24.8, 20.2, 21.9, 22.1, 22.9, 20.5, 24.4];
        close(welch(&first, &second), 0.021, 0.0005);
        let first = [17.2, 20.9, 22.6, 18.1, 21.7, 21.4, 23.5, 24.2, 14.7, 21.8];
        let second = [
            21.5, 22.8, 21.0, 23.0, 21.6, 23.6, 22.5, 20.7, 23.4, 21.8, 20.7, 21.7, 21.5, 22.5, 23.6, 21.5, 22.5, 23.5, 21.5,
            21.8,
        ];
        close(welch(&first, &second), 0.149, 0.0005);
        let first = [19.8, 20.4, 19.6, 17.8, 18.5, 18.9, 18.3, 18.9, 19.5, 22.0];
        let second = [
            28.2, 26.6, 20.1, 23.3, 25.2, 22.1, 17.7, 27.6, 20.6, 13.7, 23.2, 17.5, 20.6, 18.0, 23.9, 21.6, 24.3, 20.4, 24.0,
            13.2,
        ];
        close(welch(&first, &second), 0.036, 0.0005);
    }

    #[test]
    fn with_two_values_each_and_equal_spread_the_distribution_has_a_closed_form() {
        // Two degrees of freedom: P(|T| > t) = 1 - t / sqrt(2 + t^2).
        for distance in [0.0, 0.5, 1.0, 3.0, 10.0, 1e6] {
            let t = f64::sqrt(2.0) * distance;
            close(welch(&[0.0, 1.0], &[distance, distance + 1.0]), 1.0 - t / (2.0 + t * t).sqrt(), 1e-9);
        }
        // One degree of freedom, where one of them does not vary: Cauchy's distribution.
        close(welch(&[0.0, 2.0], &[4.0, 4.0]), 1.0 - 2.0 / std::f64::consts::PI * f64::atan(3.0), 1e-9);
    }

    #[test]
    fn without_two_values_of_both_nothing_can_be_said() {
        for (one, other) in [(&[][..], &[][..]), (&[1.0], &[2.0]), (&[1.0, 2.0], &[9.0]), (&[], &[1.0, 2.0])] {
            assert_eq!((welch(one, other), welch(other, one)), (None, None));
        }
    }

    #[test]
    fn values_that_do_not_vary_differ_or_are_equal() {
        assert_eq!(welch(&[0.5, 0.5], &[0.5, 0.5, 0.5]), Some(1.0));
        assert_eq!(welch(&[0.5, 0.5], &[0.25, 0.25]), Some(0.0));
    }

    proptest! {
        #[test]
        fn the_order_the_unit_and_the_zero_do_not_matter(
            one in prop::collection::vec(0.0..1.0, 2..16),
            other in prop::collection::vec(0.0..1.0, 2..16),
            scale in 1e-100..1e100,
        ) {
            let found = welch(&one, &other).unwrap();
            prop_assert!((0.0..=1.0).contains(&found));
            prop_assert!((found - welch(&other, &one).unwrap()).abs() < 1e-9);
            let scaled = |values: &[f64]| values.iter().map(|value| -value * scale).collect::<Vec<_>>();
            prop_assert!((found - welch(&scaled(&one), &scaled(&other)).unwrap()).abs() < 1e-6);
        }
    }
}
