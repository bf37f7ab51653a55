//! The report: one JSON document of at most 4,096 bytes, the termination message of a segment that ended with exit 0.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

/// Kubernetes cuts a termination message at this length.
pub const MAX_MESSAGE_BYTES: usize = 4096;

/// What a trainer says about its trial: cumulative, so that the last report alone is enough.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// `NAS_ATTEMPT` of the process that wrote it.
    pub attempt: u32,
    /// Grows with each report of a trial, over all of its attempts.
    pub seq: u64,
    /// Steps trained, in `NAS_STEP_UNIT`.
    pub step: u64,
    /// One entry for each rung reached, ascending, from rung 0.
    #[schemars(length(min = 1))]
    pub results: Vec<RungResult>,
    /// A thinned learning curve (at most 32 points), ascending by step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub curve: Vec<CurvePoint>,
}

/// The end of one rung as the trainer saw it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend(
    "if" = { "properties": { "outcome": { "const": "Value" } } },
    "then" = { "properties": { "value": { "type": "number" } }, "required": ["value"] },
    "else" = { "properties": { "value": { "type": "null" } } },
))]
pub struct RungResult {
    /// The rung, counted from 0.
    pub rung: usize,
    /// What came out.
    pub outcome: Reported,
    /// The objective's metric at the rung's step, in full precision; present exactly when `outcome` is `Value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// Further metrics at that step (loss, best so far, ...), to 6 significant digits.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<String, f64>,
    /// For people: why a trial is infeasible or where it diverged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// The outcomes that a trainer may report; all others are concluded from how the process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Reported {
    /// A finite metric.
    Value,
    /// The loss or metric became NaN or infinite.
    Diverged,
    /// The configuration makes no sense to the trainer: the trial is taken out of the search and replaced.
    Infeasible,
}

/// One point of a learning curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CurvePoint {
    /// Steps trained, in `NAS_STEP_UNIT`; a fraction where an evaluation falls inside a step.
    pub step: f64,
    /// The objective's metric.
    pub value: f64,
}

/// Why a termination message does not count as the report of a segment.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum NotAReport {
    /// Nothing was written.
    #[error("the trainer wrote no report")]
    Empty,
    /// Cut, or not JSON, or not of this shape.
    #[error("the termination message is not a report ({reason}): {start:?}")]
    Malformed {
        /// What the parser says.
        reason: String,
        /// The first words of the message.
        start: String,
    },
    /// Written by another attempt than the one that ended.
    #[error("the report is of attempt {found}, not of {expected}")]
    OtherAttempt {
        /// The attempt that it names.
        found: u32,
        /// The attempt that ended.
        expected: u32,
    },
    /// Its results are not one for each rung from 0 to the target (or to a final outcome below it).
    #[error("the report has no usable result for rung {rung}: {reason}")]
    Incomplete {
        /// The first rung at fault.
        rung: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl Report {
    /// The report as a termination message of at most [`MAX_MESSAGE_BYTES`].
    ///
    /// Metrics are rounded to 6 significant digits. If it is too long, every second curve point goes until none is left, then
    /// the messages and metrics of the lowest rungs; a result never goes.
    pub fn to_message(&self) -> String {
        let mut report = self.clone();
        for result in &mut report.results {
            result.metrics.retain(|_, value| value.is_finite());
            result.metrics.values_mut().for_each(|value| *value = round_to_6_digits(*value));
        }
        let mut bare = 0;
        loop {
            let message = serde_json::to_string(&report).unwrap_or_default();
            if message.len() <= MAX_MESSAGE_BYTES {
                return message;
            }
            if !report.curve.is_empty() {
                let keep = report.curve.len() / 2;
                // The newest points matter most to a reader, so thinning starts at the oldest.
                let mut index = 0;
                report.curve.retain(|_| {
                    index += 1;
                    index % 2 == 0
                });
                report.curve.truncate(keep);
            } else if bare < report.results.len() {
                report.results[bare].metrics.clear();
                report.results[bare].message = None;
                bare += 1;
            } else {
                // 16 bare results take less than 2 kB: a longer one breaks the contract and is refused by the reader.
                return message;
            }
        }
    }

    /// Reads the termination message of attempt `attempt`, which ran to rung `target_rung` and left with exit code 0.
    ///
    /// Results above the target are dropped: they were not asked for.
    pub fn from_message(message: &str, attempt: u32, target_rung: usize) -> Result<Self, NotAReport> {
        let message = message.trim();
        if message.is_empty() {
            return Err(NotAReport::Empty);
        }
        let malformed = |reason| NotAReport::Malformed { reason, start: message.chars().take(160).collect() };
        let document: Value = serde_json::from_str(message).map_err(|error| malformed(error.to_string()))?;
        let mut report = Self::deserialize(&document).map_err(|error| malformed(error.to_string()))?;
        if !has_the_schemas_shape(&document) {
            return Err(malformed("the report and its results and points must be objects, an outcome a text".to_owned()));
        }
        if report.attempt != attempt {
            return Err(NotAReport::OtherAttempt { found: report.attempt, expected: attempt });
        }
        report.results.retain(|result| result.rung <= target_rung);
        let incomplete = |rung, reason| Err(NotAReport::Incomplete { rung, reason });
        for (rung, result) in report.results.iter().enumerate() {
            if result.rung != rung {
                return incomplete(rung, "it is missing or out of order");
            }
            match (result.outcome, result.value) {
                (Reported::Value, Some(value)) if value.is_finite() => {}
                (Reported::Value, _) => return incomplete(rung, "its value is missing or not finite"),
                (_, Some(_)) => return incomplete(rung, "only the outcome Value has a value"),
                (_, None) if rung + 1 < report.results.len() => return incomplete(rung, "it is final, yet others follow"),
                (_, None) => return Ok(report),
            }
        }
        if report.results.len() <= target_rung {
            return incomplete(report.results.len(), "it is missing");
        }
        Ok(report)
    }
}

/// Serde also reads a list as a struct, and an object as an enum; the schema does not, and other readers of the report will not either.
fn has_the_schemas_shape(document: &Value) -> bool {
    let all = |field: &str, is: fn(&Value) -> bool| document[field].as_array().is_none_or(|entries| entries.iter().all(is));
    document.is_object() && all("results", |result| result["outcome"].is_string()) && all("curve", Value::is_object)
}

fn round_to_6_digits(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(rungs: usize) -> Report {
        Report {
            attempt: 2,
            seq: 7,
            step: 180,
            results: (0..rungs)
                .map(|rung| RungResult {
                    rung,
                    outcome: Reported::Value,
                    value: Some(0.1 + 0.2),
                    metrics: [("loss".to_owned(), 1.0 / 3.0)].into(),
                    message: None,
                })
                .collect(),
            curve: (0..32).map(|i| CurvePoint { step: f64::from(i), value: 1.0 / 3.0 }).collect(),
        }
    }

    #[test]
    fn a_message_reads_back_with_the_value_in_full_and_metrics_to_six_digits() {
        let read = Report::from_message(&report(3).to_message(), 2, 2).unwrap();
        assert_eq!(read.results[2].value, Some(0.1 + 0.2));
        assert_eq!(read.results[2].metrics["loss"], 0.333_333);
        assert_eq!(read.curve.len(), 32);
    }

    #[test]
    fn what_is_too_long_loses_its_curve_then_metrics_of_low_rungs_and_never_a_result() {
        let mut long = report(16);
        for result in &mut long.results {
            result.metrics = (0..20).map(|i| (format!("metric_number_{i}"), 1.0 / 3.0)).collect();
        }
        let message = long.to_message();
        assert!(message.len() <= MAX_MESSAGE_BYTES);
        let read = Report::from_message(&message, 2, 15).unwrap();
        assert_eq!(read.results.len(), 16);
        assert!(read.curve.is_empty());
        assert!(read.results[0].metrics.is_empty());
        assert_eq!(read.results[15].metrics.len(), 20);
    }

    #[test]
    fn results_above_the_target_do_not_count() {
        let read = Report::from_message(&report(3).to_message(), 2, 1).unwrap();
        assert_eq!(read.results.len(), 2);
    }

    #[test]
    fn what_is_no_report_is_refused_with_its_reason() {
        let message = report(3).to_message();
        let refused = |message: &str, attempt, target| Report::from_message(message, attempt, target).unwrap_err();
        assert_eq!(refused(" \n", 2, 0), NotAReport::Empty);
        assert!(matches!(refused(&message[..100], 2, 0), NotAReport::Malformed { .. }));
        assert!(matches!(refused("CUDA error: out of memory", 2, 0), NotAReport::Malformed { .. }));
        assert_eq!(refused(&message, 1, 2), NotAReport::OtherAttempt { found: 2, expected: 1 });
        assert!(matches!(refused(&message, 2, 3), NotAReport::Incomplete { rung: 3, .. }));
        let mut gap = report(3);
        gap.results.remove(1);
        assert!(matches!(refused(&gap.to_message(), 2, 2), NotAReport::Incomplete { rung: 1, .. }));
        let mut valueless = report(1);
        valueless.results[0].value = None;
        assert!(matches!(refused(&valueless.to_message(), 2, 0), NotAReport::Incomplete { rung: 0, .. }));
    }

    #[test]
    fn a_final_outcome_below_the_target_is_complete() {
        let mut diverged = report(2);
        diverged.results[1] = RungResult {
            rung: 1,
            outcome: Reported::Diverged,
            value: None,
            metrics: BTreeMap::new(),
            message: Some("loss is NaN at step 31".to_owned()),
        };
        assert_eq!(Report::from_message(&diverged.to_message(), 2, 4).unwrap(), diverged_without_noise(&diverged));
    }

    fn diverged_without_noise(report: &Report) -> Report {
        serde_json::from_str(&report.to_message()).unwrap()
    }
}
