//! A space as a sampler that learns sees it: a number on each of a few axes.

use crate::{Assignment, Domain, Parameter, Scalar, Scale, Space, random::RandomStream};

/// Whole numbers of at most so many values are told apart one by one; of more, by where they lie.
const FEW: u64 = 16;
/// Standard deviation of a step along a range.
const STEP: f64 = 0.15;

/// One number for each parameter of the space, by name; a parameter that does not exist has one as well, for when it will.
pub(crate) type Point = Vec<f64>;

/// How the values of a parameter lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Axis {
    /// One value: 0.
    Constant,
    /// So many values without an order: 0, 1, 2, ...
    Choice(usize),
    /// So many values in order: 0, 1, 2, ...
    Ladder(usize),
    /// A range: from 0 to 1.
    Range,
}

impl Axis {
    pub(crate) fn of(parameter: &Parameter) -> Self {
        match &parameter.domain {
            Domain::Constant(_) => Self::Constant,
            Domain::Categorical(values) if values.len() == 1 => Self::Constant,
            Domain::Categorical(values) => Self::Choice(values.len()),
            Domain::Int { min, max, .. } if max.abs_diff(*min) < FEW => Self::Ladder(whole(max.abs_diff(*min)) + 1),
            Domain::Int { .. } | Domain::Double { .. } => Self::Range,
        }
    }

    /// Another value near this one, by chance.
    fn near(self, value: f64, stream: &mut RandomStream) -> f64 {
        match self {
            Self::Constant => value,
            Self::Choice(count) => {
                let other = real(stream.below(count - 1));
                if other >= value { other + 1.0 } else { other }
            }
            Self::Ladder(count) => {
                let up = stream.unit() < 0.5;
                let (first, last) = (value < 0.5, value > real(count) - 1.5);
                if first || (up && !last) { value + 1.0 } else { value - 1.0 }
            }
            Self::Range => {
                // Reflected at the ends.
                let moved = (value + STEP * stream.normal()).abs();
                (if moved > 1.0 { 2.0 - moved } else { moved }).clamp(0.0, 1.0)
            }
        }
    }
}

/// The axes of a space.
#[derive(Clone, Debug)]
pub(crate) struct Axes<'a> {
    space: &'a Space,
    axes: Vec<Axis>,
}

impl<'a> Axes<'a> {
    pub(crate) fn new(space: &'a Space) -> Self {
        Self { space, axes: space.parameters().iter().map(Axis::of).collect() }
    }

    /// The axes, one for each parameter of the space.
    pub(crate) fn list(&self) -> &[Axis] {
        &self.axes
    }

    /// Where a configuration lies.
    pub(crate) fn point(&self, assignment: &Assignment) -> Point {
        let place = |(parameter, axis): (&Parameter, &Axis)| {
            let value = assignment.get(&parameter.name);
            value.map_or(if *axis == Axis::Range { 0.5 } else { 0.0 }, |value| place(&parameter.domain, *axis, value))
        };
        self.space.parameters().iter().zip(&self.axes).map(place).collect()
    }

    /// The configuration at a point.
    pub(crate) fn assignment(&self, point: &[f64]) -> Assignment {
        self.space.assignment(|at| value(&self.space.parameters()[at].domain, self.axes[at], point[at]))
    }

    /// A point at random, as the space draws it.
    pub(crate) fn random(&self, stream: &mut RandomStream) -> Point {
        self.point(&self.space.draw(stream))
    }

    /// A neighbour: one parameter that exists has another value. `None`: there is nothing to change.
    pub(crate) fn neighbour(&self, point: &[f64], stream: &mut RandomStream) -> Option<Point> {
        let free: Vec<usize> =
            (0..self.axes.len()).filter(|at| self.axes[*at] != Axis::Constant && self.exists(*at, point)).collect();
        let at = *free.get(stream.below(free.len()))?;
        let mut neighbour = point.to_vec();
        neighbour[at] = self.axes[at].near(point[at], stream);
        Some(neighbour)
    }

    /// Whether a parameter exists at a point.
    pub(crate) fn exists(&self, at: usize, point: &[f64]) -> bool {
        let parameters = self.space.parameters();
        let Some(when) = &parameters[at].when else { return true };
        let Ok(parent) = parameters.binary_search_by(|other| other.name.cmp(&when.name)) else { return false };
        let of_parent = value(&parameters[parent].domain, self.axes[parent], point[parent]);
        when.values.contains(&of_parent) && self.exists(parent, point)
    }
}

/// Where a value lies on its axis.
#[expect(clippy::cast_precision_loss, reason = "rounding a range end beyond 2^53 moves nobody's search")]
fn place(domain: &Domain, axis: Axis, value: &Scalar) -> f64 {
    let between = |low: f64, high: f64, value: f64, scale: Scale| {
        let of = |number: f64| if scale == Scale::Log { libm::log(number) } else { number };
        ((of(value) - of(low)) / (of(high) - of(low))).clamp(0.0, 1.0)
    };
    match (domain, axis) {
        (Domain::Categorical(values), _) => real(values.iter().position(|other| other == value).unwrap_or_default()),
        (Domain::Int { min, .. }, Axis::Ladder(_)) => value.as_i64().map_or(0.0, |value| value.abs_diff(*min) as f64),
        (Domain::Int { min, max, scale }, _) => {
            value.as_i64().map_or(0.5, |value| between(*min as f64, *max as f64, value as f64, *scale))
        }
        (Domain::Double { min, max, scale }, _) => value.as_f64().map_or(0.5, |value| between(*min, *max, value, *scale)),
        (Domain::Constant(_), _) => 0.0,
    }
}

/// The value at a place on its axis.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "places are small whole numbers or within [0, 1], and what comes out is clamped to its range"
)]
fn value(domain: &Domain, axis: Axis, place: f64) -> Scalar {
    let between = |low: f64, high: f64, scale: Scale| match scale {
        Scale::Linear => low + (high - low) * place,
        Scale::Log => libm::exp(libm::log(low) + (libm::log(high) - libm::log(low)) * place),
    };
    match (domain, axis) {
        (Domain::Constant(value), _) => value.clone(),
        (Domain::Categorical(values), _) => values[(place as usize).min(values.len() - 1)].clone(),
        (Domain::Int { min, max, .. }, Axis::Ladder(_)) => Scalar::Int((min + place as i64).min(*max)),
        (Domain::Int { min, max, scale }, _) => {
            Scalar::Int((between(*min as f64, *max as f64, *scale).round() as i64).clamp(*min, *max))
        }
        (Domain::Double { min, max, scale }, _) => Scalar::Float(between(*min, *max, *scale).clamp(*min, *max)),
    }
}

/// A small whole number as a float.
#[expect(clippy::cast_precision_loss, reason = "counts of values, trials and results")]
pub(crate) fn real(number: usize) -> f64 {
    number as f64
}

fn whole(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Condition;

    fn space() -> Space {
        let parameter = |name: &str, domain, when| Parameter { name: name.into(), domain, when, count: None };
        let is_sgd = Condition { name: "optimizer".into(), values: vec!["sgd".into()] };
        Space::new(vec![
            parameter("depth", Domain::Int { min: -2, max: 6, scale: Scale::Linear }, None),
            parameter("fixed", Domain::Constant(7.into()), None),
            parameter("lr", Domain::Double { min: 1e-4, max: 1.0, scale: Scale::Log }, None),
            parameter("momentum", Domain::Double { min: 0.0, max: 0.99, scale: Scale::Linear }, Some(is_sgd)),
            parameter("optimizer", Domain::Categorical(vec!["adamw".into(), "sgd".into(), "lion".into()]), None),
            parameter("width", Domain::Int { min: 8, max: 4096, scale: Scale::Log }, None),
        ])
        .unwrap()
    }

    proptest! {
        #[test]
        fn a_configuration_comes_back_from_its_point(seed in any::<u64>(), trial in any::<u64>()) {
            let space = space();
            let axes = Axes::new(&space);
            let drawn = space.draw(&mut RandomStream::of_draw(seed, trial, 0));
            let back = axes.assignment(&axes.point(&drawn));
            prop_assert_eq!(back.keys().collect::<Vec<_>>(), drawn.keys().collect::<Vec<_>>());
            for (name, value) in &drawn {
                match (value, &back[name]) {
                    (Scalar::Float(value), Scalar::Float(back)) => prop_assert!((value - back).abs() < 1e-12),
                    (value, back) => prop_assert_eq!(value, back),
                }
            }
        }

        #[test]
        fn a_neighbour_differs_in_one_parameter_that_exists_and_stays_in_the_space(seed in any::<u64>(), trial in any::<u64>()) {
            let space = space();
            let axes = Axes::new(&space);
            let mut stream = RandomStream::of_proposal(seed, trial);
            let mut point = axes.random(&mut stream);
            for _ in 0..20 {
                let neighbour = axes.neighbour(&point, &mut stream).unwrap();
                let changed: Vec<usize> = (0..point.len()).filter(|at| point[*at].to_bits() != neighbour[*at].to_bits()).collect();
                prop_assert_eq!(changed.len(), 1, "{:?} {:?}", point, neighbour);
                prop_assert!(axes.exists(changed[0], &point));
                let assignment = axes.assignment(&neighbour);
                prop_assert_eq!(assignment.contains_key("momentum"), assignment["optimizer"] == "sgd".into());
                for (at, axis) in axes.list().iter().enumerate() {
                    let place = neighbour[at];
                    let is_on_it = match axis {
                        Axis::Constant => place == 0.0,
                        Axis::Choice(count) | Axis::Ladder(count) => place.fract() == 0.0 && place >= 0.0 && place < real(*count),
                        Axis::Range => (0.0..=1.0).contains(&place),
                    };
                    prop_assert!(is_on_it, "{axis:?} {place}");
                }
                point = neighbour;
            }
        }
    }
}
