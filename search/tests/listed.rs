//! A list of configurations: each once, in order.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use nas_search::{Assignment, End, Outcome, Plan, Sampler, Scalar, Simulation, simulate};

mod searches;

/// A plan that tries `count` configurations, which need not be of the space, on as many slots as given.
fn plan(count: i64, parallel_trials: usize) -> Plan {
    let configuration = |row| Assignment::from([("row".into(), Scalar::Int(row))]);
    Plan { sampler: Sampler::Listed((0..count).rev().map(configuration).collect()), ..searches::plan(1000, parallel_trials, 3) }
}

/// The rows of the trials, by number.
fn tried(simulation: &Simulation) -> Vec<i64> {
    simulation.index.trials().filter_map(|trial| trial.assignment["row"].as_i64()).collect()
}

#[test]
fn configurations_come_in_order_and_the_search_ends_after_the_last() {
    for parallel_trials in [1, 4, 16] {
        let found = simulate(&plan(10, parallel_trials), |_, _| Outcome::Value(0.5));
        assert_eq!(tried(&found), [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
        assert_eq!(found.end, End::SpaceExhausted);
    }
}

#[test]
fn promotions_go_on_when_the_list_is_at_its_end() {
    let found = simulate(&plan(27, 4), |trial, _| Outcome::Value(-f64::from(u32::try_from(trial.number).unwrap())));
    let top = found.index.trials().filter(|trial| trial.value_at(3).is_some()).map(|trial| trial.number);
    assert_eq!(top.collect::<Vec<_>>(), [0]);
}

#[test]
fn a_repeat_in_the_list_is_tried_again() {
    let twice = Assignment::from([("row".into(), Scalar::Int(7))]);
    let plan = Plan { sampler: Sampler::Listed(vec![twice.clone(), twice]), ..searches::plan(1000, 1, 3) };
    assert_eq!(tried(&simulate(&plan, |_, _| Outcome::Value(0.5))), [7, 7]);
}

#[test]
fn fewer_trials_than_the_list_has_try_the_first() {
    let found = simulate(&Plan { max_trials: 2, ..plan(10, 1) }, |_, _| Outcome::Value(0.5));
    assert_eq!((tried(&found), found.end), (vec![9, 8], End::Completed));
}
