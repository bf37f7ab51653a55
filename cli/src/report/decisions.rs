//! The log of a search: what came out and what was decided, in order.

use std::collections::HashMap;

use nas_api::objects::{EndStatus, NasTrial, ViewStatus};
use serde::Serialize;

/// What happened in one line of the log: positions in [`Decisions::kinds`].
const KINDS: [&str; 6] = ["result", "promoted", "stopped", "retired", "created", "end"];

/// A log as rows, whose words are kept once.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Decisions {
    pub(super) kinds: [&'static str; 6],
    pub(super) words: Vec<String>,
    pub(super) rows: Vec<Row>,
}

/// How many results had been seen, the kind, the trial, the rung, the value, and a position among the words.
#[derive(Serialize, Clone, Copy)]
pub(super) struct Row(
    pub(super) i64,
    pub(super) u8,
    pub(super) Option<u64>,
    pub(super) Option<i64>,
    pub(super) Option<f64>,
    pub(super) Option<usize>,
);

#[derive(Default)]
struct Words {
    list: Vec<String>,
    places: HashMap<String, usize>,
}

impl Words {
    fn place(&mut self, words: &str) -> Option<usize> {
        let next = self.list.len();
        let place = *self.places.entry(words.to_owned()).or_insert(next);
        if place == next {
            self.list.push(words.to_owned());
        }
        (!words.is_empty()).then_some(place)
    }
}

impl Decisions {
    pub(super) fn new(trials: &[NasTrial], end: Option<&EndStatus>) -> Self {
        let mut words = Words::default();
        let mut rows = Vec::new();
        let recorded =
            trials.iter().flat_map(|trial| trial.status.iter().flat_map(|status| &status.rungs).map(move |at| (trial, at)));
        let mut recorded: Vec<_> = recorded.collect();
        recorded.sort_by_key(|(trial, at)| (at.decision_seq, trial.spec.number, at.rung));
        for (place, (trial, at)) in (1..).zip(recorded) {
            let said = if at.value.is_some() { None } else { words.place(&format!("{:?}", at.outcome)) };
            rows.push(Row(place, 0, Some(trial.number()), Some(at.rung), at.value, said));
        }
        for trial in trials {
            let number = Some(trial.number());
            for (at, grant) in trial.spec.grants.iter().enumerate() {
                let kind = if at == 0 { 4 } else { 1 };
                rows.push(Row(grant.view.count, kind, number, Some(grant.rung), None, words.place(&grant.reason)));
            }
            let rung = trial.status.as_ref().and_then(|status| status.rungs.last()).map(|at| at.rung);
            let mut over = |views: &[ViewStatus], kind| {
                rows.extend(views.iter().map(|view| Row(view.count, kind, number, rung, None, None)));
            };
            over(&trial.spec.stopped, 2);
            over(&trial.spec.retired, 3);
        }
        if let Some(end) = end {
            rows.push(Row(end.view.count, 5, None, None, None, words.place(&end.message)));
        }
        // Within what had been seen, results come first: they are what it was.
        rows.sort_by_key(|Row(seen, kind, trial, ..)| (*seen, *kind, *trial));
        Self { kinds: KINDS, words: words.list, rows }
    }
}
