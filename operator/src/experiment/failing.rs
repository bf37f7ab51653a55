//! A search that cannot go on since its passes fail: told on the experiment, as nobody looks into the operator's log first.

use kube::Resource;

use super::status::is_finished;
use crate::{
    Error,
    apply::Writer,
    conditions::{Conditions, Kind},
    context::Context,
    events::Happened,
    store::ExperimentKey,
};

/// Sets the condition `Progressing`; the next pass that does not fail sets it anew.
pub(crate) async fn tell_failing(context: &Context, key: &ExperimentKey, why: &Error) {
    let Some(experiment) = context.world.experiments.get(key, &key.experiment) else { return };
    if is_finished(&experiment) {
        return;
    }
    let message = format!("nas-operator cannot go on, and tries again every few seconds: {}", why.chain());
    let old = experiment.status.clone().unwrap_or_default();
    let mut status = old.clone();
    let generation = experiment.metadata.generation;
    let mut conditions = Conditions { list: &mut status.conditions, generation, now: context.metrics.now() };
    conditions.set(Kind::Progressing, false, "PassesFail", &message);
    if status == old {
        return;
    }
    // An event as well: it may be the status that cannot be written.
    context.events.tell(&experiment.object_ref(&()), Happened::PassesFail { message });
    if let Err(error) = (Writer { context, key }).write_status(&experiment, &status).await {
        tracing::warn!(error = error.chain(), "cannot say on an experiment that its passes fail");
    }
}
