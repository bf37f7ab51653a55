//! The index: a fold over trial records, in whatever order they come. What decisions ask of its rungs is in `rungs`.

mod rungs;

use std::collections::{BTreeMap, HashMap, hash_map::Entry};

use serde::{Deserialize, Serialize};

pub use rungs::{Incumbent, RungSummary};

use crate::{
    Assignment, Decision, Direction, Outcome, Recorded, Rungs, Trial,
    bracket::Bracket,
    digest::{Key, hash_of},
};

/// What a decision had seen: enough to tell later whether a replay looks at the same records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// The highest `decisionSeq` seen; 0: none.
    pub seq: u64,
    /// Number of recorded outcomes seen.
    pub count: u64,
    /// Digest of these outcomes, whatever their order.
    pub digest: u64,
    /// Steps that each slot could still train before a budget was spent, where that was less than a full training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<u64>,
    /// `maxTrials` as it was then: people may change it while a search runs; `None`: not written down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_trials: Option<u64>,
}

impl View {
    /// Whether the same records were seen.
    pub fn shows_the_same(&self, other: &Self) -> bool {
        (self.seq, self.count, self.digest) == (other.seq, other.count, other.digest)
    }
}

/// All trials of one experiment, indexed. The order in which records are applied never matters.
#[derive(Clone, Debug, PartialEq)]
pub struct Index {
    direction: Direction,
    trials: BTreeMap<u64, Trial>,
    /// Number of rungs.
    rungs: usize,
    brackets: BTreeMap<usize, Bracket>,
    /// By `decisionSeq`, trial and rung.
    outcomes: BTreeMap<(u64, u64, usize), Recorded>,
    digest: u64,
    assignments: HashMap<Key, u32>,
    running: usize,
    infeasible: u64,
    failed: u64,
    created: u64,
    /// Number of values at each rung.
    values: Vec<u64>,
}

impl Index {
    /// An index without trials.
    pub fn new(direction: Direction, rungs: &Rungs) -> Self {
        Self {
            direction,
            trials: BTreeMap::new(),
            rungs: rungs.steps().len(),
            brackets: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            digest: 0,
            assignments: HashMap::new(),
            running: 0,
            infeasible: 0,
            failed: 0,
            created: 0,
            values: vec![0; rungs.steps().len()],
        }
    }

    /// Takes in the newest record of a trial, in place of any earlier one.
    pub fn apply(&mut self, trial: Trial) {
        let known = self.trials.remove(&trial.number);
        if let Some(known) = &known {
            self.count(known, false);
        }
        self.count(&trial, true);
        let is_same = |known: &Trial| known.assignment == trial.assignment;
        if !known.as_ref().is_some_and(is_same) {
            self.free(known.as_ref());
            *self.assignments.entry(Key::of(&trial.assignment)).or_default() += 1;
        }
        self.created = self.created.max(trial.number + 1);
        self.trials.insert(trial.number, trial);
    }

    /// A person deleted a trial: it counts as created and is never created again, but it stands nowhere any more.
    pub fn forget(&mut self, number: u64) {
        if let Some(trial) = self.trials.remove(&number) {
            self.count(&trial, false);
            self.free(Some(&trial));
        }
    }

    /// A trial's configuration may be drawn again.
    fn free(&mut self, trial: Option<&Trial>) {
        let key = trial.map(|trial| Key::of(&trial.assignment));
        if let Some(Entry::Occupied(mut uses)) = key.map(|key| self.assignments.entry(key)) {
            *uses.get_mut() -= 1;
            if *uses.get() == 0 {
                uses.remove();
            }
        }
    }

    /// At least this many trials were created, also where the last of them were deleted since.
    pub fn raise_created(&mut self, created: u64) {
        self.created = self.created.max(created);
    }

    /// Adds or takes away all that a trial contributes.
    fn count(&mut self, trial: &Trial, add: bool) {
        let tally = |counter: &mut u64, hit: bool| {
            if hit {
                *counter = if add { *counter + 1 } else { *counter - 1 };
            }
        };
        tally(&mut self.infeasible, trial.is_infeasible());
        tally(&mut self.failed, trial.last().is_some_and(|last| last.outcome == Outcome::Failed));
        if trial.running().is_some() {
            self.running = if add { self.running + 1 } else { self.running - 1 };
        }
        for recorded in &trial.recorded {
            if let (Outcome::Value(_), Some(values)) = (recorded.outcome, self.values.get_mut(recorded.rung)) {
                *values = if add { *values + 1 } else { *values - 1 };
            }
            let hash = hash_of(trial.number, recorded);
            let key = (recorded.seq, trial.number, recorded.rung);
            if add {
                self.digest = self.digest.wrapping_add(hash);
                self.outcomes.insert(key, *recorded);
            } else {
                self.digest = self.digest.wrapping_sub(hash);
                self.outcomes.remove(&key);
            }
        }
        let bracket = self.brackets.entry(trial.bracket).or_insert_with(|| Bracket::new(self.rungs));
        tally(&mut bracket.trials, true);
        tally(&mut bracket.infeasible, trial.is_infeasible());
        bracket.count(trial, self.direction, add);
        if bracket.trials == 0 {
            self.brackets.remove(&trial.bracket);
        }
    }

    /// The trial as it stands once `decision` is recorded; `None`: the decision is about no single trial.
    pub fn record(&self, decision: &Decision) -> Option<Trial> {
        match decision {
            Decision::Create { new, .. } => Some(Trial {
                bracket: new.bracket,
                first_rung: new.rung,
                target_rung: new.rung,
                ..Trial::new(new.number, new.sample.assignment.clone())
            }),
            Decision::Promote { trial, rung, .. } => {
                let mut trial = self.trial(*trial)?.clone();
                trial.target_rung = trial.target_rung.max(*rung);
                Some(trial)
            }
            Decision::Stop { trial, .. } => {
                let mut trial = self.trial(*trial)?.clone();
                trial.stopped = true;
                Some(trial)
            }
            Decision::Retire { trial, .. } => {
                let mut trial = self.trial(*trial)?.clone();
                trial.retired = true;
                Some(trial)
            }
            Decision::Finish { .. } => None,
        }
    }

    /// The trials, by number.
    pub fn trials(&self) -> impl DoubleEndedIterator<Item = &Trial> {
        self.trials.values()
    }

    /// One trial.
    pub fn trial(&self, number: u64) -> Option<&Trial> {
        self.trials.get(&number)
    }

    /// How many trials were ever created: one more than the highest number known.
    pub fn created(&self) -> u64 {
        self.created
    }

    /// Trials with a granted rung whose outcome is not recorded.
    pub fn running(&self) -> usize {
        self.running
    }

    /// Trials that left the search as infeasible.
    pub fn infeasible(&self) -> u64 {
        self.infeasible
    }

    /// Trials that failed.
    pub fn failed(&self) -> u64 {
        self.failed
    }

    /// Whether a trial has this configuration.
    pub fn has_assignment(&self, assignment: &Assignment) -> bool {
        self.assignments.contains_key(&Key::of(assignment))
    }

    /// How many different configurations the trials have.
    pub fn distinct_assignments(&self) -> usize {
        self.assignments.len()
    }

    /// Which way is better.
    pub(crate) fn direction(&self) -> Direction {
        self.direction
    }

    /// The place, in their order, of the outcome that follows the first `count`; `None`: there are no more.
    pub(crate) fn outcome_after(&self, count: usize) -> Option<(u64, u64, usize)> {
        self.outcomes.keys().nth(count).copied()
    }

    /// Number of outcomes that are recorded.
    pub(crate) fn outcomes(&self) -> usize {
        self.outcomes.len()
    }

    /// Digest of the first `count` outcomes.
    pub(crate) fn digest_of_first(&self, count: usize) -> u64 {
        let first = self.outcomes.iter().take(count);
        first.fold(0, |digest, ((_, number, _), recorded)| digest.wrapping_add(hash_of(*number, recorded)))
    }

    /// What has been seen so far.
    pub fn view(&self) -> View {
        View {
            seq: self.outcomes.last_key_value().map_or(0, |((seq, ..), _)| *seq),
            count: self.outcomes.len() as u64,
            digest: self.digest,
            left: None,
            max_trials: None,
        }
    }

    /// The outcome that was recorded last, and its trial.
    pub fn last_recorded(&self) -> Option<(u64, Recorded)> {
        self.outcomes.last_key_value().map(|((_, trial, _), recorded)| (*trial, *recorded))
    }

    /// The last three recorded outcomes after `cleared` if all of them are `Misconfigured`: then nothing new may start.
    pub fn is_stalled(&self, cleared: u64) -> bool {
        let last: Vec<_> = self.outcomes.iter().rev().take_while(|((seq, ..), _)| *seq > cleared).take(3).collect();
        last.len() == 3 && last.iter().all(|(_, recorded)| recorded.outcome == Outcome::Misconfigured)
    }
}

#[cfg(test)]
mod tests;
