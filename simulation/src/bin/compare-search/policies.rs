//! What is compared: benchmarks, and for each the policies, which are one plan for each seed.
//!
//! A new policy is one more line in [`nb301`] or [`nb101`]. One whose trials leave the table (a sampler that learns) brings the surrogate as its
//! landscape and a plan with a space instead of a list.

use std::time::Duration;

use nas_search::{Brackets, Budget, Constraints, Direction, Halving, Plan, Rungs, Sampler, Scheduler};
use nas_simulation::{Landscape, Table, permutation};

use crate::measure::HORIZON;

/// Slots of each search.
pub(crate) const WORKERS: usize = 16;

/// Rows that a search may try: more than the shortest rung lets any search come to until the horizon.
const ROWS: usize = 8000;

/// A way to search.
pub(crate) struct Policy<'a> {
    /// Its name in tables.
    pub(crate) name: &'static str,
    /// What its trials show.
    pub(crate) landscape: &'a (dyn Landscape + Sync),
    /// The search of a seed.
    pub(crate) plan: Box<dyn Fn(u64) -> Plan + Sync + 'a>,
}

/// A landscape, and what is compared on it. The first policy is random search, which the others are measured against.
pub(crate) struct Benchmark<'a> {
    /// Its name in files.
    pub(crate) id: &'static str,
    /// Its name in tables.
    pub(crate) title: &'static str,
    /// What the tables are, in Markdown.
    pub(crate) about: String,
    /// Seconds of a mean full training: `T_R`.
    pub(crate) unit: f64,
    /// The lowest accuracy that its drawing shows.
    pub(crate) floor: f64,
    /// At `HORIZON`, ASHA with promotion and eta 3 must reach this, and [`GAIN`] more than random search.
    pub(crate) bar: f64,
    /// What is compared.
    pub(crate) policies: Vec<Policy<'a>>,
}

/// Percentage points by which ASHA must beat random search.
pub(crate) const GAIN: f64 = 0.2;

/// The policy that the bars are for.
pub(crate) const JUDGED: &str = "ASHA promotion, eta 3";

const fn asha(kind: Halving, brackets: Brackets) -> Scheduler {
    Scheduler::Asha { kind, brackets }
}

/// The schedulers with their `eta`, in the order of the tables.
const SCHEDULERS: [(&str, u64, Scheduler); 7] = [
    (JUDGED, 3, asha(Halving::Promotion, Brackets::Aggressive)),
    ("ASHA promotion, eta 4", 4, asha(Halving::Promotion, Brackets::Aggressive)),
    ("ASHA stopping, eta 3", 3, asha(Halving::Stopping, Brackets::Aggressive)),
    ("ASHA promotion, eta 3, brackets Standard", 3, asha(Halving::Promotion, Brackets::Standard)),
    ("ASHA promotion, eta 3, brackets Conservative", 3, asha(Halving::Promotion, Brackets::Conservative)),
    ("Hyperband, eta 3", 3, Scheduler::Hyperband),
    ("PASHA, eta 3", 3, Scheduler::Progressive),
];

/// The DARTS space on CIFAR-10.
pub(crate) fn nb301(table: &Table) -> Benchmark<'_> {
    let lengths = |eta| if eta == 3 { vec![1, 3, 9, 27, 81, 98] } else { vec![1, 4, 16, 64, 98] };
    Benchmark {
        id: "nb301",
        title: "NAS-Bench-301: DARTS space, CIFAR-10",
        about: about(table, "predicted by the surrogate of NAS-Bench-301, with measured noise", lengths),
        unit: table.full_training_seconds(),
        floor: 94.4,
        bar: 95.55,
        policies: policies(table, lengths),
    }
}

/// The space of NAS-Bench-101 on CIFAR-10.
pub(crate) fn nb101(table: &Table) -> Benchmark<'_> {
    // What was recorded: there is no other choice for eta 4.
    let lengths = |_| vec![4, 12, 36, 108];
    Benchmark {
        id: "nb101",
        title: "NAS-Bench-101: real trainings, CIFAR-10",
        about: about(table, "real trainings of NAS-Bench-101, each length with its own schedule", lengths),
        unit: table.full_training_seconds(),
        floor: 91.5,
        bar: 94.43,
        policies: policies(table, lengths),
    }
}

fn about(table: &Table, kind: &str, lengths: fn(u64) -> Vec<u64>) -> String {
    let truths = (0..table.len()).filter_map(|row| table.truth_of(row));
    let best = truths.clone().fold(f64::MIN, f64::max);
    let mean = truths.sum::<f64>() / crate::measure::real(table.len());
    format!(
        "{} architectures over {} epochs, {kind}. The best architecture is worth {best:.2} %, the mean of all {mean:.2} %. \
        `T_R`, a mean full training, is {:.0} s. Rungs for eta 3: {:?}, for eta 4: {:?}.",
        table.len(),
        table.full_length(),
        table.full_training_seconds(),
        lengths(3),
        lengths(4),
    )
}

fn policies(table: &Table, lengths: fn(u64) -> Vec<u64>) -> Vec<Policy<'_>> {
    let full = Policy {
        name: "random search",
        landscape: table,
        plan: Box::new(|seed| plan(table, seed, Rungs::full_length(table.full_length()), SCHEDULERS[0].2)),
    };
    let halving = SCHEDULERS.into_iter().map(|(name, eta, scheduler)| {
        let steps = lengths(eta);
        let rungs = Rungs::explicit(steps, eta, table.full_length(), u64::MAX).expect("constant lengths up to the table's last");
        Policy { name, landscape: table, plan: Box::new(move |seed| plan(table, seed, rungs.clone(), scheduler)) }
    });
    std::iter::once(full).chain(halving).collect()
}

/// A search that tries the table's rows in the order of `numpy.random.default_rng(seed).permutation(rows)`, which is that of the peers.
fn plan(table: &Table, seed: u64, rungs: Rungs, scheduler: Scheduler) -> Plan {
    let order = permutation(seed, u32::try_from(table.len()).unwrap_or(u32::MAX));
    Plan {
        seed,
        direction: Direction::Maximize,
        space: table.space(),
        sampler: Sampler::Listed(order.into_iter().take(ROWS).filter_map(|row| table.assignment(row as usize)).collect()),
        constraints: Constraints::new(None),
        rungs,
        scheduler,
        max_trials: 1 << 40,
        parallel_trials: WORKERS,
        max_failed_trials: None,
        max_infeasible_trials: u64::MAX,
        target: None,
        budget: Budget { wall_clock: Some(Duration::from_secs_f64(HORIZON * table.full_training_seconds())), accelerator: None },
    }
}
