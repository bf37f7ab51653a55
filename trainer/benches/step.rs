//! What a training step costs: images a second and peak memory, as one line of JSON.
//!
//!     cargo bench -p nas-trainer --bench step -- --channels 16 --layers 8 --threads 1
//!
//! `make bench-trainer` runs it beside the same network in `PyTorch` (`benches/pytorch/step.py`) and prints both. It computes where the trainer
//! would: `docs/gpu.md` says how that is set.

#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    missing_docs,
    reason = "a benchmark fails by panicking"
)]

use std::{
    fs,
    hint::black_box,
    ops::Range,
    time::{Duration, Instant},
};

use clap::Parser;
use nas_darts::{Choice, Genotype, Image, Skeleton};
use nas_torch::device::peak_gpu_bytes;
use nas_trainer::{
    device::Machine,
    model::{DropPath, MemoryFormat, Network, Variables},
    optimizer::{Sgd, SgdConfig},
    step::{Inputs, Learner, Recorder},
};
use serde_json::{Value, json};
use tch::{Cuda, Device, Kind, Tensor};

#[derive(Parser)]
struct Arguments {
    #[arg(long, default_value_t = 16)]
    channels: u32,
    #[arg(long, default_value_t = 8)]
    layers: u32,
    #[arg(long, default_value_t = 64)]
    batch: i64,
    #[arg(long, default_value_t = 1)]
    threads: i32,
    /// Of `benches/genotypes.json`.
    #[arg(long, default_value = "const")]
    genotype: String,
    /// Seconds of steps that are timed, after two that are not; at least three steps.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// What cargo passes to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let arguments = Arguments::parse();
    tch::set_num_threads(arguments.threads);
    let genotypes: Value = serde_json::from_str(include_str!("genotypes.json")).unwrap();
    let choices = &genotypes[&arguments.genotype];
    let genotype = Genotype::from_choices(|name| match &choices[name] {
        Value::String(operation) => Some(Choice::Op(operation)),
        input => input.as_i64().map(Choice::Input),
    });
    let Arguments { channels, layers, .. } = arguments;
    let image = Image { channels: 3, height: 32, width: 32 };
    let skeleton = Skeleton { channels, layers, auxiliary: true, image, classes: 10 };
    let machine = Machine::from_env().unwrap();
    let Machine { device, .. } = machine;
    let format = MemoryFormat::ChannelsLast;
    let mut variables = Variables::new(Kind::Float, device, format, 1);
    let network = Network::new(&mut variables, &genotype.unwrap(), &skeleton).unwrap();
    let sgd = Sgd::new(&variables, SgdConfig { momentum: 0.9, weight_decay: 3e-4, max_norm: 5.0 });
    let mut learner = Learner { network, sgd, auxiliary_weight: 0.4, machine };
    let mut recorder = Recorder::new(machine, arguments.batch as usize);
    let images = format.lay_out(&Tensor::randn([arguments.batch, 3, 32, 32], (Kind::Float, device)));
    let labels = Tensor::randint(10, [arguments.batch], (Kind::Int64, device));
    let mut one = |number| {
        let edges = learner.network.droppable_edges();
        let drop_path = DropPath::draw(1, number, edges, labels.numel(), 0.1, Kind::Float, device);
        let inputs = Inputs { images: images.shallow_clone(), labels: labels.shallow_clone(), drop_path };
        let loss = match &mut recorder {
            Some(recorder) => recorder.step(&mut learner, inputs, 0.025),
            None => learner.step(&inputs, 0.025),
        };
        let _ = black_box(loss);
    };
    // A GPU is not waited for between steps, in training either.
    let at_once = if device.is_cuda() { 20 } else { 1 };
    let mut steps = |numbers: Range<u64>| {
        numbers.for_each(&mut one);
        if let Device::Cuda(gpu) = device {
            Cuda::synchronize(gpu as i64);
        }
    };
    let start = Instant::now();
    steps(0..1);
    let first = start.elapsed();
    steps(1..2 * at_once);
    let mut times: Vec<Duration> = Vec::new();
    let before = cpu_seconds();
    while times.len() < 3 || times.iter().sum::<Duration>().as_secs_f64() < arguments.seconds {
        let start = Instant::now();
        let number = times.len() as u64;
        steps(number * at_once..(number + 1) * at_once);
        times.push(start.elapsed());
    }
    let cpu = cpu_seconds() - before;
    times.sort();
    let images = arguments.batch as f64 * at_once as f64;
    let images_per_second = images / times[times.len() / 2].as_secs_f64();
    let images_per_cpu_second = images * times.len() as f64 / cpu;
    println!(
        "{}",
        json!({
            "images_per_second": images_per_second,
            "images_per_cpu_second": images_per_cpu_second,
            "peak_mib": if device.is_cuda() { peak_gpu_bytes(0).unwrap() as f64 / f64::from(1 << 20) } else { peak_mib() },
            "steps": times.len() * at_once as usize,
            "first_step_seconds": first.as_secs_f64(),
        })
    );
}

/// What all threads of this process have computed: beside other work, steadier than the time that went by.
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    // In ticks of the kernel's clock, which has 100 a second on Linux: of the program itself, and of the kernel for it.
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

/// Most memory of the machine that this process has held, in MiB.
fn peak_mib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")).unwrap();
    peak.trim().parse::<f64>().unwrap() / 1024.0
}
