//! Names that the operator writes on objects, and those that others write for it.

pub(crate) use nas_api::labels::{ATTEMPT, CONTAINER, EXPERIMENT, FETCH, RETRY, RUNG, TRIAL};

/// Annotation of a Job: digest of the segment that it trains, whatever its template looks like.
pub(crate) const SEGMENT: &str = "nas-operator.dev/segment";
/// Annotation of a clean-up Job: the trials whose checkpoints it takes away, separated by commas.
pub(crate) const TRIALS: &str = "nas-operator.dev/trials";
/// Field manager of all writes.
pub(crate) const MANAGER: &str = "nas-operator";
