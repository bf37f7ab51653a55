//! Conditions: few, typed, and moved only when they change.

use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};
use nas_api::one_line;

/// The conditions of an experiment, and those of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The experiment is valid, and everything that it names is there.
    Accepted,
    /// The search goes on.
    Progressing,
    /// It has ended, in whatever way; nothing changes any more.
    Finished,
    /// It has ended and did what it was asked to.
    Succeeded,
    /// It waits for a person.
    Stalled,
    /// Of a trial: something keeps it from training.
    Waiting,
    /// Of a trial: a rung ended without a value.
    Failed,
    /// Of a trial: it has no checkpoints any more.
    CheckpointsRemoved,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Accepted => "Accepted",
            Self::Progressing => "Progressing",
            Self::Finished => "Finished",
            Self::Succeeded => "Succeeded",
            Self::Stalled => "Stalled",
            Self::Waiting => "Waiting",
            Self::Failed => "Failed",
            Self::CheckpointsRemoved => "CheckpointsRemoved",
        }
    }
}

/// Conditions as they will be written.
pub(crate) struct Conditions<'a> {
    pub(crate) list: &'a mut Vec<Condition>,
    pub(crate) generation: Option<i64>,
    pub(crate) now: Timestamp,
}

impl Conditions<'_> {
    /// Sets a condition; its time moves only with its status.
    pub(crate) fn set(&mut self, kind: Kind, status: bool, reason: &str, message: &str) {
        let status = if status { "True" } else { "False" };
        let old = self.list.iter().position(|condition| condition.type_ == kind.name());
        let since = old.map(|at| &self.list[at]).filter(|old| old.status == status).map(|old| old.last_transition_time.clone());
        let condition = Condition {
            type_: kind.name().to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: one_line(message, 1000),
            observed_generation: self.generation,
            last_transition_time: since.unwrap_or(Time(self.now)),
        };
        match old {
            Some(at) => self.list[at] = condition,
            None => self.list.push(condition),
        }
    }

    /// Takes a condition away that is only shown where it holds.
    pub(crate) fn clear(&mut self, kind: Kind) {
        self.list.retain(|condition| condition.type_ != kind.name());
    }
}

/// The reason of a condition that holds.
pub(crate) fn reason(list: &[Condition], kind: Kind) -> Option<&str> {
    let holds = |condition: &&Condition| condition.type_ == kind.name() && condition.status == "True";
    list.iter().find(holds).map(|condition| condition.reason.as_str())
}

/// Whether a condition holds.
pub(crate) fn holds(list: &[Condition], kind: Kind) -> bool {
    reason(list, kind).is_some()
}

/// Whether a condition was ever told, be it that it no longer holds.
pub(crate) fn is_told(list: &[Condition], kind: Kind) -> bool {
    list.iter().any(|condition| condition.type_ == kind.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_moves_only_when_the_status_does() {
        let mut list = Vec::new();
        let mut set = |seconds, status, reason| {
            let now = Timestamp::from_second(seconds).unwrap_or_default();
            Conditions { list: &mut list, generation: Some(1), now }.set(Kind::Progressing, status, reason, "");
            list[0].clone()
        };
        let first = set(10, true, "Searching");
        let same = set(20, true, "Unschedulable");
        assert_eq!((same.last_transition_time.clone(), same.reason.as_str()), (first.last_transition_time, "Unschedulable"));
        assert_ne!(set(30, false, "Suspended").last_transition_time, same.last_transition_time);
        assert_eq!(list.len(), 1);
    }
}
