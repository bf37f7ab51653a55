//! `NasExperiment.spec.scheduler`: how training time is divided among trials.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Empty;

/// How training time is divided among trials.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum SchedulerSpec {
    /// Every trial trains to full length.
    FullLength(Empty),
    /// Asynchronous successive halving (Li et al. 2020): the best 1 / eta of each rung go on to the next.
    Asha(Asha),
    /// Hyperband (Li et al. 2018): brackets of fixed sizes that begin at different rungs, one after the other until maxTrials; the best
    /// 1 / eta of a rung go on once all of its trials have ended.
    Hyperband(Ladder),
    /// PASHA (Bohdal et al. 2023): asynchronous successive halving that begins with two rungs and opens the next only while the ranking
    /// of the trials differs between the two highest. Trials may end before full length.
    Progressive(Ladder),
}

/// Rungs: either listed (`rungs`) or computed (`maxRungs`).
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!(has(self.rungs) && has(self.maxRungs))").message("give rungs or maxRungs, not both"),
)]
pub struct Ladder {
    /// One in `eta` trials goes on from a rung to the next.
    #[serde(default = "default_eta")]
    #[schemars(range(min = 2, max = 64))]
    pub eta: i64,
    /// Number of rungs, each `eta` times longer than the one before and the last of full length; lowered where `maxTrials` or the
    /// full length is too small for as many. Default: 4, so that the lowest is 1 / 27 of full length with `eta` 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 16))]
    pub max_rungs: Option<i64>,
    /// Training length at each rung, ascending; the last is `resource.max`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16), inner(range(min = 1)), extend("x-kubernetes-list-type" = "set"))]
    pub rungs: Option<Vec<i64>>,
}

/// Asynchronous successive halving. The rungs are either listed (`rungs`) or computed (`maxRungs`).
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!(has(self.rungs) && has(self.maxRungs))").message("give rungs or maxRungs, not both"),
)]
pub struct Asha {
    /// Promotion: trials pause at each rung, and any of the best may go on, then or later. Stopping: a trial's arrival at a rung decides.
    #[serde(rename = "type", default)]
    pub kind: AshaType,
    /// How early trials are stopped. Brackets share `maxTrials` and the slots; trials are compared with those of their own bracket.
    #[serde(default)]
    pub bracket: Bracket,
    /// One in `eta` trials goes on from a rung to the next.
    #[serde(default = "default_eta")]
    #[schemars(range(min = 2, max = 64))]
    pub eta: i64,
    /// Number of rungs, each `eta` times longer than the one before and the last of full length; lowered where `maxTrials` or the
    /// full length is too small for as many. Default: 4, so that the lowest is 1 / 27 of full length with `eta` 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 16))]
    pub max_rungs: Option<i64>,
    /// Training length at each rung, ascending; the last is `resource.max`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16), inner(range(min = 1)), extend("x-kubernetes-list-type" = "set"))]
    pub rungs: Option<Vec<i64>>,
}

/// The kind of successive halving.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AshaType {
    /// Trials pause at each rung until they are promoted.
    #[default]
    Promotion,
    /// A trial that is not among the best 1 / eta of those before it is stopped for good; every other goes on at once.
    Stopping,
}

/// How early trials are stopped.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bracket {
    /// All trials are compared from the lowest rung: one bracket.
    #[default]
    Aggressive,
    /// As many brackets as half of the rungs, each beginning one rung higher than the one before.
    Standard,
    /// As many brackets as rungs: the last trains all of its trials in full.
    Conservative,
}

fn default_eta() -> i64 {
    3
}
