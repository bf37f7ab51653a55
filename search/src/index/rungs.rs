//! What decisions ask of the rungs: who stands where, who waits, who is best. Nothing here changes the index.

use super::Index;
use crate::{Outcome, Recorded, Rungs, Trial, bracket::Rung, metric::Rank};

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

    /// Steps that training every trial in full would take.
    pub fn steps_in_full(&self, rungs: &Rungs) -> u64 {
        self.created().saturating_mul(rungs.steps()[rungs.top()])
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
