//! Which images are trained on and which decide.

use nas_api::contract::Validation;

use super::DataSet;
use crate::random::{Purpose, Stream};

/// Of how many images of a class one is held out.
const HELD_OUT: usize = 10;
/// The same for every trial of every experiment, so that all are judged by the same images.
const SEED: u64 = 0;

/// Places of images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Images of the training set to train on, ascending.
    pub train: Vec<i64>,
    /// Images to evaluate on, ascending: of the training set where `held_out`, else of the test set.
    pub evaluate: Vec<i64>,
    /// Whether the images to evaluate on are training images that are not trained on.
    pub held_out: bool,
}

/// Splits a data set. `Heldout` takes a tenth (rounded up) of each class out of the training set, drawn at random.
pub fn split(data: &DataSet, validation: Validation) -> Split {
    let all = |count: usize| (0..count as i64).collect();
    if validation != Validation::Heldout {
        return Split { train: all(data.train.len()), evaluate: all(data.test.len()), held_out: false };
    }
    let mut train = Vec::new();
    let mut evaluate = Vec::new();
    for class in 0..data.classes {
        let mut images: Vec<i64> =
            (0..).zip(&data.train.labels).filter(|(_, label)| **label == class as i64).map(|(at, _)| at).collect();
        Stream::new(SEED, Purpose::Split, class as u64).shuffle(&mut images);
        let rest = images.split_off(images.len().div_ceil(HELD_OUT));
        evaluate.extend(images);
        train.extend(rest);
    }
    train.sort_unstable();
    evaluate.sort_unstable();
    Split { train, evaluate, held_out: true }
}
