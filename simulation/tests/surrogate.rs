//! The surrogate is the model behind the table, and what it adds to the table is deterministic and distributed as it says.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;

use nas_search::{Assignment, Scalar};
use nas_simulation::{Code, Container, Landscape, LandscapeError, Surrogate, assignment, data, genotype};

/// An architecture that is not in the table: a row with one operation changed.
fn off_table(surrogate: &Surrogate, row: usize) -> Assignment {
    let row_choices = surrogate.table().assignment(row).unwrap();
    for op in ["dil_conv_5x5", "sep_conv_3x3", "skip_connect"] {
        let choices = row_choices.with([("reduce_node4_edge2_op".into(), Scalar::from(op))]);
        if surrogate.table().row(&choices).is_none() {
            return choices;
        }
    }
    panic!("all neighbours of row {row} are in the table")
}

#[test]
fn predictions_are_the_curves_of_the_table() {
    let file = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/data/nb301_darts_20k.nbt.zst")).unwrap();
    let means: Vec<f64> = Container::read(&file).unwrap().values("val_mean", &[20_000, 98]).unwrap().collect();
    let surrogate = data::nb301_surrogate(0).unwrap();
    let table = surrogate.table();
    let (mut accuracy, mut seconds): (f64, f64) = (0.0, 0.0);
    for row in (0..table.len()).step_by(67) {
        let code = Code::of(&genotype(&table.assignment(row).unwrap()).unwrap()).unwrap();
        for epoch in [1, 9, 50, 98] {
            let predicted = surrogate.network().predict(code, epoch as u64).unwrap();
            accuracy = accuracy.max((predicted.accuracy - means[row * 98 + epoch - 1]).abs());
            if epoch == 98 {
                seconds = seconds.max((predicted.seconds / 98.0 - table.seconds_per_step(row).unwrap()).abs());
            }
        }
    }
    // The table rounds accuracies to 0.01, and holds seconds as 32 bits.
    println!("largest differences: {accuracy} percent, {seconds} seconds for each epoch");
    assert!(accuracy < 0.005_1 && seconds < 0.000_1, "{accuracy} {seconds}");
}

#[test]
fn what_is_in_the_table_is_taken_from_there() {
    let surrogate = data::nb301_surrogate(3).unwrap();
    let table = surrogate.table();
    for row in [0, 999, 19_999] {
        let choices = table.assignment(row).unwrap();
        assert_eq!(table.row(&choices), Some(row));
        assert_eq!(surrogate.observed(&choices, 9), table.observed(&choices, 9));
        assert_eq!(surrogate.seconds(&choices, 3, 9), table.seconds(&choices, 3, 9));
        assert_eq!(surrogate.truth(&choices), table.truth(&choices));
    }
}

#[test]
fn noise_beside_the_table_belongs_to_seed_architecture_and_epoch() {
    let [surrogate, again, other] = [5, 5, 6].map(|seed| data::nb301_surrogate(seed).unwrap());
    let observed = |surrogate: &Surrogate, row, epoch| {
        let choices = off_table(surrogate, row);
        surrogate.observed(&choices, epoch).unwrap()
    };
    let mut squares = [0.0; 2];
    for row in 0..400 {
        let choices = off_table(&surrogate, row);
        let code = Code::of(&genotype(&choices).unwrap()).unwrap();
        for (square, epoch) in squares.iter_mut().zip([50, 98]) {
            let mean = surrogate.network().predict(code, epoch).unwrap().accuracy;
            *square += (observed(&surrogate, row, epoch) - mean).powi(2) / 400.0;
        }
    }
    // sqrt(0.112^2 + 0.40^2) and sqrt(0.112^2 + 0.036^2).
    let [half, full] = squares.map(f64::sqrt);
    assert!((half - 0.413).abs() < 0.04 && (full - 0.118).abs() < 0.012, "{half} {full}");
    assert!((0..20).all(|row| observed(&surrogate, row, 3).to_bits() == observed(&again, row, 3).to_bits()));
    assert!((0..20).all(|row| observed(&surrogate, row, 3).to_bits() != observed(&other, row, 3).to_bits()));
}

#[test]
fn what_is_unknown_is_told() {
    let surrogate = data::nb301_surrogate(0).unwrap();
    let choices = off_table(&surrogate, 0);
    assert!(matches!(surrogate.observed(&choices, 99), Err(LandscapeError::NoLevel { step: 99, .. })));
    assert!(matches!(surrogate.table().truth(&choices), Err(LandscapeError::Unknown(_))));
    let twice = choices.with(["normal_node1_edge1", "normal_node1_edge2"].map(|edge| (edge.into(), Scalar::Int(1))));
    assert!(matches!(surrogate.truth(&twice), Err(LandscapeError::Infeasible(_))));
    let without =
        |(name, value): (&Arc<str>, &Scalar)| (**name != *"normal_node1_edge1").then(|| (Arc::clone(name), value.clone()));
    let choices: Assignment = twice.iter().filter_map(without).collect();
    assert!(matches!(surrogate.seconds(&choices, 0, 1), Err(LandscapeError::Unknown(_))));
    let table = data::nb101().unwrap();
    assert!(matches!(table.truth(&table.assignment(30_000).unwrap()), Ok(truth) if truth > 0.0));
    assert!(table.assignment(30_001).is_none());
    let message = table.observed(&table.assignment(0).unwrap(), 5).unwrap_err().to_string();
    assert_eq!(message, "nothing was recorded after 5 steps: there is something after [4, 12, 36, 108]");
}

#[test]
fn an_architecture_is_the_same_with_its_edges_in_another_order() {
    let surrogate = data::nb301_surrogate(0).unwrap();
    let choices = off_table(&surrogate, 7);
    let mut swapped = genotype(&choices).unwrap();
    let mut nodes = *swapped.normal.nodes();
    nodes[2].reverse();
    swapped.normal = nas_darts::Cell::new(nodes).unwrap();
    let swapped = assignment(&swapped);
    assert_ne!(swapped, choices);
    assert_eq!(surrogate.observed(&swapped, 27), surrogate.observed(&choices, 27));
}
