//! The logs of a trial's pods.

use std::{collections::HashSet, fmt::Write, time::Duration};

use futures::{AsyncBufReadExt, TryStreamExt};
use k8s_openapi::{
    api::core::v1::{ContainerState, Pod},
    jiff::Timestamp,
};
use kube::{
    Api, ResourceExt,
    api::{ListParams, LogParams},
};
use nas_api::{
    labels,
    objects::{NasExperiment, NasTrial},
};
use tokio::time::sleep;

use super::View;
use crate::{
    cluster::{self, ClusterError, Connection},
    failure::Failure,
    records::Target,
    run::HEADING,
    trial::Named,
};

/// How often it is looked for another pod.
const TICK: Duration = Duration::from_secs(1);

/// Shows them, and with `--follow` goes on until nothing more can come.
pub(super) fn show(experiment: &str, target: &Target, named: Named, view: View) -> Result<(), Failure> {
    cluster::wait(async {
        let (namespace, context) = target.connection();
        let answer = (!view.follow).then_some(cluster::ANSWER);
        let connection = Connection::new(experiment, namespace, context, answer).await?;
        connection.experiment(experiment).await?;
        let trial = named.on_cluster(&connection, experiment).await?;
        let search = Search {
            name: trial.name_any(),
            experiment: experiment.to_owned(),
            experiments: connection.api(),
            trials: connection.api(),
            pods: connection.api(),
        };
        search.show(&trial, named, view).await
    })
}

struct Search {
    name: String,
    experiment: String,
    experiments: Api<NasExperiment>,
    trials: Api<NasTrial>,
    pods: Api<Pod>,
}

impl Search {
    async fn show(&self, trial: &NasTrial, named: Named, view: View) -> Result<(), Failure> {
        let wanted = view.wanted(0, trial.spec.attempt, named)?;
        // Pods, and containers of them, whose logs were shown.
        let mut shown = HashSet::new();
        let mut told = None;
        loop {
            let mut waits = None;
            for pod in self.pods(wanted).await? {
                for container in [labels::FETCH, labels::CONTAINER] {
                    if is_begun(&pod, container) && shown.insert((pod.uid(), container)) {
                        println!("{}", heading(&pod, container));
                        self.read(&pod, container, view).await?;
                    }
                }
                waits = waiting(&pod);
            }
            if let Some(words) = waits.filter(|words| told.as_ref() != Some(words)) {
                eprintln!("{}: {words}", self.name);
                told = Some(words);
            }
            if !view.follow {
                let is_all = !shown.is_empty() || told.is_some();
                return if is_all { Ok(()) } else { Err(Failure::Usage(gone(trial, wanted))) };
            }
            if let Some(words) = self.over().await? {
                eprintln!("{}: {words}", self.name);
                return Ok(());
            }
            sleep(TICK).await;
        }
    }

    /// The trial's pods that are still there, in the order in which they began.
    async fn pods(&self, attempt: Option<i64>) -> Result<Vec<Pod>, ClusterError> {
        let attempt = attempt.map(|attempt| format!(",{}={attempt}", labels::ATTEMPT)).unwrap_or_default();
        let wanted = ListParams::default().labels(&format!("{}={}{attempt}", labels::TRIAL, self.name));
        let mut pods = self.pods.list(&wanted).await.map_err(ClusterError::of("list the trial's pods"))?.items;
        pods.sort_by_key(|pod| (label(pod, labels::ATTEMPT), pod.creation_timestamp(), pod.name_any()));
        Ok(pods)
    }

    /// Prints what a container says; with `--follow` until it has ended.
    async fn read(&self, pod: &Pod, container: &'static str, view: View) -> Result<(), ClusterError> {
        let name = pod.name_any();
        let mut last: Option<Timestamp> = None;
        loop {
            let parameters = LogParams {
                container: Some(container.to_owned()),
                follow: view.follow,
                tail_lines: view.tail.filter(|_| last.is_none()).map(i64::from),
                // To go on where the connection broke.
                timestamps: true,
                since_time: last,
                ..LogParams::default()
            };
            let ended = self.stream(&name, &parameters, &mut last).await;
            if !view.follow {
                return ended.map_err(ClusterError::of("read the pod's log"));
            }
            let now = self.pods.get_opt(&name).await.map_err(ClusterError::of("get the trial's pod"))?;
            if now.filter(|now| now.uid() == pod.uid()).and_then(|pod| state(&pod, container)?.running).is_none() {
                return Ok(());
            }
            sleep(TICK).await;
        }
    }

    async fn stream(&self, pod: &str, parameters: &LogParams, last: &mut Option<Timestamp>) -> Result<(), kube::Error> {
        let shown = *last;
        let mut lines = self.pods.log_stream(pod, parameters).await?.lines();
        while let Some(line) = lines.try_next().await.map_err(kube::Error::ReadEvents)? {
            let (time, words) = stamped(&line);
            // A second is read from its beginning: what was shown of it comes once more. A node's clock may step back later on.
            if time.is_some() && time <= shown {
                continue;
            }
            *last = time.or(*last);
            println!("{words}");
        }
        Ok(())
    }

    /// Why nothing more can come; `None`: it can.
    async fn over(&self) -> Result<Option<String>, ClusterError> {
        let trial = self.trials.get_opt(&self.name).await.map_err(ClusterError::of("get the NasTrial"))?;
        let Some(trial) = trial else { return Ok(Some("somebody deleted it".to_owned())) };
        if trial.running().is_some() {
            return Ok(None);
        }
        if trial.is_confirmation() {
            return Ok(Some("its training has ended".to_owned()));
        }
        if trial.is_over() {
            return Ok(Some("it does not go on any more".to_owned()));
        }
        let experiment = self.experiments.get_opt(&self.experiment).await.map_err(ClusterError::of("get the NasExperiment"))?;
        let has_ended = experiment.is_none_or(|experiment| experiment.status.is_some_and(|status| status.end.is_some()));
        Ok(has_ended.then(|| "its search has ended".to_owned()))
    }
}

/// A line of a log behind its time.
fn stamped(line: &str) -> (Option<Timestamp>, &str) {
    let parts = line.split_once(' ').and_then(|(time, words)| Some((time.parse().ok()?, words)));
    parts.map_or((None, line), |(time, words)| (Some(time), words))
}

fn label(pod: &Pod, name: &str) -> i64 {
    pod.labels().get(name).and_then(|value| value.parse().ok()).unwrap_or_default()
}

/// The line at which the log of a pod begins.
fn heading(pod: &Pod, container: &str) -> String {
    let what = if container == labels::FETCH { "fetch of the data set" } else { "training" };
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or("Unknown");
    let (attempt, rung) = (label(pod, labels::ATTEMPT), label(pod, labels::RUNG));
    format!("{HEADING}{attempt}: to rung {rung}, {what}, pod {} ({phase})", pod.name_any())
}

fn state(pod: &Pod, container: &str) -> Option<ContainerState> {
    let status = pod.status.as_ref()?;
    let all = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
    all.filter(|status| status.name == container).find_map(|status| status.state.clone())
}

/// Whether a container has begun, so that there is a log.
fn is_begun(pod: &Pod, container: &str) -> bool {
    state(pod, container).is_some_and(|state| state.running.is_some() || state.terminated.is_some())
}

/// Why a pod's trainer has not begun; `None`: it has.
fn waiting(pod: &Pod) -> Option<String> {
    if is_begun(pod, labels::CONTAINER) {
        return None;
    }
    let waiting = state(pod, labels::CONTAINER).and_then(|state| state.waiting);
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let unscheduled = conditions.into_iter().find(|condition| condition.type_ == "PodScheduled" && condition.status == "False");
    let words = match (unscheduled, waiting) {
        (Some(condition), _) => condition.message.clone(),
        (None, Some(waiting)) => {
            let reason = waiting.reason.unwrap_or_default();
            Some(waiting.message.map_or(reason.clone(), |message| format!("{reason}: {message}")))
        }
        (None, None) => None,
    };
    Some(format!("the trainer of pod {} has not begun: {}", pod.name_any(), words.unwrap_or_else(|| "it is Pending".to_owned())))
}

/// What is said where no pod is left.
fn gone(trial: &NasTrial, attempt: Option<i64>) -> String {
    let name = trial.name_any();
    let status = trial.status.clone().unwrap_or_default();
    if attempt.is_none_or(|attempt| attempt == trial.spec.attempt) && trial.running().is_some() {
        return format!("{name} has no pod yet: kubectl describe nast {name} says what it waits for, --follow waits with it");
    }
    let mut text = format!(
        "no pod of {name} is left, and its logs went with its pods: the operator takes a segment's Job away once its end is recorded. \
         Its learning curve lies beside its checkpoints (curve.jsonl), and a collector of logs finds it by the label {}={name}",
        labels::TRIAL
    );
    let segments = status.segments.iter().filter(|segment| attempt.is_none_or(|attempt| attempt == segment.attempt));
    for segment in segments {
        let words = if segment.message.is_empty() { String::new() } else { format!(": {}", segment.message) };
        let _ = write!(text, "\n  attempt {}, to rung {}: {}{words}", segment.attempt, segment.rung, segment.outcome.name());
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(container: &serde_json::Value, conditions: &serde_json::Value) -> Pod {
        let status =
            json!({"name": labels::CONTAINER, "state": container, "image": "", "imageID": "", "ready": false, "restartCount": 0});
        let labels = json!({labels::RUNG: "1", labels::ATTEMPT: "2"});
        let pod = json!({"metadata": {"name": "small-7-r1-a2-x", "labels": labels},
            "status": {"phase": "Pending", "containerStatuses": [status], "conditions": conditions}});
        serde_json::from_value(pod).unwrap()
    }

    #[test]
    fn a_pod_that_has_not_begun_says_why() {
        let unscheduled = json!([{"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}]);
        let waits = pod(&json!({"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}), &json!([]));
        assert!(waiting(&waits).unwrap().ends_with("has not begun: ImagePullBackOff: no such image"));
        assert!(waiting(&pod(&json!({}), &unscheduled)).unwrap().ends_with("0/3 nodes are available"));
        let begun = pod(&json!({"running": {"startedAt": "2026-01-01T00:00:00Z"}}), &json!([]));
        assert_eq!(waiting(&begun), None);
        assert_eq!(heading(&begun, labels::CONTAINER), "=== attempt 2: to rung 1, training, pod small-7-r1-a2-x (Pending)");
    }

    #[test]
    fn a_line_has_its_time_before_it_and_may_have_none() {
        let (time, words) = stamped("2026-01-01T00:00:01.000000002Z batch 20: loss 2.1");
        assert_eq!((time.map(|time| time.as_nanosecond() % 1_000_000_000), words), (Some(2), "batch 20: loss 2.1"));
        assert_eq!(stamped("unable to retrieve container logs"), (None, "unable to retrieve container logs"));
    }
}
