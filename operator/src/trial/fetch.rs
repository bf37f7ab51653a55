//! The fetch of a published data set, in an init container of each pod of a trial: how it is started, and what is known of it.
//!
//! Whether there is anything to fetch, and who of many pods does it, is for the program there to find out.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::{
    api::core::v1::{Container, ContainerState, Pod, ResourceRequirements, VolumeMount},
    apimachinery::pkg::api::resource::Quantity,
    jiff::Timestamp,
};
use kube::ResourceExt;
use nas_api::objects::TrialTemplate;

use super::{
    end::PodEnd,
    job::own_env,
    view::{Clock, TrialView, end_of, is_terminal},
    waiting::{WaitReason, Waiting},
};
use crate::labels;

/// A fetch that finds the data set there takes less: nobody is told about it.
pub(super) const BRIEF: Duration = Duration::from_secs(10);
/// What a fetch requests where the experiment sets no memory: the program with the largest of the data sets.
const MEMORY: &str = "512Mi";
const CPU: &str = "100m";

/// Whether pods fetch. Without a claim there would be no place that keeps what they fetch; such an experiment is not accepted.
pub(super) fn is_asked_for(template: &TrialTemplate) -> bool {
    template.data.fetch.is_some() && template.data.claim.is_some()
}

/// The init container; its security context is that of all containers of a pod.
pub(super) fn container(template: &TrialTemplate, image: &str, dir: &str, mounts: Vec<VolumeMount>) -> Container {
    let mut command = ["nas-trainer", "data", "fetch", &template.data.name, "--dir", dir].map(str::to_owned).to_vec();
    let url = template.data.fetch.as_ref().and_then(|fetch| fetch.url.clone());
    command.extend(url.into_iter().flat_map(|url| ["--url".to_owned(), url]));
    // What the trainer gets is enough, since it loads the same data set; and it makes the pod no larger.
    let memory = Quantity(template.memory.clone().unwrap_or_else(|| MEMORY.to_owned()));
    let limits = template.memory.as_ref().map(|_| BTreeMap::from([("memory".to_owned(), memory.clone())]));
    let requests = BTreeMap::from([("cpu".to_owned(), Quantity(CPU.to_owned())), ("memory".to_owned(), memory)]);
    Container {
        name: labels::FETCH.to_owned(),
        image: Some(image.to_owned()),
        command: Some(command),
        env: Some(own_env(template).collect()).filter(|env: &Vec<_>| !env.is_empty()),
        resources: Some(ResourceRequirements { requests: Some(requests), limits, claims: None }),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: Some(mounts),
        ..Container::default()
    }
}

/// The state of a pod's fetch.
pub(super) fn state(pod: &Pod) -> Option<&ContainerState> {
    let containers = pod.status.as_ref()?.init_container_statuses.as_ref()?;
    containers.iter().find(|container| container.name == labels::FETCH)?.state.as_ref()
}

/// When a fetch that goes on will be worth telling about.
pub(super) fn told_at(pod: &Pod) -> Option<Timestamp> {
    end_of(state(pod)?.running.as_ref()?.started_at.as_ref()?.0, BRIEF)
}

/// A pod that fetches, or waits for the one that does.
pub(super) fn goes_on(pod: &Pod, clock: &Clock) -> Option<Waiting> {
    told_at(pod).filter(|at| *at <= clock.now)?;
    let message = format!("pod {} is fetching the data set, or waits for the pod that does", pod.name_any());
    Some(Waiting::new(WaitReason::FetchingData, message))
}

/// A fetch that has failed and is tried again, while no new pod is there.
pub(super) fn failed(view: &TrialView) -> Option<Waiting> {
    if !view.segment_pods().all(is_terminal) {
        return None;
    }
    let (pod, end) =
        view.segment_pods().filter_map(|pod| Some((pod, PodEnd::of(pod)?))).max_by_key(|(_, end)| end.finished_at())?;
    let message = format!("pod {}: {}; it is tried again", pod.name_any(), end.words());
    end.is_of_fetch().then(|| Waiting::new(WaitReason::DataNotFetched, message))
}
