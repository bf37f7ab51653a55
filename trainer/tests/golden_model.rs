//! The network against vectors of the `PyTorch` original, in f64 to 1e-9: operations, whole networks, two training steps.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::float_cmp,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test fails by panicking"
)]

mod device;

use std::path::Path;

use nas_darts::{Cell, Edge, Genotype, Image, Op, Skeleton};
use nas_trainer::{
    loss::cross_entropy,
    model::{FactorizedReduce, MemoryFormat, Network, Operator, Pass, ReluConvBn, Variables},
    optimizer::{Sgd, SgdConfig},
};
use serde_json::Value;
use tch::{Kind, Tensor, no_grad};

use device::machine;

/// How far a number may be off, relative to its size where that is above 1.
const fn tolerance(kind: Kind) -> f64 {
    match kind {
        Kind::Float => 1e-5,
        _ => 1e-9,
    }
}
const TRAIN: Pass = Pass::Train { drop_path: None };

fn golden(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The number that the vectors were filled with at place `i` of tensor `t`: splitmix64, uniform in [-1, 1).
fn hash(t: u64, i: u64) -> f64 {
    let mut z = ((t << 32) | i).wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    (z >> 11) as f64 / (1_u64 << 53) as f64 * 2.0 - 1.0
}

fn tensor(shape: &[i64], value: impl Fn(u64) -> f64) -> Tensor {
    let device = machine().device;
    let values: Vec<f64> = (0..shape.iter().product::<i64>() as u64).map(value).collect();
    Tensor::from_slice(&values).reshape(shape).to_device(device)
}

/// Names and shapes of a golden `state_dict`, with the places that its entries have there.
fn state_dict(golden: &Value) -> Vec<(u64, String, Vec<i64>)> {
    let entries = golden["state_dict"].as_array().unwrap().iter().enumerate();
    entries
        .map(|(place, entry)| {
            (place as u64, entry[0].as_str().unwrap().to_owned(), serde_json::from_value(entry[1].clone()).unwrap())
        })
        .filter(|(_, name, _)| !name.ends_with("num_batches_tracked"))
        .collect()
}

/// Fills the variables as the vectors' were, and checks that they are `PyTorch`'s in name, order and shape. `prefix` goes before a golden name.
fn fill(vars: &Variables, golden: &Value, prefix: &str, by_hash: bool) {
    let expected = state_dict(golden);
    assert_eq!(vars.iter().count(), expected.len());
    for (variable, (place, name, shape)) in vars.iter().zip(expected) {
        assert_eq!(variable.name, format!("{prefix}{name}"));
        assert_eq!(variable.tensor.size(), shape);
        let fan_in: i64 = shape.iter().skip(1).product();
        let values = tensor(&shape, |i| {
            let u = hash(place, i);
            match (shape.len(), name.rsplit('.').next().unwrap()) {
                _ if !by_hash => {
                    if variable.trainable {
                        ((i % 7) as f64 - 3.0) * 0.01
                    } else {
                        f64::from(name.ends_with("running_var"))
                    }
                }
                (4, _) => 1.5 * u / (fan_in as f64).sqrt(),
                (2, _) => u / (fan_in as f64).sqrt(),
                (_, "running_mean") => 0.1 * u,
                (_, "running_var") => 1.0 + 0.25 * u,
                (_, "weight") => 1.0 + 0.2 * u,
                _ => 0.2 * u,
            }
        });
        no_grad(|| variable.tensor.shallow_clone().copy_(&values));
    }
}

fn close(what: &str, found: f64, expected: &Value) {
    close_to(what, found, expected, tolerance(Kind::Double));
}

fn close_to(what: &str, found: f64, expected: &Value, tolerance: f64) {
    let expected = expected.as_f64().unwrap();
    let scale = expected.abs().max(1.0);
    assert!((found - expected).abs() <= tolerance * scale, "{what}: {found} is not {expected}");
}

fn all_close(what: &str, found: &Tensor, expected: &Value) {
    fn flatten(value: &Value, out: &mut Vec<Value>) {
        match value.as_array() {
            Some(items) => items.iter().for_each(|item| flatten(item, out)),
            None => out.push(value.clone()),
        }
    }
    let mut numbers = Vec::new();
    flatten(expected, &mut numbers);
    let tolerance = tolerance(found.kind());
    let found = Vec::<f64>::try_from(found.to_kind(Kind::Double).reshape([-1])).unwrap();
    assert_eq!(found.len(), numbers.len(), "{what}");
    for (index, (found, expected)) in found.into_iter().zip(&numbers).enumerate() {
        close_to(&format!("{what} at {index}"), found, expected, tolerance);
    }
}

fn summary_close(what: &str, found: &Tensor, expected: &Value) {
    assert_eq!(found.size(), serde_json::from_value::<Vec<i64>>(expected["shape"].clone()).unwrap(), "{what}");
    let tolerance = tolerance(found.kind());
    let close = |part: String, found: f64, expected: &Value| close_to(&format!("{what}{part}"), found, expected, tolerance);
    close(": sum".to_owned(), found.sum(Kind::Double).double_value(&[]), &expected["sum"]);
    close(": sum of magnitudes".to_owned(), found.abs().sum(Kind::Double).double_value(&[]), &expected["abs_sum"]);
    close(": least".to_owned(), found.min().double_value(&[]), &expected["min"]);
    close(": greatest".to_owned(), found.max().double_value(&[]), &expected["max"]);
    let flat = found.reshape([-1]);
    for probe in expected["probe"].as_array().unwrap() {
        close(format!(" at {}", probe[0]), flat.double_value(&[probe[0].as_i64().unwrap()]), &probe[1]);
    }
}

#[test]
fn the_fill_is_the_one_of_the_vectors() {
    for check in golden("hash_fill_check.json")["splitmix64_u"].as_array().unwrap() {
        assert_eq!(hash(check[0].as_u64().unwrap(), check[1].as_u64().unwrap()), check[2].as_f64().unwrap());
    }
}

#[test]
fn every_operation_is_the_original() {
    let input = tensor(&[2, 4, 8, 8], |i| 2.0 * hash(77, i));
    let cases = golden("ops.json");
    let cases = cases["ops"].as_array().unwrap();
    let expected = Op::ALL.into_iter().flat_map(|op| [1_i64, 2].map(|stride| (op.as_str(), stride)));
    let found = cases.iter().map(|case| (case["op"].as_str().unwrap(), case["stride"].as_i64().unwrap()));
    assert!(found.eq(expected), "two vectors of each operation, in their order");
    for case in cases {
        let what = format!("{} at stride {}", case["op"], case["stride"]);
        let operation: Op = case["op"].as_str().unwrap().parse().unwrap();
        let formats = [MemoryFormat::ChannelsFirst, MemoryFormat::ChannelsLast];
        for (format, kind) in formats.into_iter().flat_map(|format| [(format, Kind::Double), (format, Kind::Float)]) {
            let mut vars = Variables::new(kind, machine().device, format, 0);
            let operator = Operator::new(&mut vars, "edge", operation, 4, case["stride"].as_i64().unwrap());
            fill(&vars, case, "edge.", true);
            assert_eq!(vars.parameter_count() as u64, case["params"].as_u64().unwrap());
            let input = format.lay_out(&input.to_kind(kind));
            all_close(&what, &operator.forward(&input, Pass::Evaluate), &case["eval_out"]);
            summary_close(&what, &operator.forward(&input, TRAIN), &case["train_out_summary"]);
        }
    }
}

#[test]
fn both_preprocessings_are_the_original() {
    let input = tensor(&[2, 6, 8, 8], |i| 2.0 * hash(78, i));
    let cases = golden("ops.json");
    let [reduce, keep] = cases["preprocess"].as_array().unwrap().as_slice() else { panic!("two cases") };
    let mut vars = Variables::new(Kind::Double, machine().device, MemoryFormat::ChannelsLast, 0);
    let module = FactorizedReduce::new(&mut vars, "p", 6, 4);
    fill(&vars, reduce, "p.", true);
    all_close("factorized reduce", &module.forward(&input, Pass::Evaluate), &reduce["eval_out"]);
    let mut vars = Variables::new(Kind::Double, machine().device, MemoryFormat::ChannelsLast, 0);
    let module = ReluConvBn::new(&mut vars, "p", 6, 4);
    fill(&vars, keep, "p.", true);
    all_close("ReLU, convolution, batch norm", &module.forward(&input, Pass::Evaluate), &keep["eval_out"]);
}

fn genotype(golden: &Value) -> Genotype {
    let cell = |name: &str| {
        let edge =
            |edge: &Value| Edge { op: edge[0].as_str().unwrap().parse().unwrap(), input: edge[1].as_u64().unwrap() as usize };
        let edges: Vec<Edge> = golden["genotype"][name].as_array().unwrap().iter().map(edge).collect();
        Cell::new(std::array::from_fn(|node| [edges[2 * node], edges[2 * node + 1]])).unwrap()
    };
    Genotype { normal: cell("normal"), reduce: cell("reduce") }
}

/// A network with the weights of the vectors, and their images.
fn network(golden: &Value, format: MemoryFormat, kind: Kind) -> (Variables, Network, Tensor) {
    let by_hash = golden["fill"] == "hash";
    let number = |name: &str| golden[name].as_u64().unwrap() as u32;
    let skeleton = Skeleton {
        channels: number("C"),
        layers: number("layers"),
        auxiliary: golden["auxiliary"].as_bool().unwrap(),
        image: Image::CIFAR,
        classes: 10,
    };
    let mut vars = Variables::new(kind, machine().device, format, 0);
    let network = Network::new(&mut vars, &genotype(golden), &skeleton).unwrap();
    assert_eq!(vars.parameter_count() as u64, golden["param_count"].as_u64().unwrap());
    fill(&vars, golden, "", by_hash);

    let batch = golden["batch"].as_i64().unwrap();
    let images = tensor(&[batch, 3, 32, 32], |i| if by_hash { 2.0 * hash(1_000_003, i) } else { ((i % 11) as f64 - 5.0) * 0.1 });
    (vars, network, format.lay_out(&images.to_kind(kind)))
}

fn network_is_the_original(file: &str, format: MemoryFormat) {
    let golden = golden(file);
    let (vars, network, images) = network(&golden, format, Kind::Double);
    let mut trace = Vec::new();
    let output = no_grad(|| network.forward_observed(&images, Pass::Evaluate, |stage| trace.push(stage.shallow_clone())));
    all_close("logits", &output.logits, &golden["eval_f64_logits"]);
    assert!(output.auxiliary.is_none());
    let stages = golden["eval_f64_trace"].as_object().unwrap();
    assert_eq!(trace.len(), stages.len());
    for (index, stage) in trace.iter().enumerate() {
        let name = if index == 0 { "stem".to_owned() } else { format!("cell{}", index - 1) };
        summary_close(&name, stage, &stages[&name]);
    }

    let targets: Vec<i64> = serde_json::from_value(golden["train_f64_targets"].clone()).unwrap();
    let targets = Tensor::from_slice(&targets).to_device(machine().device);
    let mut sgd = Sgd::new(&vars, SgdConfig { momentum: 0.9, weight_decay: 3e-4, max_norm: 5.0 });
    let variable = |name: &str| vars.iter().find(|variable| variable.name == name).unwrap().tensor.shallow_clone();
    for step in golden["train_f64_steps"].as_array().unwrap() {
        let output = network.forward(&images, TRAIN);
        all_close("training logits", &output.logits, &step["logits"]);
        let mut loss = cross_entropy(&output.logits, &targets);
        close("main loss", loss.double_value(&[]), &step["main_loss"]);
        assert_eq!(output.auxiliary.is_some(), golden["auxiliary"].as_bool().unwrap());
        if let Some(logits) = output.auxiliary {
            all_close("auxiliary logits", &logits, &step["logits_aux"]);
            let auxiliary = cross_entropy(&logits, &targets);
            close("auxiliary loss", auxiliary.double_value(&[]), &step["aux_loss"]);
            loss += auxiliary * 0.4;
        }
        close("loss", loss.double_value(&[]), &step["total_loss"]);

        let gradients = sgd.gradients(&loss);
        let norms: Vec<Tensor> = gradients.iter().map(Tensor::norm).collect();
        let norm = Tensor::stack(&norms, 0).norm();
        let clip = (5.0 / (norm.double_value(&[]) + 1e-6)).min(1.0);
        close("norm of the gradient", norm.double_value(&[]), &step["grad_total_norm_before_clip"]);
        if let Some(norms) = step["grad_l2_by_param_after_clip"].as_array() {
            assert_eq!(norms.len(), gradients.len());
            for ((gradient, parameter), expected) in gradients.iter().zip(sgd.parameters()).zip(norms) {
                assert_eq!(parameter.name, expected[0].as_str().unwrap());
                close(&parameter.name, (gradient.norm() * clip).double_value(&[]), &expected[1]);
            }
        }
        sgd.step(&gradients, 0.025);

        let magnitude: f64 = vars.parameters().map(|variable| variable.tensor.abs().sum(Kind::Double).double_value(&[])).sum();
        close("sum of all parameters' magnitudes", magnitude, &step["param_abs_sum_after_step"]);
        all_close("classifier bias", &variable("classifier.bias"), &step["classifier_bias_after_step"]);
        all_close("running mean of the stem", &variable("stem.1.running_mean"), &step["stem_bn_running_mean"]);
        all_close("running variance of the stem", &variable("stem.1.running_var"), &step["stem_bn_running_var"]);
    }
    let output = no_grad(|| network.forward(&images, Pass::Evaluate));
    all_close("logits after two steps", &output.logits, &golden["eval_f64_logits_after_2_steps"]);
}

#[test]
fn in_f32_networks_are_the_original_but_for_rounding() {
    for file in ["const_C4_L5", "darts_v2_C4_L5", "allops_C4_L5", "rnd1_C6_L8_noaux"] {
        let golden = golden(&format!("model_hash_{file}.json"));
        for format in [MemoryFormat::ChannelsFirst, MemoryFormat::ChannelsLast] {
            let (_, network, images) = network(&golden, format, Kind::Float);
            let output = no_grad(|| network.forward(&images, Pass::Evaluate));
            all_close(file, &output.logits, &golden["eval_f64_logits"]);
            let output = network.forward(&images, TRAIN);
            all_close(&format!("{file} in training"), &output.logits, &golden["train_f64_steps"][0]["logits"]);
        }
    }
}

#[test]
fn the_simplest_fill_of_the_const_genotype() {
    network_is_the_original("model_simple_const_C4_L5.json", MemoryFormat::ChannelsFirst);
}

#[test]
fn the_const_genotype() {
    network_is_the_original("model_hash_const_C4_L5.json", MemoryFormat::ChannelsFirst);
}

#[test]
fn the_const_genotype_with_channels_last() {
    network_is_the_original("model_hash_const_C4_L5.json", MemoryFormat::ChannelsLast);
}

#[test]
fn the_darts_v2_genotype() {
    network_is_the_original("model_hash_darts_v2_C4_L5.json", MemoryFormat::ChannelsLast);
}

#[test]
fn a_genotype_of_every_operation() {
    network_is_the_original("model_hash_allops_C4_L5.json", MemoryFormat::ChannelsLast);
}

#[test]
fn a_random_genotype_of_eight_cells_without_auxiliary_head() {
    network_is_the_original("model_hash_rnd1_C6_L8_noaux.json", MemoryFormat::ChannelsLast);
}
