//! The past of a search: its records as they stood at any time, out of what each decision had seen.

use std::{borrow::Cow, cmp::Reverse, collections::BTreeMap};

use crate::{Index, Plan, Recorded, Trial, View};

/// All that was recorded about one trial.
#[derive(Clone, Debug, PartialEq)]
pub struct TrialHistory {
    /// The trial as it stands.
    pub trial: Trial,
    /// The seed that it trains with.
    pub seed: u64,
    /// The rungs that it was granted, and what was seen then.
    pub grants: Vec<(usize, View)>,
    /// What was seen when it was stopped.
    pub stopped: Option<View>,
    /// What was seen when it was retired.
    pub retired: Option<View>,
}

/// The decisions that were taken on one view.
pub(crate) struct Group {
    pub(crate) view: View,
    pub(crate) created: Vec<u64>,
    pub(crate) promoted: Vec<(u64, usize)>,
    pub(crate) stopped: Vec<u64>,
    pub(crate) retired: Vec<u64>,
}

/// Decisions by what they had seen, in the order of what they had seen.
pub(crate) fn groups(trials: &BTreeMap<u64, &TrialHistory>) -> impl Iterator<Item = Group> {
    let mut groups = BTreeMap::new();
    for (number, history) in trials {
        for (at, (rung, view)) in history.grants.iter().enumerate() {
            let group = group_of(&mut groups, *view);
            if at == 0 {
                group.created.push(*number);
            } else {
                group.promoted.push((*number, *rung));
            }
        }
        if let Some(view) = history.stopped {
            group_of(&mut groups, view).stopped.push(*number);
        }
        if let Some(view) = history.retired {
            group_of(&mut groups, view).retired.push(*number);
        }
    }
    groups.into_values()
}

/// What a decision had seen, as a key in the order of time.
type Seen = (u64, u64, u64, Reverse<u64>, Option<u64>);

fn group_of(groups: &mut BTreeMap<Seen, Group>, view: View) -> &mut Group {
    let new = || Group { view, created: Vec::new(), promoted: Vec::new(), stopped: Vec::new(), retired: Vec::new() };
    // A budget only shrinks: of two passes over the same outcomes, the earlier saw more of it.
    let left = Reverse(view.left.unwrap_or(u64::MAX));
    // Of two `maxTrials` the greater is taken for the later: people raise it more often than they lower it.
    groups.entry((view.seq, view.count, view.digest, left, view.max_trials)).or_insert_with(new)
}

/// The plan of a search as its decisions had it: people may have changed its `maxTrials` since.
pub(crate) struct PastPlan<'a> {
    today: &'a Plan,
    then: Cow<'a, Plan>,
}

impl<'a> PastPlan<'a> {
    pub(crate) fn new(today: &'a Plan) -> Self {
        Self { today, then: Cow::Borrowed(today) }
    }

    /// As it was for what has this view.
    pub(crate) fn at(&mut self, view: View) -> &Plan {
        let max_trials = view.max_trials.unwrap_or(self.today.max_trials);
        if self.then.max_trials != max_trials {
            // A copy, since what a sampler remembers belongs to one plan.
            self.then = Cow::Owned(Plan { max_trials, ..self.today.clone() });
        }
        &self.then
    }
}

/// The records as they stood at some time.
pub(crate) struct Past<'a> {
    pub(crate) index: Index,
    pub(crate) trials: &'a BTreeMap<u64, &'a TrialHistory>,
    /// What is still to come, the latest first.
    outcomes: Vec<(u64, Recorded)>,
    /// The trials of each bracket, those that were created later as well.
    pub(crate) members: BTreeMap<usize, Vec<u64>>,
}

impl<'a> Past<'a> {
    /// Before anything was decided.
    pub(crate) fn new(plan: &Plan, trials: &'a BTreeMap<u64, &'a TrialHistory>) -> Self {
        let mut outcomes = Vec::new();
        let mut members: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
        for history in trials.values() {
            let trial = &history.trial;
            members.entry(trial.bracket).or_default().push(trial.number);
            outcomes.extend(trial.recorded.iter().map(|recorded| (trial.number, *recorded)));
        }
        outcomes.sort_by_key(|(number, recorded)| Reverse((recorded.seq, *number, recorded.rung)));
        Self { index: Index::new(plan.direction, &plan.rungs), trials, outcomes, members }
    }

    /// Takes in what came out up to a `decisionSeq`.
    pub(crate) fn advance(&mut self, to: u64) {
        while let Some((number, recorded)) = self.outcomes.pop_if(|(_, recorded)| recorded.seq <= to) {
            self.change(number, |trial| trial.recorded.push(recorded));
        }
    }

    /// Changes a trial, which is created if it was not yet.
    fn change(&mut self, number: u64, change: impl FnOnce(&mut Trial)) {
        let known = self.index.trial(number).cloned();
        let Some(mut trial) = known.or_else(|| Some(born(&self.trials.get(&number)?.trial))) else { return };
        change(&mut trial);
        self.index.apply(trial);
    }

    pub(crate) fn take(&mut self, group: &Group) {
        for number in &group.created {
            self.change(*number, |_| ());
        }
        for (number, rung) in &group.promoted {
            self.change(*number, |trial| trial.target_rung = trial.target_rung.max(*rung));
        }
        for number in &group.stopped {
            self.change(*number, |trial| trial.stopped = true);
        }
        for number in &group.retired {
            self.change(*number, |trial| trial.retired = true);
        }
    }
}

/// A trial as it was created.
pub(crate) fn born(trial: &Trial) -> Trial {
    Trial { target_rung: trial.first_rung, stopped: false, retired: false, recorded: Vec::new(), ..trial.clone() }
}
