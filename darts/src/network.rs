//! A whole network: its cost, and what each of its layers costs and puts out.

use crate::{CellKind, Cost, CostModel, Genotype, Image, NetworkError, Skeleton, cost::Tally};

/// A network, complete. To price many genotypes of one [`Skeleton`], build a [`CostModel`] once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    /// What its cells are.
    pub genotype: Genotype,
    /// How many there are, how wide, and on what images.
    pub skeleton: Skeleton,
}

/// A part of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The first convolution.
    Stem,
    /// A cell.
    Cell(CellKind),
    /// The second classifier, in training only.
    AuxiliaryHead,
    /// The classifier.
    Classifier,
}

/// What a part of a network costs and puts out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Layer {
    /// The part.
    pub part: Part,
    /// What it puts out: a feature map, or classes as channels of one pixel.
    pub output: Image,
    /// Trained numbers.
    pub params: u64,
    /// Multiply-accumulates for one image, counted as in [`Cost::flops`].
    pub flops: u64,
}

impl Network {
    /// What the network costs, or why it cannot be built.
    pub fn cost(&self) -> Result<Cost, NetworkError> {
        Ok(CostModel::new(&self.skeleton)?.price(&self.genotype))
    }

    /// Its parts from the image to the classes, the auxiliary head after the cell that it sits on; or why it cannot be built.
    /// Tests alone ask for them: each part is held against the same part in `PyTorch`.
    pub fn breakdown(&self) -> Result<Vec<Layer>, NetworkError> {
        let Self { genotype, skeleton } = self;
        let cells = skeleton.cells()?;
        let layer = |part, output, Tally { params, flops, .. }: Tally| Layer { part, output, params, flops };
        let classes = Image { channels: skeleton.classes, height: 1, width: 1 };
        let mut layers =
            vec![layer(Part::Stem, Image { channels: 3 * skeleton.channels, ..skeleton.image }, Tally::stem(skeleton))];
        for shape in &cells {
            layers.push(layer(Part::Cell(shape.kind), shape.output, Tally::cell(shape, genotype)));
            if shape.auxiliary {
                layers.push(layer(Part::AuxiliaryHead, classes, Tally::auxiliary(shape, skeleton.classes)));
            }
        }
        layers.push(layer(Part::Classifier, classes, Tally::classifier(&cells, skeleton.classes)));
        Ok(layers)
    }
}
