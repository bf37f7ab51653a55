//! How trials report, and `status.reported` of a `NasTrial`: what its trainer says. With `CRStatus` the trainer writes that itself, so nothing
//! rests on it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::{OutcomeName, trial_record::whole};
use crate::contract::{CurvePoint, Report, Reported, RungResult};

/// How a trial reports.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReportingSpec {
    /// At its end, by the termination message of its container. Its pod has no token.
    #[default]
    TerminationMessage,
    /// Besides, it writes `status.reported` of its own NasTrial while it trains, with a token that can do nothing else.
    CRStatus,
}

/// A trainer may have written it, to a cluster whose definition is older than this program: what it says there must not hide its trial.
pub(super) fn if_readable<'de, D: Deserializer<'de>>(from: D) -> Result<Option<ReportedStatus>, D::Error> {
    Ok(serde_json::from_value(Value::deserialize(from)?).ok())
}

/// A trainer's report.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
pub struct ReportedStatus {
    /// The attempt that wrote it.
    #[schemars(range(min = 0, max = 100_000))]
    pub attempt: i64,
    /// Grows with what the trial has to report.
    #[schemars(range(min = 0, max = 9_007_199_254_740_992_i64))]
    pub seq: i64,
    /// Steps trained.
    #[schemars(range(min = 0, max = 9_007_199_254_740_992_i64))]
    pub step: i64,
    /// One entry for each rung reached, from rung 0.
    #[schemars(length(max = 16))]
    pub results: Vec<ReportedResult>,
    /// The learning curve, thinned: the objective's metric by step, ascending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub curve: Vec<ReportedPoint>,
}

/// One point of a learning curve.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq)]
pub struct ReportedPoint {
    /// Steps trained; a fraction where an evaluation falls inside a step.
    #[schemars(range(min = 0))]
    pub step: f64,
    /// The objective's metric there.
    pub value: f64,
}

/// A trainer's result at one rung.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
pub struct ReportedResult {
    /// The rung.
    #[schemars(range(min = 0, max = 15))]
    pub rung: i64,
    /// Value, Diverged or Infeasible.
    pub outcome: OutcomeName,
    /// The objective's metric, present where the outcome is Value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// Further metrics.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    pub metrics: BTreeMap<String, f64>,
}

impl ReportedStatus {
    /// `metrics` of a result holds this many.
    const METRICS: usize = 32;
    /// `curve` holds this many.
    const POINTS: usize = 32;
    /// `seq` and `step` are at most this: whole numbers beyond it are not exact everywhere, and the API server stores some as ones that
    /// no program here can read.
    const LARGEST: u64 = 1 << 53;

    /// Whether this may stand in place of `earlier`: reports never go back.
    pub fn follows(&self, earlier: Option<&Self>) -> bool {
        earlier.is_none_or(|earlier| (self.attempt, self.seq) >= (earlier.attempt, earlier.seq))
    }
}

impl From<Report> for ReportedStatus {
    fn from(report: Report) -> Self {
        let result = |result: RungResult| ReportedResult {
            rung: i64::try_from(result.rung).unwrap_or(i64::MAX),
            outcome: match result.outcome {
                Reported::Value => OutcomeName::Value,
                Reported::Diverged => OutcomeName::Diverged,
                Reported::Infeasible => OutcomeName::Infeasible,
            },
            value: result.value,
            // The schema takes no more; what a trainer of somebody else adds must not hold up its result.
            metrics: result.metrics.into_iter().filter(|(_, value)| value.is_finite()).take(Self::METRICS).collect(),
        };
        let is_finite = |point: &CurvePoint| point.step.is_finite() && point.step >= 0.0 && point.value.is_finite();
        let curve = report.curve.into_iter().filter(is_finite).map(|CurvePoint { step, value }| ReportedPoint { step, value });
        Self {
            attempt: i64::from(report.attempt),
            seq: whole(report.seq.min(Self::LARGEST)),
            step: whole(report.step.min(Self::LARGEST)),
            results: report.results.into_iter().map(result).collect(),
            curve: curve.take(Self::POINTS).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::objects::NasTrialStatus;

    #[test]
    fn what_no_program_can_read_hides_nothing_else_of_its_trial() {
        let good = json!({"attempt": 0, "seq": 1, "step": 2, "results": []});
        let status = |field: &str, value: Value| {
            let mut reported = good.clone();
            reported[field] = value;
            let rung = json!({"rung": 0, "outcome": "Value", "value": 0.5, "decisionSeq": 1});
            serde_json::from_value::<NasTrialStatus>(json!({"reported": reported, "rungs": [rung]})).unwrap()
        };
        assert_eq!(status("seq", json!(7)).reported.map(|reported| reported.seq), Some(7));
        for (field, value) in [
            ("seq", json!(1e19)),
            ("step", json!(18_446_744_073_709_551_615_u64)),
            ("results", json!([{"rung": 0, "outcome": "Won"}])),
            ("curve", json!(null)),
        ] {
            let status = status(field, value);
            assert_eq!((status.reported, status.rungs.len()), (None, 1), "{field}");
        }
    }

    #[test]
    fn what_a_trainer_counts_is_within_what_the_schema_takes() {
        let report = Report { attempt: 1, seq: u64::MAX, step: u64::MAX, results: Vec::new(), curve: Vec::new() };
        let reported = ReportedStatus::from(report);
        assert_eq!((reported.seq, reported.step), (1 << 53, 1 << 53));
    }
}
