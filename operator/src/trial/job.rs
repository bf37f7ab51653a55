//! The Job of a segment: (trial, rung, attempt). Built, never updated.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        batch::v1::{
            Job, JobSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyOnPodConditionsPattern,
            PodFailurePolicyRule,
        },
        core::v1::{
            Capabilities, Container, ContainerPort, EmptyDirVolumeSource, EnvVar, EnvVarSource, ObjectFieldSelector,
            PersistentVolumeClaimVolumeSource, PodSecurityContext, PodSpec, PodTemplateSpec, ResourceRequirements,
            SeccompProfile, SecurityContext, Toleration, Volume, VolumeMount,
        },
    },
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::ObjectMeta},
};
use kube::{Resource, ResourceExt};
use nas_api::{
    MAX_ATTEMPTS, Surroundings, TRAINER,
    contract::{Exit, GRACE_SECONDS, Reporting, Segment},
    objects::{NasExperiment, NasTrial, ReportingSpec, TrialTemplate},
};
use nas_search::Rungs;
use sha2::{Digest, Sha256};

use super::{fetch, overlay, reporting};
use crate::labels;

pub(super) const CHECKPOINTS: &str = "/checkpoints";
const DATA: &str = "/data";
/// A node that does not answer is given up after this long.
const UNREACHABLE_SECONDS: i64 = 30;
/// The operator deletes a Job once its end is recorded; this only clears up behind an operator that is gone.
const KEEP_FINISHED_SECONDS: i32 = 7 * 24 * 3600;
/// The user and group of the trainer's image.
const USER: i64 = 65532;

/// A claim as a volume.
pub(super) fn claimed(name: &str, claim: &str, read_only: bool) -> Volume {
    Volume {
        name: name.to_owned(),
        persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
            claim_name: claim.to_owned(),
            read_only: Some(read_only),
        }),
        ..Volume::default()
    }
}

/// What an installation sets for all trials.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) image: String,
    pub(crate) service_account: String,
    /// The trace that the pod of a segment with this digest may join.
    pub(crate) traceparent: fn(&str) -> Option<String>,
}

/// The name of the Job that trains `trial` to its target rung in its present attempt.
pub(crate) fn job_name(trial: &NasTrial) -> String {
    format!("{}-r{}-a{}", trial.name_any(), trial.spec.target_rung, trial.spec.attempt)
}

/// Digest of what a Job trains: the same for every version of the operator and of the template, so that an upgrade adopts what runs.
pub(crate) fn segment_digest(trial: &NasTrial, rungs: &Rungs) -> String {
    let step = usize::try_from(trial.spec.target_rung).ok().and_then(|rung| rungs.steps().get(rung)).copied().unwrap_or_default();
    let assignment = serde_json::to_string(&trial.spec.assignment).unwrap_or_default();
    let uid = trial.uid().unwrap_or_default();
    let text = format!("{uid} {} {} {step} {} {assignment}", trial.spec.target_rung, trial.spec.attempt, trial.spec.seed);
    Sha256::digest(text).iter().take(16).fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// The Job for a trial's target rung and attempt.
pub(crate) fn build_job(experiment: &NasExperiment, trial: &NasTrial, rungs: &Rungs, settings: &Settings) -> Job {
    let labels = BTreeMap::from([
        ("app.kubernetes.io/name".to_owned(), "nas-trial".to_owned()),
        ("app.kubernetes.io/managed-by".to_owned(), labels::MANAGER.to_owned()),
        (labels::EXPERIMENT.to_owned(), trial.spec.experiment.clone()),
        (labels::TRIAL.to_owned(), trial.name_any()),
        (labels::RUNG.to_owned(), trial.spec.target_rung.to_string()),
        (labels::ATTEMPT.to_owned(), trial.spec.attempt.to_string()),
    ]);
    let digest = segment_digest(trial, rungs);
    let traceparent = (settings.traceparent)(&digest);
    let mut of_pod = labels.clone();
    of_pod.insert(labels::SEGMENT.to_owned(), digest.clone());
    Job {
        metadata: ObjectMeta {
            name: Some(job_name(trial)),
            namespace: trial.namespace(),
            labels: Some(labels.into_iter().chain(queue_labels(experiment, trial)).collect()),
            annotations: Some([(labels::SEGMENT.to_owned(), digest)].into()),
            owner_references: trial.controller_owner_ref(&()).map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        spec: Some(JobSpec {
            parallelism: Some(1),
            completions: Some(1),
            backoff_limit: i32::try_from(MAX_ATTEMPTS - 1).ok(),
            pod_replacement_policy: Some("Failed".to_owned()),
            pod_failure_policy: Some(failure_policy(experiment)),
            ttl_seconds_after_finished: Some(KEEP_FINISHED_SECONDS),
            template: overlay::laid_over(
                PodTemplateSpec {
                    metadata: Some(ObjectMeta { labels: Some(of_pod), ..ObjectMeta::default() }),
                    spec: Some(pod(experiment, trial, rungs, settings, traceparent)),
                },
                experiment.spec.trial.pod.as_ref(),
            ),
            ..JobSpec::default()
        }),
        status: None,
    }
}

/// What a queue knows a Job by.
fn queue_labels(experiment: &NasExperiment, trial: &NasTrial) -> Vec<(String, String)> {
    let Some(queue) = &experiment.spec.trial.queue else { return Vec::new() };
    let rung = usize::try_from(trial.spec.target_rung).unwrap_or_default();
    let class = queue.priority_class(rung).map(|class| (labels::QUEUE_PRIORITY.to_owned(), class.to_owned()));
    [(labels::QUEUE.to_owned(), queue.name.clone())].into_iter().chain(class).collect()
}

/// Disruptions are free; ends that would only repeat themselves fail the Job at once; everything else the Job retries.
fn failure_policy(experiment: &NasExperiment) -> PodFailurePolicy {
    let fail_at_once = |container: &str, exits: &[Exit]| PodFailurePolicyRule {
        action: "FailJob".to_owned(),
        on_exit_codes: Some(PodFailurePolicyOnExitCodesRequirement {
            container_name: Some(container.to_owned()),
            operator: "In".to_owned(),
            values: exits.iter().copied().map(Exit::code).collect(),
        }),
        on_pod_conditions: None,
    };
    let disruption =
        PodFailurePolicyOnPodConditionsPattern { type_: "DisruptionTarget".to_owned(), status: Some("True".to_owned()) };
    let ignore =
        PodFailurePolicyRule { action: "Ignore".to_owned(), on_pod_conditions: Some(vec![disruption]), on_exit_codes: None };
    let trainer = [Exit::Usage, Exit::Data, Exit::Fenced, Exit::OutOfMemory, Exit::Configuration];
    let mut rules = vec![ignore, fail_at_once(labels::CONTAINER, &trainer)];
    // A rule may only name a container that is there.
    if fetch::is_asked_for(&experiment.spec.trial) {
        rules.push(fail_at_once(labels::FETCH, &[Exit::Usage, Exit::Data, Exit::Configuration]));
    }
    PodFailurePolicy { rules }
}

fn pod(experiment: &NasExperiment, trial: &NasTrial, rungs: &Rungs, settings: &Settings, traceparent: Option<String>) -> PodSpec {
    let template = &experiment.spec.trial;
    let surroundings = Surroundings {
        checkpoint_dir: CHECKPOINTS.into(),
        data_dir: DATA.into(),
        termination_log: "/dev/termination-log".into(),
        threads: template.cpu.and_then(|cpu| u16::try_from(cpu).ok()),
        reporting: match template.reporting {
            ReportingSpec::TerminationMessage => Reporting::TerminationMessage,
            ReportingSpec::CRStatus => Reporting::CRStatus,
        },
    };
    let reports = reporting::is_asked_for(template);
    let segment = Segment { traceparent, ..trial.segment(experiment, rungs, surroundings) };
    let empty = |name: &str, source| Volume { name: name.to_owned(), empty_dir: Some(source), ..Volume::default() };
    let memory = EmptyDirVolumeSource { medium: Some("Memory".to_owned()), ..EmptyDirVolumeSource::default() };
    let mut volumes = vec![empty("tmp", EmptyDirVolumeSource::default()), empty("shm", memory)];
    let mount =
        |name: &str, path: &str| VolumeMount { name: name.to_owned(), mount_path: path.to_owned(), ..VolumeMount::default() };
    let mut mounts = vec![mount("tmp", "/tmp"), mount("shm", "/dev/shm")];
    if let Some(checkpoints) = &template.checkpoints {
        volumes.push(claimed("checkpoints", &checkpoints.claim, false));
        // All that a trial sees of the volume is its own folder; the experiment's UID keeps namesakes apart.
        let folder = format!("{}/{}", experiment.uid().unwrap_or_default(), trial.name_any());
        mounts.push(VolumeMount { sub_path: Some(folder), ..mount("checkpoints", CHECKPOINTS) });
    } else {
        volumes.push(empty("checkpoints", EmptyDirVolumeSource::default()));
        mounts.push(mount("checkpoints", CHECKPOINTS));
    }
    let fetches = fetch::is_asked_for(template);
    if let Some(name) = &template.data.claim {
        volumes.push(claimed("data", name, !fetches));
        mounts.push(VolumeMount { read_only: Some(true), ..mount("data", DATA) });
    }
    if reports {
        volumes.push(reporting::volume());
        mounts.push(reporting::mount());
    }
    let init = fetches.then(|| Container {
        security_context: Some(confined()),
        // The installation's image, since one of the experiment's own need not know how to fetch.
        ..fetch::container(template, &settings.image, DATA, vec![mount("tmp", "/tmp"), mount("data", DATA)])
    });
    PodSpec {
        service_account_name: Some(if reports { TRAINER.to_owned() } else { settings.service_account.clone() }),
        termination_grace_period_seconds: Some(GRACE_SECONDS.into()),
        // The pod's and not the Job's: a Job's would count what its earlier pods took, and the time between them.
        active_deadline_seconds: experiment.time_limit().and_then(|limit| i64::try_from(limit.as_secs()).ok()),
        tolerations: Some(tolerations(experiment)),
        init_containers: init.map(|init| vec![init]),
        containers: vec![Container {
            name: labels::CONTAINER.to_owned(),
            image: Some(template.image.clone().unwrap_or_else(|| settings.image.clone())),
            env: Some(env(template, &segment)),
            ports: Some(vec![ContainerPort {
                name: Some("metrics".to_owned()),
                container_port: 9464,
                protocol: Some("TCP".to_owned()),
                ..ContainerPort::default()
            }]),
            resources: Some(resources(experiment)),
            security_context: Some(confined()),
            termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
            volume_mounts: Some(mounts),
            ..Container::default()
        }],
        volumes: Some(volumes),
        ..confined_pod(settings)
    }
}

/// What every pod of the operator's has: no rights, and nothing that a namespace under the Pod Security Standard `restricted` refuses.
pub(super) fn confined_pod(settings: &Settings) -> PodSpec {
    PodSpec {
        restart_policy: Some("Never".to_owned()),
        service_account_name: Some(settings.service_account.clone()),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(USER),
            run_as_group: Some(USER),
            fs_group: Some(USER),
            fs_group_change_policy: Some("OnRootMismatch".to_owned()),
            seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".to_owned(), localhost_profile: None }),
            ..PodSecurityContext::default()
        }),
        ..PodSpec::default()
    }
}

/// What no container of the operator's may do.
pub(super) fn confined() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        read_only_root_filesystem: Some(true),
        capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None }),
        ..SecurityContext::default()
    }
}

fn env(template: &TrialTemplate, segment: &Segment) -> Vec<EnvVar> {
    let pod_uid = EnvVarSource {
        field_ref: Some(ObjectFieldSelector { field_path: "metadata.uid".to_owned(), api_version: None }),
        ..EnvVarSource::default()
    };
    let values =
        segment.to_env().into_iter().map(|(name, value)| EnvVar { name: name.to_owned(), value: Some(value), value_from: None });
    let own = EnvVar { name: "NAS_POD_UID".to_owned(), value: None, value_from: Some(pod_uid) };
    values.chain([own]).chain(own_env(template)).collect()
}

/// What the experiment adds to the environment of every container.
pub(super) fn own_env(template: &TrialTemplate) -> impl Iterator<Item = EnvVar> {
    // Kubernetes would put other variables in place of `$(NAME)`; `nasctl run` does not, and one file means one thing.
    let literal = |value: &String| value.replace('$', "$$");
    template.env.iter().map(move |(name, value)| EnvVar { name: name.clone(), value: Some(literal(value)), value_from: None })
}

fn resources(experiment: &NasExperiment) -> ResourceRequirements {
    let template = &experiment.spec.trial;
    let mut requests = BTreeMap::new();
    let mut limits = BTreeMap::new();
    if let Some(cpu) = template.cpu {
        // No limit: throttling would starve the accelerator.
        requests.insert("cpu".to_owned(), Quantity(cpu.to_string()));
    }
    if let Some(memory) = &template.memory {
        requests.insert("memory".to_owned(), Quantity(memory.clone()));
        limits.insert("memory".to_owned(), Quantity(memory.clone()));
    }
    if let Some(accelerator) = &template.accelerator {
        limits.insert(accelerator.resource.clone(), Quantity(accelerator.count.to_string()));
    }
    let some = |map: BTreeMap<_, _>| (!map.is_empty()).then_some(map);
    ResourceRequirements { requests: some(requests), limits: some(limits), claims: None }
}

pub(super) fn tolerations(experiment: &NasExperiment) -> Vec<Toleration> {
    let exists = |key: &str, effect: &str, seconds| Toleration {
        key: Some(key.to_owned()),
        operator: Some("Exists".to_owned()),
        effect: Some(effect.to_owned()),
        toleration_seconds: seconds,
        value: None,
    };
    let mut tolerations = vec![
        exists("node.kubernetes.io/unreachable", "NoExecute", Some(UNREACHABLE_SECONDS)),
        exists("node.kubernetes.io/not-ready", "NoExecute", Some(UNREACHABLE_SECONDS)),
    ];
    // Clouds taint nodes with accelerators by the name of the resource.
    tolerations
        .extend(experiment.spec.trial.accelerator.as_ref().map(|accelerator| exists(&accelerator.resource, "NoSchedule", None)));
    tolerations
}

#[cfg(test)]
mod tests {
    use nas_search::{NewTrial, Sample, View};

    use super::*;

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
