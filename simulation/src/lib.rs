//! Learning curves for simulated searches: what a configuration shows after so many steps, without training.
//!
//! A [`Landscape`] says what a configuration shows after so many steps and how long they take: a [`Table`] of recorded curves, or a
//! [`Surrogate`] for architectures that are in no table.
//!
//! Everything is deterministic, and no random number depends on the order in which others were asked for.

mod chance;
mod code;
mod container;
pub mod data;
mod landscape;
mod network;
mod noise;
mod onnx;
mod permutation;
mod surrogate;
mod table;

pub use code::{Code, CodeError, assignment, darts_space, genotype};
pub use container::{Array, Container, ContainerError, Kind};
pub use landscape::{Landscape, LandscapeError};
pub use network::{Network, NetworkError, Prediction};
pub use noise::{Noise, NoiseError};
pub use onnx::{OnnxError, Tensor, initializers};
pub use permutation::permutation;
pub use surrogate::Surrogate;
pub use table::{Table, TableError};
