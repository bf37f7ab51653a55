//! What a network costs: parameters and multiply-accumulates, counted without building it.

use std::{
    array,
    iter::{self, Sum},
    ops::Add,
};

use crate::{CellKind, CellShape, Edge, Genotype, NetworkError, Op, OpKind, Skeleton};

/// What a network costs. Batch normalisation counts with its affine parameters; no convolution has a bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cost {
    /// Trained numbers, with the auxiliary head where it is on: what the published searches constrain.
    pub params: u64,
    /// Trained numbers without the auxiliary head: what papers report.
    pub params_without_auxiliary: u64,
    /// Multiply-accumulates of all convolutions and the classifier's matrix, in one forward pass of one image in evaluation mode,
    /// so without the auxiliary head. One multiply-accumulate counts once, as in the DARTS papers; at the borders the whole kernel
    /// counts. Pooling, normalisation, activations, sums and biases count nothing.
    pub flops: u64,
    /// Trained tensors, with those of the auxiliary head where it is on.
    pub tensors: u64,
    /// Numbers that batch normalisation keeps and no gradient trains (means, variances and one count of batches for each layer),
    /// with those of the auxiliary head where it is on.
    pub buffers: u64,
}

/// Prices genotypes of one [`Skeleton`] in nanoseconds.
///
/// The cost of a genotype is a sum over its edges, and an edge's term depends only on its cell, its operation and whether it reads
/// a cell or a node: all terms are added up over the network once, here.
#[derive(Clone, Debug)]
pub struct CostModel {
    /// Stem, what brings the inputs into each cell, classifier.
    fixed: Tally,
    auxiliary: Tally,
    /// By kind of cell, operation, and whether the edge reads a node.
    edges: [[[Tally; 2]; Op::ALL.len()]; 2],
}

impl CostModel {
    /// Adds up the terms, or says why there is no such network.
    pub fn new(skeleton: &Skeleton) -> Result<Self, NetworkError> {
        let cells = skeleton.cells()?;
        let stem = Tally::stem(skeleton);
        let edge = |kind, op, input| {
            cells.iter().filter(|cell| cell.kind == kind).map(|cell| Tally::edge(cell, Edge { op, input })).sum()
        };
        Ok(Self {
            fixed: stem + cells.iter().map(Tally::preprocessing).sum() + Tally::classifier(&cells, skeleton.classes),
            auxiliary: cells.iter().filter(|cell| cell.auxiliary).map(|cell| Tally::auxiliary(cell, skeleton.classes)).sum(),
            edges: CellKind::ALL.map(|kind| Op::ALL.map(|op| array::from_fn(|reads_node| edge(kind, op, 2 * reads_node)))),
        })
    }

    /// What the network of a genotype costs.
    pub fn price(&self, genotype: &Genotype) -> Cost {
        let of_edges = |(kind, cell): (CellKind, &crate::Cell)| {
            cell.edges().map(|edge| self.edges[kind as usize][edge.op as usize][usize::from(!edge.reads_cell())]).sum()
        };
        let evaluated = self.fixed + genotype.cells().map(of_edges).into_iter().sum();
        let trained = evaluated + self.auxiliary;
        Cost {
            params: trained.params,
            params_without_auxiliary: evaluated.params,
            flops: evaluated.flops,
            tensors: trained.tensors,
            buffers: trained.buffers,
        }
    }
}

/// What some layers cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) params: u64,
    pub(crate) flops: u64,
    tensors: u64,
    buffers: u64,
}

impl Tally {
    /// The stem: a 3×3 convolution from the image to 3C channels, batch norm.
    pub(crate) fn stem(skeleton: &Skeleton) -> Self {
        let outputs = 3 * skeleton.channels;
        Self::conv(skeleton.image.channels, outputs, 9, skeleton.image.pixels()) + Self::batch_norm(outputs)
    }

    /// A whole cell.
    pub(crate) fn cell(shape: &CellShape, genotype: &Genotype) -> Self {
        Self::preprocessing(shape) + genotype.cell(shape.kind).edges().map(|edge| Self::edge(shape, edge)).sum()
    }

    /// What brings both inputs to the cell's channels: pointwise convolutions, at the size of the newer input. A factorized
    /// reduction is two of half the channels, and costs the same.
    fn preprocessing(shape: &CellShape) -> Self {
        let pixels = shape.input_pixels;
        let [older, newer] = shape.input_channels;
        let older = if shape.older_is_larger {
            Self::factorized_reduction(older, shape.channels, pixels)
        } else {
            Self::pointwise(older, shape.channels, pixels)
        };
        older + Self::pointwise(newer, shape.channels, pixels)
    }

    /// One edge. Whatever its stride, each of its convolutions puts out as many pixels as the cell does.
    fn edge(shape: &CellShape, edge: Edge) -> Self {
        let (channels, pixels) = (shape.channels, shape.output.pixels());
        match edge.op.kind() {
            OpKind::Skip if shape.kind == CellKind::Reduce && edge.reads_cell() => {
                Self::factorized_reduction(channels, channels, pixels)
            }
            OpKind::Zero | OpKind::MaxPool | OpKind::AvgPool | OpKind::Skip => Self::default(),
            OpKind::Separable { kernel, times, .. } => {
                let spatial = Self::depthwise(channels, u64::from(kernel).pow(2), pixels);
                iter::repeat_n(spatial + Self::pointwise(channels, channels, pixels), times).sum()
            }
        }
    }

    /// The auxiliary head: pooling to 2×2, 1×1 → 128, 2×2 → 768, a linear layer.
    pub(crate) fn auxiliary(shape: &CellShape, classes: u32) -> Self {
        Self::pointwise(shape.output.channels, 128, 4)
            + Self::conv(128, 768, 4, 1)
            + Self::batch_norm(768)
            + Self::linear(768, classes)
    }

    /// A linear layer on the mean of each channel of the last cell.
    pub(crate) fn classifier(cells: &[CellShape], classes: u32) -> Self {
        cells.last().map(|cell| Self::linear(cell.output.channels, classes)).unwrap_or_default()
    }

    /// A 1×1 convolution and batch norm.
    fn pointwise(inputs: u32, outputs: u32, pixels: u64) -> Self {
        Self::conv(inputs, outputs, 1, pixels) + Self::batch_norm(outputs)
    }

    /// Two 1×1 convolutions at stride 2, each to half of the channels (always even here: a reduction has doubled them), and batch
    /// norm.
    fn factorized_reduction(inputs: u32, outputs: u32, pixels: u64) -> Self {
        let half = Self::conv(inputs, outputs / 2, 1, pixels);
        half + half + Self::batch_norm(outputs)
    }

    /// A convolution of each channel with its own kernel.
    fn depthwise(channels: u32, kernel: u64, pixels: u64) -> Self {
        let weights = kernel * u64::from(channels);
        Self { params: weights, flops: weights * pixels, tensors: 1, buffers: 0 }
    }

    /// A convolution with a kernel of so many weights for each pair of channels, to so many pixels.
    fn conv(inputs: u32, outputs: u32, kernel: u64, pixels: u64) -> Self {
        let weights = kernel * u64::from(inputs) * u64::from(outputs);
        Self { params: weights, flops: weights * pixels, tensors: 1, buffers: 0 }
    }

    /// Scale and shift; mean, variance and the count of batches.
    fn batch_norm(channels: u32) -> Self {
        Self { params: 2 * u64::from(channels), flops: 0, tensors: 2, buffers: 2 * u64::from(channels) + 1 }
    }

    /// A matrix and a bias.
    fn linear(inputs: u32, outputs: u32) -> Self {
        let weights = u64::from(inputs) * u64::from(outputs);
        Self { params: weights + u64::from(outputs), flops: weights, tensors: 2, buffers: 0 }
    }
}

impl Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            params: self.params + other.params,
            flops: self.flops + other.flops,
            tensors: self.tensors + other.tensors,
            buffers: self.buffers + other.buffers,
        }
    }
}

impl Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(tallies: I) -> Self {
        tallies.fold(Self::default(), Add::add)
    }
}
