//! What the operator says of its work, as a program of its own: its log, and its traces as a collector receives them.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a test fails by panicking")]

mod off;
mod program;
mod receiver;
#[path = "../rig/mod.rs"]
mod rig;
mod traces;
