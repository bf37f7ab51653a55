//! Lays what an experiment adds over the pod of its trials. What the contract with trainers rests on stays as it is.

use k8s_openapi::api::core::v1::{PodTemplateSpec, ResourceClaim};
use nas_api::objects::PodOverlay;

use crate::labels;

/// The template with what the experiment adds.
pub(super) fn laid_over(mut template: PodTemplateSpec, overlay: Option<&PodOverlay>) -> PodTemplateSpec {
    let Some(overlay) = overlay else { return template };
    // One that cannot be read was not accepted.
    let affinity = overlay.affinity().ok().flatten();
    let overlay = overlay.clone();
    let metadata = template.metadata.get_or_insert_default();
    let own = metadata.labels.get_or_insert_default();
    for (name, value) in overlay.labels {
        own.entry(name).or_insert(value);
    }
    if !overlay.annotations.is_empty() {
        metadata.annotations.get_or_insert_default().extend(overlay.annotations);
    }
    let pod = template.spec.get_or_insert_default();
    let some = |list: Vec<_>| (!list.is_empty()).then_some(list);
    pod.node_selector = (!overlay.node_selector.is_empty()).then_some(overlay.node_selector);
    pod.tolerations.get_or_insert_default().extend(overlay.tolerations);
    pod.affinity = affinity;
    pod.topology_spread_constraints = some(overlay.topology_spread_constraints);
    pod.priority_class_name = overlay.priority_class_name;
    pod.runtime_class_name = overlay.runtime_class_name;
    pod.scheduler_name = overlay.scheduler_name;
    if !overlay.image_pull_secrets.is_empty() {
        pod.image_pull_secrets = Some(overlay.image_pull_secrets);
    }
    if !overlay.resource_claims.is_empty() {
        let claims: Vec<_> =
            overlay.resource_claims.iter().map(|claim| ResourceClaim { name: claim.name.clone(), request: None }).collect();
        for trainer in pod.containers.iter_mut().filter(|container| container.name == labels::CONTAINER) {
            trainer.resources.get_or_insert_default().claims = Some(claims.clone());
        }
        pod.resource_claims = Some(overlay.resource_claims);
    }
    template
}
