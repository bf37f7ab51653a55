//! Stopping ASHA: at each rung a trial is stopped for good unless it is among the best so far.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, AshaSettings, EarlyExit, WORST};

/// The state of a search.
#[derive(Clone, Debug, PartialEq)]
pub struct StoppingAsha {
    settings: AshaSettings,
    lengths: Vec<u64>,
    rungs: Vec<Vec<(u64, f64)>>,
    /// The rung that each trial trains to.
    rung_of: BTreeMap<u64, usize>,
    stopped: BTreeSet<u64>,
    invalid: u64,
    completed: u64,
}

impl StoppingAsha {
    /// A search that has not begun.
    pub fn new(settings: AshaSettings) -> Self {
        Self {
            lengths: settings.lengths(),
            rungs: vec![Vec::new(); settings.rungs],
            settings,
            rung_of: BTreeMap::new(),
            stopped: BTreeSet::new(),
            invalid: 0,
            completed: 0,
        }
    }

    /// The first trials.
    pub fn begin(&mut self) -> Vec<Action> {
        (0..self.settings.initial()).map(|_| self.create()).collect()
    }

    fn create(&mut self) -> Action {
        let number = self.rung_of.len() as u64;
        self.rung_of.insert(number, 0);
        Action::Create(number)
    }

    /// A trial reports its metric after `length`: it enters every rung that it has reached, and the last of them decides. Equals rank
    /// behind it.
    ///
    /// What a trial reports after its stop is ignored. (The original took it in a second time, and created one more trial for it.)
    pub fn validated(&mut self, trial: u64, length: u64, metric: f64) -> Vec<Action> {
        let Some(from) = self.rung_of.get(&trial).copied().filter(|_| !self.stopped.contains(&trial)) else { return Vec::new() };
        let metric = self.settings.oriented(metric);
        for rung in from..self.rungs.len() {
            self.rung_of.insert(trial, rung);
            if length < self.lengths[rung] {
                return Vec::new();
            }
            let rank = self.enter(rung, trial, metric);
            let go_on = self.settings.share(self.rungs[rung].len()).max(1);
            if rung + 1 == self.rungs.len() || rank >= go_on {
                self.stopped.insert(trial);
                let mut actions = vec![Action::Stop(trial)];
                actions.extend(self.create_if_wanted());
                return actions;
            }
        }
        Vec::new()
    }

    /// Puts a trial ahead of its equals; returns its rank from 0.
    fn enter(&mut self, rung: usize, trial: u64, metric: f64) -> usize {
        let rank = self.rungs[rung].partition_point(|(_, other)| *other < metric);
        self.rungs[rung].insert(rank, (trial, metric));
        rank
    }

    fn create_if_wanted(&mut self) -> Option<Action> {
        (self.rung_of.len() as u64 - self.invalid < self.settings.max_trials).then(|| self.create())
    }

    /// A trial has ended before it was told to.
    pub fn exited_early(&mut self, trial: u64, reason: EarlyExit) -> Vec<Action> {
        let Some(&rung) = self.rung_of.get(&trial) else { return Vec::new() };
        self.stopped.insert(trial);
        match reason {
            EarlyExit::InvalidHp => {
                self.invalid += 1;
                self.rungs.iter_mut().take(rung + 1).for_each(|entries| entries.retain(|(other, _)| *other != trial));
                vec![Action::Stop(trial), self.create()]
            }
            EarlyExit::Other => {
                self.enter(rung, trial, WORST);
                self.create_if_wanted().into_iter().collect()
            }
        }
    }

    /// A trial's process is gone.
    pub fn exited(&mut self) {
        self.completed += 1;
    }

    /// From 0 to 1.
    pub fn progress(&self) -> f64 {
        self.settings.progress(self.rungs.first().map_or(0, Vec::len), self.completed.saturating_sub(self.invalid))
    }

    /// The entries of each rung, best first: trial and metric, turned so that smaller is better.
    pub fn rungs(&self) -> &[Vec<(u64, f64)>] {
        &self.rungs
    }

    /// The rung that each trial trains to, or ended at.
    pub fn rung_of(&self) -> &BTreeMap<u64, usize> {
        &self.rung_of
    }
}
