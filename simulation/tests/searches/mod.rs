//! Searches on tables: their plans, and the orders in which configurations are tried.

#![allow(dead_code, reason = "each test program uses its part")]

use nas_search::{Brackets, Budget, Constraints, Direction, Halving, Plan, Rungs, Sampler, Scheduler};
use nas_simulation::{Table, permutation};

/// Workers of the reference's comparisons.
pub(crate) const WORKERS: usize = 16;

/// Lengths of the reference's comparisons.
pub(crate) const NB301_ETA_3: &[u64] = &[1, 3, 9, 27, 81, 98];
pub(crate) const NB301_ETA_4: &[u64] = &[1, 4, 16, 64, 98];
pub(crate) const NB101_ETA_3: &[u64] = &[4, 12, 36, 108];

/// The first `count` rows in the order of a seed, which is that of the reference's comparisons.
pub(crate) fn order(table: &Table, seed: u64, count: usize) -> Vec<usize> {
    let rows = permutation(seed, u32::try_from(table.len()).unwrap());
    rows.into_iter().take(count).map(|row| row as usize).collect()
}

/// A search that tries these rows, and has no end of its own.
pub(crate) fn plan(table: &Table, rows: &[usize], rungs: Rungs) -> Plan {
    Plan {
        seed: 0,
        direction: Direction::Maximize,
        additional: Vec::new(),
        earlier: Vec::new(),
        space: table.space(),
        sampler: Sampler::Listed(rows.iter().map(|row| table.assignment(*row).unwrap()).collect()),
        constraints: Constraints::new(None),
        rungs,
        scheduler: Scheduler::Asha { kind: Halving::Promotion, brackets: Brackets::Aggressive },
        max_trials: 1 << 40,
        parallel_trials: WORKERS,
        max_failed_trials: None,
        max_infeasible_trials: u64::MAX,
        target: None,
        budget: Budget::default(),
    }
}

/// These lengths, of which one in `eta` trials goes on from each.
pub(crate) fn asha(steps: &[u64], eta: u64) -> Rungs {
    Rungs::explicit(steps.to_vec(), eta, *steps.last().unwrap(), 1 << 40).unwrap()
}
