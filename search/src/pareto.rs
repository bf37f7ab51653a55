//! Several objectives: who dominates whom, and in which order trials go on (MO-ASHA, Schmucker et al. 2021).

use crate::{Assignment, Direction, Feature, Incumbent, Index, Plan, Trial};

/// Most objectives beside the first.
pub const MAX_ADDITIONAL: usize = 3;

/// An objective beside the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdditionalObjective {
    /// A metric that the trainer reports, or `params` or `flops` of the architecture.
    pub metric: String,
    /// Which way is better.
    pub direction: Direction,
}

/// The values of the additional objectives at one rung, in their order; zero beyond their number.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Additional(pub [f64; MAX_ADDITIONAL]);

/// The objectives of one trial, the first one first: more is better in each.
pub(crate) type Point = [f64; 1 + MAX_ADDITIONAL];

/// One of the trials than which none is better in every objective.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FrontTrial {
    /// The trial.
    pub trial: u64,
    /// The rung at which it was measured.
    pub rung: usize,
    /// The first objective's value.
    pub value: f64,
    /// The values of the others.
    pub additional: Additional,
}

impl Plan {
    /// The values of the additional objectives of a trial, of whose metrics `reported` tells; `params` and `flops` are those of the
    /// architecture, where there is one.
    ///
    /// # Errors
    ///
    /// The name of a metric that is not known.
    pub fn measure(&self, assignment: &Assignment, reported: impl Fn(&str) -> Option<f64>) -> Result<Additional, &str> {
        let mut values = Additional::default();
        let architecture = if self.additional.is_empty() { None } else { self.constraints.describe(assignment) };
        let of_architecture = |wanted: &str| match &architecture {
            Some(Feature::Group(facts)) => facts.iter().find_map(|(name, fact)| match fact {
                #[expect(clippy::cast_precision_loss, reason = "what is beyond 2^53 is no number of parameters")]
                Feature::Count(count) if *name == wanted => Some(*count as f64),
                _ => None,
            }),
            _ => None,
        };
        for (value, objective) in values.0.iter_mut().zip(&self.additional) {
            let known = of_architecture(&objective.metric).or_else(|| reported(&objective.metric));
            *value = known.filter(|value| value.is_finite()).ok_or(objective.metric.as_str())?;
        }
        Ok(values)
    }
}

/// The first `limit` trials of the Pareto front at the highest rung that has values, in the order in which they cover it best: the best of
/// the first objective, then always the one that is farthest from those before. None where there is one objective.
pub fn front(plan: &Plan, index: &Index, limit: usize) -> Vec<FrontTrial> {
    let Some(Incumbent { rung, .. }) = index.incumbent().filter(|_| !plan.additional.is_empty()) else { return Vec::new() };
    let standing: Vec<(Point, FrontTrial)> = index
        .ranking(rung)
        .filter_map(|(value, trial)| {
            let additional = trial.recorded.get(rung)?.additional;
            Some((point(plan, trial, rung)?, FrontTrial { trial: trial.number, rung, value, additional }))
        })
        .collect();
    let points: Vec<Point> = standing.iter().map(|(point, _)| *point).collect();
    let first = fronts(&points).into_iter().next().unwrap_or_default();
    spread(&points, &first).into_iter().take(limit).map(|at| standing[at].1).collect()
}

/// Where a trial stands with a value; `None`: it has none at this rung.
pub(crate) fn point(plan: &Plan, trial: &Trial, rung: usize) -> Option<Point> {
    let value = trial.value_at(rung)?;
    let Additional(others) = trial.recorded.get(rung)?.additional;
    let mut point = [0.0; 1 + MAX_ADDITIONAL];
    point[0] = plan.direction.upwards(value);
    for ((at, objective), other) in point[1..].iter_mut().zip(&plan.additional).zip(others) {
        *at = objective.direction.upwards(other);
    }
    Some(point)
}

/// Whether a point is nowhere worse than another, and better somewhere.
pub(crate) fn dominates(one: &Point, other: &Point) -> bool {
    one.iter().zip(other).all(|(a, b)| a >= b) && one.iter().zip(other).any(|(a, b)| a > b)
}

/// All positions in the order in which trials go on: front by front, and within one those first that cover it best.
pub(crate) fn order(points: &[Point]) -> Vec<usize> {
    fronts(points).iter().flat_map(|front| spread(points, front)).collect()
}

/// Non-dominated sorting: positions by front. A point is compared with those before it in lexicographic order alone, since only they can
/// dominate it, and fronts are searched by halving (Zhang et al. 2015, ENS-BS).
fn fronts(points: &[Point]) -> Vec<Vec<usize>> {
    let mut sorted: Vec<usize> = (0..points.len()).collect();
    let descending = |one: &Point, other: &Point| {
        let pairs = one.iter().zip(other);
        pairs.map(|(a, b)| b.total_cmp(a)).find(|order| order.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
    };
    sorted.sort_by(|one, other| descending(&points[*one], &points[*other]).then(one.cmp(other)));
    let mut fronts: Vec<Vec<usize>> = Vec::new();
    for at in sorted {
        let is_dominated = |front: &Vec<usize>| front.iter().rev().any(|other| dominates(&points[*other], &points[at]));
        let place = fronts.partition_point(is_dominated);
        match fronts.get_mut(place) {
            Some(front) => front.push(at),
            None => fronts.push(vec![at]),
        }
    }
    fronts
}

/// A front in another order: its first, then always the one that is farthest from those before (the epsilon-net of MO-ASHA), each objective
/// as a share of its range there.
fn spread(points: &[Point], front: &[usize]) -> Vec<usize> {
    let mut ranges = [0.0; 1 + MAX_ADDITIONAL];
    for (axis, range) in ranges.iter_mut().enumerate() {
        let values = front.iter().map(|at| points[*at][axis]);
        *range = values.clone().fold(f64::MIN, f64::max) - values.fold(f64::MAX, f64::min);
    }
    let distance = |one: usize, other: usize| {
        let share = |axis: usize| if ranges[axis] > 0.0 { (points[one][axis] - points[other][axis]) / ranges[axis] } else { 0.0 };
        (0..ranges.len()).map(|axis| share(axis) * share(axis)).sum::<f64>()
    };
    let mut left: Vec<(usize, f64)> = front.iter().map(|at| (*at, f64::MAX)).collect();
    let mut spread = Vec::with_capacity(front.len());
    while !left.is_empty() {
        // Of equally far ones, the first.
        let farther = |best: usize, at: usize| if left[at].1 > left[best].1 { at } else { best };
        let (next, _) = left.remove((0..left.len()).reduce(farther).unwrap_or_default());
        for (at, nearest) in &mut left {
            *nearest = nearest.min(distance(*at, next));
        }
        spread.push(next);
    }
    spread
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::{Constraints, testing::plan};

    fn points() -> impl Strategy<Value = Vec<Point>> {
        let coordinate = || (0_u8..6).prop_map(f64::from);
        proptest::collection::vec((coordinate(), coordinate(), coordinate()).prop_map(|(a, b, c)| [a, b, c, 0.0]), 0..60)
    }

    proptest! {
        #[test]
        fn a_front_is_dominated_by_the_one_before_and_by_none_after(points in points()) {
            let fronts = fronts(&points);
            prop_assert_eq!(fronts.iter().map(Vec::len).sum::<usize>(), points.len());
            for (place, front) in fronts.iter().enumerate() {
                for at in front {
                    let by = |front: &Vec<usize>| front.iter().any(|other| dominates(&points[*other], &points[*at]));
                    prop_assert!(!by(front));
                    prop_assert!(place == 0 || by(&fronts[place - 1]));
                }
            }
        }

        #[test]
        fn everybody_has_one_place_and_nobody_stands_before_who_dominates_him(points in points()) {
            let order = order(&points);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            prop_assert!(sorted.into_iter().eq(0..points.len()));
            for (place, at) in order.iter().enumerate() {
                prop_assert!(order[place + 1..].iter().all(|later| !dominates(&points[*later], &points[*at])));
            }
        }
    }

    proptest! {
        #[test]
        fn each_of_a_front_is_the_farthest_from_those_before(
            points in proptest::collection::vec((0_u8..9, 0_u8..9, 0_u8..9), 1..40),
        ) {
            // Axes of other lengths, away from zero, and one on which all are alike.
            let points: Vec<Point> = points
                .into_iter()
                .map(|(a, b, c)| [f64::from(a) + 20.0, 3.0, 5.0 * f64::from(b) - 60.0, f64::from(c) / 7.0])
                .collect();
            for front in fronts(&points) {
                let spread = spread(&points, &front);
                prop_assert_eq!(spread[0], front[0]);
                let length = |axis: usize| {
                    let mut values: Vec<f64> = front.iter().map(|at| points[*at][axis]).collect();
                    values.sort_by(f64::total_cmp);
                    (values[values.len() - 1] - values[0]).max(f64::MIN_POSITIVE)
                };
                let lengths = [0, 1, 2, 3].map(length);
                let distance = |one: usize, other: usize| {
                    (0..4).map(|axis| ((points[one][axis] - points[other][axis]) / lengths[axis]).powi(2)).sum::<f64>()
                };
                for place in 1..spread.len() {
                    let nearest = |at: usize| spread[..place].iter().map(|before| distance(at, *before)).fold(f64::MAX, f64::min);
                    let farthest = spread[place..].iter().map(|at| nearest(*at)).fold(0.0, f64::max);
                    prop_assert!(nearest(spread[place]) > farthest - 1e-9);
                }
            }
        }
    }

    #[test]
    fn params_and_flops_are_those_of_the_architecture_whatever_is_reported() {
        let describe = |_: &Assignment| {
            let facts = [("normal", Feature::Group(Vec::new())), ("params", Feature::Count(7)), ("flops", Feature::Count(9))];
            Some(Feature::Group(facts.to_vec()))
        };
        let objective = |metric: &str| AdditionalObjective { metric: metric.to_owned(), direction: Direction::Minimize };
        let additional = ["flops", "latency", "params"].map(objective).to_vec();
        let plan = Plan { additional, constraints: Constraints::new(Some(Arc::new(describe))), ..plan(9) };
        assert_eq!(plan.measure(&Assignment::new(), |_| Some(2.0)), Ok(Additional([9.0, 2.0, 7.0])));
    }

    #[test]
    fn a_point_dominates_another_that_is_nowhere_better_and_somewhere_worse() {
        let dominates = |one: [f64; 2], other: [f64; 2]| dominates(&[one[0], one[1], 0.0, 0.0], &[other[0], other[1], 0.0, 0.0]);
        assert!(dominates([1.0, 1.0], [0.0, 0.0]) && dominates([1.0, 0.0], [0.0, 0.0]) && dominates([0.0, 1.0], [0.0, 0.0]));
        assert!(!dominates([0.0, 0.0], [0.0, 0.0]) && !dominates([1.0, 0.0], [0.0, 1.0]) && !dominates([0.0, 0.0], [1.0, 0.0]));
    }

    #[test]
    fn of_equally_far_ones_the_first_goes_on() {
        let points = [4.0, 3.0, 2.0, 1.0, 0.0].map(|a| [a, 4.0 - a, 0.0, 0.0]);
        assert_eq!(order(&points), [0, 4, 2, 1, 3]);
    }

    #[test]
    fn a_front_is_covered_from_its_ends() {
        let points =
            [[5.0, 1.0, 0.0, 0.0], [4.0, 2.0, 0.0, 0.0], [3.0, 3.0, 0.0, 0.0], [1.0, 5.0, 0.0, 0.0], [1.0, 4.0, 0.0, 0.0]];
        // The best of the first objective, the other end, the middle; then who is dominated.
        assert_eq!(order(&points), [0, 3, 2, 1, 4]);
    }
}
