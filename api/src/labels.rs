//! Names by which programs beside the operator find what belongs to a trial.

/// Label: name of the experiment.
pub const EXPERIMENT: &str = "nas-operator.dev/experiment";
/// Label of a Job and its pods: name of the trial.
pub const TRIAL: &str = "nas-operator.dev/trial";
/// Label of a Job and its pods: rung that the segment trains to.
pub const RUNG: &str = "nas-operator.dev/rung";
/// Label of a Job and its pods: attempt of the segment.
pub const ATTEMPT: &str = "nas-operator.dev/attempt";
/// Annotation of a trial: the attempt that a person wants to be given up for another one (`nasctl retry`). Another attempt's number means nothing.
pub const RETRY: &str = "nas-operator.dev/retry";
/// The container of a trial's pod.
pub const CONTAINER: &str = "trainer";
/// The init container that fetches the data set.
pub const FETCH: &str = "fetch-data";
