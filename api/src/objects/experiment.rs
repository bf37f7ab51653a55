//! `NasExperiment`: what a user writes.

use kube::{CustomResource, KubeSchema, core::Duration};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ConfirmSpec, NasExperimentStatus, SchedulerSpec, SpaceSpec, TrialTemplate, duration};

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
    validation = Rule::new("self.spec.maxTrials == oldSelf.spec.maxTrials || !has(self.status) || !has(self.status.trials) || self.spec.maxTrials >= self.status.trials.created - (has(self.spec.sampler) && has(self.spec.sampler.grid) ? 0 : self.status.trials.infeasible)")
        .message("spec.maxTrials must not go below the number of trials created (infeasible ones not counted, but where the sampler is a grid)"),
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
    /// What is optimised. Default: accuracy, as high as possible. Immutable.
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

/// Whose checkpoints are kept. Learning curves of all trials stay, and with `nasctl run` their logs.
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

fn default_retained_best() -> i64 {
    5
}
