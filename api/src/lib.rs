//! The objects of nas-operator, their validation, and the contract between whoever starts a trial and the trainer.

pub mod contract;
pub mod objects;
mod problem;
mod schema;
mod yaml;

pub use problem::Problem;
