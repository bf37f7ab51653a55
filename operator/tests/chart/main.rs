//! The chart with the real Helm, 3 and 4, on a real API server.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a test fails by panicking")]

mod helm;
mod metrics;
mod observed;
mod played;
#[path = "../rig/mod.rs"]
mod rig;
mod schemas;
mod served;
mod values;
