//! The search space: which parameters a trial has, and how one configuration is drawn. Whether the parameters can be drawn at all is said
//! in `check`.

mod check;

use std::sync::Arc;

pub use check::SpaceProblem;

use crate::{
    Assignment, Scalar,
    random::{RandomStream, below, unit},
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
    /// A number in `[min, max]`; a draw at random is below `max`, but for rounding.
    Double {
        /// Smallest value.
        min: f64,
        /// Largest value.
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

/// A search space in which every parameter can be drawn; by default one without parameters.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Space {
    /// By name: the order in which random numbers are taken.
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
        let order = check::order(&parameters)?;
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

    /// The configuration that these random numbers stand for.
    ///
    /// Each parameter takes the word at its own place, whether it exists or not, so that no draw depends on another's condition.
    pub(crate) fn draw(&self, stream: &mut RandomStream) -> Assignment {
        let words: Vec<u64> = self.parameters.iter().map(|_| stream.next()).collect();
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    pub(super) fn parameter(name: &str, domain: Domain) -> Parameter {
        Parameter { name: name.into(), domain, when: None, count: None }
    }

    pub(super) fn int(min: i64, max: i64, scale: Scale) -> Domain {
        Domain::Int { min, max, scale }
    }

    fn draws(domain: Domain) -> impl Iterator<Item = Scalar> {
        let space = Space::new(vec![parameter("x", domain)]).unwrap();
        (0..2000).map(move |trial| space.draw(&mut RandomStream::of_draw(1, trial, 0))["x"].clone())
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
            let drawn = space.draw(&mut RandomStream::of_draw(3, trial, 0));
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
}
