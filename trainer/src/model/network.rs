//! The whole network: stem, cells with two reductions at a third and two thirds of the depth, classifier.

use nas_darts::Genotype;
use tch::Tensor;
use thiserror::Error;

use super::{
    Pass,
    auxiliary::AuxiliaryHead,
    cell::{Cell, Place},
    layers::{BatchNorm, Conv, Linear},
    variables::{MemoryFormat, Variables},
};

/// What a network is besides its genotype.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dimensions {
    /// Channels of an image.
    pub image_channels: usize,
    /// Height and width of an image, in pixels.
    pub image_size: [usize; 2],
    /// Classes to tell apart.
    pub classes: usize,
    /// `init_channels`: channels of a node in the first cells.
    pub channels: usize,
    /// `layers`: cells.
    pub layers: usize,
    /// `auxiliary`: whether there is an auxiliary head.
    pub auxiliary: bool,
}

/// Why a network cannot work on the images of a data set.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Unfit {
    /// A reduction needs an even size.
    #[error(
        "images of {height}x{width} pixels cannot be halved {reductions} times: use a data set with sides that are multiples of {}",
        1 << reductions
    )]
    OddSize {
        /// Pixels.
        height: usize,
        /// Pixels.
        width: usize,
        /// Reduction cells of the network.
        reductions: usize,
    },
    /// The auxiliary head needs a feature map of a certain size.
    #[error(
        "the auxiliary head needs feature maps of 8x8 to 10x10 (images of 32x32 to 40x40 pixels), here they are {height}x{width}: \
         set `auxiliary` to false"
    )]
    AuxiliaryHead {
        /// Pixels of the feature map.
        height: usize,
        /// Pixels of the feature map.
        width: usize,
    },
}

impl Dimensions {
    /// Indices of the cells that halve height and width and double the channels; one alone where the network has a single cell.
    const fn reductions(&self) -> [usize; 2] {
        [self.layers / 3, 2 * self.layers / 3]
    }

    /// Whether the network fits the images.
    pub fn check(&self) -> Result<(), Unfit> {
        let [first, second] = self.reductions();
        let reductions = if first == second { 1 } else { 2 };
        let [height, width] = self.image_size;
        let factor = 1 << reductions;
        if height == 0 || width == 0 || height % factor != 0 || width % factor != 0 {
            return Err(Unfit::OddSize { height, width, reductions });
        }
        let [height, width] = [height / factor, width / factor];
        let fits = |side: usize| AuxiliaryHead::SIZES.contains(&(side as i64));
        if self.auxiliary && !(fits(height) && fits(width)) {
            return Err(Unfit::AuxiliaryHead { height, width });
        }
        Ok(())
    }
}

/// Unnormalised log-probabilities, each [N, classes].
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
    auxiliary: Option<AuxiliaryHead>,
    /// Index of the cell whose output the auxiliary head reads.
    auxiliary_at: usize,
    classifier: Linear,
    droppable_edges: usize,
    format: MemoryFormat,
}

impl Network {
    /// Builds the network and adds its variables to `vars`.
    ///
    /// # Errors
    ///
    /// If it does not fit the images.
    pub fn new(vars: &mut Variables, genotype: &Genotype, dimensions: &Dimensions) -> Result<Self, Unfit> {
        dimensions.check()?;
        let stem_channels = 3 * dimensions.channels as i64;
        let stem = Conv::new(vars, "stem.0", [dimensions.image_channels as i64, stem_channels], 3, 1, 1);
        let stem_norm = BatchNorm::new(vars, "stem.1", stem_channels);

        let reductions = dimensions.reductions();
        let mut droppable_edges = 0;
        let mut place = Place {
            inputs: [stem_channels, stem_channels],
            channels: dimensions.channels as i64,
            reduction: false,
            after_reduction: false,
        };
        let mut cells = Vec::with_capacity(dimensions.layers);
        let mut auxiliary_channels = 0;
        for index in 0..dimensions.layers {
            place.after_reduction = place.reduction;
            place.reduction = reductions.contains(&index);
            if place.reduction {
                place.channels *= 2;
            }
            let cell = if place.reduction { &genotype.reduce } else { &genotype.normal };
            let edges: Vec<_> = cell.edges().collect();
            cells.push(Cell::new(vars, index, &edges, place, &mut droppable_edges));
            place.inputs = [place.inputs[1], 4 * place.channels];
            if index == reductions[1] {
                auxiliary_channels = place.inputs[1];
            }
        }

        let classes = dimensions.classes as i64;
        let auxiliary = dimensions.auxiliary.then(|| AuxiliaryHead::new(vars, auxiliary_channels, classes));
        let classifier = Linear::new(vars, "classifier", place.inputs[1], classes);
        Ok(Self {
            stem,
            stem_norm,
            cells,
            auxiliary,
            auxiliary_at: reductions[1],
            classifier,
            droppable_edges,
            format: vars.format(),
        })
    }

    /// Edges that drop-path may drop.
    pub const fn droppable_edges(&self) -> usize {
        self.droppable_edges
    }

    /// Images [N, C, H, W] → logits.
    pub fn forward(&self, images: &Tensor, pass: Pass) -> Output {
        self.forward_observed(images, pass, |_| {})
    }

    /// As [`Network::forward`]; `observe` sees the output of the stem, then of each cell.
    pub fn forward_observed(&self, images: &Tensor, pass: Pass, mut observe: impl FnMut(&Tensor)) -> Output {
        // A grey image has both memory formats at once, and libtorch goes on with channels first: say it again behind the stem.
        let stem = self.stem_norm.forward(&self.format.lay_out(&self.stem.forward(images)), pass);
        observe(&stem);
        let mut states = [stem.shallow_clone(), stem];
        let mut auxiliary = None;
        for (index, cell) in self.cells.iter().enumerate() {
            let output = cell.forward([&states[0], &states[1]], pass);
            observe(&output);
            if let (Pass::Train { .. }, Some(head), true) = (pass, &self.auxiliary, index == self.auxiliary_at) {
                auxiliary = Some(head.forward(&output, pass));
            }
            let [_, last] = states;
            states = [last, output];
        }
        let pooled = states[1].adaptive_avg_pool2d([1, 1]).flatten(1, -1);
        Output { logits: self.classifier.forward(&pooled), auxiliary }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dimensions(side: usize, layers: usize, auxiliary: bool) -> Dimensions {
        Dimensions { image_channels: 1, image_size: [side, side], classes: 10, channels: 4, layers, auxiliary }
    }

    #[test]
    fn what_does_not_fit_the_images_is_refused_with_its_cure() {
        assert_eq!(dimensions(28, 3, false).check(), Ok(()));
        assert_eq!(dimensions(32, 20, true).check(), Ok(()));
        assert_eq!(dimensions(30, 1, false).check(), Ok(()));
        let odd = dimensions(30, 3, false).check().unwrap_err();
        assert_eq!(odd, Unfit::OddSize { height: 30, width: 30, reductions: 2 });
        assert!(odd.to_string().contains("multiples of 4"), "{odd}");
        let small = dimensions(28, 3, true).check().unwrap_err();
        assert_eq!(small, Unfit::AuxiliaryHead { height: 7, width: 7 });
        assert!(small.to_string().contains("set `auxiliary` to false"), "{small}");
    }
}
