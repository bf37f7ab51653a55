//! Batches: images from memory, augmented as tensors on the device.

use nas_torch::device::to_device;
use tch::{Device, Kind, Tensor};

use crate::{
    data::{Images, Normalization},
    model::MemoryFormat,
    random::{Purpose, Stream},
};

/// Pixels of zeros around an image before it is cropped at random.
const PADDING: i64 = 4;

/// Images on the device, ready to be made into batches.
pub struct Batches {
    /// Bytes `[N, C, H, W]`.
    pixels: Tensor,
    /// `[N]`.
    labels: Tensor,
    /// [1, C, 1, 1].
    mean: Tensor,
    std: Tensor,
    height: i64,
    width: i64,
    kind: Kind,
    format: MemoryFormat,
}

/// The random changes of each image of one batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Augmentation {
    images: Vec<Change>,
    cutout: i64,
}

/// What happens to one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Corner of the crop in the padded image, 0 to 8 each.
    pub crop: [i64; 2],
    /// Whether it is mirrored.
    pub flip: bool,
    /// Centre of the square that is cut out.
    pub cutout: [i64; 2],
}

impl Augmentation {
    /// Draws the changes of `count` images of batch number `batch`; `cutout` is the side of the square, 0 for none.
    pub fn draw(seed: u64, batch: u64, count: usize, [height, width]: [usize; 2], cutout: u32) -> Self {
        let mut stream = Stream::new(seed, Purpose::Augmentation, batch);
        let mut below = |bound: usize| i64::from(stream.below(bound as u32));
        let offsets = 2 * PADDING as usize + 1;
        let change =
            |_| Change { crop: [below(offsets), below(offsets)], flip: below(2) == 1, cutout: [below(height), below(width)] };
        Self { images: (0..count).map(change).collect(), cutout: i64::from(cutout) }
    }

    /// The changes, one for each image.
    pub fn changes(&self) -> &[Change] {
        &self.images
    }
}

impl Batches {
    /// Moves images to the device.
    pub fn new(images: &Images, normalization: &Normalization, kind: Kind, device: Device, format: MemoryFormat) -> Self {
        let [channels, height, width] = images.shape.map(|size| size as i64);
        let by_channel = |values: &[f64]| Tensor::from_slice(values).reshape([1, channels, 1, 1]).to_kind(kind).to_device(device);
        Self {
            pixels: Tensor::from_slice(&images.pixels).reshape([-1, channels, height, width]).to_device(device),
            labels: Tensor::from_slice(&images.labels).to_device(device),
            mean: by_channel(&normalization.mean),
            std: by_channel(&normalization.std),
            height,
            width,
            kind,
            format,
        }
    }

    /// The bytes of the images at these places `[n, C, H, W]`.
    pub fn bytes(&self, places: &[i64]) -> Tensor {
        self.pixels.index_select(0, &to_device(&Tensor::from_slice(places), self.pixels.device()))
    }

    /// The images at these places as they are, normalised `[n, C, H, W]`, and their labels `[n]`.
    pub fn plain(&self, places: &[i64]) -> (Tensor, Tensor) {
        let places = to_device(&Tensor::from_slice(places), self.pixels.device());
        let images = self.normalize(&self.pixels.index_select(0, &places));
        (self.format.lay_out(&images), self.labels.index_select(0, &places))
    }

    /// The images at these places padded, cropped, flipped, normalised and cut out, and their labels.
    pub fn augmented(&self, places: &[i64], augmentation: &Augmentation) -> (Tensor, Tensor) {
        let device = self.pixels.device();
        let places = to_device(&Tensor::from_slice(places), device);
        let padded = self.pixels.index_select(0, &places).constant_pad_nd([PADDING; 4]);
        let (count, channels) = (augmentation.images.len() as i64, self.pixels.size()[1]);
        let (height, width) = (self.height, self.width);
        // Where each row and column of the result comes from; a mirrored image counts its columns backwards.
        let of_each = |from: &dyn Fn(&Change, i64) -> i64, length: i64| -> Tensor {
            let indices: Vec<i64> =
                augmentation.images.iter().flat_map(|change| (0..length).map(move |at| from(change, at))).collect();
            to_device(&Tensor::from_slice(&indices), device)
        };
        let rows = of_each(&|change, row| change.crop[0] + row, height);
        let columns = of_each(&|change, column| change.crop[1] + if change.flip { width - 1 - column } else { column }, width);
        let rows = rows.reshape([count, 1, height, 1]).expand([count, channels, height, width + 2 * PADDING], false);
        let columns = columns.reshape([count, 1, 1, width]).expand([count, channels, height, width], false);
        let cropped = padded.gather(2, &rows, false).gather(3, &columns, false);
        let mut images = self.normalize(&cropped);
        if augmentation.cutout > 0 {
            let half = augmentation.cutout / 2;
            let hit = |centre: i64, at: i64| i64::from((centre - half..centre - half + augmentation.cutout).contains(&at));
            let rows = of_each(&|change, row| hit(change.cutout[0], row), height).reshape([count, 1, height, 1]);
            let columns = of_each(&|change, column| hit(change.cutout[1], column), width).reshape([count, 1, 1, width]);
            images *= (rows * columns).eq(0).to_kind(self.kind);
        }
        (self.format.lay_out(&images), self.labels.index_select(0, &places))
    }

    fn normalize(&self, bytes: &Tensor) -> Tensor {
        (bytes.to_kind(self.kind) / 255.0 - &self.mean) / &self.std
    }
}

/// The order of `places` in epoch `epoch`.
pub fn shuffled(seed: u64, epoch: u64, places: &[i64]) -> Vec<i64> {
    let mut places = places.to_vec();
    Stream::new(seed, Purpose::Order, epoch).shuffle(&mut places);
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images() -> Images {
        let pixels = (0..2 * 12 * 12).map(|i| (i % 251) as u8).collect();
        Images { pixels, labels: vec![3, 1], shape: [1, 12, 12] }
    }

    fn batches() -> Batches {
        let normalization = Normalization { mean: vec![0.0], std: vec![1.0 / 255.0] };
        Batches::new(&images(), &normalization, Kind::Double, Device::Cpu, MemoryFormat::ChannelsFirst)
    }

    #[test]
    fn each_pixel_of_an_augmented_image_is_where_the_rule_puts_it() {
        let changes =
            vec![Change { crop: [0, 8], flip: false, cutout: [0, 11] }, Change { crop: [5, 3], flip: true, cutout: [6, 6] }];
        let augmentation = Augmentation { images: changes.clone(), cutout: 4 };
        let (augmented, labels) = batches().augmented(&[1, 0], &augmentation);
        assert_eq!(Vec::<i64>::try_from(labels).unwrap(), [1, 3]);
        for (number, (change, source)) in changes.iter().zip([1, 0]).enumerate() {
            for row in 0..12_i64 {
                for column in 0..12_i64 {
                    let from_column = if change.flip { 11 - column } else { column } + change.crop[1] - 4;
                    let from_row = row + change.crop[0] - 4;
                    let inside = (0..12).contains(&from_row) && (0..12).contains(&from_column);
                    let cut = (row - change.cutout[0] >= -2 && row - change.cutout[0] < 2)
                        && (column - change.cutout[1] >= -2 && column - change.cutout[1] < 2);
                    let expected = if inside && !cut { ((source * 144 + from_row * 12 + from_column) % 251) as f64 } else { 0.0 };
                    let found = augmented.double_value(&[number as i64, 0, row, column]);
                    assert!((found - expected).abs() < 1e-9, "image {number} at {row},{column}: {found} is not {expected}");
                }
            }
        }
    }

    #[test]
    fn draws_reach_all_their_values_and_depend_on_seed_and_batch_alone() {
        let draw = |seed, batch| Augmentation::draw(seed, batch, 500, [28, 28], 16);
        assert_eq!(draw(1, 2), draw(1, 2));
        assert_ne!(draw(1, 2), draw(1, 3));
        let drawn = draw(1, 2);
        let changes = drawn.changes();
        for axis in 0..2 {
            let crops: std::collections::BTreeSet<i64> = changes.iter().map(|change| change.crop[axis]).collect();
            assert_eq!(crops, (0..=8).collect());
            assert!(changes.iter().all(|change| (0..28).contains(&change.cutout[axis])));
        }
        let flips = changes.iter().filter(|change| change.flip).count();
        assert!((190..=310).contains(&flips), "{flips}");
    }

    #[test]
    fn evaluation_changes_nothing_but_the_scale() {
        let (plain, _) = batches().plain(&[0]);
        assert!((plain.double_value(&[0, 0, 3, 4]) - 40.0).abs() < 1e-9);
    }
}
