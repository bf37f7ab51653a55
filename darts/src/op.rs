//! The operations that an edge may apply.

use std::{borrow::Cow, fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// An operation on one state of a cell: it keeps the channels, and halves height and width where its edge has stride 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Cow<'_, str>", into = "&'static str")]
pub enum Op {
    /// Zeros: no connection.
    None,
    /// Maximum over 3×3.
    MaxPool3x3,
    /// Mean over 3×3, without the padding.
    AvgPool3x3,
    /// The state itself; at stride 2 a factorized reduction.
    SkipConnect,
    /// Depthwise separable convolution 3×3, applied twice.
    SepConv3x3,
    /// Depthwise separable convolution 5×5, applied twice.
    SepConv5x5,
    /// Depthwise separable convolution 3×3 with dilation 2.
    DilConv3x3,
    /// Depthwise separable convolution 5×5 with dilation 2.
    DilConv5x5,
}

impl Op {
    /// Every operation, in the order of DARTS.
    pub const ALL: [Self; 8] = [
        Self::None,
        Self::MaxPool3x3,
        Self::AvgPool3x3,
        Self::SkipConnect,
        Self::SepConv3x3,
        Self::SepConv5x5,
        Self::DilConv3x3,
        Self::DilConv5x5,
    ];

    /// The operations of the full search space: all but [`Op::None`].
    pub const SEARCHED: [Self; 7] = [
        Self::MaxPool3x3,
        Self::AvgPool3x3,
        Self::SkipConnect,
        Self::SepConv3x3,
        Self::SepConv5x5,
        Self::DilConv3x3,
        Self::DilConv5x5,
    ];

    /// The name that experiments and papers use, such as `sep_conv_3x3`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::MaxPool3x3 => "max_pool_3x3",
            Self::AvgPool3x3 => "avg_pool_3x3",
            Self::SkipConnect => "skip_connect",
            Self::SepConv3x3 => "sep_conv_3x3",
            Self::SepConv5x5 => "sep_conv_5x5",
            Self::DilConv3x3 => "dil_conv_3x3",
            Self::DilConv5x5 => "dil_conv_5x5",
        }
    }

    /// Every name in one line, for messages.
    pub(crate) fn names() -> String {
        Self::ALL.map(Self::as_str).join(", ")
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A name that no operation has.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("there is no operation {name:?}: use one of {}", Op::names())]
pub struct UnknownOp {
    /// The name as it was given.
    pub name: String,
}

impl FromStr for Op {
    type Err = UnknownOp;

    fn from_str(name: &str) -> Result<Self, UnknownOp> {
        Self::ALL.into_iter().find(|op| op.as_str() == name).ok_or_else(|| UnknownOp { name: name.to_owned() })
    }
}

impl TryFrom<Cow<'_, str>> for Op {
    type Error = UnknownOp;

    fn try_from(name: Cow<'_, str>) -> Result<Self, UnknownOp> {
        name.parse()
    }
}

impl From<Op> for &'static str {
    fn from(op: Op) -> Self {
        op.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_listed_when_wrong() {
        for op in Op::ALL {
            assert_eq!(op.as_str().parse(), Ok(op));
            let json = serde_json::to_string(&op).unwrap();
            assert_eq!(json, format!("\"{op}\""));
            assert_eq!(serde_json::from_str::<Op>(&json).unwrap(), op);
        }
        let error = serde_json::from_str::<Op>("\"sep_conv_7x7\"").unwrap_err().to_string();
        assert!(error.starts_with("there is no operation \"sep_conv_7x7\": use one of none, max_pool_3x3, "), "{error}");
    }

    #[test]
    fn searched_is_all_but_none() {
        assert_eq!(Op::SEARCHED[..], Op::ALL[1..]);
    }
}
