//! The operator on a real API server with its Job controller: one program, so that one control plane serves all of these tests.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::float_cmp,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    missing_docs,
    reason = "a test fails by panicking"
)]

mod between;
mod broken;

mod confirm;
mod faults;
mod fetching;
mod leading;
mod placing;
mod protocol;
mod retention;
mod retrying;
#[path = "../rig/mod.rs"]
mod rig;
mod steering;
mod trust;
mod waiting;
