//! How images are changed at random: crops, flips and cutouts have the original's distributions, also at the borders.

#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "a test fails by panicking"
)]

use nas_trainer::{
    batch::{Augmentation, Batches, Change},
    data::{Images, Normalization},
    model::MemoryFormat,
};
use tch::{Device, Kind, Tensor};

const SIDE: usize = 32;
const CUTOUT: u32 = 16;

fn draws(count: usize) -> Augmentation {
    Augmentation::draw(11, 3, count, [SIDE; 2], CUTOUT)
}

/// Chi-squared of counts that are all equally likely, as a number of standard deviations above its mean.
fn uneven(counts: &[u32]) -> f64 {
    let expected = f64::from(counts.iter().sum::<u32>()) / counts.len() as f64;
    let chi: f64 = counts.iter().map(|count| (f64::from(*count) - expected).powi(2) / expected).sum();
    let freedom = counts.len() as f64 - 1.0;
    (chi - freedom) / (2.0 * freedom).sqrt()
}

fn counts(changes: &[Change], values: usize, value: impl Fn(&Change) -> i64) -> Vec<u32> {
    let mut counts = vec![0; values];
    for change in changes {
        counts[value(change) as usize] += 1;
    }
    counts
}

#[test]
fn crops_flips_and_centres_are_uniform_and_know_nothing_of_each_other() {
    let drawn = draws(60_000);
    let changes = drawn.changes();
    let of = |values, value: &dyn Fn(&Change) -> i64| uneven(&counts(changes, values, value));
    let flip = |change: &Change| i64::from(change.flip);
    for (what, found) in [
        ("all 81 corners", of(81, &|change| 9 * change.crop[0] + change.crop[1])),
        ("both flips", of(2, &flip)),
        ("all 1024 centres", of(SIDE * SIDE, &|change| SIDE as i64 * change.cutout[0] + change.cutout[1])),
        ("flips with rows", of(18, &|change| 2 * change.crop[0] + flip(change))),
        ("flips with centres", of(2 * SIDE, &|change| 2 * change.cutout[1] + flip(change))),
        ("columns with centres", of(9 * SIDE, &|change| SIDE as i64 * change.crop[1] + change.cutout[0])),
    ] {
        assert!(found < 5.0, "{what}: {found} standard deviations");
    }
}

#[test]
fn an_image_differs_from_the_next_and_from_itself_in_the_next_batch() {
    let drawn = draws(20_000);
    let next = Augmentation::draw(11, 4, 20_000, [SIDE; 2], CUTOUT);
    let pairs = drawn.changes().iter().zip(&drawn.changes()[1..]).chain(drawn.changes().iter().zip(next.changes()));
    let mut counts = vec![0; 81];
    for (one, other) in pairs {
        counts[(9 * one.crop[0] + other.crop[0]) as usize] += 1;
    }
    assert!(uneven(&counts) < 5.0);
}

/// Images of ones, of which zeros are cut: in a frame of zeros there is none to tell from a cut.
fn cut(augmentation: &Augmentation) -> Tensor {
    let count = augmentation.changes().len();
    let images = Images { pixels: vec![255; 2 * SIDE * SIDE], labels: vec![0], shape: [2, SIDE, SIDE] };
    // Zero bytes become 1 and 255 becomes 2: only what is cut is 0.
    let normalization = Normalization { mean: vec![-1.0; 2], std: vec![1.0; 2] };
    let batches = Batches::new(&images, &normalization, Kind::Double, Device::Cpu, MemoryFormat::ChannelsLast);
    batches.augmented(&vec![0; count], augmentation).0.eq(0.0)
}

#[test]
fn a_cutout_is_a_square_around_its_centre_that_the_border_makes_smaller() {
    let drawn = draws(2_000);
    let cut = cut(&drawn);
    assert!(bool::try_from(cut.select(1, 0).eq_tensor(&cut.select(1, 1)).all()).unwrap(), "all channels are cut alike");
    let sizes = Vec::<i64>::try_from(cut.select(1, 0).sum_dim_intlist([1_i64, 2].as_slice(), false, Kind::Int64)).unwrap();
    // Of an axis, [centre - 8, centre + 8) that is within 0..32.
    let length = |centre: i64| (centre + 8).min(32) - (centre - 8).max(0);
    for (change, size) in drawn.changes().iter().zip(&sizes) {
        assert_eq!(*size, length(change.cutout[0]) * length(change.cutout[1]), "{change:?}");
    }
    // From the corner at 0,0 to the middle; at the last pixel it is one more than at the first.
    assert_eq!((*sizes.iter().min().unwrap(), *sizes.iter().max().unwrap()), (8 * 8, 16 * 16));
    assert_eq!([0, 7, 8, 24, 31].map(length), [8, 15, 16, 16, 9]);
}

#[test]
fn without_cutout_nothing_is_cut() {
    let cut = cut(&Augmentation::draw(11, 3, 50, [SIDE; 2], 0));
    assert_eq!(cut.sum(Kind::Int64).int64_value(&[]), 0);
}
