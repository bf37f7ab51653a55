//! Dying and failing at every effect on the disk: the store by itself, and whole trainings.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod disk;
mod store;
mod training;
