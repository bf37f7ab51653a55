//! The controller of nas-operator: it watches experiments, trials, Jobs and pods, decides with `nas-search`, records every decision in
//! a trial's object before it acts on it, and starts one Job for each granted segment.
//!
//! A pass over one experiment is observe -> account for what ended -> decide -> Jobs -> status. Everything that is decided is decided by
//! pure functions (`trial`, `experiment::status`); requests go through `request`, most of them from `apply`. Compare-and-swap makes it correct whoever else writes; the
//! lease only saves work.

mod apply;
mod check;
mod client;
mod conditions;
mod config;
mod context;
mod creation_failures;
mod error;
mod events;
mod experiment;
mod hearing;
mod labels;
mod last_words;
mod lease;
mod metrics;
mod ownership;
mod pace;
mod request;
mod run;
mod server_clock;
mod store;
mod telemetry;
mod trial;
mod watches;
mod web;
mod world;

pub use check::{Checked, NEEDS, check};
pub use client::{Instrument, client, instrumented};
pub use config::Config;
pub use error::Error;
pub use metrics::Metrics;
pub use run::run;
pub use telemetry::Telemetry;
