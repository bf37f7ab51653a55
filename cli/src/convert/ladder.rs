//! Rungs, as other tools say them.

use super::{domain::exact, notes::Notes};

/// The share that goes on: one in `given`, which other tools may have with a fraction.
pub(super) fn eta(path: impl Into<String>, given: f64, notes: &mut Notes) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "it was brought into a small range")]
    let eta = given.clamp(2.0, 64.0).round() as i64;
    if (exact(eta) - given).abs() > f64::EPSILON {
        notes.changed(path, format!("{given}: one in {eta} goes on, since eta is a whole number of 2 to 64"));
    }
    eta
}

/// Lengths from the least on, each `eta` times the one before, and full length; at most 16.
pub(super) fn milestones(least: i64, max: i64, eta: i64) -> Vec<i64> {
    let lengths = std::iter::successors(Some(least.max(1)), |length| length.checked_mul(eta));
    lengths.take_while(|length| *length < max).take(15).chain([max]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milestones_end_at_full_length() {
        assert_eq!(milestones(1, 9, 3), [1, 3, 9]);
        assert_eq!(milestones(1, 100, 4), [1, 4, 16, 64, 100]);
        assert_eq!(milestones(10, 10, 2), [10]);
        assert_eq!(milestones(20, 10, 2), [10]);
    }

    #[test]
    fn a_share_with_a_fraction_is_told() {
        let mut notes = Notes::default();
        assert_eq!((eta("a", 3.0, &mut notes), notes.0.len()), (3, 0));
        assert_eq!((eta("a", 2.5, &mut notes), notes.0.len()), (3, 1));
        assert_eq!((eta("a", 1.5, &mut notes), notes.0.len()), (2, 2));
    }
}
