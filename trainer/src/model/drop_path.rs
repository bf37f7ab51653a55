//! Drop-path: in training, each edge of a cell is left out for some images, and the rest is scaled up to make good for it.

use nas_torch::device::to_device;
use tch::{Device, Kind, Tensor};

use crate::random::{Purpose, Stream};

/// For each droppable edge and each image of a batch: 0 where the edge is dropped, else 1 / (1 - p). Shape [edges, N].
pub struct DropPath(Tensor);

impl DropPath {
    /// Draws which of `edges` are dropped with `probability` for each of `images` images in batch `step`; `None` where none can be.
    pub fn draw(seed: u64, step: u64, edges: usize, images: usize, probability: f64, kind: Kind, device: Device) -> Option<Self> {
        if probability <= 0.0 || edges == 0 {
            return None;
        }
        let kept = 1.0 - probability;
        let mut stream = Stream::new(seed, Purpose::DropPath, step);
        let scales: Vec<f64> = (0..edges * images).map(|_| if stream.chance(kept) { 1.0 / kept } else { 0.0 }).collect();
        let scales = Tensor::from_slice(&scales).reshape([edges as i64, images as i64]);
        Some(Self(to_device(&scales.to_kind(kind), device)))
    }

    /// Takes over what another one of the same shape drops.
    pub(crate) fn copy(&mut self, other: &Self) {
        self.0.copy_(&other.0);
    }

    /// By how much droppable edge number `edge` counts in each image `[N]`.
    pub fn scale(&self, edge: i64) -> Tensor {
        self.0.get(edge)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_image_loses_an_edge_with_the_probability_and_the_mean_is_kept() {
        let drop_path = DropPath::draw(1, 5, 20, 500, 0.2, Kind::Double, Device::Cpu).unwrap();
        let kept = Vec::<f64>::try_from(drop_path.0.reshape([-1])).unwrap();
        assert!(kept.iter().all(|scale| *scale == 0.0 || *scale == 1.25));
        let mean = kept.iter().sum::<f64>() / kept.len() as f64;
        // Standard deviation of the mean: 0.005.
        assert!((mean - 1.0).abs() < 0.02, "{mean}");
        assert_eq!(Vec::<f64>::try_from(drop_path.scale(7)).unwrap(), kept[7 * 500..8 * 500]);
    }

    /// Kept (1) or dropped (0) for each edge and image.
    fn kept(seed: u64, step: u64, [edges, images]: [usize; 2], probability: f64) -> Vec<Vec<bool>> {
        let drop_path = DropPath::draw(seed, step, edges, images, probability, Kind::Float, Device::Cpu).unwrap();
        let of = |edge| Vec::<f64>::try_from(drop_path.scale(edge).to_kind(Kind::Double)).unwrap();
        (0..edges as i64).map(|edge| of(edge).into_iter().map(|scale| scale > 0.0).collect()).collect()
    }

    #[test]
    fn edges_images_batches_and_seeds_are_dropped_independently() {
        const PROBABILITY: f64 = 0.3;
        let drawn = kept(1, 5, [12, 2_000], PROBABILITY);
        // Of two that are independent, both are kept with the square of the probability; a standard deviation is 0.0112.
        let independent = |what: &str, one: &[bool], other: &[bool]| {
            let both =
                one.iter().zip(other).filter(|(one, other)| **one && **other).count() as f64 / one.len().min(other.len()) as f64;
            assert!((both - (1.0 - PROBABILITY).powi(2)).abs() < 0.055, "{what}: {both}");
        };
        for (edge, images) in drawn.iter().enumerate() {
            for other in &drawn[edge + 1..] {
                independent("edges", images, other);
            }
            independent("neighbouring images", images, &images[1..]);
            independent("batches", images, &kept(1, 6, [12, 2_000], PROBABILITY)[edge]);
            independent("seeds", images, &kept(2, 5, [12, 2_000], PROBABILITY)[edge]);
        }
    }

    #[test]
    fn the_share_that_is_dropped_is_the_probability() {
        for probability in [1e-3, 0.05, 0.2, 0.5, 0.999] {
            let drawn = kept(3, 0, [20, 5_000], probability).concat();
            let dropped = drawn.iter().filter(|kept| !**kept).count() as f64 / drawn.len() as f64;
            let deviation = (probability * (1.0 - probability) / drawn.len() as f64).sqrt();
            assert!((dropped - probability).abs() < 5.0 * deviation, "{dropped} is not {probability}");
        }
    }

    #[test]
    fn nothing_is_dropped_at_probability_zero() {
        assert!(DropPath::draw(1, 5, 20, 4, 0.0, Kind::Float, Device::Cpu).is_none());
    }
}
