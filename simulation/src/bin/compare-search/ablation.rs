//! What each part of the guided sampler is worth: `docs/results/ablation.md`, by `make ablation`.

use std::fmt::Write;

use nas_search::{Guided, GuidedSettings, Sampler};
use nas_simulation::{Crossing, Field, Interactions, Landscape, LandscapeError, Pairs, Surrogate};

use crate::{
    measure::{Measured, TIMES},
    policies::{Benchmark, EPOCHS, Policy, STEPS, learning, reseeded},
};

/// The first seed of each row: the settings were chosen with those before.
const FIRST_SEED: u64 = 15;
/// The field of interactions, beside those with which anything was chosen, and the share of the variance that it leaves additive.
const FIELD: (u64, f64) = (104, 0.2);

/// A row: its name, what is other than in the product, and the place of its first rung.
type Row = (&'static str, fn(GuidedSettings) -> GuidedSettings, usize);

/// What is varied; first the product's.
const ROWS: [Row; 16] = [
    ("the product's settings, rungs from 3", |product| product, 1),
    ("no trials at random after the first 16", |product| GuidedSettings { random_share: 0.0, ..product }, 1),
    ("two in five trials at random", |product| GuidedSettings { random_share: 0.4, ..product }, 1),
    ("the mean is climbed", |product| GuidedSettings { optimism: 0.0, ..product }, 1),
    ("twice the optimism", |product| GuidedSettings { optimism: 2.0, ..product }, 1),
    ("who goes on is ranked by values", |product| GuidedSettings { trusted: None, ..product }, 1),
    ("residuals do not count for who goes on", |product| GuidedSettings { trusted: Some(0.0), ..product }, 1),
    ("residuals count in full for who goes on", |product| GuidedSettings { trusted: Some(1.0), ..product }, 1),
    ("rungs do not wait for 12 entries", |product| GuidedSettings { fewest: 1, ..product }, 1),
    ("no quota: 1 / eta of each rung as soon as may be", |product| GuidedSettings { quota: 300, ..product }, 1),
    ("a quota of 2 / eta", |product| GuidedSettings { quota: 200, ..product }, 1),
    ("a quota of 1 / eta", |product| GuidedSettings { quota: 100, ..product }, 1),
    ("alike choices are not counted", |product| GuidedSettings { counts: false, ..product }, 1),
    ("the highest rung with 16 values alone informs the model", |product| GuidedSettings { chained: false, ..product }, 1),
    ("rungs from 1, begins where it has learned to", |product| product, 0),
    ("rungs from 1, begins there", |product| GuidedSettings { learned_first_rung: false, ..product }, 0),
];

/// What the rows are measured on.
pub(crate) fn benchmarks<'a>(surrogate: &'a Surrogate, field: &'a Field) -> [Benchmark<'a>; 3] {
    let full = |_| surrogate.table().full_training_seconds();
    [
        benchmark(
            "nb301",
            "NAS-Bench-301: DARTS space, CIFAR-10",
            |seed| Box::new(reseeded(surrogate, seed)),
            (Pairs::space, &EPOCHS),
            full,
        ),
        benchmark(
            "interactions",
            "Made up: the DARTS space with interactions",
            |seed| Box::new(Interactions::new(reseeded(surrogate, seed), field)),
            (Pairs::space, &EPOCHS),
            full,
        ),
        benchmark(
            "crossing",
            "Made up: hyperparameters whose curves cross",
            |seed| Box::new(Crossing::new(seed)),
            (Crossing::space, &STEPS),
            |seed| Crossing::new(seed).full_training_seconds(),
        ),
    ]
}

/// The field of the second.
pub(crate) fn field(surrogate: &Surrogate) -> Result<Field, LandscapeError> {
    Field::new(surrogate, FIELD.0, FIELD.1)
}

fn benchmark<'a>(
    id: &'static str,
    title: &'static str,
    landscape: impl Fn(u64) -> Box<dyn Landscape + 'a> + Copy + Sync + 'a,
    (space, steps): (fn() -> nas_search::Space, &'static [u64]),
    unit: impl Fn(u64) -> f64 + Copy + Sync + 'a,
) -> Benchmark<'a> {
    let policy = |(name, vary, first): Row| Policy {
        name,
        landscape: Box::new(move |seed| landscape(FIRST_SEED + seed)),
        plan: Box::new(move |seed| {
            let seed = FIRST_SEED + seed;
            let sampler = Sampler::Guided(Guided { settings: vary(GuidedSettings::default()), ..Guided::default() });
            learning(seed, space(), sampler, &steps[first..])
        }),
        knows_its_end: false,
    };
    let mut policies: Vec<Policy> = ROWS.map(policy).into();
    policies.push(Policy { name: "each search knows when it ends", knows_its_end: true, ..policy(ROWS[0]) });
    Benchmark {
        id,
        title,
        about: String::new(),
        unit: Box::new(move |seed| unit(FIRST_SEED + seed)),
        floor: 0.0,
        bar: None,
        policies,
    }
}

/// The whole page.
pub(crate) fn page(results: &[(&Benchmark, &[Measured])], seeds: usize) -> String {
    // The first row and the first time are not compared.
    let differences: usize = results.iter().map(|(_, measured)| (measured.len() - 1) * (TIMES.len() - 1)).sum();
    let mut text = format!(
        "# What each part of the guided sampler is worth\n\n\
        Made by `make ablation`, which writes the same bytes each time; [search.md](search.md) says how searches are simulated. One part at a time is other than in the product\n\
        (`nas_search::GuidedSettings`). Seeds {FIRST_SEED} to {}: the settings were chosen with those before. The interactions are a field that nothing was chosen with, of whose variance\n\
        {} is additive.\n\n\
        The first row is the mean true accuracy of the incumbent, in percent. The others are what is won over it, seed by seed, ± the standard error of that; **bold** where\n\
        it is more than twice as large as its error. Of {differences} differences, {} would be bold by chance alone.\n",
        FIRST_SEED + seeds as u64 - 1,
        FIELD.1,
        differences / 20
    );
    for (benchmark, measured) in results {
        let _ = write!(text, "\n## {}\n\n| what is other |", benchmark.title);
        for time in &TIMES[1..] {
            let _ = write!(text, " {time} T_R |");
        }
        text.push_str(" trials | in full |\n|---|---|---|---|---|---|---|\n");
        for (at, one) in measured.iter().enumerate() {
            let _ = write!(text, "| {} |", one.name);
            for (point, gain) in one.at.iter().zip(&one.gain).skip(1) {
                let _ = match (point, gain) {
                    (Some(point), _) if at == 0 => write!(text, " {:.3} ± {:.3} |", point.truth, point.error),
                    (_, Some((gain, error))) if gain.abs() > 2.0 * error => write!(text, " **{gain:+.3}** ± {error:.3} |"),
                    (_, Some((gain, error))) => write!(text, " {gain:+.3} ± {error:.3} |"),
                    (_, None) => write!(text, " - |"),
                };
            }
            let _ = writeln!(text, " {:.0} | {:.0} |", one.trials, one.full);
        }
    }
    text
}
