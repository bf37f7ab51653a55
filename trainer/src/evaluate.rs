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
const TOP5_ACCURACY: &str = "top5_accuracy";
const LOSS: &str = "loss";

/// The metrics that an objective can name, for a data set of so many classes.
pub fn metric_names(classes: usize) -> Vec<&'static str> {
    let mut names = vec![ACCURACY, BEST_ACCURACY, LOSS];
    names.extend((classes > 5).then_some(TOP5_ACCURACY));
    names
}

/// Measures on the images at `places`, in batches of `batch_size`: exact counts over all of them, whatever the batches.
pub fn evaluate(network: &Network, batches: &Batches, places: &[i64], batch_size: usize, classes: usize) -> Metrics {
    no_grad(|| {
        let mut sums: Option<Tensor> = None;
        for places in places.chunks(batch_size) {
            let (images, labels) = batches.plain(places);
            let logits = network.forward(&images, Pass::Evaluate).logits;
            let loss = logits.cross_entropy_loss::<Tensor>(&labels, None, tch::Reduction::Sum, -100, 0.0);
            let ranked = logits.topk(if classes > 5 { 5 } else { 1 }, 1, true, true).1.eq_tensor(&labels.unsqueeze(1));
            let first = ranked.narrow(1, 0, 1).sum(Kind::Double);
            let sum = Tensor::stack(&[first, ranked.sum(Kind::Double), loss.to_kind(Kind::Double)], 0);
            sums = Some(sums.map_or(sum.shallow_clone(), |sums| sums + sum));
        }
        let sums = sums.map_or([0.0; 3], |sums| [0, 1, 2].map(|index| sums.double_value(&[index])));
        let [accuracy, top5, loss] = sums.map(|sum| sum / places.len().max(1) as f64);
        let mut metrics = Metrics::from([(ACCURACY.to_owned(), accuracy), (LOSS.to_owned(), loss)]);
        if classes > 5 {
            metrics.insert(TOP5_ACCURACY.to_owned(), top5);
        }
        metrics
    })
}
