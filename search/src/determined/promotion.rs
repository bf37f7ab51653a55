//! Promotion ASHA: trials pause at each rung; each report promotes one trial at most, else a new one is created.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, AshaSettings, EarlyExit, WORST};

/// The state of a search.
#[derive(Clone, Debug, PartialEq)]
pub struct PromotionAsha {
    settings: AshaSettings,
    lengths: Vec<u64>,
    rungs: Vec<Rung>,
    /// The rung that each trial trains to.
    rung_of: BTreeMap<u64, usize>,
    early: BTreeSet<u64>,
    closed: BTreeSet<u64>,
    invalid: u64,
    completed: u64,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Rung {
    entries: Vec<Entry>,
    /// Trials that train to this rung.
    outstanding: u64,
}

/// A trial in a rung.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entry {
    /// The trial.
    pub trial: u64,
    /// Its metric, turned so that smaller is better.
    pub metric: f64,
    /// Whether it went on.
    pub promoted: bool,
}

impl PromotionAsha {
    /// A search that has not begun.
    pub fn new(settings: AshaSettings) -> Self {
        Self {
            lengths: settings.lengths(),
            rungs: vec![Rung::default(); settings.rungs],
            settings,
            rung_of: BTreeMap::new(),
            early: BTreeSet::new(),
            closed: BTreeSet::new(),
            invalid: 0,
            completed: 0,
        }
    }

    /// The first trials.
    pub fn begin(&mut self) -> Vec<Action> {
        (0..self.settings.initial()).flat_map(|_| self.create()).collect()
    }

    fn create(&mut self) -> [Action; 2] {
        let number = self.rung_of.len() as u64;
        self.rung_of.insert(number, 0);
        self.rungs[0].outstanding += 1;
        [Action::Create(number), Action::ValidateAfter(number, self.lengths[0])]
    }

    /// A trial reports its metric at the length that it was trained to.
    pub fn validated(&mut self, trial: u64, metric: f64) -> Vec<Action> {
        self.report(trial, self.settings.oriented(metric))
    }

    fn report(&mut self, trial: u64, metric: f64) -> Vec<Action> {
        let Some(&rung) = self.rung_of.get(&trial) else { return Vec::new() };
        self.rungs[rung].outstanding = self.rungs[rung].outstanding.saturating_sub(1);
        let mut actions = Vec::new();
        let mut goes_on = None;
        if rung + 1 == self.rungs.len() {
            self.rungs[rung].entries.push(Entry { trial, metric, promoted: false });
            if !self.early.contains(&trial) {
                self.closed.insert(trial);
                actions.push(Action::Close(trial));
            }
        } else {
            goes_on = self.enter(rung, trial, metric);
        }
        if let Some(next) = goes_on {
            self.rung_of.insert(next, rung + 1);
            self.rungs[rung + 1].outstanding += 1;
            if self.early.contains(&next) {
                // As if it had run the next rung as well, and come out worst.
                return self.report(next, WORST);
            }
            actions.push(Action::ValidateAfter(next, self.lengths[rung + 1]));
        } else if self.rung_of.len() as u64 - self.invalid < self.settings.max_trials {
            actions.extend(self.create());
        }
        actions.extend(self.close_out());
        actions
    }

    /// Puts a trial behind its equals; returns who goes on: it, or the one that the new entry makes room for.
    fn enter(&mut self, rung: usize, trial: u64, metric: f64) -> Option<u64> {
        let entries = &mut self.rungs[rung].entries;
        let (old, new) = (self.settings.share(entries.len()), self.settings.share(entries.len() + 1));
        let rank = entries.partition_point(|other| other.metric <= metric);
        entries.insert(rank, Entry { trial, metric, promoted: rank < new });
        if rank < new {
            return Some(trial);
        }
        let next = entries.get_mut(old).filter(|entry| old != new && !entry.promoted)?;
        next.promoted = true;
        Some(next.trial)
    }

    /// Once all trials stand in the lowest rung: whoever can no longer be promoted is closed.
    fn close_out(&mut self) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.rungs[0].entries.len() as u64 != self.settings.max_trials {
            return actions;
        }
        for rung in self.rungs.iter().take_while(|rung| rung.outstanding == 0) {
            for entry in rung.entries.iter().filter(|entry| !entry.promoted && !self.early.contains(&entry.trial)) {
                if self.closed.insert(entry.trial) {
                    actions.push(Action::Close(entry.trial));
                }
            }
        }
        actions
    }

    /// A trial has ended before it was told to.
    pub fn exited_early(&mut self, trial: u64, reason: EarlyExit) -> Vec<Action> {
        let Some(&rung) = self.rung_of.get(&trial) else { return Vec::new() };
        self.early.insert(trial);
        self.closed.insert(trial);
        match reason {
            EarlyExit::InvalidHp => {
                self.invalid += 1;
                self.rungs[rung].outstanding = self.rungs[rung].outstanding.saturating_sub(1);
                self.rungs.iter_mut().take(rung + 1).for_each(|rung| rung.entries.retain(|entry| entry.trial != trial));
                let [create, train] = self.create();
                vec![Action::Close(trial), create, train]
            }
            EarlyExit::Other => self.report(trial, WORST),
        }
    }

    /// A trial's process is gone.
    pub fn exited(&mut self) {
        self.completed += 1;
    }

    /// From 0 to 1.
    pub fn progress(&self) -> f64 {
        let entries = self.rungs.first().map_or(0, |rung| rung.entries.len());
        self.settings.progress(entries, self.completed.saturating_sub(self.invalid))
    }

    /// The entries of each rung, best first; those of the top rung in the order in which they came.
    pub fn rungs(&self) -> impl Iterator<Item = &[Entry]> {
        self.rungs.iter().map(|rung| rung.entries.as_slice())
    }

    /// The rung that each trial trains to, or ended at.
    pub fn rung_of(&self) -> &BTreeMap<u64, usize> {
        &self.rung_of
    }
}
