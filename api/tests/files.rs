//! Experiment files: those that come with the project are good, and whatever a user can get wrong is named with its field.

#![allow(clippy::unwrap_used, clippy::panic, clippy::float_cmp, reason = "a test fails by panicking")]

use nas_api::{Problem, read_experiment};

const QUICKSTART: &str = include_str!("../../configs/quickstart.yaml");
const CONSTRAINED: &str = include_str!("../../configs/constrained-adaptive-experiment.yaml");

fn problems(text: &str) -> Vec<Problem> {
    read_experiment(text).err().unwrap_or_default()
}

#[test]
fn the_experiments_that_come_along_are_valid_and_have_the_original_rungs() {
    let steps = |text: &str| read_experiment(text).unwrap().plan.rungs.steps().to_vec();
    assert_eq!(steps(QUICKSTART), [20, 60, 180]);
    assert_eq!(steps(CONSTRAINED), [1, 4, 18, 75, 300]);
    assert_eq!(steps(include_str!("../../configs/adaptive-experiment.yaml")), [4, 18, 75, 300]);
    assert_eq!(steps(include_str!("../../configs/constrained-random-experiment.yaml")), [300]);
    assert_eq!(steps(include_str!("../../configs/const-experiment.yaml")), [600]);
    // The original protocol, to the letter.
    let batches = CONSTRAINED.replace("resource: {unit: epochs, max: 300}", "resource: {unit: batches, max: 156200}");
    assert_eq!(steps(&batches), [610, 2440, 9762, 39_050, 156_200]);
}

#[test]
fn constraints_accept_the_exact_share_of_draws() {
    let source = read_experiment(CONSTRAINED).unwrap();
    let draws = 20_000;
    let rejected = nas_search::rejections(&source.plan, draws).unwrap();
    let share = |count: u32| f64::from(count) / f64::from(draws);
    // By exact enumeration: 0.315574 accepted; 0.43642, 0.18610, 0.06101 and 0.00090 rejected by the rules in this order.
    for (found, exact) in rejected.iter().zip([0.436_42, 0.186_10, 0.061_01, 0.000_90]) {
        let deviation = (exact * (1.0 - exact) / f64::from(draws)).sqrt();
        assert!((share(*found) - exact).abs() < 4.0 * deviation, "{found} of {draws}, not {exact}");
    }
}

/// (what it is, a part of the quickstart, what stands there instead, field at fault, words of the message)
const BAD: &[(&str, &str, &str, &str, &[&str])] = &[
    ("wrong kind", "kind: NasExperiment", "kind: Experiment", "kind", &["NasExperiment"]),
    ("no name", "  name: quickstart", "  labels: {}", "metadata.name", &["required"]),
    (
        "long name",
        "name: quickstart",
        "name: a-name-that-goes-on-and-on-and-on-for-forty-one",
        "metadata.name",
        &["shorten it to 40"],
    ),
    ("bad name", "name: quickstart", "name: Quick_Start", "metadata.name", &["lower-case"]),
    ("wrong type", "maxTrials: 27", "maxTrials: many", "spec.maxTrials", &["whole number", "\"many\""]),
    ("a fraction", "maxTrials: 27", "maxTrials: 2.5", "spec.maxTrials", &["whole number"]),
    ("too small", "maxTrials: 27", "maxTrials: 0", "spec.maxTrials", &["at least 1"]),
    ("unknown key", "maxTrials: 27", "maxTrails: 27", "spec.maxTrails", &["did you mean maxTrials"]),
    ("missing key", "  maxTrials: 27\n", "", "spec.maxTrials", &["required"]),
    ("unknown word", "unit: batches", "unit: minutes", "spec.resource.unit", &["epochs, batches"]),
    ("two schedulers", "{asha: {", "{fullLength: {}, asha: {", "spec.scheduler", &["exactly one"]),
    (
        "no scheduler",
        "{asha: {type: Promotion, bracket: Aggressive, eta: 3, rungs: [20, 60, 180]}}",
        "{}",
        "spec.scheduler",
        &["exactly one", "none"],
    ),
    ("not yet a type", "type: Promotion", "type: Stop", "spec.scheduler.asha.type", &["Promotion"]),
    ("rung beyond max", "[20, 60, 180]", "[20, 60, 181]", "spec.scheduler.asha.rungs", &["181", "resource.max"]),
    ("top rung below max", "[20, 60, 180]", "[20, 60]", "spec.scheduler.asha.rungs", &["append 180"]),
    ("rungs down", "[20, 60, 180]", "[60, 20, 180]", "spec.scheduler.asha.rungs", &["ascend"]),
    ("rung twice", "[20, 60, 180]", "[20, 20, 180]", "spec.scheduler.asha.rungs[1]", &["twice"]),
    (
        "no trial reaches the top",
        "maxTrials: 27",
        "maxTrials: 8",
        "spec.scheduler.asha.rungs",
        &["no trial could reach", "at least 9"],
    ),
    ("rungs and maxRungs", "rungs: [20, 60, 180]", "rungs: [20, 60, 180], maxRungs: 3", "spec.scheduler.asha", &["only one"]),
    (
        "min above max",
        "{name: layers, constant: 3}",
        "{name: layers, int: {min: 5, max: 3}}",
        "spec.space.parameters[1].int.min",
        &["less than max"],
    ),
    (
        "min is max",
        "{name: layers, constant: 3}",
        "{name: layers, double: {min: 3, max: 3}}",
        "spec.space.parameters[1].double.min",
        &["constant"],
    ),
    (
        "log from 0",
        "{name: layers, constant: 3}",
        "{name: layers, double: {min: 0, max: 3, scale: Log}}",
        "spec.space.parameters[1].double.min",
        &["Log"],
    ),
    (
        "empty choice",
        "{name: layers, constant: 3}",
        "{name: layers, categorical: {values: []}}",
        "spec.space.parameters[1].categorical.values",
        &["at least 1"],
    ),
    (
        "no domain",
        "{name: layers, constant: 3}",
        "{name: layers}",
        "spec.space.parameters[1]",
        &["constant, int, double, categorical"],
    ),
    (
        "a list as constant",
        "{name: layers, constant: 3}",
        "{name: layers, constant: [3]}",
        "spec.space.parameters[1].constant",
        &["a list"],
    ),
    ("twice", "{name: layers, constant: 3}", "{name: init_channels, constant: 3}", "spec.space.parameters[0].name", &["twice"]),
    (
        "a choice of darts",
        "{name: layers, constant: 3}",
        "{name: normal_node1_edge1, constant: 0}",
        "spec.space.parameters[1].name",
        &["twice", "darts"],
    ),
    (
        "when nobody",
        "constant: 3}",
        "constant: 3, when: {name: depth, in: [1]}}",
        "spec.space.parameters[1].when.name",
        &["depth"],
    ),
    (
        "unknown operation",
        "darts: {}",
        "darts: {operations: [sep_conv_3x3, sep_conv_7x7]}",
        "spec.space.darts.operations[1]",
        &["sep_conv_7x7", "sep_conv_5x5"],
    ),
    (
        "unknown choice",
        "darts: {}",
        "darts: {fixed: {normal_node5_edge1_op: skip_connect}}",
        "spec.space.darts.fixed.normal_node5_edge1_op",
        &["did you mean"],
    ),
    (
        "impossible input",
        "darts: {}",
        "darts: {fixed: {normal_node1_edge1: 2}}",
        "spec.space.darts.fixed.normal_node1_edge1",
        &["from 0 to 1"],
    ),
    (
        "auxiliary head on 28x28",
        "{name: auxiliary, constant: false}",
        "{name: auxiliary, constant: true}",
        "spec.space.parameters",
        &["auxiliary"],
    ),
    ("negative time", "checkpointEvery: 60s", "checkpointEvery: 60", "spec.trial.checkpointEvery", &["text"]),
    ("YAML 1.1", "constant: false} # the", "constant: no} # the", "spec.space.parameters[2].constant", &["\"no\"", "or false"]),
];

#[test]
fn whatever_a_user_can_get_wrong_is_named_with_its_field_and_the_way_out() {
    for (what, from, to, path, words) in BAD {
        assert!(QUICKSTART.contains(from), "{what}: the quickstart has no {from}");
        let found = problems(&QUICKSTART.replacen(from, to, 1));
        let told: Vec<String> = found.iter().map(ToString::to_string).collect();
        let at = found
            .iter()
            .find(|problem| problem.path == *path)
            .unwrap_or_else(|| panic!("{what}: nothing about {path} in {told:?}"));
        for word in *words {
            assert!(at.message.contains(word), "{what}: {word} is not in {told:?}");
        }
        let located = at.line.is_some() || path.starts_with("metadata") && to.contains("labels");
        assert!(located, "{what}: no line in {told:?}");
    }
}

#[test]
fn constraints_that_cannot_be_used_are_named_by_their_rule() {
    let with = |rule: &str| {
        problems(&format!("{QUICKSTART}  constraints:\n    - {{rule: \"hp.layers == 3\"}}\n    - {{rule: \"{rule}\"}}\n"))
    };
    for (rule, word) in [
        ("arch.params >", "does not compile"),
        ("arch.params + 1", "not true or false"),
        ("arch.normal.conv_9x9 > 1", "conv_9x9"),
        ("params > 1", "arch.params"),
        ("arch.params < 10", "no configuration satisfies"),
    ] {
        let found = with(rule);
        assert_eq!(found.len(), 1, "{rule}: {found:?}");
        assert_eq!(found[0].path, "spec.constraints[1].rule", "{found:?}");
        assert!(found[0].message.contains(word), "{rule}: {found:?}");
    }
    let unknown = QUICKSTART.replace("data: {name: fashion-mnist}", "data: {name: our-images}")
        + "  constraints: [{rule: 'arch.params > 1'}]\n";
    assert_eq!(problems(&unknown)[0].path, "spec.trial.data.shape");
    let stated =
        unknown.replace("name: our-images", "name: our-images, shape: {channels: 1, height: 28, width: 28, classes: 10}");
    assert_eq!(problems(&stated), []);
}

#[test]
fn all_problems_of_a_stage_are_told_at_once() {
    let text =
        QUICKSTART.replace("maxTrials: 27", "maxTrails: 27").replace("unit: batches", "unit: hours").replace("eta: 3", "eta: x");
    assert_eq!(problems(&text).len(), 4, "{:?}", problems(&text));
}
