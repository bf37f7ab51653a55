//! The Job that takes away checkpoints which nobody will ask for again.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        batch::v1::{Job, JobSpec},
        core::v1::{Container, PodSpec, PodTemplateSpec, ResourceRequirements, VolumeMount},
    },
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::ObjectMeta},
};
use kube::{Resource, ResourceExt};
use nas_api::objects::{Claim, NasExperiment};

use super::job::{CHECKPOINTS, Settings, claimed, confined, confined_pod, tolerations};
use crate::labels;

/// Longest time for a hundred trials' files on a slow volume.
const LONGEST_SECONDS: i64 = 3600;
/// Pods of one Job that may fail.
const RETRIES: i32 = 2;

/// The name of an experiment's clean-up Job: there is one at a time.
pub(crate) fn cleanup_name(experiment: &NasExperiment) -> String {
    format!("{}-cleanup", experiment.name_any())
}

/// The Job that removes the checkpoints of these trials. It sees the experiment's part of the volume and nothing else.
pub(crate) fn build_cleanup(experiment: &NasExperiment, checkpoints: &Claim, trials: &[String], settings: &Settings) -> Job {
    let name = cleanup_name(experiment);
    let labels = BTreeMap::from([
        ("app.kubernetes.io/name".to_owned(), "nas-cleanup".to_owned()),
        ("app.kubernetes.io/managed-by".to_owned(), labels::MANAGER.to_owned()),
        (labels::EXPERIMENT.to_owned(), experiment.name_any()),
    ]);
    // Where a cluster lets nothing start that is in no queue.
    let queue = experiment.spec.trial.queue.as_ref().map(|queue| (labels::QUEUE.to_owned(), queue.name.clone()));
    let mount = VolumeMount {
        name: "checkpoints".to_owned(),
        mount_path: CHECKPOINTS.to_owned(),
        sub_path: experiment.uid(),
        ..VolumeMount::default()
    };
    let command = ["nas-trainer", "checkpoints", "remove", "--dir", CHECKPOINTS].map(str::to_owned);
    let requests =
        BTreeMap::from([("cpu", "50m"), ("memory", "32Mi")].map(|(name, amount)| (name.to_owned(), Quantity(amount.to_owned()))));
    let container = Container {
        name: "cleanup".to_owned(),
        // The installation's image, since one of the experiment's own need not know how.
        image: Some(settings.image.clone()),
        command: Some(command.into_iter().chain(trials.iter().cloned()).collect()),
        resources: Some(ResourceRequirements { requests: Some(requests), ..ResourceRequirements::default() }),
        security_context: Some(confined()),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: Some(vec![mount]),
        ..Container::default()
    };
    Job {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: experiment.namespace(),
            labels: Some(labels.clone().into_iter().chain(queue).collect()),
            annotations: Some([(labels::TRIALS.to_owned(), trials.join(","))].into()),
            owner_references: experiment.controller_owner_ref(&()).map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        spec: Some(JobSpec {
            backoff_limit: Some(RETRIES),
            active_deadline_seconds: Some(LONGEST_SECONDS),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta { labels: Some(labels), ..ObjectMeta::default() }),
                spec: Some(PodSpec {
                    // There may be no other nodes than those of the trials.
                    tolerations: Some(tolerations(experiment)),
                    containers: vec![container],
                    volumes: Some(vec![claimed("checkpoints", &checkpoints.claim, false)]),
                    ..confined_pod(settings)
                }),
            },
            ..JobSpec::default()
        }),
        status: None,
    }
}
