//! `NasExperiment.spec.trial`: how one trial is trained, and on what.

use std::collections::BTreeMap;

use kube::{KubeSchema, core::Duration};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DataSet, PodOverlay, Queue, ReportingSpec, duration};

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

fn default_evaluate_every() -> i64 {
    1
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
