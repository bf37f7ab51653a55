//! The trainer of nas-operator: runs one segment of one trial, from its newest checkpoint to its target step, and reports.

#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "sizes of tensors and counts of batches and images are far below 2^53; libtorch takes them as i64"
)]
#![cfg_attr(test, allow(clippy::float_cmp, reason = "tests compare numbers that must be equal to the bit"))]

pub mod batch;
pub mod checkpoint;
pub mod config;
pub mod crash;
pub mod data;
pub mod device;
mod divergence;
pub mod error;
pub mod evaluate;
pub mod fetch;
pub mod inspect;
pub mod live;
pub mod loss;
pub mod metrics;
pub mod model;
pub mod optimizer;
pub mod random;
pub mod reference;
pub mod schedule;
pub mod session;
pub mod sinks;
pub mod step;
pub mod train;
