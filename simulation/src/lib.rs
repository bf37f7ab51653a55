//! Learning curves for simulated searches: what a configuration shows after so many steps, without training.
//!
//! A [`Landscape`] says what a configuration shows after so many steps and how long they take: a [`Table`] of recorded curves.
//!
//! Everything is deterministic, and no random number depends on the order in which others were asked for.

mod code;
mod container;
pub mod data;
mod landscape;
mod permutation;
mod table;

pub use code::{Code, CodeError, assignment, darts_space, genotype};
pub use container::{Array, Container, ContainerError, Kind};
pub use landscape::{Landscape, LandscapeError};
pub use permutation::permutation;
pub use table::{Table, TableError};
