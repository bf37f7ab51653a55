//! A cell: two inputs, four nodes that each add two operations, and the nodes' outputs side by side.

use nas_darts::{CellKind, CellShape};
use tch::Tensor;

use super::{
    Pass,
    operations::{FactorizedReduce, Operator, ReluConvBn},
    variables::Variables,
};

/// How a cell's input is brought to the cell's width and size.
enum Preprocess {
    Keep(ReluConvBn),
    Reduce(FactorizedReduce),
}

impl Preprocess {
    fn forward(&self, x: &Tensor, pass: Pass) -> Tensor {
        match self {
            Self::Keep(step) => step.forward_rectified(x, pass),
            Self::Reduce(step) => step.forward_rectified(x, pass, None),
        }
    }
}

struct WeightedEdge {
    operator: Operator,
    /// 0 and 1 are the cell's inputs, 2.. its nodes.
    input: usize,
    /// Number among the network's droppable edges; an identity is never dropped.
    droppable: Option<i64>,
}

/// One cell with its weights.
pub(crate) struct Cell {
    preprocess: [Preprocess; 2],
    /// Two for each node, in the order of the nodes.
    edges: Vec<WeightedEdge>,
}

impl Cell {
    /// Makes cell number `index`; `droppable` counts the network's droppable edges on.
    pub(crate) fn new(
        vars: &mut Variables,
        index: usize,
        cell: &nas_darts::Cell,
        shape: &CellShape,
        droppable: &mut usize,
    ) -> Self {
        let [older, newer] = shape.input_channels.map(i64::from);
        let channels = i64::from(shape.channels);
        let name = |part: &str| format!("cells.{index}.{part}");
        let first = if shape.older_is_larger {
            Preprocess::Reduce(FactorizedReduce::new(vars, &name("preprocess0"), older, channels))
        } else {
            Preprocess::Keep(ReluConvBn::new(vars, &name("preprocess0"), older, channels))
        };
        let second = Preprocess::Keep(ReluConvBn::new(vars, &name("preprocess1"), newer, channels));
        let edges = cell.edges().enumerate().map(|(number, edge)| {
            let stride = if shape.kind == CellKind::Reduce && edge.reads_cell() { 2 } else { 1 };
            let operator = Operator::new(vars, &name(&format!("_ops.{number}")), edge.op, channels, stride);
            let droppable = (!matches!(operator, Operator::Identity)).then(|| {
                *droppable += 1;
                *droppable as i64 - 1
            });
            WeightedEdge { operator, input: edge.input, droppable }
        });
        Self { edges: edges.collect(), preprocess: [first, second] }
    }

    /// `ReLU` of the outputs of the last cell but one and of the last cell → `[N, 4 · channels, H, W]`.
    pub(crate) fn forward(&self, inputs: [&Tensor; 2], pass: Pass) -> Tensor {
        let mut states: Vec<Tensor> =
            self.preprocess.iter().zip(inputs).map(|(preprocess, input)| preprocess.forward(input, pass)).collect();
        for node in self.edges.chunks_exact(2) {
            let sum = output(&node[0], &states, pass) + output(&node[1], &states, pass);
            states.push(sum);
        }
        Tensor::cat(&states[2..], 1)
    }
}

fn output(edge: &WeightedEdge, states: &[Tensor], pass: Pass) -> Tensor {
    let scale = match (pass, edge.droppable) {
        (Pass::Train { drop_path: Some(drop_path) }, Some(number)) => Some(drop_path.scale(number)),
        _ => None,
    };
    edge.operator.forward_scaled(&states[edge.input], pass, scale.as_ref())
}
