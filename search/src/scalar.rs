//! The values that a hyperparameter takes.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

/// One value of one hyperparameter: any scalar of JSON but null.
///
/// What is read is a whole number wherever it has no fraction: JSON knows one kind of number, and an API server writes `1.0` back as `1`.
/// Two scalars are equal when they are read back as the same one: a `1.0` that was drawn is the `1` of its record.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged, from = "Read")]
pub enum Scalar {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A finite number; where it was read, one with a fraction or beyond 2^53.
    Float(f64),
    /// Text.
    Text(Arc<str>),
}

/// A scalar as it is written in a file.
#[derive(Deserialize)]
#[serde(untagged)]
enum Read {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Arc<str>),
}

impl From<Read> for Scalar {
    fn from(read: Read) -> Self {
        match read {
            Read::Bool(value) => Self::Bool(value),
            Read::Int(value) => Self::Int(value),
            Read::Float(value) => Self::Float(value).as_read(),
            Read::Text(value) => Self::Text(value),
        }
    }
}

/// The whole number as which a float is read; `None`: it is read as a float.
fn whole(value: f64) -> Option<i64> {
    // Beyond 2^53 not every whole number is a float, so such a float stays what it is.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and within the range")]
    (value.fract() == 0.0 && value.abs() < EXACT).then_some(value as i64)
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Bool(one), Self::Bool(other)) => one == other,
            (Self::Int(one), Self::Int(other)) => one == other,
            (Self::Float(one), Self::Float(other)) => one == other,
            (Self::Text(one), Self::Text(other)) => one == other,
            (Self::Int(int), Self::Float(float)) | (Self::Float(float), Self::Int(int)) => whole(*float) == Some(*int),
            _ => false,
        }
    }
}

/// The same for scalars that are equal.
impl Hash for Scalar {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Bool(value) => (0_u8, value).hash(state),
            Self::Int(value) => (1_u8, value).hash(state),
            Self::Float(value) => match whole(*value) {
                Some(value) => (1_u8, value).hash(state),
                None => (2_u8, value.to_bits()).hash(state),
            },
            Self::Text(value) => (3_u8, value).hash(state),
        }
    }
}

impl Scalar {
    /// The value in the form in which it is read back.
    pub(crate) fn as_read(&self) -> Self {
        match self {
            Self::Float(value) => whole(*value).map_or(Self::Float(*value), Self::Int),
            Self::Bool(_) | Self::Int(_) | Self::Text(_) => self.clone(),
        }
    }

    /// The value as a number, where it is one.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "a hyperparameter beyond 2^53 has no use for its last bits")]
            Self::Int(value) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            Self::Bool(_) | Self::Text(_) => None,
        }
    }

    /// The value as a whole number, where it is one.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            Self::Bool(_) | Self::Float(_) | Self::Text(_) => None,
        }
    }

    /// The value as text, where it is text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Bool(_) | Self::Int(_) | Self::Float(_) => None,
        }
    }

    /// The value as a truth value, where it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            Self::Int(_) | Self::Float(_) | Self::Text(_) => None,
        }
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Int(value) => value.fmt(f),
            // `Debug` keeps the point of a whole number: 1.0, not 1.
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl From<bool> for Scalar {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Scalar {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<f64> for Scalar {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<&str> for Scalar {
    fn from(value: &str) -> Self {
        Self::Text(value.into())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::*;
    use crate::{Assignment, digest::Key};

    /// Numbers that are written into records: whole ones are as likely as others.
    #[expect(clippy::cast_precision_loss, reason = "whichever is nearest")]
    fn finite() -> impl Strategy<Value = f64> {
        let whole = (-1_i64 << 54..1 << 54).prop_map(|whole| whole as f64);
        prop_oneof![
            whole,
            any::<i16>().prop_map(f64::from),
            any::<f64>().prop_filter("JSON has no other", |value| value.is_finite())
        ]
    }

    proptest! {
        #[test]
        fn a_float_is_the_same_when_it_is_read_back(value in finite()) {
            let drawn = Scalar::Float(value);
            let read: Scalar = serde_json::from_str(&serde_json::to_string(&drawn).unwrap()).unwrap();
            prop_assert_eq!(&read, &drawn);
            prop_assert_eq!(&drawn, &read);
            let key = |value: Scalar| Key::of(&Assignment::from([("x".into(), value)]));
            prop_assert_eq!(key(read), key(drawn));
        }
    }

    #[test]
    fn values_of_other_kinds_or_numbers_are_not_equal() {
        let float = Scalar::Float;
        for (one, other) in [
            (Scalar::Int(1), float(1.5)),
            (Scalar::Int(1), float(2.0)),
            (Scalar::Int(1), float(f64::NAN)),
            (Scalar::Int(1), Scalar::from("1")),
            (Scalar::Int(1), Scalar::Bool(true)),
            (float(1.0), Scalar::from("1.0")),
            (float(1.0), float(1.5)),
            // From here on a float is read as a float.
            (Scalar::Int(1 << 53), float(9_007_199_254_740_992.0)),
        ] {
            assert_ne!(one, other);
            assert_ne!(other, one);
        }
        assert_eq!(Scalar::Int((1 << 53) - 1), float(9_007_199_254_740_991.0));
        assert_eq!(Scalar::Int(0), float(-0.0));
    }

    #[test]
    fn a_number_without_a_fraction_is_whole_however_it_is_written() {
        let read = |text: &str| serde_json::from_str::<Scalar>(text).ok();
        assert_eq!(read("0.0"), Some(Scalar::Int(0)));
        assert_eq!(read("-3e2"), Some(Scalar::Int(-300)));
        assert_eq!(read("0.25"), Some(Scalar::Float(0.25)));
        assert_eq!(read("1e300"), Some(Scalar::Float(1e300)));
        assert_eq!(read("\"1.0\""), Some(Scalar::Text("1.0".into())));
        assert_eq!(read("[1]"), None);
    }
}
