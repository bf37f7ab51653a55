//! An experiment whose text this version cannot read, as its schema leaves scalars open or a newer version wrote it: its author is told.
//! One with a trial that cannot be read is left alone: without it the search would look as if somebody had deleted the trial.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{
    Api,
    api::{ApiResource, DynamicObject, Patch},
};
use nas_api::objects::NasExperiment;
use serde_json::json;

use super::accept::Refusal;
use crate::{
    Error,
    apply::Writer,
    conditions::{Conditions, Kind},
    context::Context,
    request::manager,
    store::ExperimentKey,
};

/// Writes the condition `Accepted`, where it does not say so yet.
pub(crate) async fn tell_unreadable(context: &Context, key: &ExperimentKey, problem: &str) -> Result<(), Error> {
    let resource = ApiResource::erase::<NasExperiment>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(context.requests.client(), &key.namespace, &resource);
    let name = &key.experiment;
    let Some(object) = context.requests.send("get", "NasExperiment", name, api.get_opt(name)).await? else { return Ok(()) };
    let old = object.data.pointer("/status/conditions").cloned().unwrap_or_default();
    let mut list: Vec<Condition> = serde_json::from_value(old).unwrap_or_default();
    let before = list.clone();
    let mut conditions = Conditions { list: &mut list, generation: object.metadata.generation, now: context.metrics.now() };
    let message = format!(
        "this version of nas-operator cannot read it ({problem}): correct it (nasctl validate names the field), or upgrade"
    );
    conditions.set(Kind::Accepted, false, "Unreadable", &message);
    if list == before {
        return Ok(());
    }
    let metadata = json!({"resourceVersion": object.metadata.resource_version});
    let status = json!({"observedGeneration": object.metadata.generation, "conditions": list});
    let patch = Patch::Merge(json!({"metadata": metadata, "status": status}));
    context.requests.send("patch", "NasExperiment", name, api.patch_status(name, &manager(), &patch)).await.map(drop)
}

/// Why nothing may be decided: a trial is there that this version cannot read.
pub(super) async fn unreadable_trial(writer: &Writer<'_>) -> Result<Option<Refusal>, Error> {
    let world = &writer.context.world;
    while let Some((name, problem)) = world.unreadable_trial(writer.key) {
        // It may be gone: a watch that was interrupted does not tell of what it could not read.
        if writer.is_trial_there(&name).await? {
            let message = format!(
                "this version of nas-operator cannot read NasTrial {name} ({problem}): upgrade to the version that wrote it; until then nothing is decided"
            );
            return Ok(Some(Refusal { reason: "TrialUnreadable", message }));
        }
        world.forget_unreadable_trial(writer.key, &name);
    }
    Ok(None)
}
