//! What is remembered of an experiment between passes. All of it is read from the objects again after a restart.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use nas_api::{
    Problem,
    objects::{NasExperiment, NasTrial},
};
use nas_search::{Index, Plan};

use super::{
    roster::{Belongs, Roster},
    views::Views,
};
use crate::{
    pace::Turns,
    store::Changes,
    trial::{WaitReason, Waiting},
};

/// A plan, or every problem of the experiment.
pub(crate) type Checked = Result<Arc<Plan>, Vec<Problem>>;

/// The memory of one experiment.
#[derive(Default)]
pub(crate) struct Search {
    /// The experiment's UID: a namesake starts anew.
    uid: String,
    /// The plan of the newest generation that was checked, or its problems.
    pub(crate) checked: Option<(i64, Checked)>,
    /// The generation whose surroundings (claims, permissions) were found complete.
    pub(crate) complete: Option<i64>,
    /// Of the search's trials.
    pub(crate) searched: Records,
    /// Of the trainings that confirm its best.
    pub(crate) confirmed: Records,
    pub(crate) cleanup: Cleanup,
    /// When its status may be written.
    pub(crate) turns: Turns,
}

/// What is remembered of checkpoints that are taken away.
#[derive(Default)]
pub(crate) struct Cleanup {
    /// The generation of a finished experiment that keeps only what its retention keeps.
    pub(crate) nothing_to_remove: Option<i64>,
    /// When it was looked at last for checkpoints that may go.
    pub(crate) looked: Option<Instant>,
    /// When the Job is looked at again.
    pub(crate) due: Option<Instant>,
    /// UID of the Job whose failure was told.
    pub(crate) failed: Option<String>,
}

/// More trials than slots go on for so long where nobody took a slot away: two leaders have granted the same one at once. Mostly one of the
/// trials ends before.
const EXCESS: Duration = Duration::from_secs(30);

/// What is remembered of one set of trials, whose numbers are their own.
#[derive(Default)]
pub(crate) struct Records {
    index: Option<Index>,
    pub(crate) roster: Roster,
    pub(super) views: Views,
    /// The slots as they were last.
    slots: Option<usize>,
    /// When trials beyond them pause.
    excess_until: Option<Instant>,
    /// Since when outcomes are known that are recorded, and on which nothing was decided yet.
    pub(super) undecided: Vec<Instant>,
    /// What a trial waits for, and since when.
    pub(crate) waits: HashMap<u64, (WaitReason, Timestamp)>,
    /// What keeps the next trial from being created.
    pub(crate) uncreated: Option<Waiting>,
    /// Since when there is a trial that is nobody's.
    disowned_since: Option<Timestamp>,
}

impl Search {
    /// Forgets what belongs to another experiment of this name.
    pub(crate) fn of(&mut self, experiment: &NasExperiment) {
        let uid = experiment.uid().unwrap_or_default();
        if self.uid != uid {
            *self = Self { uid, ..Self::default() };
        }
    }
}

impl Records {
    /// Takes in what has become of the trials since the last time.
    pub(crate) fn fold(&mut self, plan: &Plan, changes: Changes<NasTrial>, belongs: impl Fn(&NasTrial) -> Belongs) -> &mut Index {
        let index = self.index.get_or_insert_with(|| Index::new(plan.direction, &plan.rungs));
        debug_assert_eq!(index.summaries(&plan.rungs).count(), plan.rungs.steps().len(), "rungs are immutable");
        for (number, trial) in self.roster.update(changes, belongs) {
            self.views.note(number);
            match trial {
                Some(trial) => index.apply(trial.to_record()),
                None => index.forget(number),
            }
        }
        index
    }

    pub(crate) fn index(&mut self, plan: &Plan) -> &Index {
        self.index.get_or_insert_with(|| Index::new(plan.direction, &plan.rungs))
    }

    /// How long what runs beyond the slots may go on, though it must not begin; `None`: it pauses. It does so at once where slots were lowered, and
    /// otherwise only if it lasts: after a restart nobody knows whether they were.
    pub(crate) fn excess_goes_on(&mut self, slots: usize, pending: usize, now: Instant) -> Option<Duration> {
        let lowered = self.slots.replace(slots).is_some_and(|before| slots < before);
        if pending <= slots {
            self.excess_until = None;
            return None;
        }
        if lowered {
            self.excess_until = Some(now);
        }
        let left = self.excess_until.get_or_insert(now + EXCESS).saturating_duration_since(now);
        Some(left).filter(|left| !left.is_zero())
    }

    /// A trial that names the experiment and is not owned by it, and since when there is one.
    pub(crate) fn disowned(&mut self, now: Timestamp) -> Option<(&str, Timestamp)> {
        let Some(name) = self.roster.disowned() else {
            self.disowned_since = None;
            return None;
        };
        Some((name, *self.disowned_since.get_or_insert(now)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_leaders_granted_at_once_goes_on_and_what_was_lowered_pauses() {
        let (mut records, begin) = (Records::default(), Instant::now());
        let at = |seconds| begin + Duration::from_secs(seconds);
        assert_eq!(records.excess_goes_on(2, 3, at(0)), Some(EXCESS));
        assert_eq!(records.excess_goes_on(2, 3, at(20)), Some(Duration::from_secs(10)));
        assert_eq!(records.excess_goes_on(2, 2, at(25)), None, "nothing is beyond");
        assert_eq!(records.excess_goes_on(2, 3, at(40)), Some(EXCESS), "it begins anew");
        assert_eq!(records.excess_goes_on(2, 3, at(70)), None, "it lasts");
        let mut records = Records::default();
        assert_eq!(records.excess_goes_on(2, 2, at(0)), None);
        assert_eq!(records.excess_goes_on(1, 2, at(1)), None, "a person wants it back");
        assert_eq!(records.excess_goes_on(1, 2, at(2)), None);
    }
}
