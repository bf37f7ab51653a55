//! A rule is refused, or says the same of one configuration each time, within the steps that a rule may take.

#![no_main]

use std::{mem::discriminant, sync::Arc};

use libfuzzer_sys::fuzz_target;
use nas_search::{Assignment, Constraints, Feature, MAX_RULE_LENGTH};

const PAGE: &str = include_str!("../../docs/constraints.md");
const CONFIG: &str = include_str!("../../configs/constrained-adaptive-experiment.yaml");

/// All that the page has in its type for code, and the rules of a configuration.
fn seeds() -> impl Iterator<Item = String> {
    let on_the_page = PAGE.split('`').skip(1).step_by(2).map(|code| code.replace("\\|", "|"));
    let configured = CONFIG.lines().filter_map(|line| Some(line.split_once("rule: ")?.1.trim_matches('\'').to_owned()));
    on_the_page.chain(configured)
}

fn described(_: &Assignment) -> Option<Feature> {
    let cell = |depth| {
        Feature::Group(vec![
            ("sep_conv_3x3", Feature::Count(3)),
            ("skip_connect", Feature::Count(2)),
            ("depth", Feature::Count(depth)),
        ])
    };
    let counts = [("params", Feature::Count(3_000_000)), ("flops", Feature::Count(500_000_000))];
    Some(Feature::Group(counts.into_iter().chain([("normal", cell(2)), ("reduce", cell(1))]).collect()))
}

fn assignment() -> Assignment {
    Assignment::from([
        ("auxiliary".into(), true.into()),
        ("layers".into(), 8.into()),
        ("learning_rate".into(), 0.025.into()),
        ("normal_node1_edge1".into(), 1.into()),
        ("normal_node1_edge1_op".into(), "sep_conv_3x3".into()),
        ("optimizer.kind".into(), "sgd".into()),
        ("optimizer.lr.start".into(), 0.1.into()),
    ])
}

fuzz_target!(init: nas_fuzz::seeds(seeds()), |rule: &str| {
    let mut constraints = Constraints::new(Some(Arc::new(described)));
    if constraints.add(rule, "").is_err() {
        return;
    }
    assert!(rule.len() <= MAX_RULE_LENGTH && constraints.len() == 1);
    let assignment = assignment();
    let [first, second] = [(); 2].map(|()| constraints.checker().check(&assignment));
    assert_eq!(discriminant(&first), discriminant(&second), "{first:?}, then {second:?}");
});
