//! Searches under a virtual clock: the decisions of [`nas_search::decide`] on recorded learning curves, without training anything.
//!
//! A [`Landscape`] says what a configuration shows after so many steps and how long they take: a [`Table`] of recorded curves, or a
//! [`Surrogate`] for architectures that are in no table; [`Lines`] reads curves of one's own. [`simulate`] runs a search on it with as many workers as the plan has slots,
//! event by event, and [`trajectory()`] says how good its incumbent was at which time. Both are held against an independent
//! implementation of the reference semantics in `tests/parity.rs`: the same events, to the last bit of their times.
//!
//! Everything is deterministic, and no random number depends on the order in which others were asked for.

mod chance;
mod clock;
mod code;
mod container;
mod crossing;
pub mod data;
mod interactions;
mod landscape;
mod lines;
mod network;
mod noise;
mod onnx;
mod permutation;
mod smooth;
mod surrogate;
mod table;
mod trajectory;
mod views;

pub use clock::{Conditions, Event, Held, Run, simulate};
pub use code::{Code, CodeError, assignment, darts_space, genotype};
pub use container::{Array, Container, ContainerError, Kind};
pub use crossing::Crossing;
pub use interactions::{Field, Interactions};
pub use landscape::{Landscape, LandscapeError};
pub use lines::{Lines, LinesError};
pub use network::{Network, NetworkError, Prediction};
pub use noise::{Noise, NoiseError};
pub use onnx::{OnnxError, Tensor, initializers};
pub use permutation::permutation;
pub use smooth::Smooth;
pub use surrogate::Surrogate;
pub use table::{Table, TableError};
pub use trajectory::{Standing, trajectory};
pub use views::{BySize, Pairs};
