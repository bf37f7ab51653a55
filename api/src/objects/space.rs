//! The space of an experiment, as a user writes it.

use kube::KubeSchema;
use nas_darts::Op;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ScalarValue;

/// The search space. With nothing to choose in it, every trial is the same configuration with another seed.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
pub struct SpaceSpec {
    /// The DARTS space of image networks (Liu et al. 2019): two cells of 4 nodes with 2 edges each, 32 choices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub darts: Option<DartsSpace>,
    /// Further parameters, for the trainer to read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128))]
    pub parameters: Vec<ParameterSpec>,
}

/// The DARTS space. Its choices are `<cell>_node<1-4>_edge<1|2>` (an input: 0, 1 are the two cells before, 2 and more the nodes
/// before) and `<cell>_node<1-4>_edge<1|2>_op`, where `<cell>` is `normal` or `reduce`.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
pub struct DartsSpace {
    /// Operations to choose from. Default: max_pool_3x3, avg_pool_3x3, skip_connect, sep_conv_3x3, sep_conv_5x5, dil_conv_3x3, dil_conv_5x5.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = Op::ALL.len()), inner(length(max = Op::MAX_NAME)))]
    pub operations: Vec<String>,
    /// Choices that are made already: their names and values.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    pub fixed: std::collections::BTreeMap<String, ScalarValue>,
}

/// One parameter: its name, and exactly one of `constant`, `int`, `double`, `categorical`.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
pub struct ParameterSpec {
    /// Letters, digits and _, nested by dots: `optimizer.beta2`.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// What the parameter can be.
    #[serde(flatten)]
    pub domain: DomainSpec,
    /// The parameter exists only where another one has one of some values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<WhenSpec>,
}

/// What a parameter can be.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub enum DomainSpec {
    /// Always this value.
    Constant(ScalarValue),
    /// A whole number.
    Int(IntDomain),
    /// A number.
    Double(DoubleDomain),
    /// One of several values.
    Categorical(CategoricalDomain),
}

/// A whole number, both ends included.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[x_kube(
    validation = Rule::new("self.min < self.max").message("min must be less than max"),
    validation = Rule::new("self.scale != 'Log' || self.min >= 1").message("min must be at least 1 on a Log scale"),
)]
pub struct IntDomain {
    /// Smallest value.
    pub min: i64,
    /// Largest value.
    pub max: i64,
    /// How values are spread over the range.
    #[serde(default)]
    pub scale: ScaleSpec,
    /// Number of values on a grid, both ends included; for one, the middle. Only the sampler `grid` reads it. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub count: Option<i64>,
}

/// A number from `min` up to, but without, `max`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(
    validation = Rule::new("self.min < self.max").message("min must be less than max"),
    validation = Rule::new("self.scale != 'Log' || self.min > 0.0").message("min must be above 0 on a Log scale"),
)]
pub struct DoubleDomain {
    /// Smallest value.
    pub min: f64,
    /// Largest value; what is drawn at random is below it, but for rounding.
    pub max: f64,
    /// How values are spread over the range.
    #[serde(default)]
    pub scale: ScaleSpec,
    /// Number of values on a grid, both ends included; for one, the middle. The sampler `grid` needs it, no other reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub count: Option<i64>,
}

/// One of several values, each as likely.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
pub struct CategoricalDomain {
    /// The values: numbers, texts, true or false.
    #[schemars(length(min = 1, max = 64))]
    pub values: Vec<ScalarValue>,
}

/// How values are spread over a range.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScaleSpec {
    /// Evenly.
    #[default]
    Linear,
    /// Evenly in the logarithm.
    Log,
}

/// The condition of a conditional parameter.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
pub struct WhenSpec {
    /// Name of the other parameter.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// The values of the other parameter for which this one exists.
    #[serde(rename = "in")]
    #[schemars(length(min = 1, max = 64))]
    pub values: Vec<ScalarValue>,
}
