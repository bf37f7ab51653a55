//! The contract between whoever starts a trial (operator, `nasctl run`) and the trainer that runs one segment of it.
//!
//! It is plain enough for a trainer in any language: read environment variables ([`Segment`]), train to a step, write one JSON
//! document ([`Report`]) to the termination message, leave with an exit code ([`Exit`]).

pub mod checkpoint;
mod data_shape;
mod exit;
mod remove;
mod report;
mod segment;

pub use data_shape::DataShape;
pub use exit::Exit;
pub use remove::{NotRemoved, remove_checkpoints};
pub use report::{CurvePoint, MAX_MESSAGE_BYTES, NotAReport, Report, Reported, RungResult};
pub use segment::{CONTRACT_VERSION, GRACE_SECONDS, Reporting, Segment, SegmentError, StepUnit, Validation};
