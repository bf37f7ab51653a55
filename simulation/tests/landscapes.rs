//! The made-up landscapes are what they say they are: the same each time, and short trainings say as much of the end as is stated.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use nas_search::{
    Assignment, Brackets, Budget, Constraints, Direction, Halving, Index, Plan, Rungs, Sampler, Scheduler, Space, sample,
};
use nas_simulation::{Field, Interactions, Landscape, Pairs, Smooth, Surrogate, data};

/// Configurations at random.
fn draws(space: Space, count: u64) -> Vec<Assignment> {
    let plan = Plan {
        seed: 0,
        direction: Direction::Maximize,
        additional: Vec::new(),
        earlier: Vec::new(),
        space,
        sampler: Sampler::Random,
        constraints: Constraints::new(None),
        rungs: Rungs::full_length(1),
        scheduler: Scheduler::Asha { kind: Halving::Promotion, brackets: Brackets::Aggressive },
        max_trials: count,
        parallel_trials: 1,
        max_failed_trials: None,
        max_infeasible_trials: 0,
        target: None,
        budget: Budget::default(),
    };
    let index = Index::new(plan.direction, &plan.rungs);
    (0..count).map(|number| sample(&plan, &index, &[], number).unwrap().assignment).collect()
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    order.iter().zip(0_u32..).for_each(|(at, rank)| ranks[*at] = rank.into());
    ranks
}

/// Pearson's correlation; of ranks it is Spearman's.
fn correlation(one: &[f64], other: &[f64]) -> f64 {
    let count = f64::from(u32::try_from(one.len()).unwrap());
    let mean = |values: &[f64]| values.iter().sum::<f64>() / count;
    let (mean_one, mean_other) = (mean(one), mean(other));
    let product = |a: &[f64], b: &[f64], mean_a: f64, mean_b: f64| -> f64 {
        a.iter().zip(b).map(|(a, b)| (a - mean_a) * (b - mean_b)).sum()
    };
    product(one, other, mean_one, mean_other)
        / (product(one, one, mean_one, mean_one) * product(other, other, mean_other, mean_other)).sqrt()
}

/// Spearman's correlation of what is observed after so many steps with what configurations are worth.
fn told(landscape: &impl Landscape, configurations: &[Assignment], truths: &[f64], step: u64) -> f64 {
    let observed: Vec<f64> = configurations.iter().map(|one| landscape.observed(one, step).unwrap()).collect();
    correlation(&ranks(&observed), &ranks(truths))
}

fn truths(landscape: &impl Landscape, configurations: &[Assignment]) -> Vec<f64> {
    configurations.iter().map(|one| landscape.truth(one).unwrap()).collect()
}

fn field(surrogate: &Surrogate, field: u64, share: f64) -> Field {
    Field::new(surrogate, field, share).unwrap()
}

#[test]
fn interactions_say_little_early_and_leave_the_stated_share() {
    let surrogate = data::nb301_surrogate(7).unwrap();
    let architectures = draws(Pairs::space(), 500);
    let plain = Pairs(surrogate.clone());
    let base = truths(&plain, &architectures);
    let mut tell = Vec::new();
    for share in [1.0, 0.4, 0.05] {
        let field = field(&surrogate, 3, share);
        let landscape = Interactions::new(Pairs(surrogate.clone()), &field);
        let truths = truths(&landscape, &architectures);
        let own = correlation(&truths, &base);
        // About: by chance a field says a little of what the surrogate says.
        assert!((own * own - share).abs() < 0.12, "{share}: {}", own * own);
        tell.push([1, 9, 27, 98].map(|epoch| told(&landscape, &architectures, &truths, epoch)));
    }
    println!("rank correlations with the end after 1, 9, 27 and 98 epochs: {tell:.2?}");
    for (told, range) in tell[1].into_iter().zip([0.3..0.5, 0.4..0.6, 0.45..0.7, 0.95..1.0]) {
        assert!(range.contains(&told), "{range:?}: {told}");
    }
    assert!(tell[0][2] > tell[1][2] + 0.2 && tell[1][2] > tell[2][2] + 0.1, "{tell:?}");
}

#[test]
fn interactions_are_those_of_their_field_and_show_in_proportion() {
    let surrogate = data::nb301_surrogate(7).unwrap();
    let architectures = draws(Pairs::space(), 20);
    let [first, again, other] = [3, 3, 4].map(|number| field(&surrogate, number, 0.2));
    assert_eq!(first, again);
    let plain = Pairs(surrogate.clone());
    let under = |field| Interactions::new(Pairs(surrogate.clone()), field);
    let (first, other) = (under(&first), under(&other));
    for one in &architectures {
        assert!((first.truth(one).unwrap() - other.truth(one).unwrap()).abs() > 1e-6);
        assert_eq!(first.seconds(one, 1, 9), plain.seconds(one, 1, 9));
        let shift = first.truth(one).unwrap() - plain.truth(one).unwrap();
        for (epoch, share) in [(1, 1.0 / 98.0), (49, 0.5), (98, 1.0)] {
            let shown = first.observed(one, epoch).unwrap() - plain.observed(one, epoch).unwrap();
            assert!((shown - share * shift).abs() < 1e-9, "{epoch}: {shown} {shift}");
        }
    }
}

#[test]
fn interactions_leave_something_to_be_found() {
    let surrogate = data::nb301_surrogate(7).unwrap();
    let field = field(&surrogate, 3, 0.2);
    let landscape = Interactions::new(Pairs(surrogate), &field);
    let worth = |one: &Assignment| landscape.truth(one).unwrap();
    let drawn = draws(Pairs::space(), 300);
    let start = drawn.iter().map(worth).enumerate().reduce(|best, other| if other.1 > best.1 { other } else { best }).unwrap();
    // Up from the best of a few hundred, choice by choice.
    let (mut best, mut found) = (start.1, drawn[start.0].clone());
    for parameter in Pairs::space().parameters() {
        for value in drawn[..40].iter().map(|one| one[&parameter.name].clone()) {
            let neighbour = found.with([(Arc::clone(&parameter.name), value)]);
            if worth(&neighbour) > best {
                (best, found) = (worth(&neighbour), neighbour);
            }
        }
    }
    assert!(best > start.1 + 0.5 && best < 100.0, "{best} {}", start.1);
}

#[test]
fn an_architecture_of_the_table_keeps_its_noise_under_its_other_name() {
    let surrogate = data::nb301_surrogate(7).unwrap();
    let row = surrogate.table().assignment(11).unwrap();
    let pairs = Pairs(surrogate);
    let named = Pairs::named(&row).unwrap();
    assert_eq!((named.len(), pairs.observed(&named, 27)), (24, pairs.0.observed(&row, 27)));
}

#[test]
fn smooth_curves_are_hidden_by_noise_alone() {
    let configurations = draws(Smooth::space(), 1000);
    let tell: Vec<[f64; 5]> = (0..5)
        .map(|seed| {
            let smooth = Smooth::new(seed);
            let again = Smooth::new(seed);
            assert!(configurations.iter().take(50).all(|one| smooth.observed(one, 3) == again.observed(one, 3)));
            let truths = truths(&smooth, &configurations);
            [1, 3, 9, 27, 81].map(|step| told(&smooth, &configurations, &truths, step))
        })
        .collect();
    println!("rank correlations with the end after 1, 3, 9, 27 and 81 steps: {tell:.2?}");
    for told in tell {
        for (told, range) in told.into_iter().zip([0.25..0.65, 0.5..0.85, 0.75..0.95, 0.9..1.0, 0.99..1.0]) {
            assert!(range.contains(&told), "{range:?}: {told}");
        }
    }
}

#[test]
fn a_mean_full_training_of_smooth_takes_what_it_says() {
    let smooth = Smooth::new(0);
    let configurations = draws(Smooth::space(), 2000);
    let seconds: f64 = configurations.iter().map(|one| smooth.seconds(one, 0, 81).unwrap()).sum::<f64>() / 2000.0;
    assert!((seconds - Smooth::full_training_seconds()).abs() < 3.0, "{seconds}");
}
