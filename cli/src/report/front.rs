//! The Pareto front of the metric against the size of the network.

use nas_search::Direction;

use super::columns::Columns;

/// Numbers of the trials than which none is both better and smaller, the smallest first, at the highest rung (at most `top`) that has values.
pub(super) fn front_of_size(columns: &Columns, direction: Direction, top: usize) -> Vec<u64> {
    let worth = |value: f64| if direction == Direction::Maximize { value } else { -value };
    let points_at = |rung: usize| -> Vec<(u64, f64, u64)> {
        let all = columns.params.iter().zip(&columns.values[rung]).zip(&columns.number);
        all.filter_map(|((params, value), number)| Some(((*params)?, worth((*value)?), *number))).collect()
    };
    let mut points = (0..=top).rev().map(points_at).find(|points| !points.is_empty()).unwrap_or_default();
    points.sort_by(|one, other| one.0.cmp(&other.0).then(other.1.total_cmp(&one.1)).then(one.2.cmp(&other.2)));
    let mut best = f64::NEG_INFINITY;
    points.retain(|(_, worth, _)| {
        let is_better = *worth > best;
        best = best.max(*worth);
        is_better
    });
    points.into_iter().map(|(_, _, number)| number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_front_is_what_nothing_beats_in_both() {
        let columns = Columns {
            number: vec![0, 1, 2, 3, 4, 5],
            params: vec![Some(10), Some(20), Some(10), Some(30), None, Some(40)],
            values: vec![vec![Some(0.5), Some(0.4), Some(0.6), Some(0.7), Some(0.9), None], vec![None; 6]],
            ..Columns::default()
        };
        assert_eq!(front_of_size(&columns, Direction::Maximize, 1), [2, 3]);
        assert_eq!(front_of_size(&columns, Direction::Minimize, 1), [0, 1]);
    }
}
