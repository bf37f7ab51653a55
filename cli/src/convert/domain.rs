//! What a parameter can be, as an experiment says it, from what other tools say.

use serde::Serialize;
use serde_json::{Number, Value};

use super::{notes::Notes, source::short};

/// The most values that a parameter may choose from.
const MAX_VALUES: usize = 64;

/// One parameter of the experiment.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Parameter {
    pub(super) name: String,
    #[serde(flatten)]
    pub(super) domain: Domain,
}

/// What it can be.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Domain {
    Constant(Value),
    Int(Range),
    Double(Range),
    Categorical { values: Vec<Value> },
}

/// Numbers between two ends.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Range {
    pub(super) min: Number,
    pub(super) max: Number,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) scale: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) count: Option<i64>,
}

/// A range as other tools write it, both ends included.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ends {
    pub(super) min: f64,
    pub(super) max: f64,
    /// Whole numbers only.
    pub(super) whole: bool,
    /// Evenly in the logarithm.
    pub(super) log: bool,
    /// Distance between two values that it can be.
    pub(super) step: Option<f64>,
    /// The search tries all of a grid.
    pub(super) grid: bool,
}

impl Ends {
    /// What it is here. A step becomes the number of points of a grid where there is one, else single values.
    pub(super) fn domain(self, path: &str, notes: &mut Notes) -> Domain {
        let Self { min, max, whole, log, grid, .. } = self;
        if min >= max {
            return Domain::Constant(self.value(min).into());
        }
        let step = self.step.filter(|step| *step > 0.0 && !(whole && (*step - 1.0).abs() < f64::EPSILON));
        let range = |count| {
            let range = Range { min: self.value(min), max: self.value(max), scale: log.then_some("Log"), count };
            if whole { Domain::Int(range) } else { Domain::Double(range) }
        };
        let Some(step) = step else {
            if grid && !whole {
                notes.changed(path, "a grid needs a number of values here: set `count`");
            }
            return range(None);
        };
        let steps = ((max - min) / step + 1e-9).floor();
        let is_even = (min + steps * step - max).abs() <= 1e-9 * max.abs().max(1.0);
        if steps < 1.0 {
            return Domain::Constant(self.value(min).into());
        }
        #[expect(clippy::cast_possible_truncation, reason = "a number of values, which is limited below")]
        let count = steps.min(1e9) as i64 + 1;
        if grid && is_even && !log {
            return range(Some(count));
        }
        if usize::try_from(count).is_ok_and(|count| count <= MAX_VALUES) {
            let values = (0..count).map(|at| self.value(rounded(min + exact(at) * step)).into()).collect();
            notes.changed(
                path,
                format!("a step of {step}: stands as {count} single values, between which a sampler sees no order"),
            );
            return Domain::Categorical { values };
        }
        notes.changed(
            path,
            format!("a step of {step} makes {count} values, and {MAX_VALUES} is the most: the whole range is drawn from"),
        );
        range(None)
    }

    fn value(self, number: f64) -> Number {
        if self.whole { whole(number) } else { as_number(number) }
    }
}

/// One of several values: those that can be a parameter's. `None` where none of them can.
pub(super) fn choice(path: &str, values: Vec<Value>, notes: &mut Notes) -> Option<Domain> {
    let mut kept: Vec<Value> = Vec::new();
    for value in values {
        if value.is_null() || value.is_array() || value.is_object() {
            let advice = "a value is a number, text, true or false: give it a name, and let the trainer look it up";
            notes.lost(path, format!("{}: {advice}", short(&value)));
        } else if kept.contains(&value) {
            notes.changed(
                path,
                format!("{} stands there more than once: here each value is as likely as any other", short(&value)),
            );
        } else if kept.len() == MAX_VALUES {
            notes.lost(path, format!("{}: {MAX_VALUES} values are the most", short(&value)));
        } else {
            kept.push(value);
        }
    }
    match kept.len() {
        0 => None,
        1 => kept.pop().map(Domain::Constant),
        _ => Some(Domain::Categorical { values: kept }),
    }
}

/// The name that a parameter can have: letters, digits and _, nested by dots.
pub(super) fn name(path: &str, given: &str, notes: &mut Notes) -> String {
    let mut name: String = given.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '_' }).take(63).collect();
    if name.starts_with(|c: char| !c.is_ascii_alphabetic()) {
        name = format!("p{name}").chars().take(63).collect();
    }
    if name != given {
        notes.changed(
            path,
            format!("the trainer finds it as {name}: names are letters, digits and _, nested by dots, and begin with a letter"),
        );
    }
    name
}

/// A float as it is written: without a fraction where it has none.
pub(super) fn as_number(number: f64) -> Number {
    if number.fract() == 0.0 && number.abs() < 9.0e15 {
        whole(number)
    } else {
        Number::from_f64(number).unwrap_or_else(|| 0.into())
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a float beyond the range becomes its end")]
fn whole(number: f64) -> Number {
    Number::from(number.round() as i64)
}

/// Without what adding up steps has added in the last digits.
pub(super) fn rounded(number: f64) -> f64 {
    format!("{number:.12e}").parse().unwrap_or(number)
}

#[expect(clippy::cast_precision_loss, reason = "counts of values are small")]
pub(super) const fn exact(count: i64) -> f64 {
    count as f64
}
