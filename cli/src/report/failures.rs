//! What went wrong, by cause.

use std::{cmp::Reverse, collections::BTreeMap};

use nas_api::objects::{NasTrial, RunSegment, SegmentOutcome};
use serde::Serialize;

/// Causes that are listed.
const LISTED: usize = 100;
/// Trials that are named for each.
const NAMED: usize = 12;

/// Processes that ended alike.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Cause {
    /// How: the outcome of a trial, or `Crashed` or `Stopped` for an attempt after which another followed.
    pub(super) outcome: &'static str,
    /// Why, in the trainer's first words.
    pub(super) message: String,
    pub(super) count: usize,
    /// The first of them.
    pub(super) trials: Vec<u64>,
    pub(super) hours: f64,
}

/// All ends that brought no value, those first that happened most often.
pub(super) fn failures(trials: &[NasTrial]) -> Vec<Cause> {
    let mut causes: BTreeMap<(&str, &str), Cause> = BTreeMap::new();
    for trial in trials {
        for segment in trial.segments().iter().filter(|segment| segment.outcome != SegmentOutcome::Value) {
            let RunSegment { outcome, message, accelerator_seconds, .. } = segment;
            let cause = causes.entry((outcome.name(), message)).or_insert_with(|| Cause {
                outcome: outcome.name(),
                message: message.clone(),
                count: 0,
                trials: Vec::new(),
                hours: 0.0,
            });
            cause.count += 1;
            cause.hours += accelerator_seconds / 3600.0;
            if cause.trials.len() < NAMED && !cause.trials.contains(&trial.number()) {
                cause.trials.push(trial.number());
            }
        }
    }
    let mut causes: Vec<Cause> = causes.into_values().collect();
    causes.sort_by_key(|cause| Reverse(cause.count));
    causes.truncate(LISTED);
    causes
}
