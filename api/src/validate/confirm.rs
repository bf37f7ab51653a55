//! What an experiment says about the confirmation of its best trials.

use crate::{
    Problem,
    objects::{NasExperiment, ValidationSpec},
};

/// Most trainings of a confirmation: what its Jobs' names and the experiment's status have room for.
const MAX_TRAININGS: i64 = 100;

/// Problems of `spec.confirm`.
pub(super) fn check(experiment: &NasExperiment, problems: &mut Vec<Problem>) {
    let spec = &experiment.spec;
    let Some(confirm) = &spec.confirm else { return };
    let counts = [("topK", confirm.top_k), ("seeds", confirm.seeds), ("resource", confirm.resource.unwrap_or(1))];
    for (field, count) in counts.into_iter().filter(|(_, count)| *count < 1) {
        problems.push(Problem::new(format!("spec.confirm.{field}"), format!("is {count}, but must be at least 1")));
    }
    let trainings = confirm.top_k.saturating_mul(confirm.seeds);
    if trainings > MAX_TRAININGS {
        let message = format!(
            "asks for {} x {} = {trainings} trainings, more than {MAX_TRAININGS}: lower topK or seeds",
            confirm.top_k, confirm.seeds
        );
        problems.push(Problem::new("spec.confirm", message));
    }
    if spec.trial.data.validation == ValidationSpec::Final && spec.max_trials > 1 {
        problems.push(Problem::new(
            "spec.trial.data.validation",
            "is Final, so that the test images choose among the trials which spec.confirm then measures on the same images: take Heldout \
             (or TestSet, if that protocol is what you want), or remove spec.confirm",
        ));
    }
}
