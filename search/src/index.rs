//! The index: a fold over trial records that answers what decisions ask.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::{Assignment, Decision, Direction, Metric, Outcome, Recorded, Rungs, Trial, metric::Rank};

/// A trial's place in a rung: best first, then smaller number first.
type Place = (Rank, u64);

/// What a decision had seen: enough to tell later whether a replay looks at the same records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// The highest `decisionSeq` seen; 0: none.
    pub seq: u64,
    /// Number of recorded outcomes seen.
    pub count: u64,
    /// Digest of these outcomes, whatever their order.
    pub digest: u64,
}

/// All trials of one experiment, indexed. The order in which records are applied never matters.
#[derive(Clone, Debug, PartialEq)]
pub struct Index {
    direction: Direction,
    trials: BTreeMap<u64, Trial>,
    rungs: Vec<Rung>,
    outcomes: BTreeMap<(u64, u64, usize), Outcome>,
    digest: u64,
    assignments: HashMap<String, u32>,
    running: usize,
    infeasible: u64,
    failed: u64,
    created: u64,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Rung {
    /// All trials that stand here, best first.
    ranked: Vec<Place>,
    /// Those of them that may still be promoted.
    waiting: BTreeSet<Place>,
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
            rungs: vec![Rung::default(); rungs.steps().len()],
            outcomes: BTreeMap::new(),
            digest: 0,
            assignments: HashMap::new(),
            running: 0,
            infeasible: 0,
            failed: 0,
            created: 0,
        }
    }

    /// Takes in the newest record of a trial, in place of any earlier one.
    pub fn apply(&mut self, trial: Trial) {
        if let Some(old) = self.trials.get(&trial.number) {
            if *old == trial {
                return;
            }
            let old = old.clone();
            self.count(&old, false);
        }
        self.count(&trial, true);
        self.created = self.created.max(trial.number + 1);
        self.trials.insert(trial.number, trial);
    }

    /// A person deleted a trial: it counts as created and is never created again, but it stands nowhere any more.
    pub fn forget(&mut self, number: u64) {
        if let Some(trial) = self.trials.remove(&number) {
            self.count(&trial, false);
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
        let infeasible = trial.is_infeasible();
        tally(&mut self.infeasible, infeasible);
        tally(&mut self.failed, trial.last().is_some_and(|last| last.outcome == Outcome::Failed));
        if trial.running().is_some() {
            self.running = if add { self.running + 1 } else { self.running - 1 };
        }
        let key = key_of(&trial.assignment);
        let uses = self.assignments.entry(key.clone()).or_default();
        *uses = if add { *uses + 1 } else { *uses - 1 };
        if *uses == 0 {
            self.assignments.remove(&key);
        }
        for recorded in &trial.recorded {
            let hash = hash_of(trial.number, recorded);
            self.digest = if add { self.digest.wrapping_add(hash) } else { self.digest.wrapping_sub(hash) };
            if add {
                self.outcomes.insert((recorded.seq, trial.number, recorded.rung), recorded.outcome);
            } else {
                self.outcomes.remove(&(recorded.seq, trial.number, recorded.rung));
            }
            let Some(metric) = recorded.outcome.metric().filter(|_| !infeasible) else { continue };
            let top = self.rungs.len() - 1;
            let Some(rung) = self.rungs.get_mut(recorded.rung) else { continue };
            let place = (Rank::of(metric, self.direction), trial.number);
            match rung.ranked.binary_search(&place) {
                Ok(at) if !add => drop(rung.ranked.remove(at)),
                Err(at) if add => rung.ranked.insert(at, place),
                _ => {}
            }
            let waits = recorded.rung < top
                && matches!(metric, Metric::Finite(_))
                && trial.target_rung == recorded.rung
                && !trial.retired
                && trial.last() == Some(*recorded);
            if waits && add {
                rung.waiting.insert(place);
            } else {
                rung.waiting.remove(&place);
            }
        }
    }

    /// The trial as it stands once `decision` is recorded; `None`: the decision is about no single trial.
    pub fn record(&self, decision: &Decision) -> Option<Trial> {
        match decision {
            Decision::Create { number, sample, .. } => Some(Trial::new(*number, sample.assignment.clone())),
            Decision::Promote { trial, rung, .. } => {
                let mut trial = self.trial(*trial)?.clone();
                trial.target_rung = trial.target_rung.max(*rung);
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
        self.assignments.contains_key(&key_of(assignment))
    }

    /// How many different configurations the trials have.
    pub fn distinct_assignments(&self) -> usize {
        self.assignments.len()
    }

    /// What has been seen so far.
    pub fn view(&self) -> View {
        View {
            seq: self.outcomes.last_key_value().map_or(0, |((seq, ..), _)| *seq),
            count: self.outcomes.len() as u64,
            digest: self.digest,
        }
    }

    /// The last three recorded outcomes after `cleared` if all of them are `Misconfigured`: then nothing new may start.
    pub fn is_stalled(&self, cleared: u64) -> bool {
        let last: Vec<_> = self.outcomes.iter().rev().take_while(|((seq, ..), _)| *seq > cleared).take(3).collect();
        last.len() == 3 && last.iter().all(|(_, outcome)| **outcome == Outcome::Misconfigured)
    }

    /// The best value at the highest rung that has one.
    pub fn incumbent(&self) -> Option<Incumbent> {
        (0..self.rungs.len()).rev().find_map(|rung| {
            let (value, trial) = self.best_at(rung)?;
            Some(Incumbent { trial, rung, value })
        })
    }

    /// The trials that have a value at a rung, best first.
    pub fn ranking(&self, rung: usize) -> impl Iterator<Item = (f64, &Trial)> {
        let places = self.rungs.get(rung).into_iter().flat_map(|rung| &rung.ranked);
        places.filter_map(move |(_, number)| {
            let trial = self.trials.get(number)?;
            Some((trial.value_at(rung)?, trial))
        })
    }

    /// The table of rungs, from rung 0.
    pub fn summaries<'a>(&'a self, rungs: &'a Rungs) -> impl Iterator<Item = RungSummary> + 'a {
        let mut running = vec![0; self.rungs.len()];
        let mut promoted = vec![0; self.rungs.len()];
        for trial in self.trials.values().filter(|trial| !trial.is_infeasible()) {
            if let Some(count) = trial.running().and_then(|rung| running.get_mut(rung)) {
                *count += 1;
            }
            promoted.iter_mut().take(trial.target_rung).for_each(|count| *count += 1);
        }
        self.rungs.iter().enumerate().map(move |(rung, entries)| RungSummary {
            step: rungs.steps()[rung],
            running: running[rung],
            entries: entries.ranked.len(),
            promoted: promoted[rung],
            best: self.best_at(rung),
        })
    }

    /// Steps of training that recorded rungs took.
    pub fn steps_trained(&self, rungs: &Rungs) -> u64 {
        self.trials
            .values()
            .flat_map(|trial| &trial.recorded)
            .filter(|recorded| matches!(recorded.outcome, Outcome::Value(_)))
            .map(|recorded| rungs.increment(recorded.rung))
            .sum()
    }

    fn best_at(&self, rung: usize) -> Option<(f64, u64)> {
        let (_, number) = self.rungs[rung].ranked.first()?;
        let value = self.trials[number].value_at(rung)?;
        Some((value, *number))
    }

    /// Number of trials that stand in a rung.
    pub(crate) fn entries(&self, rung: usize) -> usize {
        self.rungs[rung].ranked.len()
    }

    /// Trials of a rung that may still be promoted, with their rank from 0: the best first.
    pub(crate) fn waiting(&self, rung: usize) -> impl DoubleEndedIterator<Item = (usize, u64)> + '_ {
        let rung = &self.rungs[rung];
        rung.waiting.iter().map(|place| (rung.ranked.partition_point(|other| other < place), place.1))
    }

    /// The value of the trial of this rank (from 0) in a rung; `None` where it has none.
    pub(crate) fn value_of_rank(&self, rung: usize, rank: usize) -> Option<f64> {
        let (_, number) = self.rungs[rung].ranked.get(rank)?;
        self.trials[number].value_at(rung)
    }

    /// Whether a trial reached the target at full length.
    pub(crate) fn reached(&self, target: f64) -> Option<u64> {
        let (value, trial) = self.best_at(self.rungs.len() - 1)?;
        self.direction.reaches(value, target).then_some(trial)
    }
}

/// Text that is the same exactly for equal assignments (floats in full precision).
fn key_of(assignment: &Assignment) -> String {
    format!("{assignment:?}")
}

/// One recorded outcome as 64 bits; sums of these do not depend on order, and differ where any entry does.
fn hash_of(trial: u64, recorded: &Recorded) -> u64 {
    let (tag, bits) = match recorded.outcome {
        Outcome::Value(value) => (0, value.to_bits()),
        Outcome::Diverged => (1, 0),
        Outcome::Infeasible => (2, 0),
        Outcome::OutOfMemory => (3, 0),
        Outcome::Failed => (4, 0),
        Outcome::Misconfigured => (5, 0),
        Outcome::Cancelled => (6, 0),
    };
    [trial, recorded.rung as u64, tag, bits, recorded.seq].into_iter().fold(0, |state, word| mix(state ^ word))
}

/// The finaliser of `SplitMix64` (Steele et al. 2014).
fn mix(word: u64) -> u64 {
    let z = word.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
