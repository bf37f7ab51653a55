//! Genotypes: two cells, each of 4 nodes with 2 edges.

use std::{array, fmt};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Op;

/// Nodes of a cell.
pub const NODES: usize = 4;

/// Which of the two searched cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CellKind {
    /// Keeps height and width.
    Normal,
    /// Halves height and width and doubles the channels.
    Reduce,
}

impl CellKind {
    /// Both, in the order of the choices.
    pub const ALL: [Self; 2] = [Self::Normal, Self::Reduce];

    /// The word that the names of choices begin with.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Reduce => "reduce",
        }
    }
}

impl fmt::Display for CellKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An operation and the state that it reads.
///
/// Inputs are numbered as in the hyperparameters: 0 is the output of the cell before the last, 1 that of the last cell,
/// 2 and more are nodes 1 and more of the same cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edge {
    /// What is applied.
    pub op: Op,
    /// What it is applied to.
    pub input: usize,
}

impl Edge {
    /// Whether it reads the output of an earlier cell, rather than a node: in a reduction cell such an edge has stride 2.
    pub const fn reads_cell(self) -> bool {
        self.input < 2
    }
}

/// A cell: each node is the sum of its two edges, and the output is all nodes, concatenated by channel.
///
/// Every edge reads a state that exists before its node: node k (from 1) reads inputs 0 to k. Read from JSON,
/// a cell is `{"nodes": [[{"op": "skip_connect", "input": 0}, ...], ...]}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Nodes")]
pub struct Cell {
    nodes: [[Edge; 2]; NODES],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nodes {
    nodes: [[Edge; 2]; NODES],
}

impl TryFrom<Nodes> for Cell {
    type Error = GenotypeError;

    fn try_from(Nodes { nodes }: Nodes) -> Result<Self, GenotypeError> {
        Self::new(nodes)
    }
}

impl Cell {
    /// A cell of these nodes, in order; an edge that reads its own node or a later one is refused.
    pub fn new(nodes: [[Edge; 2]; NODES]) -> Result<Self, GenotypeError> {
        for (node, edges) in (1..).zip(&nodes) {
            for (edge, Edge { input, .. }) in (1..).zip(edges) {
                if *input > node {
                    return Err(GenotypeError::InputTooLate { node, edge, input: *input });
                }
            }
        }
        Ok(Self { nodes })
    }

    /// The edges of each node.
    pub const fn nodes(&self) -> &[[Edge; 2]; NODES] {
        &self.nodes
    }

    /// The 8 edges, node by node.
    pub fn edges(&self) -> impl Iterator<Item = Edge> + '_ {
        self.nodes.iter().flatten().copied()
    }

    /// How many of the 8 edges apply `op`.
    pub fn count(&self, op: Op) -> usize {
        self.edges().filter(|edge| edge.op == op).count()
    }

    /// Nodes on the longest path from the inputs of the cell to its output: 1 to 4, or 0 where no path is left.
    ///
    /// An edge with [`Op::None`] is no connection.
    pub fn depth(&self) -> usize {
        let mut depths = [None; NODES];
        for (node, edges) in self.nodes.iter().enumerate() {
            depths[node] = connected(edges)
                .filter_map(|edge| if edge.reads_cell() { Some(1) } else { depths[edge.input - 2].map(|depth: usize| depth + 1) })
                .max();
        }
        depths.into_iter().flatten().max().unwrap_or(0)
    }

    /// How many of the two cells before this one it reads: 0 to 2. [`Op::None`] reads nothing.
    pub fn inputs_used(&self) -> usize {
        let used = |input| self.nodes.iter().any(|edges| connected(edges).any(|edge| edge.input == input));
        [0, 1].into_iter().filter(|&input| used(input)).count()
    }
}

fn connected(edges: &[Edge; 2]) -> impl Iterator<Item = Edge> {
    edges.iter().copied().filter(|edge| edge.op != Op::None)
}

/// A point of the search space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genotype {
    /// The cell that keeps height and width.
    pub normal: Cell,
    /// The cell that halves them.
    pub reduce: Cell,
}

impl Genotype {
    /// The cell of a kind.
    pub const fn cell(&self, kind: CellKind) -> &Cell {
        match kind {
            CellKind::Normal => &self.normal,
            CellKind::Reduce => &self.reduce,
        }
    }

    /// Both cells with their kinds.
    pub fn cells(&self) -> [(CellKind, &Cell); 2] {
        array::from_fn(|index| (CellKind::ALL[index], self.cell(CellKind::ALL[index])))
    }
}

/// Why something is no genotype.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GenotypeError {
    /// An edge reads a state that is not there yet.
    #[error(
        "edge {edge} of node {node} reads input {input}: it may read 0 to {node} (0 and 1 are the cells before, 2 and more the nodes)"
    )]
    InputTooLate {
        /// From 1.
        node: usize,
        /// From 1.
        edge: usize,
        /// What it reads.
        input: usize,
    },
    /// A choice is not made.
    #[error("`{name}` is missing: set it to {allowed}")]
    Missing {
        /// The hyperparameter.
        name: &'static str,
        /// Its domain in words.
        allowed: String,
    },
    /// A choice is outside its domain.
    #[error("`{name}` is {found}: it must be {allowed}")]
    NotAllowed {
        /// The hyperparameter.
        name: &'static str,
        /// Its value as it would stand in JSON.
        found: String,
        /// Its domain in words.
        allowed: String,
    },
}
