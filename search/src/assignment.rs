//! A trial's configuration: which value each of its parameters has. It never changes, so whoever keeps one shares it.

use std::{collections::BTreeMap, fmt, iter::Zip, ops::Index, slice, sync::Arc};

use serde::{Deserialize, Serialize, Serializer};

use crate::Scalar;

/// A trial's configuration: the value of each active parameter by its (dotted) name, in the order of names. A copy costs nothing.
///
/// Names and values are apart, since trials of one search differ in their values alone: a [`Lexicon`](crate::Lexicon) keeps the names once.
#[derive(Clone, Default, Deserialize)]
#[serde(from = "BTreeMap<Arc<str>, Scalar>")]
pub struct Assignment {
    /// In order.
    pub(crate) names: Arc<[Arc<str>]>,
    /// As many as names.
    pub(crate) values: Arc<[Scalar]>,
}

impl Assignment {
    /// The configuration that has no parameter.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same configuration, but for these values.
    #[must_use]
    pub fn with(&self, values: impl IntoIterator<Item = (Arc<str>, Scalar)>) -> Self {
        let own = self.iter().map(|(name, value)| (Arc::clone(name), value.clone()));
        own.chain(values).collect()
    }

    /// The value of a parameter; `None`: this configuration has no such parameter.
    pub fn get(&self, name: &str) -> Option<&Scalar> {
        self.names.binary_search_by(|known| (**known).cmp(name)).ok().map(|at| &self.values[at])
    }

    /// Whether the configuration has a parameter.
    pub fn contains_key(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Each name and its value, in the order of names.
    pub fn iter(&self) -> Zip<slice::Iter<'_, Arc<str>>, slice::Iter<'_, Scalar>> {
        self.names.iter().zip(self.values.iter())
    }

    /// The names, in order.
    pub fn keys(&self) -> slice::Iter<'_, Arc<str>> {
        self.names.iter()
    }

    /// The values, in the order of names.
    pub fn values(&self) -> slice::Iter<'_, Scalar> {
        self.values.iter()
    }

    /// Number of parameters.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

impl PartialEq for Assignment {
    fn eq(&self, other: &Self) -> bool {
        // Most that are compared are copies of one another.
        Arc::ptr_eq(&self.values, &other.values) && Arc::ptr_eq(&self.names, &other.names)
            || self.names == other.names && self.values == other.values
    }
}

impl From<BTreeMap<Arc<str>, Scalar>> for Assignment {
    fn from(values: BTreeMap<Arc<str>, Scalar>) -> Self {
        let (names, values): (Vec<_>, Vec<_>) = values.into_iter().unzip();
        Self { names: names.into(), values: values.into() }
    }
}

/// Of a name that comes twice, the last value counts.
impl FromIterator<(Arc<str>, Scalar)> for Assignment {
    fn from_iter<I: IntoIterator<Item = (Arc<str>, Scalar)>>(values: I) -> Self {
        values.into_iter().collect::<BTreeMap<_, _>>().into()
    }
}

impl<const N: usize> From<[(Arc<str>, Scalar); N]> for Assignment {
    fn from(values: [(Arc<str>, Scalar); N]) -> Self {
        values.into_iter().collect()
    }
}

impl<'a> IntoIterator for &'a Assignment {
    type Item = (&'a Arc<str>, &'a Scalar);
    type IntoIter = Zip<slice::Iter<'a, Arc<str>>, slice::Iter<'a, Scalar>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// # Panics
///
/// Where the configuration has no such parameter.
impl Index<&str> for Assignment {
    type Output = Scalar;

    #[expect(clippy::panic, reason = "as of every map")]
    fn index(&self, name: &str) -> &Scalar {
        self.get(name).unwrap_or_else(|| panic!("no parameter {name:?}"))
    }
}

impl fmt::Debug for Assignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self).finish()
    }
}

impl Serialize for Assignment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_map(pairs in prop::collection::vec(("[a-d]{1,2}", 0..9_i64), 0..9), asked in "[a-d]{1,2}") {
            let map: BTreeMap<Arc<str>, Scalar> = pairs.iter().map(|(name, value)| (name.as_str().into(), (*value).into())).collect();
            let assignment: Assignment = pairs.iter().map(|(name, value)| (name.as_str().into(), (*value).into())).collect();
            prop_assert!(assignment.iter().eq(&map));
            prop_assert_eq!(assignment.get(&asked), map.get(&*asked));
            prop_assert_eq!(assignment.len(), map.len());
            let with = assignment.with([(asked.as_str().into(), 10.into())]);
            prop_assert!(with[&asked] == 10.into() && with.iter().all(|(name, value)| **name == *asked || map.get(name) == Some(value)));
            prop_assert_eq!(with.len(), map.len() + usize::from(!map.contains_key(&*asked)));
            prop_assert_eq!(format!("{assignment:?}"), format!("{map:?}"));
            let text = serde_json::to_string(&assignment).unwrap();
            prop_assert_eq!(&text, &serde_json::to_string(&map).unwrap());
            prop_assert_eq!(serde_json::from_str::<Assignment>(&text).unwrap(), assignment);
        }

        #[test]
        fn two_are_equal_when_names_and_values_are(a in prop::collection::btree_map("[ab]", 0..2_i64, 0..3), b in prop::collection::btree_map("[ab]", 0..2_i64, 0..3)) {
            let of = |map: &BTreeMap<String, i64>| map.iter().map(|(name, value)| (name.as_str().into(), (*value).into())).collect::<Assignment>();
            prop_assert_eq!(of(&a) == of(&b), a == b);
        }
    }
}
