//! What is wrong with the parameters of a space: every problem of each, with its field and the way to mend it. Nothing is drawn here.

use std::collections::{BTreeMap, BTreeSet};

use super::{Condition, Domain, Parameter, Scale};
use crate::Scalar;

/// What is wrong with one parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpaceProblem {
    /// Position in the list that was given.
    pub parameter: usize,
    /// The part at fault, as in the experiment file: `name`, `int.min`, `when.in`, ...
    pub field: &'static str,
    /// What is wrong and how to mend it.
    pub message: String,
}

/// Positions in a list of parameters, each after the one that its condition names.
///
/// # Errors
///
/// Every problem of every parameter.
pub(super) fn order(parameters: &[Parameter]) -> Result<Vec<usize>, Vec<SpaceProblem>> {
    let mut problems = Vec::new();
    let positions: BTreeMap<&str, usize> = parameters.iter().enumerate().map(|(i, p)| (&*p.name, i)).collect();
    for (index, parameter) in parameters.iter().enumerate() {
        let mut problem = |field, message| problems.push(SpaceProblem { parameter: index, field, message });
        check_name(parameter, index, &positions, &mut problem);
        check_domain(&parameter.domain, &mut problem);
        if let Some(when) = &parameter.when {
            match positions.get(&*when.name) {
                None => problem("when.name", format!("{:?} is not a parameter of this space", when.name)),
                Some(&other) => check_condition(when, &parameters[other].domain, &mut problem),
            }
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    parents_first(parameters, &positions).ok_or_else(|| {
        let message = "the conditions go in a circle: let one of these parameters exist always".to_owned();
        let parameter = parameters.iter().position(|p| p.when.is_some()).unwrap_or_default();
        vec![SpaceProblem { parameter, field: "when.name", message }]
    })
}

fn check_name(
    parameter: &Parameter,
    index: usize,
    positions: &BTreeMap<&str, usize>,
    problem: &mut impl FnMut(&'static str, String),
) {
    let name = &*parameter.name;
    let word = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    if !name.split('.').all(word) {
        problem("name", format!("{name:?} must be letters, digits and _, nested by dots, each part starting with a letter"));
    }
    if positions.get(name) != Some(&index) {
        problem("name", format!("{name:?} is there twice: remove one (`space.darts` brings 32 names of its own)"));
    }
    let mut parent = name;
    while let Some((shorter, _)) = parent.rsplit_once('.') {
        parent = shorter;
        if positions.contains_key(parent) {
            problem("name", format!("{name:?} lies inside {parent:?}, which is a parameter itself: rename one"));
        }
    }
}

fn check_domain(domain: &Domain, problem: &mut impl FnMut(&'static str, String)) {
    match domain {
        Domain::Constant(value) => check_scalar(value, "constant", problem),
        Domain::Int { min, max, scale } => {
            if min >= max {
                problem("int.min", format!("{min} must be less than max, which is {max} (one value: use `constant`)"));
            } else if *scale == Scale::Log && *min < 1 {
                problem("int.min", format!("{min} must be at least 1 on a Log scale"));
            } else if max.checked_sub(*min).is_none() {
                problem("int.max", "the range is wider than 2^63: narrow it".to_owned());
            }
        }
        Domain::Double { min, max, scale } => {
            if !min.is_finite() || !max.is_finite() {
                problem("double.min", "min and max must be finite".to_owned());
            } else if min >= max {
                problem("double.min", format!("{min:?} must be less than max, which is {max:?} (one value: use `constant`)"));
            } else if *scale == Scale::Log && *min <= 0.0 {
                problem("double.min", format!("{min:?} must be above 0 on a Log scale"));
            }
        }
        Domain::Categorical(values) => {
            if values.is_empty() {
                problem("categorical.values", "must name at least one value".to_owned());
            }
            let mut seen = BTreeSet::new();
            for value in values {
                check_scalar(value, "categorical.values", problem);
                if !seen.insert(format!("{:?}", value.as_read())) {
                    problem("categorical.values", format!("{value} is there twice: remove one"));
                }
            }
        }
    }
}

fn check_scalar(value: &Scalar, field: &'static str, problem: &mut impl FnMut(&'static str, String)) {
    if value.as_f64().is_some_and(|number| !number.is_finite()) {
        problem(field, "must be finite".to_owned());
    }
}

fn check_condition(when: &Condition, other: &Domain, problem: &mut impl FnMut(&'static str, String)) {
    if when.values.is_empty() {
        problem("when.in", "must name at least one value".to_owned());
    }
    for value in &when.values {
        let possible = match other {
            Domain::Constant(constant) => constant == value,
            Domain::Categorical(values) => values.contains(value),
            Domain::Int { min, max, .. } => value.as_i64().is_some_and(|value| (*min..=*max).contains(&value)),
            // Equality with a drawn double never holds in practice.
            Domain::Double { .. } => false,
        };
        if !possible {
            problem("when.in", format!("{:?} never takes the value {value}", when.name));
        }
    }
}

/// Positions such that each follows the parameter that its condition names; `None` where conditions go in a circle.
fn parents_first(parameters: &[Parameter], positions: &BTreeMap<&str, usize>) -> Option<Vec<usize>> {
    let mut order: Vec<usize> = Vec::with_capacity(parameters.len());
    let mut placed = vec![false; parameters.len()];
    while order.len() < parameters.len() {
        let before = order.len();
        for (index, parameter) in parameters.iter().enumerate() {
            let ready = parameter.when.as_ref().is_none_or(|when| placed[positions[&*when.name]]);
            if ready && !placed[index] {
                placed[index] = true;
                order.push(index);
            }
        }
        if order.len() == before {
            return None;
        }
    }
    Some(order)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Space,
        space::tests::{int, parameter},
    };

    #[test]
    fn every_bad_parameter_is_named_with_its_field() {
        let when = |name: &str, value: Scalar| Some(Condition { name: name.into(), values: vec![value] });
        let bad = vec![
            (parameter("1st", Domain::Constant(1.into())), "name"),
            (parameter("a b", Domain::Constant(1.into())), "name"),
            (parameter("i", int(3, 3, Scale::Linear)), "int.min"),
            (parameter("l", int(0, 3, Scale::Log)), "int.min"),
            (parameter("d", Domain::Double { min: 1.0, max: 0.5, scale: Scale::Linear }), "double.min"),
            (parameter("e", Domain::Double { min: 0.0, max: 0.5, scale: Scale::Log }), "double.min"),
            (parameter("n", Domain::Double { min: f64::NAN, max: 0.5, scale: Scale::Linear }), "double.min"),
            (parameter("c", Domain::Categorical(vec![])), "categorical.values"),
            (parameter("t", Domain::Categorical(vec![1.into(), 1.into()])), "categorical.values"),
            (parameter("u", Domain::Categorical(vec![1.into(), 1.0.into()])), "categorical.values"),
            (Parameter { when: when("nobody", 1.into()), ..parameter("w", Domain::Constant(1.into())) }, "when.name"),
            (Parameter { when: when("ok", 9.into()), ..parameter("v", Domain::Constant(1.into())) }, "when.in"),
            (parameter("ok.deeper", Domain::Constant(1.into())), "name"),
            (parameter("ok", Domain::Constant(1.into())), ""),
        ];
        let (parameters, fields): (Vec<_>, Vec<_>) = bad.into_iter().unzip();
        let problems = Space::new(parameters).unwrap_err();
        for (index, field) in fields.into_iter().enumerate() {
            let found: Vec<_> =
                problems.iter().filter(|problem| problem.parameter == index).map(|problem| problem.field).collect();
            assert_eq!(found, if field.is_empty() { vec![] } else { vec![field] }, "parameter {index}");
        }
    }

    #[test]
    fn conditions_in_a_circle_are_refused() {
        let on = |name: &str, other: &str| Parameter {
            when: Some(Condition { name: other.into(), values: vec![1.into()] }),
            ..parameter(name, Domain::Constant(1.into()))
        };
        assert!(Space::new(vec![on("a", "b"), on("b", "a")]).unwrap_err()[0].message.contains("circle"));
    }
}
