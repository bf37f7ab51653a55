//! The NAS-Bench-301 surrogate of YAHPO-Gym: a network that predicts accuracy and time of an architecture after so many epochs.
//!
//! 34 categories are embedded (the operation of each of the 14 possible edges of both cells or none, the pair of inputs of each node but
//! the first) and joined by the epoch. Three branches see all of that, one linear and two deep ones with SELU; the sigmoid of their sum is
//! accuracy and time, scaled to 0..1.

use std::collections::BTreeMap;

use nas_darts::{Cell, CellKind, NODES, Op};
use thiserror::Error;

use crate::{Code, CodeError, OnnxError, Tensor, initializers};

/// Possible edges of a cell: 2, 3, 4 and 5 for its nodes.
const EDGES: usize = 14;

/// Where the possible edges of each node begin.
const FIRST_EDGE: [usize; NODES] = [0, 2, 5, 9];

/// Categories of all columns: edges of both cells, then pairs of inputs of nodes 2 to 4 of both.
const CATEGORY_COUNTS: [usize; 34] =
    [8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 4, 7, 11, 4, 7, 11];

/// Constants of the graph around its weights.
mod scale {
    /// Epochs are multiplied by this: 1 / 52, rounded as in the file.
    pub(super) const EPOCH: f32 = 0.019_230_77;
    /// The first output is the accuracy in hundredths of percent.
    pub(super) const ACCURACY: f32 = 0.01;
    /// The second output at no time at all.
    pub(super) const NO_TIME: f32 = 0.01;
    /// Seconds for each unit of the second output.
    pub(super) const SECONDS: f32 = 13_132.093;
    /// Seconds at `NO_TIME`.
    pub(super) const FIRST_SECONDS: f32 = 30.557_993;
}

/// The network with its weights.
#[derive(Clone, Debug)]
pub struct Network {
    embeddings: Vec<Tensor>,
    /// The three branches; between the layers of a branch is SELU.
    branches: [Vec<Layer>; 3],
}

/// A linear layer.
#[derive(Clone, Debug)]
struct Layer {
    /// By input, then by output: so the innermost loop runs over outputs and can be vectorised without changing any sum.
    weights: Vec<f32>,
    bias: Vec<f32>,
}

/// What is predicted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// Validation accuracy in percent.
    pub accuracy: f64,
    /// Seconds of training up to there.
    pub seconds: f64,
}

/// Why a file is not this network.
#[derive(Debug, Error)]
pub enum NetworkError {
    /// It is no model.
    #[error(transparent)]
    Onnx(#[from] OnnxError),
    /// Weights are missing.
    #[error("there are no weights {0}")]
    Missing(String),
    /// Weights have another shape.
    #[error("weights {name} have shape {found:?}, which does not fit the layers before")]
    Shape {
        /// Their name.
        name: String,
        /// Their shape.
        found: Vec<usize>,
    },
}

impl Network {
    /// Reads the weights from `nb301/new_model.onnx` of YAHPO-Gym.
    ///
    /// # Errors
    ///
    /// Where it is something else.
    pub fn read(model: &[u8]) -> Result<Self, NetworkError> {
        let mut tensors = initializers(model)?;
        let mut embeddings = Vec::new();
        for (column, count) in CATEGORY_COUNTS.into_iter().enumerate() {
            let name = format!("embds_fct.{column}.weight");
            let tensor = take(&mut tensors, &name)?;
            if tensor.shape.len() != 2 || tensor.shape[0] != count {
                return Err(NetworkError::Shape { name, found: tensor.shape });
            }
            embeddings.push(tensor);
        }
        let width = embeddings.iter().map(|tensor| tensor.shape[1]).sum::<usize>() + 1;
        let mut branch = |names: &[&str]| {
            let mut inputs = width;
            let mut layers = Vec::new();
            for (index, name) in names.iter().enumerate() {
                let outputs = (index + 1 == names.len()).then_some(2);
                let layer = Layer::take(&mut tensors, name, inputs, outputs)?;
                inputs = layer.bias.len();
                layers.push(layer);
            }
            Ok::<_, NetworkError>(layers)
        };
        let branches = [
            branch(&["wide.0"])?,
            branch(&["deep.0.1", "deep.1.1", "deep.2.0"])?,
            branch(&["deeper.0.1", "deeper.1.1", "deeper.2.1", "deeper.3.1", "deeper.4.0"])?,
        ];
        Ok(Self { embeddings, branches })
    }

    /// Predicts an architecture after an epoch, 1 to 98.
    ///
    /// # Errors
    ///
    /// Where the code is no architecture, or one with a node that reads one input twice.
    pub fn predict(&self, code: Code, epoch: u64) -> Result<Prediction, CodeError> {
        let mut input = Vec::with_capacity(self.branches[0][0].weights.len() / 2);
        for (tensor, category) in self.embeddings.iter().zip(categories(code)?) {
            let width = tensor.shape[1];
            input.extend_from_slice(&tensor.values[category * width..][..width]);
        }
        #[expect(clippy::cast_precision_loss, reason = "an epoch is a small number")]
        input.push(epoch as f32 * scale::EPOCH);
        let mut sum = [0.0; 2];
        for layers in &self.branches {
            let mut values = layers[0].apply(&input);
            for layer in &layers[1..] {
                values = layer.apply(&values.into_iter().map(selu).collect::<Vec<_>>());
            }
            for (sum, value) in sum.iter_mut().zip(values) {
                *sum += value;
            }
        }
        let [accuracy, seconds] = sum.map(|value| 1.0 / (1.0 + libm::expf(-value)));
        Ok(Prediction {
            accuracy: f64::from(accuracy / scale::ACCURACY),
            seconds: f64::from((seconds - scale::NO_TIME) * scale::SECONDS + scale::FIRST_SECONDS),
        })
    }
}

/// Outputs that are summed up at a time.
const BLOCK: usize = 32;

impl Layer {
    fn take(
        tensors: &mut BTreeMap<String, Tensor>,
        name: &str,
        inputs: usize,
        outputs: Option<usize>,
    ) -> Result<Self, NetworkError> {
        let bias = take(tensors, &format!("{name}.bias"))?;
        let name = format!("{name}.weight");
        let by_output = take(tensors, &name)?;
        let outputs = outputs.unwrap_or(bias.values.len());
        if outputs == 0 || by_output.shape != [outputs, inputs] || bias.shape != [outputs] {
            return Err(NetworkError::Shape { name, found: by_output.shape });
        }
        let place = |at: usize| by_output.values[at % outputs * inputs + at / outputs];
        Ok(Self { weights: (0..inputs * outputs).map(place).collect(), bias: bias.values })
    }

    fn apply(&self, input: &[f32]) -> Vec<f32> {
        let mut output = self.bias.clone();
        let width = output.len();
        // A few outputs at a time, whose sums stay in registers; each sum has the order of its inputs.
        let (blocks, rest) = output.as_chunks_mut::<BLOCK>();
        for (at, block) in blocks.iter_mut().enumerate() {
            let mut sums = *block;
            for (value, weights) in input.iter().zip(self.weights.chunks_exact(width)) {
                let weights = &weights[BLOCK * at..BLOCK * (at + 1)];
                sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += value * weight);
            }
            *block = sums;
        }
        let done = width - rest.len();
        for (value, weights) in input.iter().zip(self.weights.chunks_exact(width)) {
            rest.iter_mut().zip(&weights[done..]).for_each(|(sum, weight)| *sum += value * weight);
        }
        output
    }
}

fn take(tensors: &mut BTreeMap<String, Tensor>, name: &str) -> Result<Tensor, NetworkError> {
    tensors.remove(name).ok_or_else(|| NetworkError::Missing(name.to_owned()))
}

/// Klambauer et al. 2017.
fn selu(value: f32) -> f32 {
    const SCALE: f32 = 1.050_701;
    const ALPHA: f32 = 1.673_263_2;
    SCALE * if value > 0.0 { value } else { ALPHA * (libm::expf(value) - 1.0) }
}

/// The category of an edge that applies `op`, in the order of the benchmark, where 0 is a possible edge that is not there. `None`: the network was
/// not made of edges that apply it.
const fn category(op: Op) -> Option<usize> {
    Some(match op {
        Op::None => return None,
        Op::AvgPool3x3 => 1,
        Op::DilConv3x3 => 2,
        Op::DilConv5x5 => 3,
        Op::MaxPool3x3 => 4,
        Op::SepConv3x3 => 5,
        Op::SepConv5x5 => 6,
        Op::SkipConnect => 7,
    })
}

/// The category of each column.
fn categories(code: Code) -> Result<[usize; 34], CodeError> {
    let genotype = code.genotype()?;
    let mut columns = [0; 34];
    for (kind, cell) in genotype.cells() {
        let (edges, pairs) = match kind {
            CellKind::Normal => (0, 2 * EDGES),
            CellKind::Reduce => (EDGES, 2 * EDGES + NODES - 1),
        };
        fill(cell, &mut columns, edges, pairs)?;
    }
    Ok(columns)
}

/// Fills the columns of one cell: those of its edges and those of its pairs of inputs begin at these places.
fn fill(cell: &Cell, columns: &mut [usize; 34], edges: usize, pairs: usize) -> Result<(), CodeError> {
    for (node, pair) in cell.nodes().iter().enumerate() {
        for edge in pair {
            columns[edges + FIRST_EDGE[node] + edge.input] = category(edge.op).ok_or(CodeError::Unknown(edge.op))?;
        }
        let (low, high) = (pair[0].input.min(pair[1].input), pair[0].input.max(pair[1].input));
        if low == high {
            return Err(CodeError::SameInput(low));
        }
        // The first node can only read both cells before.
        if node > 0 {
            // Pairs are numbered from 1: 0_1, 0_2, ..., 1_2, ...
            let before: usize = (0..low).map(|input| node + 1 - input).sum();
            columns[pairs + node - 1] = before + (high - low);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use nas_darts::Edge;

    use super::*;

    #[test]
    fn categories_are_numbered_as_in_the_encoding_of_the_benchmark() {
        // Nodes read (0, 1), (1, 2), (2, 3) and (1, 4); all operations are max_pool_3x3 but the last, dil_conv_5x5.
        let cell = [0, 1, 1, 2, 2, 3, 1, 48 + 4];
        let mut code = [0; 16];
        code[..8].copy_from_slice(&cell);
        code[8..].copy_from_slice(&cell);
        let columns = categories(Code(code)).unwrap();
        assert_eq!(columns[..14], [4, 4, 0, 4, 4, 0, 0, 4, 4, 0, 4, 0, 0, 3]);
        assert_eq!(columns[14..28], columns[..14]);
        assert_eq!(columns[28..], [3, 6, 7, 3, 6, 7]);
    }

    #[test]
    fn an_operation_without_a_category_is_refused_and_no_other() {
        let columns = |op| {
            let node = [Edge { op, input: 0 }, Edge { op: Op::SkipConnect, input: 1 }];
            let mut columns = [0; 34];
            fill(&Cell::new([node; NODES]).unwrap(), &mut columns, 0, 2 * EDGES).map(|()| columns[0])
        };
        let mut found = Op::DARTS.map(|op| columns(op).unwrap());
        found.sort_unstable();
        assert_eq!(found, [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(columns(Op::None), Err(CodeError::Unknown(Op::None)));
    }

    #[test]
    fn something_else_is_refused() {
        let message = |model: &[u8]| Network::read(model).unwrap_err().to_string();
        assert_eq!(message(&[]), "there are no weights embds_fct.0.weight");
        assert!(message(&[0x80]).starts_with("the file is malformed: "), "{}", message(&[0x80]));
    }
}
