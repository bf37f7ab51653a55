//! An experiment on a cluster: its spec is patched where the API lets it change.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use nas_api::objects::{NasExperiment, SamplerSpec};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::Change;
use crate::{
    cluster::{self, ClusterError, Connection, MANAGER},
    failure::Failure,
    records::Target,
    table::counted,
};

/// Longest wait for the operator.
const ANSWER: Duration = Duration::from_secs(30);
/// So often a number is read and written anew that the operator changes meanwhile.
const TRIES: usize = 8;

/// Changes it; returns what is told.
pub(super) fn change(name: &str, target: &Target, change: Change) -> Result<String, Failure> {
    cluster::wait(async {
        let (namespace, context) = target.connection();
        let connection = Connection::new(name, namespace, context, Some(cluster::ANSWER)).await?;
        let experiment = connection.experiment(name).await?;
        if let Some(refusal) = refusal(&experiment, change) {
            return Err(Failure::Usage(refusal));
        }
        let steered = Steered { api: connection.api(), name: name.to_owned() };
        match change {
            Change::Suspend => steered.suspend(&experiment).await,
            Change::Resume => steered.resume(&experiment).await,
            Change::Scale(parallel) => steered.scale(&experiment, parallel).await,
            Change::Stop { drain: false } => steered.stop(&experiment).await,
            Change::Stop { drain: true } => steered.drain(experiment).await,
        }
    })
}

/// Why nothing can be changed; `None`: it can.
fn refusal(experiment: &NasExperiment, change: Change) -> Option<String> {
    let name = experiment.name_any();
    let status = experiment.status.clone().unwrap_or_default();
    let is_confirming = !status.confirm.is_empty() && !is(experiment, "Finished");
    match &status.end {
        // What confirms the best can be held up and hurried like a search.
        Some(_) if is_confirming && !matches!(change, Change::Stop { .. }) => None,
        Some(end) => Some(format!(
            "{name} has ended ({}): later edits change nothing. A new experiment learns from it by spec.warmStart",
            end.message
        )),
        None if matches!(change, Change::Stop { .. }) && is_refused(experiment) => Some(format!(
            "{name} is not accepted (kubectl describe nasexp {name}), so that it can not end either: kubectl delete nasexp {name}"
        )),
        None => None,
    }
}

fn is(experiment: &NasExperiment, kind: &str) -> bool {
    let conditions = experiment.status.iter().flat_map(|status| &status.conditions);
    conditions.into_iter().any(|condition| condition.type_ == kind && condition.status == "True")
}

fn is_refused(experiment: &NasExperiment) -> bool {
    let conditions = experiment.status.iter().flat_map(|status| &status.conditions);
    conditions.into_iter().any(|condition| condition.type_ == "Accepted" && condition.status == "False")
}

struct Steered {
    api: Api<NasExperiment>,
    name: String,
}

impl Steered {
    async fn patch(&self, spec: Value) -> Result<NasExperiment, kube::Error> {
        let parameters = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        self.api.patch(&self.name, &parameters, &Patch::Merge(json!({ "spec": spec }))).await
    }

    async fn set(&self, spec: Value) -> Result<NasExperiment, ClusterError> {
        self.patch(spec).await.map_err(ClusterError::of("change the NasExperiment"))
    }

    async fn suspend(&self, experiment: &NasExperiment) -> Result<String, Failure> {
        let name = &self.name;
        if experiment.spec.suspend {
            return Ok(format!("{name} is suspended already: nasctl resume {name} goes on"));
        }
        self.set(json!({"suspend": true})).await?;
        let running = running(experiment);
        Ok(format!("{name} is suspended: {running} in training now stop after a checkpoint; nasctl resume {name} goes on"))
    }

    async fn resume(&self, experiment: &NasExperiment) -> Result<String, Failure> {
        let name = &self.name;
        let is_stalled = is(experiment, "Stalled");
        if is_stalled && !experiment.spec.suspend {
            self.set(json!({"suspend": true})).await?;
            self.until_cleared().await?;
        }
        let then = self.set(json!({"suspend": false})).await?;
        let slots = counted(u64::try_from(then.spec.parallel_trials).unwrap_or_default(), "trial");
        Ok(match (experiment.spec.suspend || is_stalled, then.spec.parallel_trials) {
            (_, 0) => format!("spec.parallelTrials of {name} is 0, so that it still waits: nasctl scale {name} N"),
            (false, _) => format!("{name} is neither suspended nor stalled"),
            (true, _) => format!("{name} goes on, with at most {slots} at a time"),
        })
    }

    /// Waits until the operator has taken note that a person has looked at what stalled the search.
    async fn until_cleared(&self) -> Result<(), Failure> {
        let deadline = Instant::now() + ANSWER;
        loop {
            let now = self.api.get(&self.name).await.map_err(ClusterError::of("read the NasExperiment"))?;
            if !is(&now, "Stalled") {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(ClusterError::NoOperator { name: self.name.clone(), left: "spec.suspend is true now" }.into());
            }
            sleep(Duration::from_millis(200)).await;
        }
    }

    async fn scale(&self, experiment: &NasExperiment, parallel: u32) -> Result<String, Failure> {
        let name = &self.name;
        let before = experiment.spec.parallel_trials;
        self.set(json!({"parallelTrials": parallel})).await?;
        let suspended = if experiment.spec.suspend { format!("; it is suspended: nasctl resume {name}") } else { String::new() };
        Ok(format!("{name} trains {} at a time, {before} before{suspended}", counted(parallel, "trial")))
    }

    async fn stop(&self, experiment: &NasExperiment) -> Result<String, Failure> {
        let name = &self.name;
        let passed = Passed::of(experiment, Timestamp::now());
        let changed = self.set(passed.spec()).await?;
        // This machine's clock may be ahead of the cluster's, and the end would come late.
        if let Some(written) = written_at(&changed).map(|now| Passed::of(&changed, now)).filter(|written| written.0 < passed.0) {
            self.set(written.spec()).await?;
        }
        let running = running(experiment);
        let confirms = if experiment.spec.confirm.is_some() { ", then its best are confirmed" } else { "" };
        Ok(format!(
            "{name} ends: {running} in training now stop{confirms}; kubectl wait --for=condition=Finished nasexp/{name} waits for it"
        ))
    }

    async fn drain(&self, mut experiment: NasExperiment) -> Result<String, Failure> {
        let name = &self.name;
        for _ in 0..TRIES {
            let created = created(&experiment);
            if created >= experiment.spec.max_trials {
                return Ok(format!(
                    "all {} of {name} were created already: it ends when they went as far as they can",
                    counted(created.unsigned_abs(), "trial")
                ));
            }
            if created == 0 {
                return Err(Failure::Usage(format!(
                    "no trial of {name} was created yet: nasctl stop {name} without --drain ends it at once"
                )));
            }
            match self.patch(json!({"maxTrials": created})).await {
                Ok(_) => {
                    let trials = counted(created.unsigned_abs(), "trial");
                    return Ok(format!(
                        "{name} creates no more than the {trials} it has: it ends when they went as far as they can"
                    ));
                }
                // One more was created since.
                Err(kube::Error::Api(status)) if status.code == 422 => {}
                Err(error) => return Err(ClusterError::of("change the NasExperiment")(error).into()),
            }
            sleep(Duration::from_secs(1)).await;
            experiment = self.api.get(name).await.map_err(ClusterError::of("read the NasExperiment"))?;
        }
        let cure = format!("nasctl scale {name} 0, then this once more, then scale it back");
        Err(Failure::Usage(format!("{name} creates trials faster than they can be counted: {cure}")))
    }
}

/// Whole seconds since an experiment began.
#[derive(Clone, Copy)]
struct Passed(u64);

impl Passed {
    fn of(experiment: &NasExperiment, now: Timestamp) -> Self {
        let began = experiment.creation_timestamp().map_or(now, |time| time.0);
        Self(u64::try_from(now.as_second() - began.as_second()).unwrap_or_default())
    }

    fn spec(self) -> Value {
        json!({"budget": {"wallClock": format!("{}s", self.0)}})
    }
}

/// When the server took this program's last change.
fn written_at(experiment: &NasExperiment) -> Option<Timestamp> {
    let ours = experiment.managed_fields().iter().filter(|fields| fields.manager.as_deref() == Some(MANAGER));
    ours.filter_map(|fields| Some(fields.time.as_ref()?.0)).max()
}

fn running(experiment: &NasExperiment) -> String {
    let trials = experiment.status.as_ref().and_then(|status| status.trials).map_or(0, |trials| trials.running);
    counted(u64::try_from(trials).unwrap_or_default(), "trial")
}

/// Trials that count towards `spec.maxTrials`.
fn created(experiment: &NasExperiment) -> i64 {
    let trials = experiment.status.as_ref().and_then(|status| status.trials).unwrap_or_default();
    // A point of a grid is not replaced.
    let replaced = if matches!(experiment.spec.sampler, SamplerSpec::Grid(_)) { 0 } else { trials.infeasible };
    trials.created - replaced
}
