//! The processes that trained a trial.

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use nas_search::Outcome;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{NasTrialStatus, OutcomeName};
use crate::Conclusion;

/// One attempt to train a segment of a trial: a process, or on a cluster a Job with one pod or more.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RunSegment {
    /// The rung it was to reach.
    #[schemars(range(min = 0, max = 15))]
    pub rung: i64,
    /// Its attempt.
    #[schemars(range(min = 0))]
    pub attempt: i64,
    /// UID of its Job; empty in a local run.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub job_uid: String,
    /// How it ended: with the outcome of a rung, or without one.
    pub outcome: SegmentOutcome,
    /// Why, in the trainer's first words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub message: String,
    /// Time that it held its accelerators (where it asks for none: its slot), summed over them.
    pub accelerator_seconds: f64,
    /// When its pod ended, by the clock of that node; where nobody saw that, when its end was recorded. Absent in what earlier versions wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Time>,
    /// Nobody saw its pods: `acceleratorSeconds` is the time from the start of its Job until its end was found.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub estimated: bool,
}

/// How a process that trained a segment ended.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SegmentOutcome {
    /// A finite metric.
    #[default]
    Value,
    /// The loss or metric was not finite.
    Diverged,
    /// The trainer says that the configuration makes no sense.
    Infeasible,
    /// Out of memory.
    OutOfMemory,
    /// A bug, or all attempts used up.
    Failed,
    /// The trainer refused its configuration or data.
    Misconfigured,
    /// Ended with the experiment or by a person.
    Cancelled,
    /// Without a result, in a way that counts towards the attempts.
    Crashed,
    /// It was stopped, or what it met may pass; it does not count.
    Stopped,
    /// The search was suspended, or its slots were lowered.
    Suspended,
    /// A person asked for another attempt.
    Retried,
    /// Its node does not answer.
    Lost,
    /// The trainer refused it, and a person is to look at it first: it is trained once more.
    Refused,
}

impl SegmentOutcome {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Value => "Value",
            Self::Diverged => "Diverged",
            Self::Infeasible => "Infeasible",
            Self::OutOfMemory => "OutOfMemory",
            Self::Failed => "Failed",
            Self::Misconfigured => "Misconfigured",
            Self::Cancelled => "Cancelled",
            Self::Crashed => "Crashed",
            Self::Stopped => "Stopped",
            Self::Suspended => "Suspended",
            Self::Retried => "Retried",
            Self::Lost => "Lost",
            Self::Refused => "Refused",
        }
    }

    /// Whether outcomes of rungs were recorded at its end: then it is the last of them.
    fn is_recorded(self) -> bool {
        match self {
            Self::Value
            | Self::Diverged
            | Self::Infeasible
            | Self::OutOfMemory
            | Self::Failed
            | Self::Misconfigured
            | Self::Cancelled => true,
            Self::Crashed | Self::Stopped | Self::Suspended | Self::Retried | Self::Lost | Self::Refused => false,
        }
    }

    /// Whether somebody should look into it.
    pub fn is_fault(self) -> bool {
        matches!(self, Self::Failed | Self::OutOfMemory | Self::Misconfigured | Self::Crashed | Self::Lost | Self::Refused)
    }
}

impl From<Outcome> for SegmentOutcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Value(_) => Self::Value,
            Outcome::Diverged => Self::Diverged,
            Outcome::Infeasible => Self::Infeasible,
            Outcome::OutOfMemory => Self::OutOfMemory,
            Outcome::Failed => Self::Failed,
            Outcome::Misconfigured => Self::Misconfigured,
            Outcome::Cancelled => Self::Cancelled,
        }
    }
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

impl From<&Conclusion> for SegmentOutcome {
    fn from(conclusion: &Conclusion) -> Self {
        match conclusion {
            Conclusion::Record { ends, .. } => ends.last().map_or(Self::Value, |end| end.outcome.into()),
            Conclusion::Again { counted: true, .. } => Self::Crashed,
            Conclusion::Again { counted: false, .. } => Self::Stopped,
        }
    }
}

impl RunSegment {
    /// Longest `message`, in characters.
    pub const MESSAGE: usize = 400;
}

impl NasTrialStatus {
    /// When the segments ended that brought results, by the `decisionSeq` of each result; absent are those whose segment does not say so. `segments`
    /// forgets the oldest of more than 64: the first results of such a trial may be told too late.
    pub fn result_times(&self) -> impl Iterator<Item = (u64, Timestamp)> {
        let mut rungs = self.rungs.iter().peekable();
        let segments = self.segments.iter().filter(|segment| segment.outcome.is_recorded());
        segments.flat_map(move |segment| {
            let brought = std::iter::from_fn(|| rungs.next_if(|recorded| recorded.rung <= segment.rung));
            let ended = segment.ended_at.as_ref().map(|time| time.0);
            let times = brought.filter_map(|recorded| Some((u64::try_from(recorded.decision_seq).ok()?, ended?)));
            times.collect::<Vec<_>>()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{
        SegmentOutcome::{Crashed, Lost, Suspended, Value},
        *,
    };
    use crate::RungEnd;

    fn segment(rung: i64, outcome: SegmentOutcome, ended_at: Option<i64>) -> RunSegment {
        let ended_at = ended_at.map(|second| Time(Timestamp::from_second(second).unwrap_or_default()));
        RunSegment { rung, outcome, accelerator_seconds: 1.0, ended_at, ..RunSegment::default() }
    }

    fn times(segments: Vec<RunSegment>) -> Vec<(u64, i64)> {
        let mut status = NasTrialStatus { segments, ..NasTrialStatus::default() };
        for (rung, after) in [(0, 3), (1, 4), (2, 8)] {
            status.record(&[RungEnd::new(rung, Outcome::Value(0.5))], after);
        }
        status.result_times().map(|(seq, time)| (seq, time.as_second())).collect()
    }

    #[test]
    fn a_result_came_when_the_segment_that_brought_it_ended() {
        // Attempts that brought nothing lie between.
        let all = [(0, Crashed, 10), (0, Value, 20), (1, Lost, 30), (1, Suspended, 35), (1, Value, 40), (2, Value, 50)];
        let all = |known: fn(i64) -> bool| {
            all.map(|(rung, outcome, ended)| segment(rung, outcome, known(ended).then_some(ended))).to_vec()
        };
        assert_eq!(times(all(|_| true)), [(4, 20), (5, 40), (9, 50)]);
        // What a version before this field wrote has no time, and lends none.
        assert_eq!(times(all(|ended| ended > 40)), [(9, 50)]);
        // One segment may bring several rungs, and a trial that still trains has more rungs than segments with a result, or none.
        assert_eq!(times(vec![segment(1, Value, Some(7))]), [(4, 7), (5, 7)]);
        assert_eq!(times(Vec::new()), []);
    }
}
