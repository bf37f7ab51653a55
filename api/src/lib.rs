//! The objects of nas-operator, their validation, the contract between whoever starts a trial and the trainer, and what those who start trials decide
//! alike: what an end means, how the best are confirmed, and which checkpoints stay.

#![cfg_attr(test, allow(clippy::float_cmp, reason = "what is written must read back to the bit"))]

mod accelerators;
mod access;
mod conclude;
mod confirm;
pub mod contract;
mod darts_space;
pub mod labels;
pub mod objects;
mod policy;
mod problem;
mod published;
mod quantity;
mod retention;
mod schema;
mod segment;
mod validate;
mod warm_start;
mod words;
mod yaml;

pub use access::Access;
pub use conclude::{Concluded, Conclusion, MAX_ATTEMPTS, Process, RungEnd};
pub use confirm::{Confirmation, verdict};
pub use darts_space::{AUXILIARY, INIT_CHANNELS, LAYERS, genotype, network, to_object};
pub use policy::{TRAINER, trainer_policy};
pub use problem::Problem;
pub use published::{NotPublished, PublishedSet};
pub use quantity::amount;
pub use segment::Surroundings;
pub use validate::{SourceFile, read_experiment};
pub use warm_start::WARM_START_KEY;
pub use words::one_line;
