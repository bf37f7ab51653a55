//! Metrics with a total order.

use serde::{Deserialize, Serialize};

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// More is better.
    Maximize,
    /// Less is better.
    Minimize,
}

/// A metric: a finite number, or the knowledge that there is none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Metric {
    /// A number that is neither NaN nor infinite.
    Finite(f64),
    /// Training went astray, or the trial ended without a value. Worse than every number, in both directions.
    Diverged,
}

impl Metric {
    /// The metric of a measured number.
    pub fn of(value: f64) -> Self {
        if value.is_finite() { Self::Finite(value) } else { Self::Diverged }
    }
}

/// A metric as a sort key under one direction: ascending is best first, and there is no NaN to go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Rank(u64);

impl Rank {
    pub(crate) fn of(metric: Metric, direction: Direction) -> Self {
        let Metric::Finite(value) = metric else { return Self(u64::MAX) };
        // Adding 0 turns -0 into 0, which ranks the same.
        let bits = (value + 0.0).to_bits();
        // The usual trick: flipping the sign bit (or, for negative numbers, all bits) makes the order of bits that of numbers.
        let ascending = if bits >> 63 == 0 { bits | 1 << 63 } else { !bits };
        Self(match direction {
            Direction::Minimize => ascending,
            Direction::Maximize => !ascending,
        })
    }
}

impl Direction {
    /// The value as a number of which more is better, and back.
    pub(crate) fn upwards(self, value: f64) -> f64 {
        if self == Self::Maximize { value } else { -value }
    }

    /// Whether `value` is better than another; of equal ones neither is.
    pub fn is_better(self, value: f64, other: f64) -> bool {
        self.upwards(value) > self.upwards(other)
    }

    /// Whether `value` is at least as good as `target`.
    pub fn reaches(self, value: f64, target: f64) -> bool {
        Rank::of(Metric::of(value), self) <= Rank::of(Metric::of(target), self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ranks_order_as_numbers_do(a in -1e300..1e300, b in -1e300..1e300) {
            let rank = |value, direction| Rank::of(Metric::of(value), direction);
            prop_assert_eq!(rank(a, Direction::Minimize).cmp(&rank(b, Direction::Minimize)), a.total_cmp(&b));
            prop_assert_eq!(rank(a, Direction::Maximize).cmp(&rank(b, Direction::Maximize)), b.total_cmp(&a));
        }
    }

    #[test]
    fn whatever_is_no_number_comes_last_in_both_directions() {
        for direction in [Direction::Maximize, Direction::Minimize] {
            for wrong in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                for number in [f64::MAX, f64::MIN, 0.0] {
                    assert!(Rank::of(Metric::of(number), direction) < Rank::of(Metric::of(wrong), direction));
                }
            }
        }
        assert_eq!(Rank::of(Metric::of(-0.0), Direction::Minimize), Rank::of(Metric::of(0.0), Direction::Minimize));
    }

    #[test]
    fn of_two_values_the_greater_or_the_lesser_is_better_and_of_equal_ones_neither() {
        assert!(Direction::Maximize.is_better(0.9, 0.8) && Direction::Minimize.is_better(0.8, 0.9));
        for direction in [Direction::Maximize, Direction::Minimize] {
            assert!(!direction.is_better(0.8, 0.8));
            assert_ne!(direction.is_better(0.9, 0.8), direction.is_better(0.8, 0.9));
        }
    }

    #[test]
    fn a_target_is_reached_from_the_good_side() {
        assert!(Direction::Maximize.reaches(0.9, 0.9) && !Direction::Maximize.reaches(0.89, 0.9));
        assert!(Direction::Minimize.reaches(0.1, 0.1) && !Direction::Minimize.reaches(0.11, 0.1));
        assert!(!Direction::Minimize.reaches(f64::NAN, 0.1));
    }
}
