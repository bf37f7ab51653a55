//! Names that the operator writes on objects.

/// Label: name of the experiment.
pub(crate) const EXPERIMENT: &str = "nas-operator.dev/experiment";
/// Label: name of the trial.
pub(crate) const TRIAL: &str = "nas-operator.dev/trial";
/// Label: rung that the segment trains to.
pub(crate) const RUNG: &str = "nas-operator.dev/rung";
/// Label: attempt of the segment.
pub(crate) const ATTEMPT: &str = "nas-operator.dev/attempt";
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
/// The container of a trial's pod.
pub(crate) const CONTAINER: &str = "trainer";
/// The init container that fetches the data set.
pub(crate) const FETCH: &str = "fetch-data";
