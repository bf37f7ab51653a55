//! `NasTrial`: one configuration, how far it was decided to train it, and what came out.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use nas_search::{Additional, Assignment, NewTrial, Outcome, Recorded, Trial, TrialHistory, View};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::{ReportedStatus, RunSegment, SegmentOutcome, reported::if_readable};
use crate::{RungEnd, one_line};

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
    /// Processes that trained it, and what became of them.
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

impl From<OutcomeName> for SegmentOutcome {
    fn from(outcome: OutcomeName) -> Self {
        match outcome {
            OutcomeName::Value => Self::Value,
            OutcomeName::Diverged => Self::Diverged,
            OutcomeName::Infeasible => Self::Infeasible,
            OutcomeName::OutOfMemory => Self::OutOfMemory,
            OutcomeName::Failed => Self::Failed,
            OutcomeName::Misconfigured => Self::Misconfigured,
            OutcomeName::Cancelled => Self::Cancelled,
        }
    }
}

impl NasTrialStatus {
    /// `segments` keeps this many.
    const SEGMENTS: usize = 64;

    /// Records outcomes, which count after everything up to the `decisionSeq` `after`.
    pub fn record(&mut self, ends: &[RungEnd], after: u64) {
        let seqs = after + 1..;
        self.rungs.extend(ends.iter().zip(seqs).map(|(end, seq)| RecordedRung::new(end, seq)));
    }

    /// Notes a process that ended; the oldest go where there are too many, and what they cost is the oldest's that stays.
    pub fn note(&mut self, mut segment: RunSegment) {
        segment.message = one_line(&segment.message, RunSegment::MESSAGE);
        self.segments.push(segment);
        let surplus = self.segments.len().saturating_sub(Self::SEGMENTS);
        let forgotten: f64 = self.segments.drain(..surplus).map(|segment| segment.accelerator_seconds).sum();
        // What was spent stays spent.
        if let Some(oldest) = self.segments.first_mut() {
            oldest.accelerator_seconds += forgotten;
        }
    }
}

/// As a whole number of an object; beyond its range, the largest.
pub(super) fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl From<View> for ViewStatus {
    fn from(view: View) -> Self {
        Self {
            decision_seq: whole(view.seq),
            count: whole(view.count),
            digest: format!("{:016x}", view.digest),
            steps_left: view.left.map(whole),
        }
    }
}

impl ViewStatus {
    /// The view as the search has it; a digest that is no hexadecimal number becomes one that matches nothing.
    pub fn to_view(&self) -> View {
        let count = |number: i64| u64::try_from(number).unwrap_or_default();
        let digest = u64::from_str_radix(&self.digest, 16).unwrap_or(u64::MAX);
        View { seq: count(self.decision_seq), count: count(self.count), digest, left: self.steps_left.map(count) }
    }
}

impl RecordedRung {
    /// The record of a rung's end.
    pub fn new(end: &RungEnd, seq: u64) -> Self {
        let (outcome, value) = match end.outcome {
            Outcome::Value(value) => (OutcomeName::Value, Some(value)),
            Outcome::Diverged => (OutcomeName::Diverged, None),
            Outcome::Infeasible => (OutcomeName::Infeasible, None),
            Outcome::OutOfMemory => (OutcomeName::OutOfMemory, None),
            Outcome::Failed => (OutcomeName::Failed, None),
            Outcome::Misconfigured => (OutcomeName::Misconfigured, None),
            Outcome::Cancelled => (OutcomeName::Cancelled, None),
        };
        let rung = i64::try_from(end.rung).unwrap_or(i64::MAX);
        Self { rung, outcome, value, additional: end.additional.clone(), decision_seq: whole(seq) }
    }

    fn to_recorded(&self) -> Recorded {
        let outcome = match (self.outcome, self.value) {
            (OutcomeName::Value, Some(value)) => Outcome::Value(value),
            // The schema refuses a Value without a value; read it as the worst rather than lose the trial.
            (OutcomeName::Value, None) | (OutcomeName::Diverged, _) => Outcome::Diverged,
            (OutcomeName::Infeasible, _) => Outcome::Infeasible,
            (OutcomeName::OutOfMemory, _) => Outcome::OutOfMemory,
            (OutcomeName::Failed, _) => Outcome::Failed,
            (OutcomeName::Misconfigured, _) => Outcome::Misconfigured,
            (OutcomeName::Cancelled, _) => Outcome::Cancelled,
        };
        let mut additional = Additional::default();
        additional.0.iter_mut().zip(&self.additional).for_each(|(value, known)| *value = *known);
        let recorded = Recorded::new(
            usize::try_from(self.rung).unwrap_or_default(),
            outcome,
            u64::try_from(self.decision_seq).unwrap_or_default(),
        );
        Recorded { additional, ..recorded }
    }
}

impl NasTrial {
    /// The object of a trial that was just decided on: granted its first rung, nothing trained.
    pub fn create(experiment: &str, new: &NewTrial, view: View) -> Self {
        let NewTrial { number, seed, bracket, rung, sample } = new;
        let reason = format!("new: {} draws rejected by constraints, {} repeats", sample.rejected, sample.repeats);
        let rung = i64::try_from(*rung).unwrap_or(i64::MAX);
        let spec = NasTrialSpec {
            experiment: experiment.to_owned(),
            number: whole(*number),
            confirms: None,
            assignment: sample.assignment.clone(),
            seed: whole(*seed),
            bracket: i64::try_from(*bracket).unwrap_or(i64::MAX),
            attempt: 0,
            target_rung: rung,
            grants: vec![Grant { rung, view: view.into(), reason }],
            stopped: Vec::new(),
            retired: Vec::new(),
        };
        Self::new(&format!("{experiment}-{number}"), spec)
    }

    /// Grants the trial a higher rung.
    pub fn promote(&mut self, rung: usize, view: View, reason: String) {
        let rung = i64::try_from(rung).unwrap_or(i64::MAX);
        self.spec.target_rung = rung;
        self.spec.grants.push(Grant { rung, view: view.into(), reason });
    }

    /// Stops the trial at its rung, for good.
    pub fn stop(&mut self, view: View) {
        self.spec.stopped = vec![view.into()];
    }

    /// Retires the trial.
    pub fn retire(&mut self, view: View) {
        self.spec.retired = vec![view.into()];
    }

    /// Whether the trial never goes on: its checkpoints may go.
    pub fn is_over(&self) -> bool {
        !self.spec.stopped.is_empty() || !self.spec.retired.is_empty()
    }

    /// Whether `other` is this trial as it stands, whatever its trainer has reported since.
    pub fn differs_in_report_alone(&self, other: &Self) -> bool {
        let without = |trial: &Self| {
            let mut trial = trial.clone();
            (trial.metadata.resource_version, trial.metadata.managed_fields) = (None, None);
            trial.status.get_or_insert_default().reported = None;
            trial
        };
        without(self) == without(other)
    }

    /// The configuration, as the search knows it.
    pub fn assignment(&self) -> &Assignment {
        &self.spec.assignment
    }

    /// The trial's number in the order of creation.
    pub fn number(&self) -> u64 {
        u64::try_from(self.spec.number).unwrap_or_default()
    }

    /// Ends of this target rung's processes that counted against the trial.
    pub fn counted_ends(&self) -> usize {
        let segments = self.status.iter().flat_map(|status| &status.segments);
        segments.filter(|segment| segment.rung == self.spec.target_rung && segment.outcome == SegmentOutcome::Crashed).count()
    }

    /// The trial with all that was decided about it, for a replay.
    pub fn to_history(&self) -> TrialHistory {
        let grant = |grant: &Grant| (usize::try_from(grant.rung).unwrap_or_default(), grant.view.to_view());
        TrialHistory {
            trial: self.to_record(),
            seed: u64::try_from(self.spec.seed).unwrap_or_default(),
            grants: self.spec.grants.iter().map(grant).collect(),
            stopped: self.spec.stopped.first().map(ViewStatus::to_view),
            retired: self.spec.retired.first().map(ViewStatus::to_view),
        }
    }

    fn recorded(&self) -> &[RecordedRung] {
        self.status.as_ref().map_or(&[], |status| &status.rungs)
    }

    /// The end that was recorded last.
    pub fn last(&self) -> Option<Recorded> {
        self.recorded().last().map(RecordedRung::to_recorded)
    }

    /// As [`Trial::running`] of its record, without making one.
    pub fn running(&self) -> Option<usize> {
        Trial::running_after(self.last(), self.recorded().len(), usize::try_from(self.spec.target_rung).unwrap_or_default())
    }

    /// The trial as the search sees it.
    pub fn to_record(&self) -> Trial {
        Trial {
            number: self.number(),
            assignment: self.spec.assignment.clone(),
            bracket: usize::try_from(self.spec.bracket).unwrap_or_default(),
            first_rung: self.spec.grants.first().map_or(0, |grant| usize::try_from(grant.rung).unwrap_or_default()),
            target_rung: usize::try_from(self.spec.target_rung).unwrap_or_default(),
            stopped: !self.spec.stopped.is_empty(),
            retired: !self.spec.retired.is_empty(),
            recorded: self.recorded().iter().map(RecordedRung::to_recorded).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_spent_stays_spent_however_many_segments_there_were() {
        let mut status = NasTrialStatus::default();
        for attempt in 0..200 {
            status.note(RunSegment {
                rung: 0,
                attempt,
                job_uid: String::new(),
                outcome: SegmentOutcome::Suspended,
                message: String::new(),
                accelerator_seconds: 1.5,
                ended_at: None,
                estimated: false,
            });
        }
        let spent: f64 = status.segments.iter().map(|segment| segment.accelerator_seconds).sum();
        assert_eq!((status.segments.len(), spent.to_bits()), (64, 300_f64.to_bits()));
    }
}
