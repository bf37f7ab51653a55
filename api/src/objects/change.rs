//! Which fields of an experiment may change while its search goes on.

use serde_json::Value;

use super::NasExperimentSpec;

/// The fields of `spec` that may change. Every other decides what is searched or how it is trained; the server's rule compares it.
pub const MUTABLE: [&str; 7] = ["parallelTrials", "budget", "target", "suspend", "maxFailedTrials", "retention", "maxTrials"];

/// What is said to whoever changes another: `only a, b and c may change`.
pub fn only_these_may_change() -> String {
    let [first @ .., last] = MUTABLE;
    format!("only {} and {last} may change", first.join(", "))
}

/// The server's words.
pub(super) fn refused() -> String {
    format!("{}: create a new experiment for anything else", only_these_may_change())
}

impl NasExperimentSpec {
    /// Whether a search that began as `earlier` may go on as this: whether they differ in nothing but [`MUTABLE`].
    pub fn may_follow(&self, earlier: &Self) -> bool {
        let fixed = |spec: &Self| match serde_json::to_value(spec) {
            Ok(Value::Object(mut fields)) => {
                fields.retain(|name, _| !MUTABLE.contains(&name.as_str()));
                Some(fields)
            }
            _ => None,
        };
        fixed(self).is_some_and(|own| Some(own) == fixed(earlier))
    }
}
