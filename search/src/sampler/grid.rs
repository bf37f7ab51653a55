//! Grid search: every combination of a few values of each parameter, one after the other.

use thiserror::Error;

use crate::{Assignment, Constraints, Domain, Parameter, Scalar, Scale, Space, Verdict};

/// Most points of a grid, before constraints.
const MAX_POINTS: u64 = 100_000;

/// The points of a grid that satisfy the constraints, in order: parameters by name, the values of the last change fastest.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    axes: Vec<Vec<Scalar>>,
    points: Vec<u64>,
}

/// Why a space has no grid.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum GridError {
    /// A range of floats without a number of points.
    #[error("the sampler is grid, and parameter {0} does not say how many points it has: give its double a count")]
    NoCount(String),
    /// More points than can be tried.
    #[error("the grid has more than {MAX_POINTS} points: give its parameters a smaller count, or search at random")]
    TooLarge,
    /// A rule cannot be evaluated at some point.
    #[error("rule {rule} cannot be evaluated: {reason}")]
    Broken {
        /// The rule's place.
        rule: usize,
        /// What is wrong.
        reason: String,
    },
    /// No point satisfies the constraints.
    #[error("none of the grid's {points} points satisfies the constraints; this rule rejects most of them: {rule}")]
    Empty {
        /// How many there are.
        points: u64,
        /// The rule, in its author's words.
        rule: String,
    },
}

impl Grid {
    /// The grid of a space.
    pub fn new(space: &Space, constraints: &Constraints) -> Result<Self, GridError> {
        let axes: Vec<Vec<Scalar>> = space.parameters().iter().map(axis).collect::<Result<_, _>>()?;
        let size = axes.iter().try_fold(1_u64, |product, axis| product.checked_mul(axis.len() as u64));
        let size = size.filter(|size| *size <= MAX_POINTS).ok_or(GridError::TooLarge)?;
        let mut grid = Self { axes, points: Vec::new() };
        let checker = constraints.checker();
        let mut rejected = vec![0_u64; constraints.len()];
        for point in 0..size {
            let Some(assignment) = grid.at(space, point) else { continue };
            match checker.check(&assignment) {
                Verdict::Satisfied => grid.points.push(point),
                Verdict::Violated(rule) => rejected[rule] += 1,
                Verdict::Broken(rule, reason) => return Err(GridError::Broken { rule, reason }),
            }
        }
        let worst = (0..rejected.len()).rev().max_by_key(|rule| rejected[*rule]);
        match worst {
            Some(rule) if grid.points.is_empty() => {
                Err(GridError::Empty { points: size, rule: constraints.message(rule).to_owned() })
            }
            _ => Ok(grid),
        }
    }

    /// Number of points.
    pub fn len(&self) -> u64 {
        self.points.len() as u64
    }

    /// Whether there is no point.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// The configuration of trial `number`; `None`: there are not so many points.
    pub(crate) fn assignment(&self, space: &Space, number: u64) -> Option<Assignment> {
        let point = usize::try_from(number).ok().and_then(|number| self.points.get(number))?;
        self.at(space, *point)
    }

    /// The configuration of a point; `None`: it differs from an earlier one only in a parameter that does not exist there.
    fn at(&self, space: &Space, mut point: u64) -> Option<Assignment> {
        let mut digits = vec![0; self.axes.len()];
        for (digit, axis) in digits.iter_mut().zip(&self.axes).rev() {
            *digit = usize::try_from(point % axis.len() as u64).unwrap_or_default();
            point /= axis.len() as u64;
        }
        let assignment = space.assignment(|index| self.axes[index][digits[index]].clone());
        let is_first = |(parameter, digit): (&Parameter, &usize)| *digit == 0 || assignment.contains_key(&parameter.name);
        space.parameters().iter().zip(&digits).all(is_first).then_some(assignment)
    }
}

/// The values of a parameter on the grid, ascending (of a choice: in its order).
fn axis(parameter: &Parameter) -> Result<Vec<Scalar>, GridError> {
    let count = parameter.count;
    Ok(match &parameter.domain {
        Domain::Constant(value) => vec![value.clone()],
        Domain::Categorical(values) => values.clone(),
        Domain::Int { min, max, scale } => {
            let all = max.abs_diff(*min).saturating_add(1);
            let count = count.unwrap_or(all).min(all);
            if count > MAX_POINTS {
                return Err(GridError::TooLarge);
            }
            #[expect(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                reason = "clamped to the range, which is whole"
            )]
            let mut values: Vec<i64> =
                spread(*min as f64, *max as f64, *scale, count).map(|value| (value.round() as i64).clamp(*min, *max)).collect();
            // On a logarithmic scale several points may round to one number.
            values.dedup();
            values.into_iter().map(Scalar::Int).collect()
        }
        Domain::Double { min, max, scale } => {
            let count = count.ok_or_else(|| GridError::NoCount(parameter.name.to_string()))?;
            if count > MAX_POINTS {
                return Err(GridError::TooLarge);
            }
            spread(*min, *max, *scale, count).map(Scalar::from).collect()
        }
    })
}

/// So many points from `low` to `high`, both included; one point is the middle.
fn spread(low: f64, high: f64, scale: Scale, count: u64) -> impl Iterator<Item = f64> {
    let is_log = scale == Scale::Log;
    let (from, to) = if is_log { (libm::log(low), libm::log(high)) } else { (low, high) };
    (0..count).map(move |index| {
        #[expect(clippy::cast_precision_loss, reason = "at most 100,000")]
        let place = if count == 1 { 0.5 } else { index as f64 / (count - 1) as f64 };
        match (is_log, index + 1 == count && count > 1, index == 0 && count > 1) {
            // The ends are what was written, not what comes back from the logarithm.
            (_, true, _) => high,
            (_, _, true) => low,
            (true, ..) => libm::exp(from + (to - from) * place),
            (false, ..) => from + (to - from) * place,
        }
    })
}
