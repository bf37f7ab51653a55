//! A trial as the search sees it: what was decided about it, and what came out.

use serde::{Deserialize, Serialize};

use crate::{Additional, Assignment, Metric};

/// Everything that is recorded about one trial. The set of these records *is* the state of a search.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// Position in the order of creation, from 0.
    pub number: u64,
    /// The configuration.
    pub assignment: Assignment,
    /// The bracket that it belongs to: it is compared with trials of this bracket only.
    pub bracket: usize,
    /// The rung that it was granted first: below, its values are recorded and compared with nobody's.
    pub first_rung: usize,
    /// Highest rung that it was granted. Only grows.
    pub target_rung: usize,
    /// Stopped for good at its rung; its checkpoints may be gone.
    pub stopped: bool,
    /// Never promoted again; its checkpoints may be gone.
    pub retired: bool,
    /// What came out of each rung, from rung 0. Append-only.
    pub recorded: Vec<Recorded>,
}

/// The end of one rung of one trial.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recorded {
    /// The rung.
    pub rung: usize,
    /// What came out.
    pub outcome: Outcome,
    /// The values of the additional objectives, where the outcome is a value.
    pub additional: Additional,
    /// Position in the order in which results count (`decisionSeq`).
    pub seq: u64,
}

impl Recorded {
    /// The end of a rung, without additional objectives.
    pub fn new(rung: usize, outcome: Outcome, seq: u64) -> Self {
        Self { rung, outcome, additional: Additional::default(), seq }
    }
}

/// What came out of a rung.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Outcome {
    /// A finite metric.
    Value(f64),
    /// The loss or metric became NaN or infinite: worst at this rung, counted.
    Diverged,
    /// The trainer says that the configuration makes no sense: the trial leaves every rung and is replaced, not counted.
    Infeasible,
    /// Out of memory: worst at this rung, counted.
    OutOfMemory,
    /// A bug, or attempts exhausted: worst at this rung, counted, also towards `maxFailedTrials`.
    Failed,
    /// The trainer refused its configuration or data: counted, compared with nobody, never replaced.
    Misconfigured,
    /// Ended with the experiment, or by a person: counted, compared with nobody at this rung.
    Cancelled,
}

impl Outcome {
    /// The metric with which the trial stands in the rung; `None`: it does not stand there.
    pub fn metric(self) -> Option<Metric> {
        match self {
            Self::Value(value) => Some(Metric::of(value)),
            Self::Diverged | Self::OutOfMemory | Self::Failed => Some(Metric::Diverged),
            Self::Infeasible | Self::Misconfigured | Self::Cancelled => None,
        }
    }

    /// The name in records and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Value(_) => "Value",
            Self::Diverged => "Diverged",
            Self::Infeasible => "Infeasible",
            Self::OutOfMemory => "OutOfMemory",
            Self::Failed => "Failed",
            Self::Misconfigured => "Misconfigured",
            Self::Cancelled => "Cancelled",
        }
    }
}

impl Trial {
    /// A trial of the first bracket that was just decided on: nothing came out yet.
    pub fn new(number: u64, assignment: Assignment) -> Self {
        Self {
            number,
            assignment,
            bracket: 0,
            first_rung: 0,
            target_rung: 0,
            stopped: false,
            retired: false,
            recorded: Vec::new(),
        }
    }

    /// The next rung whose outcome will be recorded; `None`: nothing is granted that has not been recorded.
    pub fn running(&self) -> Option<usize> {
        Self::running_after(self.last(), self.recorded.len(), self.target_rung)
    }

    /// As [`Trial::running`], of a trial of which `recorded` ends are known, the `last` among them.
    pub fn running_after(last: Option<Recorded>, recorded: usize, target_rung: usize) -> Option<usize> {
        let ended = last.is_some_and(|last| !matches!(last.outcome, Outcome::Value(_)));
        (!ended && recorded <= target_rung).then_some(recorded)
    }

    /// The last that came out.
    pub fn last(&self) -> Option<Recorded> {
        self.recorded.last().copied()
    }

    /// The value at a rung, where there is one.
    pub fn value_at(&self, rung: usize) -> Option<f64> {
        self.recorded.iter().find(|recorded| recorded.rung == rung).and_then(|recorded| match recorded.outcome {
            Outcome::Value(value) => Some(value),
            _ => None,
        })
    }

    /// The rung in which one of its outcomes lets it stand, and with what. An end without a value counts in the first rung in which the
    /// trial is compared.
    pub(crate) fn standing(&self, recorded: &Recorded) -> Option<(usize, Metric)> {
        let metric = recorded.outcome.metric().filter(|_| !self.is_infeasible())?;
        match metric {
            Metric::Finite(_) if recorded.rung < self.first_rung => None,
            Metric::Finite(_) => Some((recorded.rung, metric)),
            Metric::Diverged => Some((recorded.rung.max(self.first_rung), metric)),
        }
    }

    /// Whether the trainer called the configuration infeasible.
    pub fn is_infeasible(&self) -> bool {
        self.last().is_some_and(|last| last.outcome == Outcome::Infeasible)
    }
}
