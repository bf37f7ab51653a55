//! `NasExperiment`: what a user writes.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema, core::Duration};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ConfirmSpec, DataSet, NasExperimentStatus, PodOverlay, Queue, ReportingSpec, SpaceSpec, duration};

/// A search for the best neural architecture or hyperparameters within a budget.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "nas-operator.dev",
    version = "v1alpha1",
    kind = "NasExperiment",
    namespaced,
    status = "NasExperimentStatus",
    derive = "PartialEq",
    shortname = "nasexp",
    category = "nas",
    doc = "A search for the best neural architecture or hyperparameters within a budget.",
    scale(
        spec_replicas_path = ".spec.parallelTrials",
        status_replicas_path = ".status.trials.running",
    ),
    printcolumn(name = "Finished", type_ = "string", json_path = r#".status.conditions[?(@.type=="Finished")].status"#),
    printcolumn(name = "Trials", type_ = "integer", json_path = ".status.trials.created"),
    printcolumn(name = "Running", type_ = "integer", json_path = ".status.trials.running"),
    printcolumn(name = "Best", type_ = "number", json_path = ".status.best[0].value"),
    printcolumn(name = "Best Trial", type_ = "string", json_path = ".status.best[0].trial"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name.size() <= 40 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')")
        .message("metadata.name must be at most 40 characters: lower-case letters, digits and -, starting with a letter (trials and Jobs are named after it)"),
    validation = Rule::new("!self.metadata.name.endsWith('-confirm')")
        .message("metadata.name must not end in -confirm: the trials of confirmations are named like that"),
    validation = Rule::new("self.spec.maxTrials == oldSelf.spec.maxTrials || !has(self.status) || !has(self.status.trials) || self.spec.maxTrials >= self.status.trials.created - self.status.trials.infeasible")
        .message("spec.maxTrials must not go below the number of trials created (infeasible ones not counted)"),
    validation = Rule::new("!has(oldSelf.status) || !has(oldSelf.status.rungs) || (has(self.status) && has(self.status.rungs) && self.status.rungs.map(r, r.step) == oldSelf.status.rungs.map(r, r.step))")
        .message("status.rungs: their lengths are fixed when the search begins, and cannot be taken back"),
    validation = Rule::new("!has(oldSelf.status) || !has(oldSelf.status.end) || (has(self.status) && has(self.status.end) && self.status.end == oldSelf.status.end)")
        .message("status.end cannot be taken back: create a new experiment"),
    validation = Rule::new("!has(oldSelf.status) || !has(oldSelf.status.confirm) || (has(self.status) && has(self.status.confirm) && self.status.confirm.map(c, c.trial) == oldSelf.status.confirm.map(c, c.trial))")
        .message("status.confirm: which trials are confirmed cannot be taken back"),
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.scheduler.asha) || !has(self.scheduler.asha.rungs) || self.scheduler.asha.rungs.all(r, r <= self.resource.max)")
        .message("scheduler.asha.rungs must not go beyond resource.max"),
    validation = Rule::new("!has(self.scheduler.hyperband) || !has(self.scheduler.hyperband.rungs) || self.scheduler.hyperband.rungs.all(r, r <= self.resource.max)")
        .message("scheduler.hyperband.rungs must not go beyond resource.max"),
    validation = Rule::new("!has(self.scheduler.progressive) || !has(self.scheduler.progressive.rungs) || self.scheduler.progressive.rungs.all(r, r <= self.resource.max)")
        .message("scheduler.progressive.rungs must not go beyond resource.max"),
    validation = Rule::new("!has(self.confirm) || self.maxTrials == 1 || self.trial.data.validation != 'Final'")
        .message("trial.data.validation must not be Final where there is confirm: the test images would choose what they then measure"),
    validation = Rule::new("self.objective == oldSelf.objective && self.space == oldSelf.space && has(self.constraints) == has(oldSelf.constraints) && (!has(self.constraints) || self.constraints == oldSelf.constraints) && self.sampler == oldSelf.sampler && has(self.warmStart) == has(oldSelf.warmStart) && (!has(self.warmStart) || self.warmStart == oldSelf.warmStart) && self.scheduler == oldSelf.scheduler && self.resource == oldSelf.resource && self.seed == oldSelf.seed && self.trial == oldSelf.trial && has(self.confirm) == has(oldSelf.confirm) && (!has(self.confirm) || self.confirm == oldSelf.confirm) && self.maxInfeasibleTrials == oldSelf.maxInfeasibleTrials")
        .message(super::change::refused().as_str()),
)]
pub struct NasExperimentSpec {
    /// What is optimised. Default: accuracy, as high as possible.
    #[serde(default)]
    pub objective: Objective,
    /// What is searched: architectures, hyperparameters, or both. Immutable.
    #[serde(default)]
    pub space: SpaceSpec,
    /// Rules that every configuration must satisfy; checked before a trial exists. Immutable.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub constraints: Vec<ConstraintSpec>,
    /// How configurations are chosen. Default: guided. Immutable.
    #[serde(default)]
    pub sampler: SamplerSpec,
    /// Earlier experiments whose results the sampler learns from. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm_start: Option<WarmStart>,
    /// How training time is divided among trials. Immutable.
    pub scheduler: SchedulerSpec,
    /// How long a full training is. Immutable.
    pub resource: ResourceSpec,
    /// Number of trials. May change, but not below the number of trials created (without infeasible ones).
    #[schemars(range(min = 1, max = 100_000))]
    pub max_trials: i64,
    /// Trials that train at the same time. May change; 0 pauses.
    #[serde(default = "default_parallel_trials")]
    #[schemars(range(min = 0, max = 10_000))]
    pub parallel_trials: i64,
    /// What the search may spend. May change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetSpec>,
    /// End as soon as a trial reaches this value of the objective at full length. May change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<f64>,
    /// End when more trials than this failed (crashed for good). Default: no limit. May change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub max_failed_trials: Option<i64>,
    /// End when the trainer called more trials than this infeasible. Immutable.
    #[serde(default = "default_max_infeasible_trials")]
    #[schemars(range(min = 0, max = 100_000))]
    pub max_infeasible_trials: i64,
    /// Seed of the search: the same seed gives the same configurations and the same training. Immutable.
    #[serde(default)]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_i64))]
    pub seed: i64,
    /// Whose checkpoints are kept. May change.
    #[serde(default)]
    pub retention: Retention,
    /// Start nothing new and stop what runs, after a checkpoint, until this is false again. May change.
    #[serde(default)]
    pub suspend: bool,
    /// When the search has ended: train the configurations of its best trials anew, each with several seeds, on all training images, and
    /// measure them on the test images. Counts in no rung and no budget of the search. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<ConfirmSpec>,
    /// How one trial is trained. Immutable.
    pub trial: TrialTemplate,
}

/// What is optimised.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
pub struct Objective {
    /// A metric that the trainer reports: accuracy (a fraction of 1), top5_accuracy, loss, best_accuracy (the highest so far), batch_mean_accuracy (the mean over batches, as Determined reports it).
    #[serde(default = "default_metric")]
    #[schemars(length(min = 1, max = 63))]
    pub metric: String,
    /// Which way is better.
    #[serde(default)]
    pub direction: DirectionSpec,
    /// What else is optimised: trials go on by non-dominated sorting (MO-ASHA, Schmucker et al. 2021), and `status.front` lists the best
    /// trade-offs. `target`, `best` and the incumbent speak of `metric` alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3))]
    pub additional: Vec<AdditionalObjectiveSpec>,
}

/// An objective beside the first.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
pub struct AdditionalObjectiveSpec {
    /// `params` or `flops` of an architecture of `space.darts`, or a further metric that the trainer reports.
    #[schemars(length(min = 1, max = 63))]
    pub metric: String,
    /// Which way is better.
    pub direction: DirectionSpec,
}

/// Which way a metric is better.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DirectionSpec {
    /// More is better.
    #[default]
    Maximize,
    /// Less is better.
    Minimize,
}

/// A rule that every configuration must satisfy.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
pub struct ConstraintSpec {
    /// A CEL expression over `hp` (the parameters by name) and `arch` (`params`, `flops`, and for `normal` and `reduce`: the count
    /// of each operation, `depth`, `inputs`) that is true or false.
    #[schemars(length(min = 1, max = 2000))]
    pub rule: String,
    /// What the rule means, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 256))]
    pub message: String,
}

/// How configurations are chosen.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum SamplerSpec {
    /// At random, without repeats while others are left.
    Random(Empty),
    /// Every combination of `count` values of each parameter that satisfies the constraints, in order: the last parameter by name changes
    /// fastest. At most 100,000.
    Grid(Empty),
    /// Neighbours of good trials: regularised evolution (Real et al. 2019).
    Mutation(Empty),
    /// What the best trials have more often than the others: a tree-structured Parzen estimator (Bergstra et al. 2011) at the highest rung
    /// that has enough results.
    Tpe(Empty),
    /// What a Bayesian linear model of all rungs holds for best: of choices, of where numbers lie, and of how often alike parameters make a
    /// choice.
    Guided(Empty),
}

/// Earlier experiments whose results the sampler learns from: the guided one, tpe or mutation. Their trials count in no rung of this one.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct WarmStart {
    /// Names of NasExperiments of this namespace that have ended; for `nasctl run`, of runs beside its own. They optimised the same metric; their
    /// trials help as far as their configurations are ones of this space (constants may differ).
    #[schemars(length(min = 1, max = 8), inner(length(min = 1, max = 40)), extend("x-kubernetes-list-type" = "set"))]
    pub experiments: Vec<String>,
}

/// No settings.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
pub struct Empty {}

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

/// How long a full training is.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
pub struct ResourceSpec {
    /// What a length counts.
    pub unit: UnitSpec,
    /// Full length: the top rung, and the length of the learning-rate schedule.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub max: i64,
}

/// What a training length counts.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum UnitSpec {
    /// Passes over the images that are trained on.
    Epochs,
    /// Optimiser steps.
    Batches,
}

/// What a search may spend.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct BudgetSpec {
    /// Accelerator time, summed over all accelerators, in hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0))]
    pub gpu_hours: Option<f64>,
    /// Time since the experiment began, such as `48h` or `90m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[serde(deserialize_with = "duration::read_optional")]
    pub wall_clock: Option<Duration>,
}

/// Whose checkpoints are kept. Learning curves and logs of all trials stay.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Which trials keep theirs.
    #[serde(default)]
    pub checkpoints: Retained,
    /// How many of the best trials keep theirs, where not all do.
    #[serde(default = "default_retained_best")]
    #[schemars(range(min = 0, max = 1000))]
    pub best: i64,
}

/// Which trials keep their checkpoints.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retained {
    /// Those that may still go on, and the best. A trial that was stopped or retired, or that ended without a value, loses them; when
    /// the search has ended, every trial but the best does.
    #[default]
    Best,
    /// All of them.
    All,
}

/// How one trial is trained.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct TrialTemplate {
    /// Container image of the trainer. Default: the trainer image of the operator's installation. `nasctl run` uses its own trainer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub image: Option<String>,
    /// What each trial computes on. Default: CPU only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accelerator: Option<Accelerator>,
    /// CPUs that each trial requests, and threads that it computes with; where a trial trains on CPUs alone, its values depend on it
    /// in the last digits. Default: no request, and as many threads as the machine has CPUs. `nasctl run` divides the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 256))]
    pub cpu: Option<i64>,
    /// Memory that each trial gets, such as `8Gi`: one that needs more is killed and counts as OutOfMemory. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("isQuantity(self) && quantity(self).isGreaterThan(quantity('0'))")
        .message("must be an amount of memory, such as 8Gi"))]
    #[schemars(length(min = 1, max = 32))]
    pub memory: Option<String>,
    /// What is trained on.
    pub data: DataSet,
    /// Epochs between evaluations; 0: only where a rung ends.
    #[serde(default = "default_evaluate_every")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub evaluate_every: i64,
    /// Time between checkpoints inside a rung, such as `300s`; a rung's end always has one.
    #[serde(default = "default_checkpoint_every")]
    #[schemars(length(max = 32))]
    #[serde(deserialize_with = "duration::read")]
    pub checkpoint_every: Duration,
    /// The most time that the process of one segment may take, such as `2h`, so that a trainer that hangs is noticed: then it is stopped, after a
    /// checkpoint if it still can, and the next attempt goes on from there; after five attempts that took so long the trial has Failed. At least
    /// 10s, rounded up to seconds. The longest segment is that to the top rung, or a training of `confirm`. On a cluster it is the pod's
    /// `activeDeadlineSeconds`: it counts from when a node takes the pod, so that the pull of the image and the fetch of the data set count, and the
    /// wait in a queue does not. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('10s')")
        .message("must be at least 10s: pods take seconds to begin"))]
    #[schemars(length(max = 32))]
    #[serde(deserialize_with = "duration::read_optional")]
    pub time_limit: Option<Duration>,
    /// Environment variables of a trial's containers, by name: of the trainer, and of the one that fetches the data set, such as `HTTPS_PROXY` and
    /// `NO_PROXY`. They stand here to be read by all who may read the experiment: no place for passwords. Names that begin with NAS_ are the
    /// contract's, all but NAS_TRAINER_* and NAS_DATA_CACHE, the settings of the trainer that comes along. `nasctl run` sets them beside its own environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64, "additionalProperties" = {"type": "string", "maxLength": 4096}))]
    pub env: BTreeMap<String, String>,
    /// Where checkpoints lie. `nasctl run` keeps them in its own folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoints: Option<Claim>,
    /// The queue in which segments wait for their turn, where Kueue shares a cluster out. Default: none. `nasctl run` does without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<Queue>,
    /// What is added to each trial's pod: where it may run, its priority, devices by claim. `nasctl run` does without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<PodOverlay>,
    /// How trials report. CRStatus shows learning curves while they grow; the chart must be installed with `trainer.reporting`. `nasctl run` does without.
    #[serde(default)]
    pub reporting: ReportingSpec,
}

/// A device that pods request.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
pub struct Accelerator {
    /// Name of the extended resource.
    #[serde(default = "default_accelerator")]
    #[schemars(length(min = 1, max = 128))]
    pub resource: String,
    /// How many each trial gets.
    #[serde(default = "default_accelerator_count")]
    #[schemars(range(min = 1, max = 64))]
    pub count: i64,
}

/// A PersistentVolumeClaim.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub claim: String,
}

impl Default for Objective {
    fn default() -> Self {
        Self { metric: default_metric(), direction: DirectionSpec::default(), additional: Vec::new() }
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self { checkpoints: Retained::default(), best: default_retained_best() }
    }
}

impl Default for SamplerSpec {
    fn default() -> Self {
        Self::Guided(Empty {})
    }
}

fn default_metric() -> String {
    "accuracy".to_owned()
}

fn default_parallel_trials() -> i64 {
    1
}

fn default_max_infeasible_trials() -> i64 {
    100
}

fn default_eta() -> i64 {
    3
}

fn default_evaluate_every() -> i64 {
    1
}

fn default_retained_best() -> i64 {
    5
}

fn default_checkpoint_every() -> Duration {
    Duration::from(std::time::Duration::from_mins(5))
}

fn default_accelerator() -> String {
    "nvidia.com/gpu".to_owned()
}

fn default_accelerator_count() -> i64 {
    1
}
