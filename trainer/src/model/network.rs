//! The whole network: stem, cells with two reductions at a third and two thirds of the depth, classifier.

use nas_darts::{CellShape, Genotype, NetworkError, Skeleton};
use tch::Tensor;

use super::{
    Pass,
    auxiliary::AuxiliaryHead,
    cell::Cell,
    layers::{BatchNorm, Conv, Linear},
    variables::{MemoryFormat, Variables},
};

/// Unnormalised log-probabilities, each `[N, classes]`.
pub struct Output {
    /// Of the classifier.
    pub logits: Tensor,
    /// Of the auxiliary head, in training and where there is one.
    pub auxiliary: Option<Tensor>,
}

/// A DARTS network with its weights.
pub struct Network {
    stem: Conv,
    stem_norm: BatchNorm,
    cells: Vec<Cell>,
    /// The head, and the index of the cell whose output it reads.
    auxiliary: Option<(usize, AuxiliaryHead)>,
    classifier: Linear,
    droppable_edges: usize,
    format: MemoryFormat,
}

impl Network {
    /// Builds the network and adds its variables to `vars`.
    ///
    /// # Errors
    ///
    /// If there is no such network, or it does not fit the images.
    pub fn new(vars: &mut Variables, genotype: &Genotype, skeleton: &Skeleton) -> Result<Self, NetworkError> {
        let shapes = skeleton.cells()?;
        let stem_channels = i64::from(3 * skeleton.channels);
        let stem = Conv::new(vars, "stem.0", [i64::from(skeleton.image.channels), stem_channels], 3, 1, 1);
        let stem_norm = BatchNorm::new(vars, "stem.1", stem_channels);
        let mut droppable_edges = 0;
        let mut cells = Vec::with_capacity(shapes.len());
        for (index, shape) in shapes.iter().enumerate() {
            cells.push(Cell::new(vars, index, genotype.cell(shape.kind), shape, &mut droppable_edges));
        }
        let classes = i64::from(skeleton.classes);
        let outputs = |shape: &CellShape| i64::from(shape.output.channels);
        let auxiliary = shapes.iter().position(|shape| shape.auxiliary);
        let auxiliary = auxiliary.map(|index| (index, AuxiliaryHead::new(vars, outputs(&shapes[index]), classes)));
        let classifier = Linear::new(vars, "classifier", shapes.last().map_or(stem_channels, outputs), classes);
        Ok(Self { stem, stem_norm, cells, auxiliary, classifier, droppable_edges, format: vars.format() })
    }

    /// Edges that drop-path may drop.
    pub const fn droppable_edges(&self) -> usize {
        self.droppable_edges
    }

    /// Images `[N, C, H, W]` → logits.
    pub fn forward(&self, images: &Tensor, pass: Pass) -> Output {
        self.forward_observed(images, pass, |_| {})
    }

    /// As [`Network::forward`]; `observe` sees the output of the stem, then of each cell.
    pub fn forward_observed(&self, images: &Tensor, pass: Pass, mut observe: impl FnMut(&Tensor)) -> Output {
        // A grey image has both memory formats at once, and libtorch goes on with channels first: say it again behind the stem.
        let stem = self.stem_norm.forward(&self.format.lay_out(&self.stem.forward(images)), pass);
        observe(&stem);
        // All that reads a cell's output begins with a ReLU, but for the classifier: one ReLU serves them all.
        let rectified = stem.relu();
        let mut states = [rectified.shallow_clone(), rectified];
        let mut last = stem;
        let mut auxiliary = None;
        for (index, cell) in self.cells.iter().enumerate() {
            last = cell.forward([&states[0], &states[1]], pass);
            observe(&last);
            let rectified = last.relu();
            if let (Pass::Train { .. }, Some((at, head))) = (pass, &self.auxiliary)
                && *at == index
            {
                auxiliary = Some(head.forward(&rectified, pass));
            }
            let [_, before] = states;
            states = [before, rectified];
        }
        let pooled = last.adaptive_avg_pool2d([1, 1]).flatten(1, -1);
        Output { logits: self.classifier.forward(&pooled), auxiliary }
    }
}
