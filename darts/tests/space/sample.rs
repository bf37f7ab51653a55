//! Genotypes to test with.

use nas_darts::{Cell, Edge, Genotype, Op};
use proptest::prelude::*;

/// A cell of operations and inputs, node by node.
pub(crate) fn cell(edges: [(Op, usize); 8]) -> Cell {
    let edge = |at: usize| Edge { op: edges[at].0, input: edges[at].1 };
    Cell::new([0, 2, 4, 6].map(|at| [edge(at), edge(at + 1)])).unwrap()
}

/// Any genotype of these operations.
pub(crate) fn genotypes(ops: &'static [Op]) -> impl Strategy<Value = Genotype> {
    let edge = move |at: usize| (prop::sample::select(ops), 0..=at / 2 + 1);
    let cell = move || [0, 1, 2, 3, 4, 5, 6, 7].map(edge).prop_map(cell);
    (cell(), cell()).prop_map(|(normal, reduce)| Genotype { normal, reduce })
}

/// `DARTS_V2`, the cells that the DARTS paper found with second-order gradients.
pub(crate) fn darts_v2() -> Genotype {
    use Op::{DilConv3x3 as Dil, MaxPool3x3 as Max, SepConv3x3 as Sep, SkipConnect as Skip};
    Genotype {
        normal: cell([(Sep, 0), (Sep, 1), (Sep, 0), (Sep, 1), (Sep, 1), (Skip, 0), (Skip, 0), (Dil, 2)]),
        reduce: cell([(Max, 0), (Max, 1), (Skip, 2), (Max, 1), (Max, 0), (Skip, 2), (Skip, 2), (Max, 1)]),
    }
}
