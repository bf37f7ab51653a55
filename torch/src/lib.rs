//! What `tch` lacks of libtorch: fast operations for images on the CPU, one step of SGD in one call, and settings of devices.
//!
//! This is the one crate that calls C++; all that is unsafe is here.

pub mod device;
mod foreign;
mod graph;
mod operations;
mod sgd;

pub use graph::Graph;
pub use operations::{batch_norm, max_pool, mean_pool, relu_depthwise};
pub use sgd::{SgdStep, sgd_step};
