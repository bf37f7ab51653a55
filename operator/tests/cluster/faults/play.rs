//! A whole search, played so that it can come to one end only: the next result is released when the operator has nothing left to do.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use nas_api::{
    contract::{Reported, RungResult},
    objects::{NasExperimentStatus, NasTrial, NasTrialSpec, RecordedRung, RunSegment},
};
use nas_search::{Index, Usage, decide};
use nas_testkit::eventually;

use super::wire::Wire;
use crate::{
    between::Between,
    rig::{EXPERIMENT, Rig, Started, number, report, segment, surrogate},
};

/// Two brackets, two slots, promotions, and every kind of end.
fn search() -> String {
    EXPERIMENT
        .replace("eta: 2, rungs: [1, 2, 4]", "eta: 2, rungs: [1, 2, 4], bracket: Standard")
        .replace("maxTrials: 4", "maxTrials: 7")
        .replace("parallelTrials: 1", "parallelTrials: 2")
}

/// What a search came to, and how. Equal for two that took the same decisions.
#[derive(Debug, PartialEq)]
pub(crate) struct Course {
    trials: Vec<(NasTrialSpec, Vec<RecordedRung>, Vec<RunSegment>)>,
    status: NasExperimentStatus,
    /// Every Job that ever had a pod, by name; one that was made twice is there twice.
    jobs: Vec<String>,
}

impl Course {
    /// Trials that each kind of end was recorded for, promotions, and further attempts: a search that lacks one shows nothing.
    pub(crate) fn is_varied(&self) -> bool {
        let outcomes: Vec<_> =
            self.trials.iter().flat_map(|(_, rungs, _)| rungs).map(|rung| format!("{:?}", rung.outcome)).collect();
        let has = |outcome: &str| outcomes.iter().any(|known| known == outcome);
        let promoted = self.trials.iter().any(|(spec, _, _)| spec.grants.len() > 1);
        let brackets = self.trials.iter().any(|(spec, _, _)| spec.bracket > 0);
        let again = self.trials.iter().any(|(spec, _, _)| spec.attempt > 0);
        ["Value", "Infeasible", "Diverged", "OutOfMemory", "Failed"].into_iter().all(has) && promoted && brackets && again
    }
}

/// Plays a whole search with an operator that talks over `wire`. Where it dies, it is started again, as often as that comes.
pub(crate) async fn play(rig: &Rig, wire: &Wire) -> Course {
    let mut operator = Some(wire.operator(rig, rig.config()));
    rig.create(&search()).await;
    let mut jobs = BTreeMap::new();
    loop {
        let calm = eventually("all is quiet", || async {
            if wire.is_dead() {
                return Ok(Calm::Dead);
            }
            calm(rig).await
        });
        match calm.await {
            Calm::Dead => {
                if let Some(operator) = operator.take() {
                    operator.kill().await;
                }
                wire.revive();
                operator = Some(wire.operator(rig, rig.config()));
            }
            Calm::Training(pod) => {
                jobs.extend(rig.jobs().await.into_iter().map(|job| (job.uid(), job.name_any())));
                rig.kubelet.start(&pod, "trainer").await.unwrap();
                end(rig, &Started { segment: segment(&pod), pod: *pod }).await;
            }
            Calm::Finished => break,
        }
    }
    let experiment = rig.experiment().await;
    if let Some(operator) = operator {
        rig.close(operator).await;
    }
    let mut status = experiment.status.unwrap();
    for condition in &mut status.conditions {
        condition.last_transition_time.0 = k8s_openapi::jiff::Timestamp::UNIX_EPOCH;
    }
    let trials = rig.trials().await.into_iter().map(|trial| {
        let status = trial.status.unwrap_or_default();
        let segments =
            status.segments.into_iter().map(|segment| RunSegment { job_uid: String::new(), ended_at: None, ..segment });
        (trial.spec, status.rungs, segments.collect())
    });
    let mut jobs: Vec<String> = jobs.into_values().collect();
    jobs.sort();
    Course { trials: trials.collect(), status, jobs }
}

enum Calm {
    /// The operator is dead.
    Dead,
    /// It waits for trials; this one's pod is the first.
    Training(Box<Pod>),
    Finished,
}

/// What there is to do while the operator has nothing to do; otherwise what it has.
async fn calm(rig: &Rig) -> Result<Calm, String> {
    let experiment = rig.experiment().await;
    let trials = rig.trials().await;
    let status = experiment.status.clone().unwrap_or_default();
    let (jobs, pods) = (rig.jobs().await, rig.pods().await);
    if status.conditions.iter().any(|condition| condition.type_ == "Finished" && condition.status == "True") {
        return if jobs.is_empty() && pods.is_empty() { Ok(Calm::Finished) } else { Err("Jobs or pods are left".to_owned()) };
    }
    if status.end.is_some() || status.rungs.is_empty() {
        return Err(format!("the search begins or ends: {:?}", status.conditions));
    }
    let plan = experiment.validate().unwrap();
    let mut index = Index::new(plan.direction, &plan.rungs);
    for trial in &trials {
        index.apply(trial.to_record());
    }
    if let Some(decision) = decide(&plan, &index, &Usage::default()).first() {
        return Err(format!("it will decide {decision:?}"));
    }
    let running: Vec<&NasTrial> = trials.iter().filter(|trial| trial.to_record().running().is_some()).collect();
    let mut waiting = Vec::new();
    for trial in &running {
        let name = format!("{}-r{}-a{}", trial.name_any(), trial.spec.target_rung, trial.spec.attempt);
        let pod = pods.iter().find(|pod| pod.name_any().rsplit_once('-').is_some_and(|(job, _)| job == name));
        waiting.push(pod.cloned().filter(is_waiting).ok_or_else(|| format!("{name} has no pod that waits"))?);
    }
    if (jobs.len(), pods.len()) != (running.len(), running.len()) {
        return Err(format!("{} Jobs and {} pods for {} trials", jobs.len(), pods.len(), running.len()));
    }
    waiting.into_iter().next().map(|pod| Calm::Training(Box::new(pod))).ok_or_else(|| "nothing runs".to_owned())
}

fn is_waiting(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    phase == Some("Pending") && pod.metadata.deletion_timestamp.is_none()
}

/// Ends a pod as its trial and attempt want it.
async fn end(rig: &Rig, started: &Started) {
    let segment = &started.segment;
    let says = |outcome| {
        let mut report = report(segment, surrogate);
        report.results = vec![RungResult { outcome, value: None, ..report.results[0].clone() }];
        report.to_message()
    };
    match (number(segment), segment.attempt) {
        (1, _) => rig.end(started, 0, &says(Reported::Infeasible)).await,
        (2, _) => rig.end(started, 0, &says(Reported::Diverged)).await,
        (3, _) => rig.end(started, 71, "CUDA out of memory").await,
        // The last of these is one too many.
        (4, _) | (0, 0) => rig.end(started, 0, "no report").await,
        _ => rig.report(started, surrogate).await,
    }
}
