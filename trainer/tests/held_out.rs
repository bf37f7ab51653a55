//! Which images train and which decide: a tenth of each class is held out, the same for every trial, and the test set is for final numbers.

#![allow(
    clippy::unwrap_used,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

use nas_api::contract::Validation;
use nas_trainer::data::{DataSet, Images, Layout, split};
use proptest::prelude::*;

/// Images of one pixel with these labels, and `test` images to test by.
fn data(labels: Vec<i64>, classes: usize, test: usize) -> DataSet {
    let images = |labels: Vec<i64>| Images { pixels: vec![0; labels.len()], labels, shape: [1, 1, 1] };
    let (train, test) = (images(labels), images(vec![0; test]));
    DataSet { train, test, classes, class_names: Vec::new(), layout: Layout::Raw }
}

proptest! {
    #[test]
    fn a_tenth_of_each_class_is_held_out_and_the_rest_trains(
        labels in prop::collection::vec(0_i64..7, 1..400),
        test in 1_usize..50,
    ) {
        let data = data(labels.clone(), 7, test);
        let found = split(&data, Validation::Heldout);
        prop_assert!(found.held_out);
        prop_assert!(found.train.is_sorted() && found.evaluate.is_sorted());
        let mut all = [found.train.as_slice(), found.evaluate.as_slice()].concat();
        all.sort_unstable();
        prop_assert!(all.into_iter().eq(0..labels.len() as i64), "each image is in one of both");
        for class in 0..7 {
            let of = |places: &[i64]| places.iter().filter(|place| labels[**place as usize] == class).count();
            prop_assert_eq!(of(&found.evaluate), (of(&found.train) + of(&found.evaluate)).div_ceil(10));
        }
        // Neither another trial nor another test set changes it.
        prop_assert_eq!(split(&self::data(labels, 7, test + 1), Validation::Heldout), found);
    }

    #[test]
    fn the_test_set_decides_where_it_is_asked_for_and_all_else_trains(count in 1_i64..300, test in 1_usize..50) {
        let data = data((0..count).map(|image| image % 3).collect(), 3, test);
        for validation in [Validation::TestSet, Validation::Final] {
            let found = split(&data, validation);
            prop_assert!(!found.held_out);
            prop_assert!(found.train.into_iter().eq(0..count));
            prop_assert!(found.evaluate.into_iter().eq(0..test as i64));
        }
    }
}

#[test]
fn images_are_held_out_at_random() {
    let data = data(vec![0; 10_000], 1, 1);
    let held_out = split(&data, Validation::Heldout).evaluate;
    assert_eq!(held_out.len(), 1_000);
    // 100 expected in each tenth of the set, standard deviation 9.5.
    for tenth in 0..10 {
        let count = held_out.iter().filter(|place| **place / 1_000 == tenth).count();
        assert!((50..150).contains(&count), "{count} of tenth {tenth}");
    }
}
