//! The reference that simulations are held against: two policies and an event loop of their own, on rows of a table, that share no code
//! with the product. Promotion ASHA is Li et al. 2020, Algorithm 2, written naively: rungs are sorted lists that are searched from their
//! beginning.

#![allow(dead_code, reason = "each test program uses its part")]

use std::collections::{BTreeSet, HashMap};

use nas_simulation::Table;

/// A result: when, which trial, to which length, and the value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) seconds: f64,
    pub(crate) trial: usize,
    pub(crate) step: u64,
    pub(crate) value: f64,
}

/// What a worker is to do: a trial, its row, and from which length to which.
struct Job {
    trial: usize,
    row: usize,
    from: u64,
    to: u64,
}

pub(crate) trait Policy {
    fn row(&self, trial: usize) -> usize;
    /// The next work for a free worker: trial, from, to.
    fn next(&mut self) -> Option<(usize, u64, u64)>;
    fn report(&mut self, trial: usize, step: u64, value: f64);
}

/// Everything is trained in full.
pub(crate) struct Random {
    pub(crate) rows: Vec<usize>,
    pub(crate) started: usize,
    pub(crate) full: u64,
}

impl Policy for Random {
    fn row(&self, trial: usize) -> usize {
        self.rows[trial]
    }

    fn next(&mut self) -> Option<(usize, u64, u64)> {
        if self.started == self.rows.len() {
            return None;
        }
        self.started += 1;
        Some((self.started - 1, 0, self.full))
    }

    fn report(&mut self, _: usize, _: u64, _: f64) {}
}

pub(crate) struct Promotion {
    pub(crate) rows: Vec<usize>,
    pub(crate) started: usize,
    pub(crate) steps: Vec<u64>,
    pub(crate) eta: usize,
    /// By rung: value and trial, the best first.
    pub(crate) rungs: Vec<Vec<(f64, usize)>>,
    pub(crate) promoted: Vec<BTreeSet<usize>>,
}

impl Promotion {
    pub(crate) fn new(rows: Vec<usize>, steps: &[u64], eta: usize) -> Self {
        let (rungs, promoted) = (vec![Vec::new(); steps.len()], vec![BTreeSet::new(); steps.len()]);
        Self { rows, started: 0, steps: steps.to_vec(), eta, rungs, promoted }
    }
}

impl Policy for Promotion {
    fn row(&self, trial: usize) -> usize {
        self.rows[trial]
    }

    fn next(&mut self) -> Option<(usize, u64, u64)> {
        for rung in (0..self.steps.len() - 1).rev() {
            let quota = self.rungs[rung].len() / self.eta;
            for &(_, trial) in &self.rungs[rung][..quota] {
                if self.promoted[rung].insert(trial) {
                    return Some((trial, self.steps[rung], self.steps[rung + 1]));
                }
            }
        }
        if self.started == self.rows.len() {
            return None;
        }
        self.started += 1;
        Some((self.started - 1, 0, self.steps[0]))
    }

    fn report(&mut self, trial: usize, step: u64, value: f64) {
        let rung = &mut self.rungs[self.steps.iter().position(|other| *other == step).unwrap()];
        let is_before = |(other, number): &(f64, usize)| *other > value || (*other == value && *number < trial);
        let at = rung.iter().take_while(|entry| is_before(entry)).count();
        rung.insert(at, (value, trial));
    }
}

/// Runs a policy on a table with so many workers until `end`; an event at that second still counts.
pub(crate) fn run(policy: &mut impl Policy, table: &Table, workers: usize, startup: f64, end: f64) -> Vec<Entry> {
    let levels: HashMap<u64, usize> = table.levels().iter().copied().zip(0..).collect();
    // Running segments in the order of their starts: the one that ends first is searched among all.
    let mut running: Vec<(f64, Job)> = Vec::new();
    let mut log = Vec::new();
    let mut now = 0.0;
    loop {
        while running.len() < workers {
            let Some((trial, from, to)) = policy.next() else { break };
            let row = policy.row(trial);
            #[expect(clippy::cast_precision_loss, reason = "small numbers")]
            let training = (to - from) as f64 * table.seconds_per_step(row).unwrap();
            running.push((now + startup + training, Job { trial, row, from, to }));
        }
        let mut first = 0;
        for (at, (time, _)) in running.iter().enumerate() {
            if *time < running[first].0 {
                first = at;
            }
        }
        if running.is_empty() || running[first].0 > end {
            return log;
        }
        let (time, job) = running.remove(first);
        assert!(job.from < job.to);
        now = time;
        let value = table.observed_at(job.row, levels[&job.to]).unwrap();
        log.push(Entry { seconds: now, trial: job.trial, step: job.to, value });
        policy.report(job.trial, job.to, value);
    }
}
