//! What a cluster, a trainer or a person can do to a search without it losing, doubling or believing anything; on a real API server.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::float_cmp,
    clippy::needless_pass_by_value,
    missing_docs,
    reason = "a test fails by panicking"
)]

mod deletion;
mod ends;
mod lagging;
mod live;
mod policy;
#[path = "../rig/mod.rs"]
mod rig;
mod rights;
mod trainer;
