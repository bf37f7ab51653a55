//! How pixels are scaled before the network sees them.

use serde::{Deserialize, Serialize};

use super::Images;

/// Mean and standard deviation of each channel, of pixels scaled to 0..1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Normalization {
    /// Mean, by channel.
    pub mean: Vec<f64>,
    /// Standard deviation, by channel; 1 for a channel of one value, which has none.
    pub std: Vec<f64>,
}

impl Normalization {
    /// The published constants for `cifar10`, which Determined's benchmark trains with, else those of the training images.
    pub fn of(name: &str, train: &Images) -> Self {
        if name == "cifar10" {
            return Self {
                mean: vec![0.491_399_68, 0.482_158_27, 0.446_531_24],
                std: vec![0.247_032_33, 0.243_485_05, 0.261_587_68],
            };
        }
        Self::measured(train)
    }

    /// That of some images: sums in whole numbers, so that nothing is lost before the last division.
    pub fn measured(images: &Images) -> Self {
        let [channels, height, width] = images.shape;
        let area = (height * width).max(1);
        let mut histograms = vec![[0_u64; 256]; channels];
        for (plane, pixels) in images.pixels.chunks_exact(area).enumerate() {
            let histogram = &mut histograms[plane % channels];
            for &pixel in pixels {
                histogram[usize::from(pixel)] += 1;
            }
        }
        let (mean, std) = histograms.iter().map(moments).unzip();
        Self { mean, std }
    }
}

/// Mean and standard deviation of so many pixels of each value, over 255.
fn moments(histogram: &[u64; 256]) -> (f64, f64) {
    let sum = |power: u32| (0_u128..).zip(histogram).map(|(value, &count)| value.pow(power) * u128::from(count)).sum::<u128>();
    let (count, sum, squares) = (sum(0).max(1), sum(1), sum(2));
    let scale = count as f64 * 255.0;
    // n Σx² - (Σx)² = n² var.
    let spread = count * squares - sum * sum;
    (sum as f64 / scale, if spread == 0 { 1.0 } else { (spread as f64).sqrt() / scale })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_deviation_are_exact_by_channel() {
        // Two images of two channels of 1x2: channel 0 holds 0, 255, 255, 0, channel 1 holds 7 throughout.
        let images = Images { pixels: vec![0, 255, 7, 7, 255, 0, 7, 7], labels: vec![0, 1], shape: [2, 1, 2] };
        let measured = Normalization::measured(&images);
        assert_eq!(measured, Normalization { mean: vec![0.5, 7.0 / 255.0], std: vec![0.5, 1.0] });
    }

    #[test]
    fn a_spread_that_floating_point_would_lose_is_kept() {
        // One pixel of 65,536 differs by one: the variance is p (1 - p) / 255² with p = 1 / 65,536.
        let mut pixels = vec![254; 256 * 256];
        pixels[77] = 255;
        let measured = Normalization::measured(&Images { pixels, labels: vec![0], shape: [1, 256, 256] });
        let p = 1.0 / 65_536.0_f64;
        assert!((measured.std[0] / ((p * (1.0 - p)).sqrt() / 255.0) - 1.0).abs() < 1e-15);
    }

    #[test]
    fn the_published_constants_are_those_of_cifar10_alone() {
        let images = Images { pixels: vec![51; 3], labels: vec![0], shape: [3, 1, 1] };
        assert!((Normalization::of("cifar10", &images).mean[0] - 0.491_399_68).abs() < 1e-12);
        assert_eq!(Normalization::of("cifar100", &images).mean, [0.2; 3]);
    }
}
