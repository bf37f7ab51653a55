//! An experiment whose text this version cannot read, as its schema leaves scalars open or a newer version wrote it: its author is told.

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Condition, jiff::Timestamp};
use kube::{
    Api,
    api::{ApiResource, DynamicObject, Patch, PatchParams},
};
use nas_api::objects::NasExperiment;
use serde_json::json;

use super::conditions::{Conditions, Kind};
use crate::{Error, context::Context, labels, store::Group};

/// Writes the condition `Accepted`, where it does not say so yet.
pub(crate) async fn tell_unreadable(context: &Context, group: &Group, problem: &str) -> Result<(), Error> {
    let resource = ApiResource::erase::<NasExperiment>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(context.client.clone(), &group.namespace, &resource);
    let name = &group.experiment;
    let failed = |verb| {
        move |source: kube::Error| Error::Api { verb, kind: "NasExperiment", name: name.clone(), source: Box::new(source) }
    };
    let Some(object) = api.get_opt(name).await.map_err(failed("get"))? else { return Ok(()) };
    let old = object.data.pointer("/status/conditions").cloned().unwrap_or_default();
    let mut list: Vec<Condition> = serde_json::from_value(old).unwrap_or_default();
    let before = list.clone();
    let mut conditions = Conditions { list: &mut list, generation: object.metadata.generation, now: Timestamp::now() };
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
    let parameters = PatchParams { field_manager: Some(labels::MANAGER.to_owned()), ..PatchParams::default() };
    api.patch_status(name, &parameters, &patch).await.map_err(failed("patch")).map(drop)
}
