//! The confirmation of a search: what is asked for, and what came out.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is trained anew when a search has ended: the configurations of its best trials, from scratch, on all training images; the test images
/// measure them.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.topK * self.seeds <= 100").message("confirm must be at most 100 trainings (topK times seeds): lower one of them"),
)]
pub struct ConfirmSpec {
    /// How many configurations: those of the best trials at the highest rung that was reached, in the order of `status.best`. Fewer, where fewer
    /// trials have a value there.
    #[schemars(range(min = 1, max = 16))]
    pub top_k: i64,
    /// Trainings of each configuration, each with a seed of its own. What is measured once says nothing about differences; with 3 to 5 those
    /// show that are large, with 10 those of the literature.
    #[schemars(range(min = 1, max = 16))]
    pub seeds: i64,
    /// Length of each training and of its learning-rate schedule, in units of `resource.unit`. Default: `resource.max`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub resource: Option<i64>,
}

/// One of the best trials of a search, trained anew.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ConfirmStatus {
    /// Name of the trial.
    #[schemars(length(max = 63))]
    pub trial: String,
    /// Its value in the search, for which it was chosen.
    pub search_value: f64,
    /// Trainings that were asked for, each with a seed of its own.
    pub seeds: i64,
    /// Trainings that were started.
    pub started: i64,
    /// Trainings that ended with a value.
    pub done: i64,
    /// Trainings that ended without one. They are not repeated, and no mean knows of them: see the NasTrials.
    pub failed: i64,
    /// The values that came out, in the order of the seeds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub values: Vec<f64>,
    /// Their mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean: Option<f64>,
    /// Their standard deviation (of a sample); absent where there are fewer than two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standard_deviation: Option<f64>,
    /// The trials of this list that this one is better than, as Welch's t-test has it (two-sided, 95 %); told when all trainings have ended. Any
    /// other difference may be chance; where one of the two has fewer than two values nothing can be said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 15), inner(length(max = 63)))]
    pub better_than: Vec<String>,
}
