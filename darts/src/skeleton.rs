//! What a network is besides its genotype: how many cells, how wide, on what images.

use thiserror::Error;

use crate::CellKind;

/// The shape of an image or a feature map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Image {
    /// Channels: 3 for colour, 1 for grey.
    pub channels: u32,
    /// Height in pixels.
    pub height: u32,
    /// Width in pixels.
    pub width: u32,
}

impl Image {
    /// CIFAR-10 and CIFAR-100.
    pub const CIFAR: Self = Self { channels: 3, height: 32, width: 32 };

    pub(crate) fn pixels(self) -> u64 {
        u64::from(self.height) * u64::from(self.width)
    }
}

/// A DARTS network without its genotype: stem, cells, classifier.
///
/// Cells floor(L/3) and floor(2L/3) of L (from 0) are reduction cells: they halve height and width (rounded up) and double the channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Skeleton {
    /// `init_channels`, C: channels of a node in the first cells. The cells' outputs have 4 times as many.
    pub channels: u32,
    /// Cells, L.
    pub layers: u32,
    /// Whether training adds a second classifier on the output of cell floor(2L/3).
    pub auxiliary: bool,
    /// What the network sees.
    pub image: Image,
    /// What it tells apart.
    pub classes: u32,
}

/// One cell in its place in a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CellShape {
    /// Normal or reduction.
    pub kind: CellKind,
    /// Channels of each node.
    pub channels: u32,
    /// Channels of the outputs that it reads: of the cell before the last, and of the last.
    pub input_channels: [u32; 2],
    /// Pixels of the last output, to whose size both are brought.
    pub input_pixels: u64,
    /// Whether the older of both is twice as high and wide, so that it is brought in by a factorized reduction.
    pub older_is_larger: bool,
    /// What it puts out: all its nodes.
    pub output: Image,
    /// Whether the auxiliary head sits on its output.
    pub auxiliary: bool,
}

/// Why there is no such network.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NetworkError {
    /// A number is zero or absurdly large.
    #[error("`{field}` is {value}: it must be 1 to {max}")]
    OutOfRange {
        /// The field of [`Skeleton`].
        field: &'static str,
        /// Its value.
        value: u32,
        /// The largest value that is taken.
        max: u32,
    },
    /// The auxiliary head does not fit its feature map, which it pools to 2×2.
    #[error(
        "`auxiliary` needs a feature map of at least 2x2 after cell {cell}, and images of {image_height}x{image_width} give \
         {height}x{width}: set `auxiliary` to false, or use larger images"
    )]
    AuxiliaryDoesNotFit {
        /// The cell that it sits on, from 0.
        cell: u32,
        /// Pixels of the image.
        image_height: u32,
        /// Pixels of the image.
        image_width: u32,
        /// Pixels of the feature map.
        height: u32,
        /// Pixels of the feature map.
        width: u32,
    },
}

/// Kernel and stride of the mean by which the auxiliary head brings a side of its feature map to 2.
///
/// The original pools 5 at stride 3, which gives 2 for the 8 pixels that images of 32 leave (and for 9 and 10). Every other side is cut
/// into two halves, which share the middle pixel where the side is odd. The head's parameters are the same for all.
pub const fn auxiliary_pooling(side: u32) -> (u32, u32) {
    match side {
        8..=10 => (5, 3),
        _ => (side.div_ceil(2), side / 2),
    }
}

impl Skeleton {
    /// Indices of the reduction cells, from 0; both are the same where there is one cell.
    pub const fn reductions(&self) -> [u32; 2] {
        [self.layers / 3, 2 * self.layers / 3]
    }

    /// Every cell in order, or why the network cannot be built.
    pub fn cells(&self) -> Result<Vec<CellShape>, NetworkError> {
        self.check_ranges()?;
        let reductions = self.reductions();
        let Image { mut height, mut width, .. } = self.image;
        let mut channels = self.channels;
        let mut input_channels = [3 * channels; 2];
        let mut older_is_larger = false;
        let mut cells = Vec::new();
        for index in 0..self.layers {
            let input_pixels = u64::from(height) * u64::from(width);
            let kind = if reductions.contains(&index) { CellKind::Reduce } else { CellKind::Normal };
            if kind == CellKind::Reduce {
                (channels, height, width) = (2 * channels, height.div_ceil(2), width.div_ceil(2));
            }
            let output = Image { channels: 4 * channels, height, width };
            let auxiliary = self.auxiliary && index == reductions[1];
            cells.push(CellShape { kind, channels, input_channels, input_pixels, older_is_larger, output, auxiliary });
            input_channels = [input_channels[1], output.channels];
            older_is_larger = kind == CellKind::Reduce;
            if auxiliary && height.min(width) < 2 {
                let Image { height: image_height, width: image_width, .. } = self.image;
                return Err(NetworkError::AuxiliaryDoesNotFit { cell: index, image_height, image_width, height, width });
            }
        }
        Ok(cells)
    }

    /// Up to these limits every count fits 64 bits; no accelerator holds a network that is near them.
    fn check_ranges(&self) -> Result<(), NetworkError> {
        let ranges = [
            ("channels", self.channels, 1024),
            ("layers", self.layers, 1000),
            ("image.channels", self.image.channels, 1024),
            ("image.height", self.image.height, 4096),
            ("image.width", self.image.width, 4096),
            ("classes", self.classes, 1 << 20),
        ];
        match ranges.into_iter().find(|(_, value, max)| !(1..=*max).contains(value)) {
            Some((field, value, max)) => Err(NetworkError::OutOfRange { field, value, max }),
            None => Ok(()),
        }
    }
}
