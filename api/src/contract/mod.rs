//! The contract between whoever starts a trial (operator, `nasctl run`) and the trainer that runs one segment of it.
//!
//! It is plain enough for a trainer in any language: read environment variables ([`Segment`]), train to a step, write one JSON
//! document ([`Report`]) to the termination message, leave with an exit code ([`Exit`]).

mod checkpoints;
mod data_shape;
mod exit;
mod report;
mod segment;

pub use checkpoints::{CURVE, MOMENTUM, NotRemoved, REFERENCE, remove_checkpoints};
pub use data_shape::DataShape;
pub use exit::Exit;
pub use report::{CurvePoint, MAX_MESSAGE_BYTES, NotAReport, Report, Reported, RungResult};
pub use segment::{CONTRACT_VERSION, GRACE_SECONDS, Reporting, Segment, SegmentError, StepUnit, Validation};
