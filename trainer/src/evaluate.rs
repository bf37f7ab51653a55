//! Measuring a network on images that it does not train on.

use std::collections::BTreeMap;

use tch::{Kind, Tensor, no_grad};

use crate::{
    batch::Batches,
    model::{Network, Pass},
};

/// Metrics over a whole set of images, by name.
pub type Metrics = BTreeMap<String, f64>;

/// Fraction of images whose class was given the highest score.
pub const ACCURACY: &str = "accuracy";
/// Highest accuracy of the trial so far.
pub const BEST_ACCURACY: &str = "best_accuracy";
/// Mean over the batches of the fraction in each, whatever their sizes: what Determined's benchmark reports.
const BATCH_MEAN_ACCURACY: &str = "batch_mean_accuracy";
const TOP5_ACCURACY: &str = "top5_accuracy";
const LOSS: &str = "loss";

/// Images that are measured at once, at least: nothing is kept for a way back.
const AT_ONCE: usize = 100;

/// The metrics that an objective can name, for a data set of so many classes.
pub fn metric_names(classes: usize) -> Vec<&'static str> {
    let mut names = vec![ACCURACY, BATCH_MEAN_ACCURACY, BEST_ACCURACY, LOSS];
    names.extend((classes > 5).then_some(TOP5_ACCURACY));
    names
}

/// Measures on the images at `places`: exact counts over all of them. Only `batch_mean_accuracy` depends on `batch_size`.
pub fn evaluate(network: &Network, batches: &Batches, places: &[i64], batch_size: usize, classes: usize) -> Metrics {
    let measured = places.chunks(batch_size.max(AT_ONCE)).map(|places| measure(network, batches, places, classes));
    summary(&joined(&measured.collect::<Vec<_>>()), batch_size, classes)
}

/// The metrics of images of which [`measure`] has said so much.
fn summary([first, top5, loss]: &[Vec<f64>; 3], batch_size: usize, classes: usize) -> Metrics {
    let mean = |numbers: &[f64]| numbers.iter().sum::<f64>() / numbers.len().max(1) as f64;
    let by_batch: Vec<f64> = first.chunks(batch_size).map(mean).collect();
    let mut metrics = Metrics::from([
        (ACCURACY.to_owned(), mean(first)),
        (BATCH_MEAN_ACCURACY.to_owned(), mean(&by_batch)),
        (LOSS.to_owned(), mean(loss)),
    ]);
    if classes > 5 {
        metrics.insert(TOP5_ACCURACY.to_owned(), mean(top5));
    }
    metrics
}

/// For each image, whether its class has the highest score, whether it is among the five highest, and its loss: [3, N].
fn measure(network: &Network, batches: &Batches, places: &[i64], classes: usize) -> Tensor {
    no_grad(|| {
        let (images, labels) = batches.plain(places);
        let logits = network.forward(&images, Pass::Evaluate).logits;
        let loss = logits.cross_entropy_loss::<Tensor>(&labels, None, tch::Reduction::None, -100, 0.0);
        let ranked = logits.topk(if classes > 5 { 5 } else { 1 }, 1, true, true).1.eq_tensor(&labels.unsqueeze(1));
        let (first, top5) = (ranked.select(1, 0), ranked.any_dim(1, false));
        Tensor::stack(&[first, top5, loss].map(|values| values.to_kind(Kind::Double)), 0)
    })
}

/// What was measured in parts, one after the other; the device is waited for once.
fn joined(parts: &[Tensor]) -> [Vec<f64>; 3] {
    if parts.is_empty() {
        return [(); 3].map(|()| Vec::new());
    }
    let all = Tensor::cat(parts, 1);
    [0, 1, 2].map(|row| Vec::<f64>::try_from(all.get(row)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accuracy_counts_images_and_the_batch_mean_counts_batches() {
        // Two batches of 2, and one of a single image.
        let measured = [vec![1.0, 0.0, 1.0, 1.0, 0.0], vec![1.0; 5], vec![0.5, 1.5, 1.0, 1.0, 2.0]];
        let metrics = summary(&measured, 2, 10);
        assert_eq!(metrics[ACCURACY], 0.6);
        assert_eq!(metrics[BATCH_MEAN_ACCURACY], (0.5 + 1.0 + 0.0) / 3.0);
        assert_eq!((metrics[LOSS], metrics[TOP5_ACCURACY]), (1.2, 1.0));
        assert!(!summary(&measured, 2, 5).contains_key(TOP5_ACCURACY));
        let mut named = metric_names(10);
        named.retain(|name| *name != BEST_ACCURACY);
        assert_eq!(named, metrics.keys().map(String::as_str).collect::<Vec<_>>());
    }
}
