//! What is compared: benchmarks, and for each the policies, which are one plan for each seed.
//!
//! A new policy is one more line. Those whose trials leave the table (a sampler that learns) bring a landscape of their own and a plan with a
//! space instead of a list.

use nas_search::{
    Brackets, Budget, Constraints, Direction, Guided, GuidedSettings, Halving, Memory, Plan, Rungs, Sampler, Scheduler, Space,
};
use nas_simulation::{BySize, Crossing, Landscape, Pairs, Surrogate, Table, permutation};

/// Slots of each search.
pub(crate) const WORKERS: usize = 16;

/// Rungs of the DARTS space for eta 3.
pub(crate) const EPOCHS: [u64; 6] = [1, 3, 9, 27, 81, 98];
/// Rungs of the landscapes with 81 steps.
pub(crate) const STEPS: [u64; 5] = [1, 3, 9, 27, 81];

/// Rows that a search may try: more than the shortest rung lets any search come to until the horizon.
const ROWS: usize = 8000;

/// A way to search.
pub(crate) struct Policy<'a> {
    /// Its name in tables.
    pub(crate) name: &'static str,
    /// What its trials show, by seed.
    pub(crate) landscape: Box<dyn Fn(u64) -> Box<dyn Landscape + 'a> + Sync + 'a>,
    /// The search of a seed.
    pub(crate) plan: Box<dyn Fn(u64) -> Plan + Sync + 'a>,
    /// Each time of the tables is a search of its own, which knows when it ends.
    pub(crate) knows_its_end: bool,
}

/// A landscape, and what is compared on it. The first policy is random search, which the others are measured against.
pub(crate) struct Benchmark<'a> {
    /// Its name in files.
    pub(crate) id: &'static str,
    /// Its name in tables.
    pub(crate) title: &'static str,
    /// What the tables are, in Markdown.
    pub(crate) about: String,
    /// Seconds of a mean full training, by seed: `T_R`.
    pub(crate) unit: Box<dyn Fn(u64) -> f64 + Sync + 'a>,
    /// The lowest accuracy that its drawing shows.
    pub(crate) floor: f64,
    /// At `HORIZON`, ASHA with promotion and eta 3 must reach this, and [`GAIN`] more than random search; `None`: no bar.
    pub(crate) bar: Option<f64>,
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

/// Makes a sampler that remembers nothing.
pub(crate) type New = fn() -> Sampler;

pub(crate) const RANDOM: New = || Sampler::Random;
pub(crate) const GUIDE: New = || Sampler::Guided(Guided::default());
pub(crate) const TPE: New = || Sampler::Tpe(Memory::default());
pub(crate) const MUTATION: New = || Sampler::Mutation(Memory::default());

/// Names of rows that several landscapes have.
pub(crate) const ASHA: [&str; 3] = ["ASHA, rungs from 1", "ASHA, rungs from 3", "ASHA, rungs from 9"];
pub(crate) const LEARNED: &str = "guided, rungs from 1 (begins where it has learned to)";

/// The guided sampler where size is all that is known.
pub(crate) const BY_SIZE: &str = "guided by size";

/// The guided sampler with the rows of NAS-Bench-301's table as its choice.
pub(crate) const AMONG: [&str; 2] = [
    "guided among the table's rows, rungs from 1 (begins where it has learned to)",
    "guided among the table's rows, rungs from 3",
];

/// What the default must reach at one full training of time on the DARTS space.
pub(crate) const GUIDED: (&str, f64) = ("guided, rungs from 3", 95.85);

/// The DARTS space on CIFAR-10. Random configurations are those of the table; a sampler that learns leaves it.
pub(crate) fn nb301(surrogate: &Surrogate) -> Benchmark<'_> {
    let table = surrogate.table();
    let lengths = |eta| if eta == 3 { EPOCHS.into() } else { vec![1, 4, 16, 64, 98] };
    let mut policies = policies(table, lengths);
    let unit = |_| table.full_training_seconds();
    let of = |name, sampler, first: usize| {
        let landscape = |seed| Box::new(reseeded(surrogate, seed)) as Box<dyn Landscape>;
        policy(name, landscape, Pairs::space, sampler, &EPOCHS[first..])
    };
    policies.extend([
        of(LEARNED, GUIDE, 0),
        of(GUIDED.0, GUIDE, 1),
        of("TPE, rungs from 3", TPE, 1),
        of("mutation, rungs from 3", MUTATION, 1),
    ]);
    let guided = among_rows(table);
    let among = |name, first: usize| {
        let pool = guided.pool.clone();
        // Each search remembers for itself.
        let sampler = move || Sampler::Guided(Guided { pool: pool.clone(), ..Guided::default() });
        let plan = move |seed| learning(seed, Pairs::space(), sampler(), &EPOCHS[first..]);
        Policy {
            name,
            landscape: Box::new(|seed| Box::new(reseeded(surrogate, seed))),
            plan: Box::new(plan),
            knows_its_end: false,
        }
    };
    policies.extend([among(AMONG[0], 0), among(AMONG[1], 1)]);
    Benchmark {
        id: "nb301",
        title: "NAS-Bench-301: DARTS space, CIFAR-10",
        about: about(table, "predicted by the surrogate of NAS-Bench-301, with measured noise", lengths),
        unit: Box::new(unit),
        floor: 94.4,
        bar: Some(95.55),
        policies,
    }
}

/// The DARTS space with the noise of a seed beside the table.
pub(crate) fn reseeded(surrogate: &Surrogate, seed: u64) -> Pairs {
    let mut surrogate = surrogate.clone();
    surrogate.reseed(seed);
    Pairs(surrogate)
}

/// The guided sampler with the rows of a table as its choice.
fn among_rows(table: &Table) -> Guided {
    let rows = (0..table.len()).filter_map(|row| Pairs::named(&table.assignment(row)?).ok());
    Guided::among(GuidedSettings::default(), &Pairs::space(), rows)
}

/// The space of NAS-Bench-101 on CIFAR-10. All that a sampler can learn from is an architecture's number of parameters.
pub(crate) fn nb101(table: &Table) -> Benchmark<'_> {
    // What was recorded: there is no other choice for eta 4.
    let lengths = |_| vec![4, 12, 36, 108];
    let mut policies = policies(table, lengths);
    let learners: [(_, New); 3] = [(BY_SIZE, GUIDE), ("TPE by size", TPE), ("mutation by size", MUTATION)];
    policies.extend(learners.map(|(name, sampler)| Policy {
        name,
        landscape: Box::new(|_| Box::new(BySize::new(table))),
        plan: Box::new(move |seed| learning(seed, BySize::new(table).space(), sampler(), &lengths(3))),
        knows_its_end: false,
    }));
    Benchmark {
        id: "nb101",
        title: "NAS-Bench-101: real trainings, CIFAR-10",
        about: about(table, "real trainings of NAS-Bench-101, each length with its own schedule", lengths),
        unit: Box::new(|_| table.full_training_seconds()),
        floor: 91.5,
        bar: Some(94.43),
        policies,
    }
}

/// One way to search a space of its own: with promotion ASHA and eta 3, where there is more than one rung.
pub(crate) fn policy<'a>(
    name: &'static str,
    landscape: impl Fn(u64) -> Box<dyn Landscape + 'a> + Sync + 'a,
    space: fn() -> Space,
    sampler: New,
    steps: &'static [u64],
) -> Policy<'a> {
    let plan = move |seed| learning(seed, space(), sampler(), steps);
    Policy { name, landscape: Box::new(landscape), plan: Box::new(plan), knows_its_end: false }
}

/// A search with promotion ASHA and eta 3 in a space of its own.
pub(crate) fn learning(seed: u64, space: Space, sampler: Sampler, steps: &[u64]) -> Plan {
    let full = steps.last().copied().unwrap_or(1);
    let rungs = match steps {
        [_] => Rungs::full_length(full),
        _ => Rungs::explicit(steps.to_vec(), 3, full, u64::MAX).expect("constant lengths"),
    };
    Plan { seed, space, sampler, ..bare(rungs, SCHEDULERS[0].2) }
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
    let of = |name, rungs: Rungs, scheduler| Policy {
        name,
        landscape: Box::new(move |_| Box::new(table)),
        plan: Box::new(move |seed| plan(table, seed, rungs.clone(), scheduler)),
        knows_its_end: false,
    };
    let full = of("random search", Rungs::full_length(table.full_length()), SCHEDULERS[0].2);
    let halving = SCHEDULERS.into_iter().map(|(name, eta, scheduler)| {
        let rungs = Rungs::explicit(lengths(eta), eta, table.full_length(), u64::MAX);
        of(name, rungs.expect("constant lengths up to the table's last"), scheduler)
    });
    std::iter::once(full).chain(halving).collect()
}

/// A search that tries the table's rows in the order of `numpy.random.default_rng(seed).permutation(rows)`, which is that of the peers.
fn plan(table: &Table, seed: u64, rungs: Rungs, scheduler: Scheduler) -> Plan {
    let order = permutation(seed, u32::try_from(table.len()).unwrap_or(u32::MAX));
    let rows = order.into_iter().take(ROWS).filter_map(|row| table.assignment(row as usize)).collect();
    Plan { seed, space: table.space(), sampler: Sampler::Listed(rows), ..bare(rungs, scheduler) }
}

/// A search until the horizon that only the clock ends; what it tries is still to be said.
fn bare(rungs: Rungs, scheduler: Scheduler) -> Plan {
    Plan {
        seed: 0,
        direction: Direction::Maximize,
        additional: Vec::new(),
        earlier: Vec::new(),
        space: Crossing::space(),
        sampler: Sampler::Random,
        constraints: Constraints::new(None),
        rungs,
        scheduler,
        max_trials: 1 << 40,
        parallel_trials: WORKERS,
        max_failed_trials: None,
        max_infeasible_trials: u64::MAX,
        target: None,
        budget: Budget::default(),
    }
}
