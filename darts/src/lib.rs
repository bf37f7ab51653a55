//! The DARTS space of image networks (Liu, Simonyan and Yang, 2019, <https://arxiv.org/abs/1806.09055>).
//!
//! A network is a stack of cells. Two cells are searched: the normal cell, and the reduction cell that halves height and width.
//! Each has 4 nodes, and a node is the sum of two operations on earlier states, so that 32 choices make a [`Genotype`]. Here it is
//! built from those choices, priced in parameters and multiply-accumulates without building a network, and drawn.
//!
//! Unlike in the original search, both edges of a node may read the same input.

mod choice;
mod cost;
mod genotype;
mod graph;
mod network;
mod op;
mod skeleton;
mod svg;
mod text;

pub use choice::{Choice, Slot, choice_names};
pub use cost::{Cost, CostModel};
pub use genotype::{Cell, CellKind, Edge, Genotype, GenotypeError, NODES};
pub use network::{Layer, Network, Part};
pub use op::{Op, OpKind, UnknownOp};
pub use skeleton::{CellShape, Image, NetworkError, Skeleton, auxiliary_pooling};
