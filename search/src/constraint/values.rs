//! What rules see, as values of CEL: `hp` of an assignment, `arch` of the facts about an architecture.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use cel::{
    Value,
    objects::{Key, Map},
};

use crate::{Assignment, Scalar};

/// A fact about an architecture.
#[derive(Clone, Debug, PartialEq)]
pub enum Feature {
    /// A number, such as a count of parameters.
    Count(i64),
    /// Facts by name.
    Group(Vec<(&'static str, Feature)>),
}

/// An assignment as `hp` has it: the dotted names nested.
pub(super) fn of_assignment(assignment: &Assignment) -> Value {
    Nested::of(assignment).into_value()
}

fn of_scalar(scalar: &Scalar) -> Value {
    match scalar {
        Scalar::Bool(value) => Value::Bool(*value),
        Scalar::Int(value) => Value::Int(*value),
        Scalar::Float(value) => Value::Float(*value),
        Scalar::Text(text) => Value::String(Arc::new(text.to_string())),
    }
}

/// A fact as `arch` has it.
pub(super) fn of_feature(feature: Feature) -> Value {
    match feature {
        Feature::Count(value) => Value::Int(value),
        Feature::Group(features) => map(features.into_iter().map(|(name, feature)| (name.to_owned(), of_feature(feature)))),
    }
}

fn map(entries: impl Iterator<Item = (String, Value)>) -> Value {
    let entries = entries.map(|(name, value)| (Key::String(Arc::new(name)), value)).collect::<HashMap<_, _>>();
    Value::Map(Map { map: Arc::new(entries) })
}

/// An assignment whose dotted names are taken apart.
#[derive(Default)]
struct Nested<'a> {
    values: Vec<(&'a str, &'a Scalar)>,
    groups: BTreeMap<&'a str, Nested<'a>>,
}

impl<'a> Nested<'a> {
    fn of(assignment: &'a Assignment) -> Self {
        let mut nested = Self::default();
        for (name, scalar) in assignment {
            nested.insert(name, scalar);
        }
        nested
    }

    fn insert(&mut self, name: &'a str, scalar: &'a Scalar) {
        match name.split_once('.') {
            None => self.values.push((name, scalar)),
            Some((group, rest)) => self.groups.entry(group).or_default().insert(rest, scalar),
        }
    }

    fn into_value(self) -> Value {
        let values = self.values.into_iter().map(|(name, scalar)| (name.to_owned(), of_scalar(scalar)));
        let groups = self.groups.into_iter().map(|(name, group)| (name.to_owned(), group.into_value()));
        map(values.chain(groups))
    }
}
