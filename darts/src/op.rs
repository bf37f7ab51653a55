//! The operations that an edge may apply: a variant for each, and a row of what is known of it.

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

/// What an operation consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpKind {
    /// Zeros.
    Zero,
    /// Maximum over 3×3.
    MaxPool,
    /// Mean over 3×3, without the padding.
    AvgPool,
    /// The state itself; at stride 2 a factorized reduction.
    Skip,
    /// Separable convolutions, one after the other: each is `ReLU`, a depthwise and a pointwise convolution, batch norm.
    Separable {
        /// Side of the depthwise kernel: odd.
        kernel: u32,
        /// How many there are. The first has the stride of its edge, the others have stride 1.
        times: usize,
        /// From one tap of the kernel to the next, in pixels.
        dilation: u32,
    },
}

/// What is known of an operation: [`ROWS`].
struct Row {
    op: Op,
    name: &'static str,
    colours: Option<[&'static str; 2]>,
    kind: OpKind,
}

const fn row(op: Op, name: &'static str, colours: Option<[&'static str; 2]>, kind: OpKind) -> Row {
    Row { op, name, colours, kind }
}

const fn separable(kernel: u32, times: usize, dilation: u32) -> OpKind {
    OpKind::Separable { kernel, times, dilation }
}

/// Every operation, in the order of the variants: its name, its colours in pictures on light and on dark ground, and what it consists of. What has
/// no colours is drawn as a dashed line in grey.
///
/// Kinds have a hue each (pooling blue, skips green, separable convolutions orange, dilated ones purple), and their sizes differ in lightness:
/// pairs that stay apart with every common colour blindness.
const ROWS: [Row; 8] = [
    row(Op::None, "none", None, OpKind::Zero),
    row(Op::MaxPool3x3, "max_pool_3x3", Some(["#0b5cad", "#4d9fec"]), OpKind::MaxPool),
    row(Op::AvgPool3x3, "avg_pool_3x3", Some(["#2e8fd0", "#96d0f7"]), OpKind::AvgPool),
    row(Op::SkipConnect, "skip_connect", Some(["#00795a", "#2cc498"]), OpKind::Skip),
    row(Op::SepConv3x3, "sep_conv_3x3", Some(["#c84c00", "#ff8a47"]), separable(3, 2, 1)),
    row(Op::SepConv5x5, "sep_conv_5x5", Some(["#a97b00", "#f2c84b"]), separable(5, 2, 1)),
    row(Op::DilConv3x3, "dil_conv_3x3", Some(["#7a3ea8", "#bb8cea"]), separable(3, 1, 2)),
    row(Op::DilConv5x5, "dil_conv_5x5", Some(["#c0529a", "#f59fcd"]), separable(5, 1, 2)),
];

impl Op {
    /// Every operation. The first eight are those of DARTS, in its order.
    pub const ALL: [Self; ROWS.len()] = {
        let mut all = [Self::None; ROWS.len()];
        let mut at = 0;
        while at < all.len() {
            assert!(ROWS[at].op as usize == at, "the rows do not have the order of the variants");
            assert!(ROWS[at].name.len() <= Self::MAX_NAME, "a name is longer than experiments take");
            all[at] = ROWS[at].op;
            at += 1;
        }
        all
    };

    /// What an experiment searches that names no operations, and how the tables of simulations number them: DARTS without [`Op::None`].
    ///
    /// Frozen: by another list experiments that exist would draw other trials, and tables would be of other networks. An experiment has any other
    /// operation by its name.
    pub const DARTS: [Self; 7] = [
        Self::MaxPool3x3,
        Self::AvgPool3x3,
        Self::SkipConnect,
        Self::SepConv3x3,
        Self::SepConv5x5,
        Self::DilConv3x3,
        Self::DilConv5x5,
    ];

    /// Characters of the longest name that an experiment takes.
    pub const MAX_NAME: usize = 20;

    /// The name that experiments and papers use, such as `sep_conv_3x3`.
    pub const fn as_str(self) -> &'static str {
        ROWS[self as usize].name
    }

    /// What it consists of.
    pub const fn kind(self) -> OpKind {
        ROWS[self as usize].kind
    }

    /// Its colours on light and on dark ground; `None`: it is drawn as a dashed line in grey.
    pub(crate) const fn colours(self) -> Option<[&'static str; 2]> {
        ROWS[self as usize].colours
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
    use std::collections::HashSet;

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
    fn names_are_what_rules_can_write_and_pictures_can_be_styled_by() {
        for name in Op::ALL.map(Op::as_str) {
            let is_word = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
            assert!(is_word && name.starts_with(|c: char| c.is_ascii_lowercase()), "{name}");
        }
    }

    /// Not to be changed where there is one more operation: the list is the meaning of experiments and tables that exist.
    #[test]
    fn what_an_experiment_searches_that_names_no_operations_is_frozen() {
        let names =
            ["max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5"];
        assert_eq!(Op::DARTS.map(Op::as_str), names);
    }

    #[test]
    fn all_but_none_have_colours_of_their_own() {
        let coloured = Op::ALL.into_iter().filter(|op| op.colours().is_some());
        assert!(coloured.eq(Op::ALL.into_iter().filter(|op| *op != Op::None)));
        for ground in [0, 1] {
            let colours: Vec<&str> = Op::ALL.into_iter().filter_map(|op| Some(op.colours()?[ground])).collect();
            let digits =
                |colour: &str| colour.strip_prefix('#').map(|digits| (digits.len(), u32::from_str_radix(digits, 16).is_ok()));
            assert!(colours.iter().copied().all(|colour| digits(colour) == Some((6, true))), "{colours:?}");
            assert_eq!(colours.iter().collect::<HashSet<_>>().len(), colours.len(), "{colours:?}");
        }
    }
}
