//! Names that the operator writes on objects, and those that others write for it.

pub(crate) use nas_api::labels::{ATTEMPT, CONTAINER, EXPERIMENT, FETCH, RETRY, RUNG, TRIAL};

/// Annotation of a Job, label of its pods: digest of the segment that they train, whatever their template looks like.
pub(crate) const SEGMENT: &str = "nas-operator.dev/segment";
/// Annotation of a clean-up Job: the trials whose checkpoints it takes away, separated by commas.
pub(crate) const TRIALS: &str = "nas-operator.dev/trials";
/// Label of a Job: the queue in which it waits for its turn (Kueue's).
pub(crate) const QUEUE: &str = "kueue.x-k8s.io/queue-name";
/// Label of a Job: how urgent it is in the queue (Kueue's).
pub(crate) const QUEUE_PRIORITY: &str = "kueue.x-k8s.io/priority-class";
/// Field manager of all writes.
pub(crate) const MANAGER: &str = "nas-operator";
