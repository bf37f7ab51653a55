//! The values that a hyperparameter takes.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

/// One value of one hyperparameter: any scalar of JSON but null.
///
/// Two scalars are equal when their kind and value are. What is read is a whole number wherever it has no fraction: JSON knows one kind
/// of number, and an API server writes `1.0` back as `1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, from = "Read")]
pub enum Scalar {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A finite number with a fraction or an exponent.
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
        // Beyond 2^53 not every whole number is a float, so such a float stays what it is.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        match read {
            Read::Bool(value) => Self::Bool(value),
            Read::Int(value) => Self::Int(value),
            #[expect(clippy::cast_possible_truncation, reason = "it is whole and within the range")]
            Read::Float(value) if value.fract() == 0.0 && value.abs() < EXACT => Self::Int(value as i64),
            Read::Float(value) => Self::Float(value),
            Read::Text(value) => Self::Text(value),
        }
    }
}

impl Scalar {
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
    use super::*;

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
