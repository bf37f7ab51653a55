//! The search space: which parameters a trial has, and how one configuration is drawn.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    Assignment, Scalar,
    random::{Words, below, unit},
};

/// A named choice.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Name, dotted where it is nested (`optimizer.beta2`).
    pub name: Arc<str>,
    /// What it can be.
    pub domain: Domain,
    /// When it exists at all; `None`: always.
    pub when: Option<Condition>,
    /// How many values of a range a grid has; `None`: of a whole number all.
    pub count: Option<u64>,
}

/// The values of one parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Domain {
    /// One value.
    Constant(Scalar),
    /// A whole number, both ends included.
    Int {
        /// Smallest value.
        min: i64,
        /// Largest value.
        max: i64,
        /// How values are spread.
        scale: Scale,
    },
    /// A number in `[min, max)`.
    Double {
        /// Smallest value.
        min: f64,
        /// Upper end.
        max: f64,
        /// How values are spread.
        scale: Scale,
    },
    /// One of several values, each as likely.
    Categorical(Vec<Scalar>),
}

/// How values are spread over a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Evenly.
    Linear,
    /// Evenly in the logarithm: as many between 0.001 and 0.01 as between 0.01 and 0.1.
    Log,
}

/// A parameter exists only where another one has one of these values.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// The other parameter.
    pub name: Arc<str>,
    /// Its values for which this one exists.
    pub values: Vec<Scalar>,
}

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

/// A search space in which every parameter can be drawn; by default one without parameters.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Space {
    /// By name: the order in which random words are taken.
    parameters: Vec<Parameter>,
    /// Positions in `parameters`, each after the one that its condition names.
    order: Vec<usize>,
}

impl Space {
    /// Checks the parameters and orders them.
    ///
    /// # Errors
    ///
    /// Every problem of every parameter.
    pub fn new(parameters: Vec<Parameter>) -> Result<Self, Vec<SpaceProblem>> {
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
        let Some(order) = parents_first(&parameters, &positions) else {
            let message = "the conditions go in a circle: let one of these parameters exist always".to_owned();
            let parameter = parameters.iter().position(|p| p.when.is_some()).unwrap_or_default();
            return Err(vec![SpaceProblem { parameter, field: "when.name", message }]);
        };
        // `order` speaks of the given list; bring both to name order.
        let mut by_name: Vec<usize> = (0..parameters.len()).collect();
        by_name.sort_by(|&a, &b| parameters[a].name.cmp(&parameters[b].name));
        let mut place = vec![0; parameters.len()];
        by_name.iter().enumerate().for_each(|(new, &old)| place[old] = new);
        let order = order.into_iter().map(|old| place[old]).collect();
        let mut parameters = parameters;
        parameters.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self { parameters, order })
    }

    /// The parameters, by name.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// How many different configurations there are, at most; `None`: more than can be counted (a `double`, or beyond 2^64).
    ///
    /// Conditions are not looked at: each may make the true number smaller.
    pub fn cardinality(&self) -> Option<u64> {
        self.parameters.iter().try_fold(1_u64, |product, parameter| {
            let count = match &parameter.domain {
                Domain::Constant(_) => 1,
                Domain::Int { min, max, .. } => u64::try_from(i128::from(*max) - i128::from(*min) + 1).ok()?,
                Domain::Double { .. } => return None,
                Domain::Categorical(values) => values.len() as u64,
            };
            product.checked_mul(count)
        })
    }

    /// The configuration that these random words stand for.
    ///
    /// Each parameter takes the word at its own place, whether it exists or not, so that no draw depends on another's condition.
    pub(crate) fn draw(&self, words: &mut Words) -> Assignment {
        let words: Vec<u64> = self.parameters.iter().map(|_| words.next()).collect();
        self.assignment(|index| self.parameters[index].domain.at(words[index]))
    }

    /// The configuration in which each parameter that exists has the value of its place.
    pub(crate) fn assignment(&self, value: impl Fn(usize) -> Scalar) -> Assignment {
        let mut values = vec![None; self.parameters.len()];
        for &index in &self.order {
            let exists = self.parameters[index].when.as_ref().is_none_or(|when| {
                let other = self.parameters.binary_search_by(|other| other.name.cmp(&when.name));
                other.ok().and_then(|other| values[other].as_ref()).is_some_and(|value| when.values.contains(value))
            });
            values[index] = exists.then(|| value(index));
        }
        let named = self.parameters.iter().zip(values);
        named.filter_map(|(parameter, value)| Some((Arc::clone(&parameter.name), value?))).collect()
    }
}

impl Domain {
    /// The value that a random word stands for.
    fn at(&self, word: u64) -> Scalar {
        match self {
            Self::Constant(value) => value.clone(),
            Self::Categorical(values) => values[below(word, values.len() as u64)].clone(),
            Self::Int { min, max, scale: Scale::Linear } => {
                let span = u64::try_from(i128::from(*max) - i128::from(*min) + 1).unwrap_or(u64::MAX);
                Scalar::Int(min.wrapping_add(below(word, span).cast_signed() as i64))
            }
            Self::Int { min, max, scale: Scale::Log } => {
                // Each whole number n owns [n, n + 1) of the line, so that both ends are reached.
                #[expect(clippy::cast_precision_loss, reason = "rounding a range end beyond 2^53 moves nobody's search")]
                let (low, high) = (*min as f64, *max as f64 + 1.0);
                #[expect(clippy::cast_possible_truncation, reason = "clamped to the range, which is of this type")]
                let value = between_logarithms(word, low, high) as i64;
                Scalar::Int(value.clamp(*min, *max))
            }
            Self::Double { min, max, scale: Scale::Linear } => Scalar::Float((min + (max - min) * unit(word)).clamp(*min, *max)),
            Self::Double { min, max, scale: Scale::Log } => Scalar::Float(between_logarithms(word, *min, *max).clamp(*min, *max)),
        }
    }
}

/// libm is written in Rust: the same bits on every machine, which the C library does not promise.
fn between_logarithms(word: u64, low: f64, high: f64) -> f64 {
    let (low, high) = (libm::log(low), libm::log(high));
    libm::exp(low + (high - low) * unit(word))
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
                if !seen.insert(format!("{value:?}")) {
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

    fn parameter(name: &str, domain: Domain) -> Parameter {
        Parameter { name: name.into(), domain, when: None, count: None }
    }

    fn int(min: i64, max: i64, scale: Scale) -> Domain {
        Domain::Int { min, max, scale }
    }

    fn draws(domain: Domain) -> impl Iterator<Item = Scalar> {
        let space = Space::new(vec![parameter("x", domain)]).unwrap();
        (0..2000).map(move |trial| space.draw(&mut Words::of_draw(1, trial, 0))["x"].clone())
    }

    #[test]
    fn a_range_of_whole_numbers_reaches_both_ends_and_nothing_beyond() {
        for scale in [Scale::Linear, Scale::Log] {
            let seen: BTreeSet<i64> = draws(int(1, 5, scale)).map(|value| value.as_i64().unwrap()).collect();
            assert_eq!(seen, (1..=5).collect());
        }
        let negative: BTreeSet<i64> = draws(int(-2, 1, Scale::Linear)).map(|value| value.as_i64().unwrap()).collect();
        assert_eq!(negative, (-2..=1).collect());
    }

    #[test]
    fn a_log_scale_gives_each_decade_its_share() {
        let domain = Domain::Double { min: 1e-4, max: 1e-1, scale: Scale::Log };
        let low = draws(domain).filter(|value| value.as_f64().unwrap() < 1e-3).count();
        // A third of 2,000, give or take five standard deviations.
        assert!((560..=773).contains(&low), "{low}");
    }

    #[test]
    fn a_categorical_gives_each_value_its_share() {
        let values: Vec<Scalar> = ["a", "b", "c", "d"].map(Scalar::from).into();
        for wanted in &values {
            let count = draws(Domain::Categorical(values.clone())).filter(|value| value == wanted).count();
            assert!((400..=600).contains(&count), "{wanted}: {count}");
        }
    }

    #[test]
    fn a_conditional_parameter_exists_exactly_where_its_condition_holds() {
        let kinds = Domain::Categorical(vec!["sgd".into(), "adamw".into()]);
        let beta = Parameter {
            name: "optimizer.beta2".into(),
            domain: Domain::Double { min: 0.9, max: 0.9999, scale: Scale::Linear },
            when: Some(Condition { name: "optimizer.kind".into(), values: vec!["adamw".into()] }),
            count: None,
        };
        let space = Space::new(vec![beta, parameter("optimizer.kind", kinds)]).unwrap();
        let mut with = 0;
        for trial in 0..100 {
            let drawn = space.draw(&mut Words::of_draw(3, trial, 0));
            let is_adamw = drawn["optimizer.kind"] == "adamw".into();
            assert_eq!(drawn.contains_key("optimizer.beta2"), is_adamw);
            with += usize::from(is_adamw);
        }
        assert!((20..=80).contains(&with));
    }

    #[test]
    fn cardinality_is_a_product_and_unknown_with_a_double() {
        let space = |domains: Vec<Domain>| {
            let named = domains.into_iter().enumerate().map(|(i, domain)| parameter(&format!("p{i}"), domain));
            Space::new(named.collect()).unwrap().cardinality()
        };
        let categories = Domain::Categorical(vec![1.into(), 2.into()]);
        assert_eq!(space(vec![categories.clone(), int(0, 4, Scale::Linear), Domain::Constant(true.into())]), Some(10));
        assert_eq!(space(vec![categories, Domain::Double { min: 0.0, max: 1.0, scale: Scale::Linear }]), None);
    }

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
