//! 300 steps of training on real images equal a recorded run of `PyTorch`, through the trainer's own augmentation, network, schedule,
//! optimiser and evaluation. `record.py` says how the record was made, and makes it anew.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "a test fails by panicking"
)]

#[path = "../device/mod.rs"]
mod device;

use std::path::Path;

use nas_api::contract::StepUnit;
use nas_darts::{Choice, Genotype, Image, Skeleton};
use nas_trainer::{
    batch::{Augmentation, Batches, shuffled},
    data::{self, Images, Normalization},
    evaluate::evaluate,
    model::{DropPath, MemoryFormat, Network, Variables},
    optimizer::{Sgd, SgdConfig},
    schedule::{Schedule, Steps},
    step::{Inputs, Learner, Recorder},
};
use serde_json::{Value, json};
use tch::{Kind, Tensor, no_grad};

use device::machine;

const SEED: u64 = 3;
const TRAIN: usize = 240;
const EVALUATE: usize = 200;
const BATCH: usize = 8;
const STEPS: u64 = 300;
const CHANNELS: u32 = 4;
const LAYERS: u32 = 5;
const CUTOUT: u32 = 16;
const LEARNING_RATE: f64 = 0.025;
const DROP_PATH: f64 = 0.2;
const AUXILIARY: f64 = 0.4;
const MAX_NORM: f64 = 5.0;

fn choices() -> Value {
    let text = include_str!("../../benches/genotypes.json");
    serde_json::from_str::<Value>(text).unwrap()["every_operation"].take()
}

/// Fashion-MNIST in a frame of zeros, as it is, mirrored, and on its side, as three channels.
fn images() -> Images {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/fashion-mnist");
    let options = data::Options { shape: None, classes: None, cache: None, tell: &|_| () };
    let grey = data::load(&folder, &options).unwrap().train;
    let mut pixels = Vec::new();
    for image in grey.pixels.chunks_exact(28 * 28).take(TRAIN + EVALUATE) {
        let at = |row: usize, column: usize| match (row.checked_sub(2), column.checked_sub(2)) {
            (Some(row @ 0..28), Some(column @ 0..28)) => image[row * 28 + column],
            _ => 0,
        };
        for channel in 0..3 {
            pixels.extend((0..32 * 32).map(|place| match (channel, place / 32, place % 32) {
                (0, row, column) => at(row, column),
                (1, row, column) => at(row, 31 - column),
                (_, row, column) => at(column, row),
            }));
        }
    }
    Images { pixels, labels: grey.labels[..TRAIN + EVALUATE].to_vec(), shape: [3, 32, 32] }
}

fn first(images: &Images, count: usize) -> Images {
    Images { pixels: images.pixels[..count * 3 * 32 * 32].to_vec(), labels: images.labels[..count].to_vec(), ..*images }
}

/// splitmix64 of place `i` of tensor `t`, uniform in [-1, 1).
fn hashed(t: u64, i: u64) -> f64 {
    let mut z = ((t << 32) | i).wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    (z >> 11) as f64 / (1_u64 << 53) as f64 * 2.0 - 1.0
}

/// The weights that `record.py` begins with.
fn fill(variables: &Variables) {
    for (t, variable) in (0..).zip(variables.parameters()) {
        let shape = variable.tensor.size();
        let value = |i| match shape.as_slice() {
            [_, rest @ ..] if !rest.is_empty() => hashed(t, i) / (rest.iter().product::<i64>() as f64).sqrt(),
            _ => f64::from(variable.name.ends_with("weight")),
        };
        let values: Vec<f64> = (0..variable.tensor.numel() as u64).map(value).collect();
        let values = Tensor::from_slice(&values).reshape(&shape);
        no_grad(|| variable.tensor.detach().copy_(&values));
    }
}

/// A training that can be taken step by step.
struct Training {
    kind: Kind,
    variables: Variables,
    learner: Learner,
    recorder: Option<Recorder>,
    batches: Batches,
    steps: Steps,
    schedule: Schedule,
}

impl Training {
    fn new(kind: Kind) -> Self {
        let choices = choices();
        let genotype = Genotype::from_choices(|name| match &choices[name] {
            Value::String(operation) => Some(Choice::Op(operation)),
            input => input.as_i64().map(Choice::Input),
        });
        let image = Image { channels: 3, height: 32, width: 32 };
        let skeleton = Skeleton { channels: CHANNELS, layers: LAYERS, auxiliary: true, image, classes: 10 };
        let mut variables = Variables::new(kind, machine().device, MemoryFormat::ChannelsLast, 0);
        let network = Network::new(&mut variables, &genotype.unwrap(), &skeleton).unwrap();
        fill(&variables);
        let sgd = Sgd::new(&variables, SgdConfig { momentum: 0.9, weight_decay: 3e-4, max_norm: MAX_NORM });
        let images = images();
        let normalization = Normalization::measured(&first(&images, TRAIN));
        let batches = Batches::new(&images, &normalization, kind, machine().device, MemoryFormat::ChannelsLast);
        let steps = Steps::new(StepUnit::Batches, TRAIN, BATCH);
        let schedule = Schedule::new(LEARNING_RATE, DROP_PATH, STEPS, steps);
        let learner = Learner { network, sgd, auxiliary_weight: AUXILIARY, machine: machine() };
        Self { kind, variables, learner, recorder: Recorder::new(machine(), BATCH), batches, steps, schedule }
    }

    fn draws(&self, step: u64) -> (u64, Vec<i64>, Augmentation, Option<DropPath>) {
        let (epoch, place) = self.steps.place(step);
        let order = shuffled(SEED, epoch, &(0..TRAIN as i64).collect::<Vec<_>>());
        let places = order.chunks(BATCH).nth(place as usize).unwrap().to_vec();
        let augmentation = Augmentation::draw(SEED, step, BATCH, [32, 32], CUTOUT);
        let probability = self.schedule.drop_path_prob(epoch);
        let edges = self.learner.network.droppable_edges();
        let drop_path = DropPath::draw(SEED, step, edges, BATCH, probability, self.kind, machine().device);
        (epoch, places, augmentation, drop_path)
    }

    /// The loss before the step, and the norm of its gradient; a recorded step does not show that.
    fn step(&mut self, step: u64) -> (f64, Option<f64>) {
        let (epoch, places, augmentation, drop_path) = self.draws(step);
        let (images, labels) = self.batches.augmented(&places, &augmentation);
        let inputs = Inputs { images, labels, drop_path };
        let learning_rate = self.schedule.learning_rate(epoch);
        if let Some(recorder) = &mut self.recorder {
            return (recorder.step(&mut self.learner, inputs, learning_rate).double_value(&[]), None);
        }
        let loss = self.learner.loss(&inputs);
        let gradients = self.learner.sgd.gradients(&loss);
        let norms: Vec<Tensor> = gradients.iter().filter(|gradient| gradient.defined()).map(Tensor::norm).collect();
        let norm = Tensor::stack(&norms, 0).norm().double_value(&[]);
        self.learner.sgd.step(&gradients, learning_rate);
        (loss.double_value(&[]), Some(norm))
    }

    fn magnitude(&self) -> f64 {
        self.variables.parameters().map(|variable| variable.tensor.abs().sum(Kind::Double).double_value(&[])).sum()
    }
}

/// All random decisions of the training, for `record.py`.
fn write_draws(path: &str) {
    let training = Training::new(Kind::Double);
    let step = |step| {
        let (_, places, augmentation, drop_path) = training.draws(step);
        let change = |change: &nas_trainer::batch::Change| {
            let ([top, left], [y, x]) = (change.crop, change.cutout);
            json!([top, left, change.flip, y, x])
        };
        let changes: Vec<Value> = augmentation.changes().iter().map(change).collect();
        let bits = |edge: i64| {
            let scales = Vec::<f64>::try_from(drop_path.as_ref().unwrap().scale(edge)).unwrap();
            scales.iter().map(|scale| if *scale > 0.0 { '1' } else { '0' }).collect::<String>()
        };
        let edges = if drop_path.is_some() { training.learner.network.droppable_edges() as i64 } else { 0 };
        json!({ "places": places, "changes": changes, "kept": (0..edges).map(bits).collect::<Vec<_>>() })
    };
    let draws = json!({
        "setting": {
            "choices": choices(), "channels": CHANNELS, "layers": LAYERS, "train": TRAIN, "evaluate": EVALUATE, "cutout": CUTOUT,
            "learning_rate": LEARNING_RATE, "drop_path_prob": DROP_PATH, "auxiliary_weight": AUXILIARY, "max_norm": MAX_NORM,
            "batches_per_epoch": training.steps.batches_per_epoch(), "epochs": training.schedule.epochs(),
        },
        "steps": (0..STEPS).map(step).collect::<Vec<_>>(),
    });
    std::fs::write(path, draws.to_string()).unwrap();
}

/// The record of a training.
fn recorded(name: &str) -> Value {
    serde_json::from_str::<Value>(include_str!("record.json")).unwrap()[name].take()
}

#[test]
fn three_hundred_steps_in_f64_are_those_of_pytorch() {
    if let Ok(path) = std::env::var("NAS_WRITE_DRAWS") {
        return write_draws(&path);
    }
    let record = recorded("f64");
    let mut training = Training::new(Kind::Double);
    for step in 0..STEPS {
        let (loss, norm) = training.step(step);
        let rate = training.schedule.learning_rate(training.steps.place(step).0);
        let found =
            [("loss", Some(loss)), ("norm", norm), ("learning_rate", Some(rate)), ("magnitude", Some(training.magnitude()))];
        for (what, found) in found.into_iter().filter_map(|(what, found)| Some((what, found?))) {
            let expected = record[what][step as usize].as_f64().unwrap();
            let off = (found - expected).abs() / expected.abs().max(1.0);
            assert!(off <= 1e-6, "{what} of step {step} is {found}, the record says {expected}: off by {off:e}");
        }
    }
    let places: Vec<i64> = (TRAIN as i64..(TRAIN + EVALUATE) as i64).collect();
    let metrics = evaluate(&training.learner.network, &training.batches, &places, 64, 10);
    for (name, recorded) in [("accuracy", "accuracy"), ("top5_accuracy", "top5_accuracy"), ("loss", "evaluation_loss")] {
        let expected = record[recorded].as_f64().unwrap();
        assert!((metrics[name] - expected).abs() < 1e-6, "{name} is {}, not {expected}", metrics[name]);
    }
}

/// In f32 two programs part soon: where rounding decides which of two pixels is the greatest or whether one is positive, gradients
/// jump, and each step carries that on. So both are held against f64: ours must not be further away than `PyTorch` is.
#[test]
fn twenty_steps_in_f32_are_as_near_to_f64_as_those_of_pytorch() {
    let (record, exact) = (recorded("f32"), recorded("f64"));
    let mut training = Training::new(Kind::Float);
    let (mut ours, mut theirs) = (0.0_f64, 0.0_f64);
    for step in 0..20 {
        let loss = |record: &Value| record["loss"][step as usize].as_f64().unwrap();
        let (found, _) = training.step(step);
        ours = ours.max((found - loss(&exact)).abs());
        theirs = theirs.max((loss(&record) - loss(&exact)).abs());
        assert!(ours <= 3.0 * theirs + 1e-6, "the loss of step {step} is off by {ours:e}, that of PyTorch by {theirs:e}");
    }
}

/// Before two programs part, gradients differ by rounding alone.
#[test]
fn gradients_in_f32_are_those_in_f64_but_for_rounding() {
    let gradients = |training: &Training| {
        let (_, places, augmentation, drop_path) = training.draws(40);
        let (images, labels) = training.batches.augmented(&places, &augmentation);
        training.learner.sgd.gradients(&training.learner.loss(&Inputs { images, labels, drop_path }))
    };
    let (single, double) = (Training::new(Kind::Float), Training::new(Kind::Double));
    for ((found, exact), variable) in gradients(&single).iter().zip(gradients(&double)).zip(double.variables.parameters()) {
        if !exact.defined() {
            assert!(!found.defined(), "{}", variable.name);
            continue;
        }
        let off = (found.to_kind(Kind::Double) - &exact).norm().double_value(&[]) / exact.norm().double_value(&[]);
        assert!(off < 1e-3, "the gradient of {} is off by {off:e}", variable.name);
    }
}
