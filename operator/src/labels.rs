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

#[cfg(test)]
mod tests {
    use nas_api::objects::NasTrial;
    use nas_search::{NewTrial, Rungs, Sample, View};

    use crate::trial::segment_digest;

    /// The digits are written down: with others, a newer operator would take the Jobs of an older one for those of other segments.
    #[test]
    fn jobs_of_earlier_versions_are_those_of_their_segments() {
        let assignment = [
            ("layers".into(), 3.into()),
            ("auxiliary".into(), false.into()),
            ("normal_node1_edge1_op".into(), "skip_connect".into()),
            ("learning_rate".into(), 0.025.into()),
        ];
        let sample = Sample { assignment: assignment.into(), rejected: 0, repeats: 0 };
        let new = NewTrial { number: 3, seed: 7, bracket: 0, rung: 1, sample };
        let mut trial = NasTrial::create("small", &new, View::default());
        trial.metadata.uid = Some("6f1c2a9e-5b0d-4e0c-9a57-1d2b3c4d5e6f".to_owned());
        trial.spec.attempt = 2;
        let rungs = Rungs::explicit(vec![2, 4], 2, 4, 9).unwrap();
        // SHA-256 of: uid, rung 1, attempt 2, 4 steps, seed 7, and
        // {"auxiliary":false,"layers":3,"learning_rate":0.025,"normal_node1_edge1_op":"skip_connect"}
        assert_eq!(segment_digest(&trial, &rungs), "9b1ce12ca44caf2787387831702e3ff2");
        trial.spec.target_rung = 0;
        assert_ne!(segment_digest(&trial, &rungs), "9b1ce12ca44caf2787387831702e3ff2");
    }
}
