//! `NasExperiment.status`: bounded aggregates, never a list of trials.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use nas_search::{End, Rungs, View};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ConfirmStatus, ScalarValue, ViewStatus};

/// Where an experiment stands.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct NasExperimentStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Accepted, Progressing, Finished, Succeeded, Stalled; each reason says what to do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
    /// Number of trials by state and outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trials: Option<TrialCounts>,
    /// The table of rungs, from rung 0. Their lengths are fixed when the search begins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub rungs: Vec<RungStatus>,
    /// The best trials: by rung, then by value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5))]
    pub best: Vec<BestTrial>,
    /// Where there are several objectives: trials at the highest rung than which none there is better in all of them, those first that
    /// cover the trade-off best.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub front: Vec<FrontTrialStatus>,
    /// The best trial by the guided sampler's model, which averages out the noise of single trainings. May be another one than the first
    /// of `best`, which has the best measured value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best_estimate: Option<BestEstimate>,
    /// Trials of earlier experiments that the sampler learns from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earlier_trials: Option<i64>,
    /// What was spent and what was saved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetStatus>,
    /// Outcomes up to this decisionSeq no longer count as a stall: a person has set spec.suspend after them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stall_cleared_seq: Option<i64>,
    /// The decision to end the search; written before anything is stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<EndStatus>,
    /// The best trials, trained anew as `spec.confirm` asks. Which they are is written before the first of these trainings, and stays.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub confirm: Vec<ConfirmStatus>,
}

impl NasExperimentStatus {
    /// The condition that says most about where the search stands: why it is not accepted, why it waits for a person, or how it goes on; `None`: no
    /// operator has looked at it yet.
    pub fn foremost(&self) -> Option<&Condition> {
        let find = |kind: &str, status: Option<&str>| {
            self.conditions.iter().find(|at| at.type_ == kind && status.is_none_or(|status| at.status == status))
        };
        find("Accepted", Some("False")).or_else(|| find("Stalled", Some("True"))).or_else(|| find("Progressing", None))
    }
}

/// Number of trials by state and outcome.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct TrialCounts {
    /// Created, ever.
    pub created: i64,
    /// Training, or about to.
    pub running: i64,
    /// At the top rung.
    pub completed: i64,
    /// Stopped at a rung, or never to be promoted.
    pub retired: i64,
    /// Refused by the trainer as infeasible, and replaced.
    pub infeasible: i64,
    /// Ended by a loss or metric that was not finite.
    pub diverged: i64,
    /// Ended for lack of memory.
    pub out_of_memory: i64,
    /// Ended by a bug, or with all attempts used up.
    pub failed: i64,
    /// Refused by the trainer for its configuration or data.
    pub misconfigured: i64,
    /// Ended with the experiment or by a person.
    pub cancelled: i64,
}

/// One row of the table of rungs.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RungStatus {
    /// Training length, in units of the resource.
    pub step: i64,
    /// Trials that train towards it.
    pub running: i64,
    /// Trials that have a result at it.
    pub entries: i64,
    /// Trials that went on from it.
    pub promoted: i64,
    /// The best value at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best: Option<f64>,
}

/// The best trial by a model's estimate.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct BestEstimate {
    /// Name of the trial.
    #[schemars(length(max = 63))]
    pub trial: String,
    /// The rung of which the model speaks.
    pub rung: i64,
    /// What it expects of the objective there.
    pub value: f64,
}

/// A trial among the best.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct BestTrial {
    /// Name of the trial.
    #[schemars(length(max = 63))]
    pub trial: String,
    /// The rung at which it was measured.
    pub rung: i64,
    /// The value of the objective there.
    pub value: f64,
    /// Its configuration.
    #[schemars(extend("maxProperties" = 256))]
    pub assignment: BTreeMap<String, ScalarValue>,
}

/// One of the best trade-offs between several objectives.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct FrontTrialStatus {
    /// Name of the trial.
    #[schemars(length(max = 63))]
    pub trial: String,
    /// The rung at which it was measured.
    pub rung: i64,
    /// The value of the first objective there.
    pub value: f64,
    /// The values of the others, by metric.
    #[schemars(extend("maxProperties" = 3))]
    pub additional: BTreeMap<String, f64>,
}

/// What was spent and what was saved.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct BudgetStatus {
    /// Accelerator hours spent.
    pub gpu_hours: f64,
    /// Accelerator hours that `spec.budget` leaves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_hours_left: Option<f64>,
    /// Accelerator hours that training every trial to full length would have cost on top, at the same speed.
    pub gpu_hours_saved: f64,
    /// Accelerator hours that the confirmation took, beside `gpuHours`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm_gpu_hours: Option<f64>,
}

/// Why and on what view an experiment ended.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
pub struct EndStatus {
    /// A word for the reason, such as Completed or TargetReached.
    #[schemars(length(max = 64))]
    pub reason: String,
    /// The reason in words.
    #[schemars(length(max = 256))]
    pub message: String,
    /// Whether the search did what it was asked to.
    pub succeeded: bool,
    /// What had been seen.
    pub view: ViewStatus,
}

impl RungStatus {
    /// The table of rungs of a search that has not begun.
    pub fn table(rungs: &Rungs) -> Vec<Self> {
        rungs.steps().iter().map(|step| Self { step: i64::try_from(*step).unwrap_or(i64::MAX), ..Self::default() }).collect()
    }
}

impl EndStatus {
    /// The record of a decision to end.
    pub fn new(reason: End, view: View) -> Self {
        Self { reason: reason.name().to_owned(), message: reason.to_string(), succeeded: reason.is_success(), view: view.into() }
    }
}
