//! Learning curves of one's own: one trial a line, as JSON.

use std::collections::HashMap;

use nas_search::{Assignment, Scalar};
use serde_json::{Map, Value};
use thiserror::Error;

/// Learning curves from JSON lines, one trial each:
///
/// ```json
/// {"assignment": {"learning_rate": 0.1}, "seconds_per_step": 2.5, "curve": [{"step": 10, "value": 0.41}, {"step": 90, "value": 0.72}]}
/// ```
///
/// `value` is what an experiment's objective would show; between two points it is taken to change evenly. All curves end at one step, which
/// is full training: what was stopped early tells nothing about its end.
#[derive(Clone, Debug, PartialEq)]
pub struct Lines {
    rows: Vec<Row>,
    full: u64,
}

/// One trial.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    /// From 1, where it is in the file.
    line: usize,
    assignment: Assignment,
    seconds_per_step: f64,
    /// Steps, ascending, with values; at least one.
    curve: Vec<(u64, f64)>,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LinesError {
    /// It is no JSON.
    #[error("line {line}: {reason}")]
    Json {
        /// From 1.
        line: usize,
        /// What the parser says.
        reason: String,
    },
    /// A field.
    #[error("line {line}: {field} {problem}")]
    Field {
        /// From 1.
        line: usize,
        /// Where: `curve[2].step`.
        field: String,
        /// What is wrong, and what it should be.
        problem: String,
    },
    /// There is no line.
    #[error("there is no trial: write one for each line")]
    Empty,
}

const FIELDS: [&str; 3] = ["assignment", "seconds_per_step", "curve"];

impl Lines {
    /// Reads a file's text; empty lines are passed over.
    ///
    /// # Errors
    ///
    /// The first line and field that is wrong.
    pub fn read(text: &str) -> Result<Self, LinesError> {
        let lines = text.lines().enumerate().filter(|(_, text)| !text.trim().is_empty());
        let rows = lines.map(|(at, text)| row(at + 1, text)).collect::<Result<Vec<_>, _>>()?;
        let full = rows.iter().map(Row::last).max().ok_or(LinesError::Empty)?;
        let mut earlier = HashMap::new();
        for row in &rows {
            let refuse = |field: &str, problem| Err(LinesError::Field { line: row.line, field: field.to_owned(), problem });
            if row.last() < full {
                let last = row.last();
                return refuse(
                    "curve",
                    format!(
                        "ends at step {last}, but the longest of the file at {full}: leave out trials that were stopped early"
                    ),
                );
            }
            if let Some(line) = earlier.insert(format!("{:?}", row.assignment), row.line) {
                return refuse("assignment", format!("is that of line {line}: one configuration has one curve"));
            }
        }
        Ok(Self { rows, full })
    }

    /// Number of trials.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no trial; there always is one.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Steps of full training.
    pub fn full_length(&self) -> u64 {
        self.full
    }

    /// The line of a trial (from 1) and its configuration; `None`: there are not so many.
    pub fn assignment(&self, row: usize) -> Option<(usize, &Assignment)> {
        self.rows.get(row).map(|row| (row.line, &row.assignment))
    }

    /// Seconds that a trial takes for each step.
    pub fn seconds_per_step(&self, row: usize) -> Option<f64> {
        self.rows.get(row).map(|row| row.seconds_per_step)
    }

    /// The first step at which something is known of a trial.
    pub fn first_step(&self, row: usize) -> Option<u64> {
        self.rows.get(row).map(|row| row.curve[0].0)
    }

    /// The value of a trial after so many steps, of which there may be a part: on the straight line between the points beside it.
    /// `None`: before its first point or after its last.
    pub fn value(&self, row: usize, step: f64) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "steps are far below 2^53")]
        let real = |step: u64| step as f64;
        let curve = &self.rows.get(row)?.curve;
        let at = curve.partition_point(|(known, _)| real(*known) < step);
        let (to, above) = *curve.get(at)?;
        let Some((from, below)) = at.checked_sub(1).and_then(|before| curve.get(before)).copied() else {
            return (real(to) <= step).then_some(above);
        };
        // At a point exactly its value, without rounding.
        if real(to) <= step { Some(above) } else { Some(below + (above - below) * (step - real(from)) / (real(to) - real(from))) }
    }
}

impl Row {
    fn last(&self) -> u64 {
        self.curve.last().map_or(0, |(step, _)| *step)
    }
}

fn row(line: usize, text: &str) -> Result<Row, LinesError> {
    let refuse = |field: &str, problem: &str| LinesError::Field { line, field: field.to_owned(), problem: problem.to_owned() };
    let value: Value = serde_json::from_str(text).map_err(|error| LinesError::Json { line, reason: error.to_string() })?;
    let Value::Object(fields) = value else {
        return Err(LinesError::Json { line, reason: format!("is no object with {}", FIELDS.join(", ")) });
    };
    if let Some(unknown) = fields.keys().find(|field| !FIELDS.contains(&field.as_str())) {
        return Err(refuse(unknown, &format!("is not known: there are {}", FIELDS.join(", "))));
    }
    let assignment: Assignment = field(&fields, "assignment")
        .as_object()
        .ok_or_else(|| refuse("assignment", "must be an object of parameters and their values"))?
        .iter()
        .map(|(name, value)| match serde_json::from_value::<Scalar>(value.clone()) {
            Ok(value) => Ok((name.as_str().into(), value)),
            Err(_) => Err(refuse(&format!("assignment.{name}"), "must be a number, text, true or false")),
        })
        .collect::<Result<_, _>>()?;
    let seconds_per_step = field(&fields, "seconds_per_step").as_f64().filter(|seconds| *seconds >= 0.0);
    let seconds_per_step = seconds_per_step.ok_or_else(|| refuse("seconds_per_step", "must be a number, 0 or more"))?;
    let points = field(&fields, "curve").as_array().filter(|points| !points.is_empty());
    let points = points.ok_or_else(|| refuse("curve", "must be a list of {\"step\": ..., \"value\": ...}, at least one"))?;
    let mut curve = Vec::with_capacity(points.len());
    let mut earlier = 0;
    for (at, point) in points.iter().enumerate() {
        let of = |name: &str| point.get(name).unwrap_or(&Value::Null);
        let step = of("step").as_u64().filter(|step| *step > earlier);
        let step =
            step.ok_or_else(|| refuse(&format!("curve[{at}].step"), &format!("must be a whole number above {earlier}")))?;
        let value = of("value").as_f64();
        let value = value.ok_or_else(|| refuse(&format!("curve[{at}].value"), "must be a number"))?;
        curve.push((step, value));
        earlier = step;
    }
    Ok(Row { line, assignment, seconds_per_step, curve })
}

fn field<'a>(fields: &'a Map<String, Value>, name: &str) -> &'a Value {
    fields.get(name).unwrap_or(&Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        r#"{"assignment": {"x": 1}, "seconds_per_step": 2, "curve": [{"step": 10, "value": 0.5}, {"step": 30, "value": 0.9}]}"#;

    #[test]
    fn values_are_on_the_line_between_points() {
        let lines = Lines::read(&format!("\n{GOOD}\n\n")).unwrap();
        assert_eq!((lines.len(), lines.full_length(), lines.first_step(0)), (1, 30, Some(10)));
        assert_eq!(lines.assignment(0).map(|(line, assignment)| (line, assignment["x"].clone())), Some((2, Scalar::Int(1))));
        let found = [9.0, 10.0, 15.0, 30.0, 30.5].map(|step| lines.value(0, step));
        assert_eq!(found[..2], [None, Some(0.5)]);
        assert!(found[2].is_some_and(|value| (value - 0.6).abs() < 1e-12));
        assert_eq!(found[3..], [Some(0.9), None]);
    }

    #[test]
    fn what_is_wrong_is_told_with_line_and_field() {
        let changed = |from: &str, to: &str| Lines::read(&format!("{GOOD}\n{}", GOOD.replace(from, to))).unwrap_err().to_string();
        for (from, to, expected) in [
            ("{\"x\": 1}", "{\"x\": null}", "line 2: assignment.x must be a number, text, true or false"),
            ("\"seconds_per_step\": 2, ", "", "line 2: seconds_per_step must be a number, 0 or more"),
            ("\"curve\"", "\"curves\"", "line 2: curves is not known: there are assignment, seconds_per_step, curve"),
            ("\"step\": 30", "\"step\": 10", "line 2: curve[1].step must be a whole number above 10"),
            ("0.9", "\"high\"", "line 2: curve[1].value must be a number"),
            ("x", "x", "line 2: assignment is that of line 1: one configuration has one curve"),
            (
                "\"step\": 30",
                "\"step\": 20",
                "line 2: curve ends at step 20, but the longest of the file at 30: leave out trials that were stopped early",
            ),
        ] {
            assert_eq!(changed(from, to), expected);
        }
        assert!(changed("}", "").starts_with("line 2: "));
        assert_eq!(Lines::read("\n"), Err(LinesError::Empty));
    }
}
