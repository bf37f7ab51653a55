//! How the present segment of a trial stands, read from its Job and pods. The first that applies, in this order:
//!
//! a pod that ended with a report, or in a way that no retry changes, be it while its data set was fetched; a trainer that ended beside a
//! container that runs on; a pod that was stopped at its deadline; a Job that is not ours or is being deleted; one that failed or is Complete;
//! one that works; no Job.

use std::time::Duration;

use k8s_openapi::api::{
    batch::v1::{Job, JobCondition},
    core::v1::{ContainerStatus, Pod},
};
use kube::ResourceExt;
use nas_api::{Concluded, Conclusion, contract::Exit};
use nas_search::Outcome;

use super::{
    end::{PodEnd, terminated},
    fetch,
    view::{Clock, TrialView, is_stuck, is_terminal},
    waiting::{WaitReason, Waiting},
};
use crate::labels;

/// How a segment stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Standing {
    /// There is no Job.
    Absent,
    /// A Job of this name is not of this segment, or is being deleted.
    Blocked(Waiting),
    /// The Job is at work.
    Working(Option<Waiting>),
    /// The node of its pod does not answer.
    Stuck,
    /// It has ended.
    Ended(Concluded),
    /// The Job has ended, but the pod that would say how is not in the cache.
    Unclear,
}

/// Reads the standing of the present segment.
pub(crate) fn standing(view: &TrialView, clock: &Clock) -> Standing {
    if let Some(ended) = ended_pod(view).or_else(|| ended_beside(view)) {
        return Standing::Ended(ended);
    }
    if let Some(conclusion) = view.segment_pods().find_map(|pod| overran(view, pod)) {
        return Standing::Ended(conclusion.into());
    }
    let Some(job) = view.job() else { return Standing::Absent };
    if let Some(waiting) = blocked(view, job) {
        return Standing::Blocked(waiting);
    }
    if let Some(failed) = job_condition(job, "Failed") {
        return failed_job(view, failed);
    }
    if job_condition(job, "Complete").is_some() {
        return if view.pods_are_live {
            lost(view, "the Job is Complete, but its pod is gone, and with it the report")
        } else {
            Standing::Unclear
        };
    }
    if view.segment_pods().any(|pod| is_stuck(pod, clock)) {
        return Standing::Stuck;
    }
    Standing::Working(waiting(view, job, clock))
}

/// An end that counts towards the attempts.
pub(crate) fn lost(view: &TrialView, message: &str) -> Standing {
    Standing::Ended(view.trial.process().crashed(message.to_owned()).into())
}

/// An end that a pod shows and that nothing else can change.
fn ended_pod(view: &TrialView) -> Option<Concluded> {
    let ends: Vec<_> = view.segment_pods().filter(|pod| !is_disrupted(pod)).filter_map(PodEnd::of).collect();
    let first = |wanted: fn(Exit) -> bool| ends.iter().find(|end| wanted(end.exit()));
    let end = first(|exit| exit == Exit::Reported)
        .or_else(|| first(|exit| exit.is_misconfiguration() || matches!(exit, Exit::Fenced | Exit::OutOfMemory)))?;
    Some(view.trial.process().conclude(end.exit(), &end.words()))
}

/// A trainer that ended beside a container that somebody added to its pod and that runs on: neither the pod nor its Job would ever end.
fn ended_beside(view: &TrialView) -> Option<Concluded> {
    let beside = |pod: &Pod| {
        let containers = pod.status.as_ref()?.container_statuses.as_ref()?;
        let is_at_work = |container: &&ContainerStatus| container.state.as_ref().is_some_and(|state| state.running.is_some());
        let other = containers.iter().filter(|container| container.name != labels::CONTAINER).find(is_at_work)?;
        let end = terminated(pod).and(PodEnd::of(pod))?;
        let message = format!(
            "the container {} of pod {} runs on, keep it out of trials' pods; the trainer's end: {}",
            other.name,
            pod.name_any(),
            end.words()
        );
        if end.is_oom_kill() {
            return Some(out_of_memory(view));
        }
        Some(view.trial.process().conclude(end.exit(), &message))
    };
    // One that was told to stop is stopping.
    let stays = |pod: &&Pod| !is_terminal(pod) && !is_disrupted(pod) && pod.metadata.deletion_timestamp.is_none();
    view.segment_pods().filter(stays).find_map(beside)
}

fn out_of_memory(view: &TrialView) -> Concluded {
    let message = "the container was killed for using more memory than spec.trial.memory allows".to_owned();
    view.trial.process().ended(Outcome::OutOfMemory, message).into()
}

/// The pod was stopped at its `activeDeadlineSeconds`. Its Job would start another, but a person is to hear of it.
fn overran(view: &TrialView, pod: &Pod) -> Option<Conclusion> {
    if pod.status.as_ref()?.reason.as_deref() != Some("DeadlineExceeded") || is_disrupted(pod) {
        return None;
    }
    let seconds = pod.spec.as_ref()?.active_deadline_seconds.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or_default();
    if terminated(pod).is_some_and(|end| end.started_at.is_some()) {
        return Some(view.trial.process().overran(Duration::from_secs(seconds)));
    }
    let message = format!(
        "the pod was stopped after {seconds} s, at its spec.trial.timeLimit, before its trainer began: the pull of its image and the \
         fetch of its data set count, too; if they take so long, a new experiment needs a longer timeLimit"
    );
    // That says nothing about the trial.
    Some(Conclusion::Again { counted: false, message })
}

/// The Job has given up.
fn failed_job(view: &TrialView, failed: &JobCondition) -> Standing {
    let said = failed.message.clone().unwrap_or_default();
    let process = view.trial.process();
    let has_failed = |message| Standing::Ended(process.ended(Outcome::Failed, message).into());
    let last = view.segment_pods().filter(|pod| !is_disrupted(pod)).filter_map(PodEnd::of).max_by_key(PodEnd::finished_at);
    match (failed.reason.as_deref(), last) {
        // Somebody's deadline for Jobs: a trial that goes on from its checkpoint may still come to its end.
        (Some("DeadlineExceeded"), _) => lost(view, &format!("the Job was stopped at its deadline: {said}")),
        (_, None) if !view.pods_are_live => Standing::Unclear,
        (Some("PodFailurePolicy"), _) => match exit_code_in(&said) {
            Some(code) => Standing::Ended(process.conclude(Exit::from_code(code), &said)),
            None => has_failed(said),
        },
        (_, Some(end)) if end.is_of_fetch() || end.may_pass() => Standing::Ended(process.conclude(end.exit(), &end.words())),
        (_, Some(end)) if end.is_oom_kill() => Standing::Ended(out_of_memory(view)),
        (_, Some(end)) => has_failed(format!("{said}; the last pod ended with exit code {}: {}", end.code(), end.words().trim())),
        (_, None) => has_failed(said),
    }
}

/// The exit code in the message of a Job that its pod failure policy failed.
fn exit_code_in(message: &str) -> Option<i32> {
    let rest = message.split("exit code ").nth(1)?;
    rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok()
}

fn blocked(view: &TrialView, job: &Job) -> Option<Waiting> {
    let block = |reason, message: String| Some(Waiting::new(reason, message));
    let owner = view.trial.uid();
    let is_ours = job
        .owner_references()
        .iter()
        .any(|reference| reference.controller == Some(true) && Some(&reference.uid) == owner.as_ref());
    if !is_ours {
        return Some(Waiting::name_taken(&job.name_any()));
    }
    if job.annotations().get(labels::SEGMENT).map(String::as_str) != Some(&*view.digest) {
        return block(
            WaitReason::OtherSegment,
            format!("the Job {} trains something else than was granted: delete it", job.name_any()),
        );
    }
    job.metadata.deletion_timestamp.as_ref()?;
    block(WaitReason::JobLeaving, format!("the Job {} is being deleted", job.name_any()))
}

/// Why a Job that is at work does not train yet.
fn waiting(view: &TrialView, job: &Job, clock: &Clock) -> Option<Waiting> {
    if job.spec.as_ref().and_then(|spec| spec.suspend) == Some(true) {
        let message = format!("the Job {} is suspended: its queue has no room yet", job.name_any());
        return Some(Waiting::new(WaitReason::Queued, message));
    }
    let waiting = view.segment_pods().filter(|pod| !is_terminal(pod)).find_map(|pod| pod_waiting(pod, clock));
    waiting.or_else(|| fetch::failed(view)).or_else(|| tried_again(view))
}

/// A trainer that has ended, and that its Job tries again: told until another pod of the segment trains.
fn tried_again(view: &TrialView) -> Option<Waiting> {
    if view.trains() {
        return None;
    }
    let ends = view.segment_pods().filter(|pod| !is_disrupted(pod)).filter_map(|pod| Some((pod, PodEnd::of(pod)?)));
    let (pod, end) = ends.max_by_key(|(_, end)| end.finished_at())?;
    let (name, code, words) = (pod.name_any(), end.code(), end.words());
    let message = format!("pod {name} ended with exit code {code}: {}; its Job tries again", words.trim());
    Some(Waiting::new(WaitReason::TrainerEnded, message))
}

fn pod_waiting(pod: &Pod, clock: &Clock) -> Option<Waiting> {
    let status = pod.status.as_ref()?;
    let containers = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
    let not_started = containers.filter_map(|container| container.state.as_ref()?.waiting.as_ref()).filter_map(|waiting| {
        let reason = match waiting.reason.as_deref()? {
            "ErrImagePull" | "ImagePullBackOff" | "InvalidImageName" | "ErrImageNeverPull" => WaitReason::ImageNotPulled,
            "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => WaitReason::ContainerNotCreated,
            _ => return None,
        };
        let said = waiting.message.clone().unwrap_or_default();
        Some(Waiting::new(reason, format!("pod {}: {said}", pod.name_any())))
    });
    let scheduled =
        status.conditions.iter().flatten().filter(|condition| condition.type_ == "PodScheduled" && condition.status == "False");
    let unschedulable = scheduled.map(|condition| {
        let said = condition.message.clone().unwrap_or_default();
        Waiting::new(WaitReason::Unschedulable, format!("pod {} fits no node: {said}", pod.name_any()))
    });
    not_started.chain(unschedulable).chain(fetch::goes_on(pod, clock)).next()
}

/// A condition of a Job, where it holds.
pub(crate) fn job_condition<'a>(job: &'a Job, kind: &str) -> Option<&'a JobCondition> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    conditions.iter().find(|condition| condition.type_ == kind && condition.status == "True")
}

/// Whether the pod ended because the cluster wanted it to: drained, preempted, evicted, on a node that was taken away.
fn is_disrupted(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == "DisruptionTarget" && condition.status == "True")
        // A pod that reported before it was taken away has reported.
        && terminated(pod).is_none_or(|end| end.exit_code != 0)
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use k8s_openapi::jiff::Timestamp;
    use nas_api::objects::NasTrial;
    use nas_search::{NewTrial, Rungs, View};
    use serde_json::json;

    use super::{super::job::job_name, *};

    /// The first trial of a search, without Jobs and pods.
    fn view() -> TrialView {
        let mut trial = NasTrial::create("small", &NewTrial::default(), View::default());
        trial.metadata.uid = Some("uid".to_owned());
        let rungs = Rungs::full_length(1);
        let digest = crate::trial::segment_digest(&trial, &rungs).into();
        TrialView::new(Arc::new(trial), Vec::new(), Vec::new(), digest)
    }

    fn clock() -> Clock {
        let wait = Duration::from_secs(10);
        Clock { now: Timestamp::default(), stuck_after: wait, name_taken_after: wait }
    }

    #[test]
    fn a_pod_at_its_deadline_counts_only_where_its_trainer_had_begun() {
        let standing = |started: Option<&str>, disrupted: &str| {
            let state = json!({"terminated": {"exitCode": 137, "startedAt": started}});
            let container =
                json!({"name": labels::CONTAINER, "state": state, "image": "", "imageID": "", "ready": false, "restartCount": 0});
            let pod = json!({
                "metadata": {"name": "pod", "labels": {labels::RUNG: "0", labels::ATTEMPT: "0"}},
                "spec": {"activeDeadlineSeconds": 90, "containers": []},
                "status": {"phase": "Failed", "reason": "DeadlineExceeded", "containerStatuses": [container],
                    "conditions": [{"type": "DisruptionTarget", "status": disrupted}]},
            });
            let mut view = view();
            view.set_pods(vec![serde_json::from_value(pod).map(Arc::new).unwrap_or_default()]);
            standing(&view, &clock())
        };
        let overran = view().trial.process().overran(Duration::from_secs(90));
        assert_eq!(standing(Some("2026-01-01T00:00:00Z"), "False"), Standing::Ended(overran.into()));
        // Its image was not there yet; the kubelet gives the container an end all the same.
        let Standing::Ended(Concluded { conclusion: Conclusion::Again { counted, message }, .. }) = standing(None, "False")
        else {
            unreachable!("{:?}", standing(None, "False"))
        };
        assert!(!counted && message.contains("after 90 s, at its spec.trial.timeLimit, before its trainer began"), "{message}");
        assert_eq!(standing(Some("2026-01-01T00:00:00Z"), "True"), Standing::Absent, "the node was taken away");
    }

    #[test]
    fn a_job_whose_last_pod_could_not_fetch_is_made_anew_and_counts_for_nothing() {
        let mut view = view();
        let owner = json!({"apiVersion": "v1", "kind": "NasTrial", "name": "small-0", "uid": "uid", "controller": true});
        let job = json!({
            "metadata": {"name": job_name(&view.trial), "ownerReferences": [owner], "annotations": {labels::SEGMENT: &*view.digest}},
            "status": {"conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "too often"}]},
        });
        let pod = |list: &str, name: &str, code: i32, finished: &str| {
            let state = json!({"terminated": {"exitCode": code, "message": "why", "finishedAt": finished}});
            let container = json!({"name": name, "state": state, "image": "", "imageID": "", "ready": false, "restartCount": 0});
            let labels = json!({labels::RUNG: "0", labels::ATTEMPT: "0"});
            json!({"metadata": {"name": "pod", "labels": labels}, "status": {"phase": "Failed", list: [container]}})
        };
        let crash = pod("containerStatuses", labels::CONTAINER, 1, "2026-01-01T00:00:00Z");
        let fetch = pod("initContainerStatuses", labels::FETCH, 137, "2026-01-01T00:01:00Z");
        let read = |pod| serde_json::from_value(pod).map(Arc::new).unwrap_or_default();
        view.set_jobs(vec![serde_json::from_value(job).map(Arc::new).unwrap_or_default()]);
        view.set_pods(vec![read(crash.clone()), read(fetch)]);
        let clock = clock();
        let Standing::Ended(Concluded { conclusion: Conclusion::Again { counted, message }, .. }) = standing(&view, &clock)
        else {
            unreachable!("{:?}", standing(&view, &clock))
        };
        assert_eq!((counted, message.as_str()), (false, "spec.trial.data.fetch: why (exit code 137)"));
        // So is one whose trainer could not write: the volume is full, and the next trial's will be.
        let full = pod("containerStatuses", labels::CONTAINER, 75, "2026-01-01T00:01:00Z");
        view.set_pods(vec![read(crash.clone()), read(full)]);
        let Standing::Ended(Concluded { conclusion: Conclusion::Again { counted, message }, .. }) = standing(&view, &clock)
        else {
            unreachable!("{:?}", standing(&view, &clock))
        };
        assert_eq!((counted, message.as_str()), (false, "why"));
        // A crash is one.
        view.set_pods(vec![read(crash)]);
        assert!(matches!(standing(&view, &clock), Standing::Ended(Concluded { conclusion: Conclusion::Record { .. }, .. })));
    }
}
