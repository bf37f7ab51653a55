//! What a training step costs: images a second and peak memory, as one line of JSON.
//!
//!     cargo bench -p nas-trainer --bench step -- --channels 16 --layers 8 --threads 1
//!
//! `make bench-trainer` runs it beside the same network in `PyTorch` (`benches/pytorch/step.py`) and prints both.

#![allow(clippy::unwrap_used, clippy::cast_precision_loss, missing_docs, reason = "a benchmark fails by panicking")]

use std::{
    fs,
    hint::black_box,
    time::{Duration, Instant},
};

use clap::Parser;
use nas_darts::{Choice, Genotype, Image, Skeleton};
use nas_trainer::{
    loss::cross_entropy,
    model::{DropPath, MemoryFormat, Network, Pass, Variables},
    optimizer::{Sgd, SgdConfig},
};
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

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
    let format = MemoryFormat::ChannelsLast;
    let mut variables = Variables::new(Kind::Float, Device::Cpu, format, 1);
    let network = Network::new(&mut variables, &genotype.unwrap(), &skeleton).unwrap();
    let mut sgd = Sgd::new(&variables, SgdConfig { momentum: 0.9, weight_decay: 3e-4, max_norm: 5.0 });
    let images = format.lay_out(&Tensor::randn([arguments.batch, 3, 32, 32], (Kind::Float, Device::Cpu)));
    let labels = Tensor::randint(10, [arguments.batch], (Kind::Int64, Device::Cpu));
    let mut step = |number| {
        let edges = network.droppable_edges();
        let drop_path = DropPath::draw(1, number, edges, labels.numel(), 0.1, Kind::Float, Device::Cpu);
        let output = network.forward(&images, Pass::Train { drop_path: drop_path.as_ref() });
        let loss = cross_entropy(&output.logits, &labels) + cross_entropy(&output.auxiliary.unwrap(), &labels) * 0.4;
        sgd.step(&sgd.gradients(&loss), 0.025);
        let _ = black_box(loss);
    };
    (0..2).for_each(&mut step);
    let mut times: Vec<Duration> = Vec::new();
    let before = cpu_seconds();
    while times.len() < 3 || times.iter().sum::<Duration>().as_secs_f64() < arguments.seconds {
        let start = Instant::now();
        step(times.len() as u64);
        times.push(start.elapsed());
    }
    let cpu = cpu_seconds() - before;
    times.sort();
    let images_per_second = arguments.batch as f64 / times[times.len() / 2].as_secs_f64();
    let images_per_cpu_second = arguments.batch as f64 * times.len() as f64 / cpu;
    println!(
        "{}",
        json!({
            "images_per_second": images_per_second,
            "images_per_cpu_second": images_per_cpu_second,
            "peak_mib": peak_mib(),
            "steps": times.len(),
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

/// Most memory that this process has held, in MiB.
fn peak_mib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")).unwrap();
    peak.trim().parse::<f64>().unwrap() / 1024.0
}
