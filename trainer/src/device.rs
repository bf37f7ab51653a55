//! Where a trial is trained, and in what numbers.
//!
//! The program is linked with the CPU's libtorch. Where libtorch's CUDA part is installed (`libtorch_cuda.so` of the same version), it is
//! loaded at the start, and a GPU that is there is used.

use std::{env, fmt, path::PathBuf};

use nas_torch::device::{Bf16, CUDA_LIBRARY, allow_tf32, load_cuda};
use tch::{Cuda, Device};

use crate::error::TrainerError;

/// The CUDA part of libtorch: a path; absent: where the dynamic loader finds it; empty: not to be loaded.
const LIBRARY: &str = "NAS_LIBTORCH_CUDA";
/// In what a GPU computes: `bf16` (the default) or `f32`.
const PRECISION: &str = "NAS_TRAINER_PRECISION";
/// Whether a GPU's steps are played from a recording: `on`, or `off` (the default).
const GRAPHS: &str = "NAS_TRAINER_CUDA_GRAPHS";

/// In what numbers a GPU computes. Weights, statistics, losses and all on the CPU are f32 always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// Convolutions and products in bf16, with sums in f32.
    Bf16,
    /// All in f32, where TF32 is not used either.
    F32,
}

/// A device and how it computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Where tensors live.
    pub device: Device,
    /// What it computes in.
    pub precision: Precision,
    /// Whether steps are recorded, and played for each batch.
    pub records: bool,
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Device::Cuda(number) = self.device else { return f.write_str("the CPU") };
        let precision = match self.precision {
            Precision::Bf16 => "bf16",
            Precision::F32 => "f32",
        };
        write!(f, "GPU {number} in {precision}{}", if self.records { ", steps recorded" } else { "" })
    }
}

impl Machine {
    /// The CPU.
    pub const CPU: Self = Self { device: Device::Cpu, precision: Precision::F32, records: false };

    /// Loads what the environment asks for and takes the first GPU, or the CPU. Must come before the first use of a tensor.
    ///
    /// # Errors
    ///
    /// A library that was named and cannot be loaded, or a word that is not one of those that a variable may hold.
    pub fn from_env() -> Result<Self, TrainerError> {
        let problem = |text: String| TrainerError::Configuration(vec![text]);
        let precision = match env::var(PRECISION).as_deref() {
            Ok("f32") => Precision::F32,
            Ok("bf16" | "") | Err(_) => Precision::Bf16,
            Ok(other) => return Err(problem(format!("{PRECISION} is {other}: it must be bf16 or f32"))),
        };
        let records = match env::var(GRAPHS).as_deref() {
            Ok("on") => true,
            Ok("off" | "") | Err(_) => false,
            Ok(other) => return Err(problem(format!("{GRAPHS} is {other}: it must be on or off"))),
        };
        match env::var_os(LIBRARY).map(PathBuf::from) {
            Some(path) if path.as_os_str().is_empty() => {}
            Some(path) => load_cuda(&path).map_err(|error| {
                problem(format!(
                    "{LIBRARY} is {}, which cannot be loaded: {}; it must be {CUDA_LIBRARY} of PyTorch's version 2.13.0",
                    path.display(),
                    error.reason
                ))
            })?,
            // Most machines have none, which is no news.
            None => match load_cuda(CUDA_LIBRARY.as_ref()) {
                Err(error) if !error.reason.starts_with(&format!("{CUDA_LIBRARY}: cannot open")) => {
                    eprintln!("warning: trains on the CPU, since libtorch's CUDA part cannot be loaded: {}", error.reason);
                }
                _ => {}
            },
        }
        let device = Device::cuda_if_available();
        if device.is_cuda() {
            // It would time its kernels at each new shape, for seconds in each segment, and gain nothing (docs/results/training-speed-gpu.md).
            Cuda::cudnn_set_benchmark(false);
            allow_tf32(precision == Precision::Bf16);
        }
        Ok(Self { device, precision, records })
    }

    /// That it has no GPU where an experiment asks for so many accelerators, in words that go behind `trains`; `None`: nothing is amiss.
    pub fn lack(self, asked: Option<u32>) -> Option<String> {
        let count = asked.filter(|count| *count > 0 && !self.device.is_cuda())?;
        Some(format!("on the CPU, though spec.trial.accelerator asks for {count}: libtorch finds no GPU here (docs/gpu.md)"))
    }

    /// What `compute` gives with all in f32, whatever this machine trains in: outside of [`Self::begin`], and without TF32.
    pub fn in_f32<T>(self, compute: impl FnOnce() -> T) -> T {
        let rounds = self.device.is_cuda() && self.precision == Precision::Bf16;
        if rounds {
            allow_tf32(false);
        }
        let computed = compute();
        if rounds {
            allow_tf32(true);
        }
        computed
    }

    /// While the guard lives, the network computes in this machine's numbers.
    pub fn begin(self) -> Option<Bf16> {
        (self.device.is_cuda() && self.precision == Precision::Bf16).then(Bf16::begin)
    }
}
