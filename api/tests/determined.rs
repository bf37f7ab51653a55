//! The original's draws of the DARTS space, bit by bit: configurations, names, seeds, and which of them its constraints let pass.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use nas_api::read_experiment;
use nas_search::{
    Assignment, Verdict,
    determined::{RandomState, create},
};
use serde_json::Value;

const CONSTRAINED: &str = include_str!("../../configs/constrained-adaptive-experiment.yaml");
/// Its constraints on the space of the adaptive experiment: 7 operations, nothing fixed.
const SEVEN: [(&str, &str); 2] = [
    (
        "[max_pool_3x3, skip_connect, sep_conv_3x3, dil_conv_3x3]",
        "[max_pool_3x3, avg_pool_3x3, skip_connect, sep_conv_3x3, sep_conv_5x5, dil_conv_3x3, dil_conv_5x5]",
    ),
    ("      fixed: {normal_node1_edge1_op: sep_conv_3x3, normal_node1_edge2_op: sep_conv_3x3}\n", ""),
];

#[test]
fn trials_are_drawn_as_the_original_drew_them() {
    let golden: Value = serde_json::from_str(include_str!("golden/searcher_sampling.json")).unwrap();
    let reasons = [
        "too many skip_connect operations",
        "too few skip_connect operations",
        "fewer than 3 sep_conv_3x3 operations in normal cell",
    ];
    let adaptive = SEVEN.iter().fold(CONSTRAINED.to_owned(), |text, (from, to)| text.replace(from, to));
    for (name, text) in [("constrained_adaptive", CONSTRAINED), ("adaptive", &adaptive)] {
        let plan = read_experiment(text).unwrap().plan;
        let checker = plan.constraints.checker();
        for seed in [0, 42] {
            let mut random = RandomState::new(seed);
            for (number, expected) in golden[format!("{name}/seed{seed}")]["creates"].as_array().unwrap().iter().enumerate() {
                let created = create(&plan.space, &mut random);
                let choices: Assignment = serde_json::from_value(expected["hparams"].clone()).unwrap();
                for (choice, value) in &choices {
                    assert_eq!(created.assignment.get(choice), Some(value), "{name}, seed {seed}, trial {number}: {choice}");
                }
                assert_eq!(created.request_id, expected["request_id"]);
                assert_eq!(created.seed, expected["trial_seed"]);
                let reason = match checker.check(&created.assignment) {
                    Verdict::Satisfied => Value::Null,
                    Verdict::Violated(rule) => reasons[rule].into(),
                    Verdict::Broken(_, reason) => panic!("{reason}"),
                };
                assert_eq!(reason, expected["rejected_reason"], "{name}, seed {seed}, trial {number}");
            }
        }
        let mut random = RandomState::new(0);
        let accepted =
            (0..20_000).filter(|_| checker.check(&create(&plan.space, &mut random).assignment) == Verdict::Satisfied).count();
        assert_eq!(golden[format!("{name}/seed0/accepted_in_first_20000")], accepted);
    }
}
