//! Initial weights have `PyTorch`'s distributions: uniform in ±1/√fan-in for convolutions and linear layers, 1 and 0 for batch norm.

#![allow(clippy::unwrap_used, clippy::cast_precision_loss, clippy::float_cmp, reason = "a test fails by panicking")]

use nas_darts::{Choice, Genotype, Image, Skeleton};
use nas_trainer::model::{MemoryFormat, Network, Variables};
use serde_json::Value;
use tch::{Device, Kind};

/// The variables of a network of every operation, by name.
fn variables(seed: u64) -> Vec<(String, Vec<i64>, Vec<f64>)> {
    let choices: Value = serde_json::from_str(include_str!("../benches/genotypes.json")).unwrap();
    let genotype = Genotype::from_choices(|name| match &choices["every_operation"][name] {
        Value::String(operation) => Some(Choice::Op(operation)),
        input => input.as_i64().map(Choice::Input),
    });
    let skeleton = Skeleton { channels: 16, layers: 8, auxiliary: true, image: Image::CIFAR, classes: 10 };
    let mut variables = Variables::new(Kind::Float, Device::Cpu, MemoryFormat::ChannelsLast, seed);
    Network::new(&mut variables, &genotype.unwrap(), &skeleton).unwrap();
    let read = |variable: &nas_trainer::model::Variable| {
        let values = Vec::<f64>::try_from(variable.tensor.detach().to_kind(Kind::Double).reshape([-1])).unwrap();
        (variable.name.clone(), variable.tensor.size(), values)
    };
    variables.iter().map(read).collect()
}

/// Largest distance between the numbers' distribution and the uniform one on [-1, 1] (Kolmogorov and Smirnov), times √n.
fn distance(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let count = numbers.len() as f64;
    let of = |(rank, number): (usize, &f64)| ((rank as f64 + 0.5) / count - f64::midpoint(*number, 1.0)).abs();
    (numbers.iter().enumerate().map(of).fold(0.0, f64::max) + 0.5 / count) * count.sqrt()
}

/// Correlation of two lists.
fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
    let (of_a, of_b) = (mean(a), mean(b));
    let sum = |f: &dyn Fn(f64, f64) -> f64| a.iter().zip(b).map(|(x, y)| f(x - of_a, y - of_b)).sum::<f64>();
    sum(&|x, y| x * y) / (sum(&|x, _| x * x) * sum(&|_, y| y * y)).sqrt()
}

#[test]
fn each_is_uniform_within_one_over_the_root_of_its_fan_in() {
    let mut drawn = 0;
    let all = variables(7);
    for (name, shape, values) in &all {
        let fan_in = match (shape.as_slice(), name.starts_with("classifier"), name.starts_with("auxiliary_head.classifier")) {
            ([_, rest @ ..], ..) if !rest.is_empty() => rest.iter().product::<i64>(),
            // Biases of linear layers go by what their weights read.
            (_, true, _) => all.iter().find(|(name, ..)| name == "classifier.weight").unwrap().1[1],
            (_, _, true) => 768,
            _ => {
                let expected = f64::from(name.ends_with("weight") || name.ends_with("running_var"));
                assert!(values.iter().all(|value| *value == expected), "{name}");
                continue;
            }
        };
        drawn += 1;
        let bound = 1.0 / (fan_in as f64).sqrt();
        let scaled: Vec<f64> = values.iter().map(|value| value / bound).collect();
        assert!(scaled.iter().all(|value| value.abs() <= 1.0 + 1e-6), "{name} is beyond {bound}");
        // One list in a million is further away by chance; there are some two hundred.
        let far = distance(scaled);
        assert!(far < 2.7, "{name}, {shape:?}: {far}");
    }
    assert!(drawn > 150, "{drawn}");
}

#[test]
fn layers_and_seeds_are_independent() {
    let (one, other) = (variables(1), variables(2));
    let drawn = |all: &[(String, Vec<i64>, Vec<f64>)]| -> Vec<Vec<f64>> {
        all.iter()
            .filter(|(_, shape, values)| shape.len() == 4 && values.len() >= 256)
            .map(|(.., values)| values.clone())
            .collect()
    };
    let (one, other) = (drawn(&one), drawn(&other));
    let pairs = one.iter().zip(&other).chain(one.iter().zip(&one[1..]));
    for (a, b) in pairs {
        let count = a.len().min(b.len());
        // Six standard deviations.
        let far = correlation(&a[..count], &b[..count]).abs() * (count as f64).sqrt();
        assert!(far < 6.0, "{far}");
    }
}
