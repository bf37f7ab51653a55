//! The index: a fold over trial records that answers what decisions ask.

use std::collections::{BTreeMap, HashMap, hash_map::Entry};

use serde::{Deserialize, Serialize};

use crate::{
    Assignment, Decision, Direction, Outcome, Recorded, Rungs, Trial,
    bracket::{Bracket, Rung},
    digest::{Key, hash_of},
    metric::Rank,
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

/// One row of the table of rungs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RungSummary {
    /// Training length.
    pub step: u64,
    /// Trials that train towards this rung now.
    pub running: usize,
    /// Trials that stand in it (a value, or worst).
    pub entries: usize,
    /// Trials that went on from it.
    pub promoted: usize,
    /// Best value and its trial.
    pub best: Option<(f64, u64)>,
}

/// The incumbent: the best value at the highest rung that has one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Incumbent {
    /// The trial.
    pub trial: u64,
    /// The rung at which it was measured.
    pub rung: usize,
    /// The value there.
    pub value: f64,
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

    /// The best value at the highest rung that has one.
    pub fn incumbent(&self) -> Option<Incumbent> {
        (0..self.rungs).rev().find_map(|rung| {
            let (value, trial) = self.best_at(rung)?;
            Some(Incumbent { trial, rung, value })
        })
    }

    /// The trials of all brackets that have a value at a rung in which they are compared, best first.
    pub fn ranking(&self, rung: usize) -> impl Iterator<Item = (f64, &Trial)> {
        let mut brackets: Vec<_> = self.rungs_of_all(rung).map(|rung| rung.ranked.iter().peekable()).collect();
        let places = std::iter::from_fn(move || {
            let firsts = brackets.iter_mut().enumerate().filter_map(|(at, places)| Some((**places.peek()?, at)));
            let (_, at) = firsts.min()?;
            brackets[at].next()
        });
        places.filter_map(move |(_, number)| {
            let trial = self.trials.get(number)?;
            Some((trial.value_at(rung)?, trial))
        })
    }

    /// All trials that have a value, the best first: by the highest rung that they came to, then by their value there. Each comes with
    /// that rung.
    pub fn best(&self) -> impl Iterator<Item = (usize, f64, &Trial)> {
        let last = |trial: &Trial| {
            trial.recorded.iter().rfind(|recorded| matches!(recorded.outcome, Outcome::Value(_))).map(|last| last.rung)
        };
        let of = move |rung| {
            self.ranking(rung).filter(move |(_, trial)| last(trial) == Some(rung)).map(move |(value, trial)| (rung, value, trial))
        };
        (0..self.rungs).rev().flat_map(of)
    }

    /// The table of rungs, from rung 0: all brackets together.
    pub fn summaries<'a>(&'a self, rungs: &'a Rungs) -> impl Iterator<Item = RungSummary> + 'a {
        let sum = |rung, count: fn(&Rung) -> usize| self.rungs_of_all(rung).map(count).sum();
        rungs.steps().iter().enumerate().map(move |(rung, step)| RungSummary {
            step: *step,
            running: sum(rung, |rung| rung.running),
            entries: sum(rung, |rung| rung.ranked.len()),
            promoted: sum(rung, |rung| rung.promoted),
            best: self.best_at(rung),
        })
    }

    /// Steps of training that recorded rungs took.
    pub fn steps_trained(&self, rungs: &Rungs) -> u64 {
        rungs.steps_of(&self.values)
    }

    fn best_at(&self, rung: usize) -> Option<(f64, u64)> {
        let (_, number) = self.rungs_of_all(rung).filter_map(|rung| rung.ranked.first()).min()?;
        let value = self.trials.get(number)?.value_at(rung)?;
        Some((value, *number))
    }

    /// The brackets that have trials.
    pub(crate) fn brackets(&self) -> impl Iterator<Item = usize> + '_ {
        self.brackets.keys().copied()
    }

    /// How many trials of a bracket there are, and how many of them are infeasible.
    pub(crate) fn members(&self, bracket: usize) -> (u64, u64) {
        self.brackets.get(&bracket).map_or((0, 0), |bracket| (bracket.trials, bracket.infeasible))
    }

    /// Number of trials that stand in a rung of a bracket.
    pub(crate) fn entries(&self, bracket: usize, rung: usize) -> usize {
        self.rung(bracket, rung).map_or(0, |rung| rung.ranked.len())
    }

    /// The trials that stand in a rung of a bracket, best first.
    pub(crate) fn standing_in(&self, bracket: usize, rung: usize) -> impl Iterator<Item = u64> + '_ {
        self.rung(bracket, rung).into_iter().flat_map(|rung| rung.ranked.iter().map(|(_, number)| *number))
    }

    /// Number of trials of a bracket that went on from a rung.
    pub(crate) fn promoted(&self, bracket: usize, rung: usize) -> usize {
        self.rung(bracket, rung).map_or(0, |rung| rung.promoted)
    }

    /// Number of trials of a bracket that train towards a rung.
    pub(crate) fn running_towards(&self, bracket: usize, rung: usize) -> usize {
        self.rung(bracket, rung).map_or(0, |rung| rung.running)
    }

    /// Trials of a rung that may still go on, with their rank from 0: the best first.
    pub(crate) fn waiting(&self, bracket: usize, rung: usize) -> impl DoubleEndedIterator<Item = (usize, u64)> + '_ {
        let rung = self.rung(bracket, rung);
        rung.into_iter().flat_map(|rung| rung.waiting.iter().map(|place| (rung.ranked.rank(place), place.1)))
    }

    /// The value of the trial of this rank (from 0) in a rung; `None` where it has none.
    pub(crate) fn value_of_rank(&self, bracket: usize, rung: usize, rank: usize) -> Option<f64> {
        let (_, number) = self.rung(bracket, rung)?.ranked.get(rank)?;
        self.trials.get(number)?.value_at(rung)
    }

    /// The bracket of a trial and its rank (from 0) in a rung; `None`: it does not stand there.
    pub(crate) fn rank_of(&self, number: u64, rung: usize) -> Option<(usize, usize)> {
        let trial = self.trials.get(&number)?;
        let standings = trial.recorded.iter().filter_map(|recorded| trial.standing(recorded));
        let (_, metric) = standings.into_iter().find(|(at, _)| *at == rung)?;
        let place = (Rank::of(metric, self.direction), number);
        Some((trial.bracket, self.rung(trial.bracket, rung)?.ranked.rank(&place)))
    }

    /// How many trials came to a rung after this one: those that are better, and all.
    pub(crate) fn arrived_after(&self, bracket: usize, rung: usize, number: u64) -> (usize, usize) {
        let Some(own) = self.trials.get(&number).and_then(Trial::last) else { return (0, 0) };
        let rank_of = |trial: &Trial, recorded: &Recorded| {
            let (at, metric) = trial.standing(recorded).filter(|_| trial.bracket == bracket)?;
            (at == rung).then(|| (Rank::of(metric, self.direction), trial.number))
        };
        let own_place = self.trials.get(&number).and_then(|trial| rank_of(trial, &own));
        let later = self
            .outcomes
            .range((own.seq, number, own.rung)..)
            .skip(1)
            .filter_map(|((_, number, _), recorded)| rank_of(self.trials.get(number)?, recorded));
        later.fold((0, 0), |(better, all), place| (better + usize::from(Some(place) < own_place), all + 1))
    }

    /// When a trial came to stand in a rung, as the position of its outcome.
    pub(crate) fn arrival(&self, number: u64, rung: usize) -> Option<(u64, u64)> {
        let trial = self.trials.get(&number)?;
        let stands = |recorded: &&Recorded| trial.standing(recorded).is_some_and(|(at, _)| at == rung);
        trial.recorded.iter().find(stands).map(|recorded| (recorded.seq, number))
    }

    /// The highest rung that any trial was granted.
    pub(crate) fn highest_target(&self) -> usize {
        let is_target = |rung: &usize| self.rungs_of_all(*rung).any(|at| at.running + at.ranked.len() > 0);
        (0..self.rungs).rev().find(is_target).unwrap_or_default()
    }

    /// The values at rung 0 to `rung` of the best `limit` trials of a rung, best first; more is better whatever the direction.
    pub(crate) fn curves(&self, rung: usize, limit: usize) -> Vec<Vec<f64>> {
        let curve = |trial: &Trial| (0..=rung).map(|rung| Some(self.direction.upwards(trial.value_at(rung)?))).collect();
        self.ranking(rung).take(limit).filter_map(|(_, trial)| curve(trial)).collect()
    }

    fn rung(&self, bracket: usize, rung: usize) -> Option<&Rung> {
        self.brackets.get(&bracket)?.rungs.get(rung)
    }

    fn rungs_of_all(&self, rung: usize) -> impl Iterator<Item = &Rung> {
        self.brackets.values().filter_map(move |bracket| bracket.rungs.get(rung))
    }

    /// Whether a trial reached the target at full length.
    pub(crate) fn reached(&self, target: f64) -> Option<u64> {
        let (value, trial) = self.best_at(self.rungs.checked_sub(1)?)?;
        self.direction.reaches(value, target).then_some(trial)
    }
}

#[cfg(test)]
mod tests;
