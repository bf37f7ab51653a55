//! Landscapes that were made for this comparison, and what is compared on them: nothing was trained.

use nas_simulation::{Crossing, Field, Interactions, Landscape, LandscapeError, Pairs, Smooth, Surrogate};

use crate::policies::{ASHA, Benchmark, EPOCHS, GUIDE, GUIDED, LEARNED, MUTATION, New, RANDOM, STEPS, TPE, policy, reseeded};

/// Rows of each landscape: the place of the rung with which they begin.
const ROWS: [(&str, New, usize); 6] = [
    (ASHA[0], RANDOM, 0),
    (ASHA[1], RANDOM, 1),
    (LEARNED, GUIDE, 0),
    (GUIDED.0, GUIDE, 1),
    ("TPE, rungs from 3", TPE, 1),
    ("mutation, rungs from 3", MUTATION, 1),
];

/// Noise and fields of the interactions: beside the seeds with which anything was chosen.
const FIRST_SEED: u64 = 100;
/// Which field keeps which share of the variance additive; the seeds take turns.
const FIELDS: [(u64, f64); 4] = [(100, 0.4), (101, 0.4), (102, 0.2), (103, 0.05)];

/// Hyperparameters whose learning curves cross, another landscape for each seed.
pub(crate) fn crossing<'a>() -> Benchmark<'a> {
    let unit = |seed| Crossing::new(seed).full_training_seconds();
    let of = |name, sampler, first: usize| {
        let landscape = |seed| Box::new(Crossing::new(seed)) as Box<dyn Landscape>;
        policy(name, landscape, Crossing::space, sampler, &STEPS[first..])
    };
    let mut policies = vec![of("random search", RANDOM, 4)];
    policies.extend(ROWS.map(|(name, sampler, first)| of(name, sampler, first)));
    policies.insert(3, of(ASHA[2], RANDOM, 2));
    policies.insert(6, of("guided, rungs from 9", GUIDE, 2));
    Benchmark {
        id: "crossing",
        title: "Made up: hyperparameters whose curves cross",
        about: "Four floats, two whole numbers and two choices over 81 steps, at costs that differ by up to seven; a corner diverges, and what learns slowly \
            often ends best. Nothing was trained: each seed is a landscape of its own, made for this comparison. \
            `T_R` is the mean full training of 2,000 configurations at random. eta is 3 throughout."
            .to_owned(),
        unit: Box::new(unit),
        floor: 82.0,
        bar: None,
        policies,
    }
}

/// Hyperparameters whose learning curves do not cross, another landscape for each seed.
pub(crate) fn smooth<'a>() -> Benchmark<'a> {
    let unit = |_| Smooth::full_training_seconds();
    let of = |name, sampler, first: usize| {
        let landscape = |seed| Box::new(Smooth::new(seed)) as Box<dyn Landscape>;
        policy(name, landscape, Smooth::space, sampler, &STEPS[first..])
    };
    let mut policies = vec![of("random search", RANDOM, 4)];
    policies.extend(ROWS.map(|(name, sampler, first)| of(name, sampler, first)));
    Benchmark {
        id: "smooth",
        title: "Made up: hyperparameters whose curves do not cross",
        about: "Four floats, three of them on logarithmic scales and one that exists with one choice only, two whole numbers and two choices over 81 steps; \
            all curves have one shape, and only noise hides who is better: Spearman's correlation with the end is 0.3 to 0.5 after 1 step, 0.8 to 0.9 after 9. \
            Each seed is a landscape of its own. The best there is is 94. eta is 3 throughout."
            .to_owned(),
        unit: Box::new(unit),
        floor: 88.0,
        bar: None,
        policies,
    }
}

/// The surrogate of the DARTS space under a few fields of interactions.
pub(crate) fn interactions<'a>(surrogate: &'a Surrogate, fields: &'a [Field]) -> Benchmark<'a> {
    let unit = |_| surrogate.table().full_training_seconds();
    let of = |name, sampler, first: usize| {
        let landscape = |seed: u64| {
            let field = &fields[usize::try_from(seed).unwrap_or_default() % fields.len()];
            Box::new(Interactions::new(reseeded(surrogate, FIRST_SEED + seed), field)) as Box<dyn Landscape>
        };
        policy(name, landscape, Pairs::space, sampler, &EPOCHS[first..])
    };
    let mut policies = vec![of("random search", RANDOM, 5)];
    policies.extend(ROWS.map(|(name, sampler, first)| of(name, sampler, first)));
    Benchmark {
        id: "interactions",
        title: "Made up: the DARTS space with interactions",
        about: "The surrogate of NAS-Bench-301, of whose true accuracies' variance a share of 0.4, 0.4, 0.2 or 0.05 is kept; the rest are random interactions \
            of two and three choices, which show in proportion to the epoch. A landscape on which no model that adds up parts sees everything, and short \
            trainings say little. The seeds take turns with four fields, none of which anything was chosen with. eta is 3 throughout."
            .to_owned(),
        unit: Box::new(unit),
        floor: 94.0,
        bar: None,
        policies,
    }
}

/// The fields of [`interactions`].
pub(crate) fn fields(surrogate: &Surrogate) -> Result<Vec<Field>, LandscapeError> {
    FIELDS.into_iter().map(|(field, share)| Field::new(surrogate, field, share)).collect()
}
