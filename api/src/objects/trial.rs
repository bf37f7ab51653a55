//! `NasTrial`: one configuration, how far it was decided to train it, and what came out. How a search reads and writes it is in
//! `trial_record`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use nas_search::Assignment;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::{ReportedStatus, RunSegment, reported::if_readable};

/// One configuration of an experiment. Written by the operator; the set of these objects is the whole state of a search.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "nas-operator.dev",
    version = "v1alpha1",
    kind = "NasTrial",
    namespaced,
    status = "NasTrialStatus",
    derive = "PartialEq",
    shortname = "nast",
    category = "nas",
    doc = "One configuration of an experiment. Written by the operator; the set of these objects is the whole state of a search.",
    selectable = ".spec.experiment",
    printcolumn(name = "Experiment", type_ = "string", json_path = ".spec.experiment"),
    printcolumn(name = "Rung", type_ = "integer", json_path = ".spec.targetRung"),
    printcolumn(name = "Outcome", type_ = "string", json_path = ".status.rungs[-1:].outcome"),
    printcolumn(name = "Value", type_ = "number", json_path = ".status.rungs[-1:].value"),
    printcolumn(name = "Attempt", type_ = "integer", json_path = ".spec.attempt", priority = 1),
    printcolumn(name = "Confirms", type_ = "string", json_path = ".spec.confirms", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("!has(self.status) || !has(self.status.reported) || self.status.reported.attempt <= self.spec.attempt")
        .message("status.reported is of an attempt that was never started"),
    validation = Rule::new("has(self.spec.confirms) == has(oldSelf.spec.confirms) && (!has(self.spec.confirms) || self.spec.confirms == oldSelf.spec.confirms)")
        .message("spec.confirms is immutable"),
    validation = Rule::new("!has(oldSelf.status) || !has(oldSelf.status.rungs) || (has(self.status) && has(self.status.rungs))")
        .message("status.rungs is append-only: it cannot be removed"),
)]
#[serde(rename_all = "camelCase")]
pub struct NasTrialSpec {
    /// Name of the experiment.
    #[x_kube(validation = Rule::new("self == oldSelf").message("is immutable"))]
    #[schemars(length(min = 1, max = 40))]
    pub experiment: String,
    /// Position in the experiment's order of creation, from 0.
    #[x_kube(validation = Rule::new("self == oldSelf").message("is immutable"))]
    #[schemars(range(min = 0, max = 999_999))]
    pub number: i64,
    /// The trial of the search that this one trains anew, as a part of the confirmation: then it is no trial of the search, and numbers count
    /// among those of the confirmation. Absent: a trial of the search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub confirms: Option<String>,
    /// The configuration: the value of each parameter by name.
    #[x_kube(validation = Rule::new("self == oldSelf").message("is immutable"))]
    #[schemars(schema_with = "open_object")]
    pub assignment: Assignment,
    /// The seed that the trial trains with.
    #[x_kube(validation = Rule::new("self == oldSelf").message("is immutable"))]
    #[schemars(range(min = 0))]
    pub seed: i64,
    /// The bracket that it belongs to, from 0.
    #[x_kube(validation = Rule::new("self == oldSelf").message("is immutable"))]
    #[schemars(range(min = 0, max = 999_999))]
    pub bracket: i64,
    /// Fencing token: raised when a process of a lower attempt may still run but must be ignored.
    #[x_kube(validation = Rule::new("self >= oldSelf").message("attempt only grows"))]
    #[schemars(range(min = 0, max = 100_000))]
    pub attempt: i64,
    /// Highest rung that the trial may train to. Only raised: this is the promotion.
    #[x_kube(validation = Rule::new("self >= oldSelf").message("a promotion cannot be taken back"))]
    #[schemars(range(min = 0, max = 15))]
    pub target_rung: i64,
    /// When each rung was granted: what the decision had seen, and why. The first is the rung at which the trial is compared first.
    #[x_kube(validation = Rule::new("oldSelf.all(o, self.exists(n, n == o))").message("grants are append-only"))]
    #[schemars(length(max = 16))]
    pub grants: Vec<Grant>,
    /// The trial was stopped at its rung on this view; empty: it was not.
    #[x_kube(validation = Rule::new("oldSelf.all(o, self.exists(n, n == o))").message("a stop cannot be taken back"))]
    #[schemars(length(max = 1))]
    pub stopped: Vec<ViewStatus>,
    /// The trial was retired (never promoted again, its checkpoints may go) on this view; empty: it was not.
    #[x_kube(validation = Rule::new("oldSelf.all(o, self.exists(n, n == o))").message("a retirement cannot be taken back"))]
    #[schemars(length(max = 1))]
    pub retired: Vec<ViewStatus>,
}

/// An object whose values the schema leaves open: the only form of one that CEL rules can still compare as a whole.
fn open_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "description": "The configuration: the value of each parameter by name.",
        "maxProperties": 256,
        "x-kubernetes-preserve-unknown-fields": true,
        // The server then keeps one manager of it instead of one for each parameter.
        "x-kubernetes-map-type": "atomic",
    })
}

/// The decision to train a trial to a rung.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The rung.
    #[schemars(range(min = 0, max = 15))]
    pub rung: i64,
    /// What had been seen.
    pub view: ViewStatus,
    /// Why, in words.
    #[schemars(length(max = 256))]
    pub reason: String,
}

/// What a decision had seen: enough to tell whether a replay looks at the same records.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ViewStatus {
    /// The highest decisionSeq seen; 0: none.
    pub decision_seq: i64,
    /// Number of recorded outcomes seen.
    pub count: i64,
    /// Digest of them that does not depend on their order: 16 hexadecimal digits.
    #[schemars(length(min = 16, max = 16))]
    pub digest: String,
    /// Steps that each slot could still train before a budget was spent; present where that was less than a full training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub steps_left: Option<i64>,
    /// spec.maxTrials as it was then (of a grid at most its points): it may be changed while a search runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_trials: Option<i64>,
}

/// What came out of a trial.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct NasTrialStatus {
    /// What the trainer says.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "if_readable")]
    #[x_kube(validation = Rule::new("self.attempt > oldSelf.attempt || (self.attempt == oldSelf.attempt && self.seq >= oldSelf.seq)")
        .message("reports must not go back in (attempt, seq)"))]
    pub reported: Option<ReportedStatus>,
    /// What was recorded, in the order in which it counts. Append-only: these are the facts that decisions rest on.
    #[serde(default)]
    #[x_kube(
        merge_strategy = ListMerge::Map(vec!["rung".into()]),
        validation = Rule::new("oldSelf.all(o, self.exists(n, n == o))").message("recorded rungs are append-only"),
    )]
    #[schemars(length(max = 16))]
    pub rungs: Vec<RecordedRung>,
    /// Attempts that trained it, and what became of them; the newest 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub segments: Vec<RunSegment>,
    /// The trial's conditions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
}

// The server compares what is appended as a whole, and an older operator writes what it knows of it: a later version's new fact goes into a
// list of its own, or after a rollback no status of such a trial could be written.
/// The recorded end of one rung.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.value) == (self.outcome == 'Value')").message("exactly the outcome Value has a value"))]
pub struct RecordedRung {
    /// The rung.
    #[schemars(range(min = 0, max = 15))]
    pub rung: i64,
    /// What came out.
    pub outcome: OutcomeName,
    /// The objective's metric, present where the outcome is Value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// The values of `objective.additional`, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3))]
    pub additional: Vec<f64>,
    /// Position in the order in which the experiment's results count.
    #[schemars(range(min = 1))]
    pub decision_seq: i64,
}

/// What came out of a rung.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutcomeName {
    /// A finite metric.
    Value,
    /// The loss or metric was not finite: worst at this rung.
    Diverged,
    /// The trainer says that the configuration makes no sense: out of the search, and replaced.
    Infeasible,
    /// Out of memory: worst at this rung.
    OutOfMemory,
    /// A bug, or all attempts used up: worst at this rung.
    Failed,
    /// The trainer refused its configuration or data.
    Misconfigured,
    /// Ended with the experiment or by a person.
    Cancelled,
}
