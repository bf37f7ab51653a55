//! What a cluster, a trainer or a person can do to a search without it losing, doubling or believing anything; on a real API server.

#![allow(clippy::unwrap_used, clippy::panic, clippy::float_cmp, missing_docs, reason = "a test fails by panicking")]

mod deletion;
mod ends;
mod lagging;
#[path = "../rig/mod.rs"]
mod rig;
mod rights;
mod trainer;
