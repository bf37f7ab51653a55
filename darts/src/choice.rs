//! The 32 choices that make a genotype, as hyperparameters.

use std::{fmt, ops::RangeInclusive};

use crate::{Cell, CellKind, Edge, Genotype, GenotypeError, NODES, Op};

/// An edge's place in a genotype: the bearer of two choices, its input and its operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Slot {
    cell: CellKind,
    /// From 0.
    node: usize,
    /// From 0.
    edge: usize,
}

/// Names of one cell's choices: by node, edge, and then the input and the operation.
type CellNames = [[[&'static str; 2]; 2]; NODES];

macro_rules! names {
    ($cell:literal: $($node:literal)*) => {
        [$([
            [concat!($cell, "_node", $node, "_edge1"), concat!($cell, "_node", $node, "_edge1_op")],
            [concat!($cell, "_node", $node, "_edge2"), concat!($cell, "_node", $node, "_edge2_op")],
        ]),*]
    };
}

const NORMAL: CellNames = names!("normal": 1 2 3 4);
const REDUCE: CellNames = names!("reduce": 1 2 3 4);

impl Slot {
    /// The 16 slots, normal cell first, node by node.
    pub fn all() -> impl Iterator<Item = Self> {
        CellKind::ALL.into_iter().flat_map(|cell| (0..NODES * 2).map(move |at| Self { cell, node: at / 2, edge: at % 2 }))
    }

    /// The cell.
    pub const fn cell(self) -> CellKind {
        self.cell
    }

    /// The node, 1 to 4.
    pub const fn node(self) -> usize {
        self.node + 1
    }

    /// The edge, 1 or 2.
    pub const fn edge(self) -> usize {
        self.edge + 1
    }

    /// The name of the choice of an input, such as `normal_node1_edge1`.
    pub const fn input_name(self) -> &'static str {
        self.names()[0]
    }

    /// The name of the choice of an operation, such as `normal_node1_edge1_op`.
    pub const fn op_name(self) -> &'static str {
        self.names()[1]
    }

    /// The inputs to choose from: both cells before this one, and the nodes before this node.
    pub const fn inputs(self) -> RangeInclusive<usize> {
        0..=self.node()
    }

    const fn names(self) -> [&'static str; 2] {
        match self.cell {
            CellKind::Normal => NORMAL[self.node][self.edge],
            CellKind::Reduce => REDUCE[self.node][self.edge],
        }
    }

    fn read<'a>(self, lookup: &impl Fn(&str) -> Option<Choice<'a>>) -> Result<Edge, GenotypeError> {
        let inputs = || format!("a whole number from {} to {}", self.inputs().start(), self.inputs().end());
        let input = choose(self.input_name(), lookup, inputs, |choice| match choice {
            Choice::Input(input) => usize::try_from(input).ok().filter(|input| self.inputs().contains(input)),
            Choice::Op(_) => None,
        })?;
        let op = choose(
            self.op_name(),
            lookup,
            || format!("one of {}", Op::names()),
            |choice| match choice {
                Choice::Op(name) => name.parse().ok(),
                Choice::Input(_) => None,
            },
        )?;
        Ok(Edge { op, input })
    }
}

fn choose<'a, T>(
    name: &'static str,
    lookup: &impl Fn(&str) -> Option<Choice<'a>>,
    allowed: impl Fn() -> String,
    accept: impl Fn(Choice<'a>) -> Option<T>,
) -> Result<T, GenotypeError> {
    let choice = lookup(name).ok_or_else(|| GenotypeError::Missing { name, allowed: allowed() })?;
    accept(choice).ok_or_else(|| GenotypeError::NotAllowed { name, found: choice.to_string(), allowed: allowed() })
}

/// The 32 names in the order of the genotype: `normal_node1_edge1`, `normal_node1_edge1_op`, ... `reduce_node4_edge2_op`.
///
/// This is also their alphabetical order.
pub fn choice_names() -> impl Iterator<Item = &'static str> {
    Slot::all().flat_map(Slot::names)
}

/// The value of one choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Choice<'a> {
    /// A whole number, for an input.
    Input(i64),
    /// Text, for an operation. A value that is neither text nor a whole number may be given as its text: it is refused by name.
    Op(&'a str),
}

impl fmt::Display for Choice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(input) => input.fmt(f),
            Self::Op(name) => write!(f, "{name:?}"),
        }
    }
}

impl Genotype {
    /// The genotype of 32 choices, looked up by name; the first that is missing or outside its domain is named in the error.
    ///
    /// Any of [`Op::ALL`] is taken: which operations an experiment searches is for its space to say.
    pub fn from_choices<'a>(lookup: impl Fn(&str) -> Option<Choice<'a>>) -> Result<Self, GenotypeError> {
        let cell = |kind| {
            let mut nodes = [[Edge { op: Op::None, input: 0 }; 2]; NODES];
            for slot in Slot::all().filter(|slot| slot.cell == kind) {
                nodes[slot.node][slot.edge] = slot.read(&lookup)?;
            }
            Cell::new(nodes)
        };
        Ok(Self { normal: cell(CellKind::Normal)?, reduce: cell(CellKind::Reduce)? })
    }

    /// The 32 choices, in the order of [`choice_names`]: the inverse of [`Genotype::from_choices`].
    pub fn choices(&self) -> Vec<(&'static str, Choice<'static>)> {
        let of_slot = |slot: Slot| {
            let Edge { op, input } = self.edge(slot);
            // A checked cell has inputs up to 4.
            let input = i64::try_from(input).unwrap_or(i64::MAX);
            [(slot.input_name(), Choice::Input(input)), (slot.op_name(), Choice::Op(op.as_str()))]
        };
        Slot::all().flat_map(of_slot).collect()
    }

    /// The edge in a slot.
    pub const fn edge(&self, slot: Slot) -> Edge {
        self.cell(slot.cell).nodes()[slot.node][slot.edge]
    }
}
