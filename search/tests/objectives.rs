//! Several objectives: who goes on, what the result is, and what samplers make of them.

#![allow(clippy::unwrap_used, clippy::panic, clippy::float_cmp, reason = "a test fails by panicking; costs are whole")]

use nas_search::{
    Additional, AdditionalObjective, Assignment, Decision, Direction, Domain, End, Guided, Index, Memory, Outcome, Plan, Ranked,
    Recorded, Rungs, Sampler, Scalar, Usage, decide, front,
};
use proptest::prelude::*;

mod searches;

use searches::{cost, drive, plan, schedulers, space, steps};

/// Value and cost of a trial at a rung; an infeasible one stands nowhere.
fn standing(index: &Index, number: u64, rung: usize) -> Option<(f64, f64)> {
    let trial = index.trial(number).filter(|trial| !trial.is_infeasible())?;
    Some((trial.value_at(rung)?, trial.recorded[rung].additional.0[0]))
}

fn dominates((value, cost): (f64, f64), (other, other_cost): (f64, f64)) -> bool {
    value >= other && cost <= other_cost && (value > other || cost < other_cost)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn who_dominates_goes_first_and_who_is_retired_is_dominated_by_enough(
        steps in steps(), scheduler in schedulers(), max_trials in 1_u64..70, parallel in 1_usize..7, eta in 2_u64..5,
    ) {
        let plan = Plan { scheduler, additional: vec![cost()], ..plan(max_trials, parallel, eta) };
        let mut problems = Vec::new();
        let (_, end) = drive(&plan, &steps, |index, decisions| {
            let going_on: Vec<u64> = decisions.iter().filter_map(|decision| match decision {
                Decision::Promote { trial, .. } => Some(*trial),
                _ => None,
            }).collect();
            for decision in decisions {
                match decision {
                    Decision::Promote { trial, reason, .. } => {
                        let own = standing(index, *trial, reason.rung).unwrap();
                        // Who stopping ASHA stops or the scheduler retires has had its turn.
                        let waits = |other: &nas_search::Trial| other.bracket == index.trial(*trial).unwrap().bracket
                            && other.target_rung == reason.rung && !other.stopped && !other.retired
                            && other.running().is_none() && !going_on.contains(&other.number);
                        let passed_over = index.trials().filter(|other| waits(other))
                            .filter_map(|other| standing(index, other.number, reason.rung)).any(|other| dominates(other, own));
                        let is_stopping = matches!(scheduler, nas_search::Scheduler::Asha { kind: nas_search::Halving::Stopping, .. });
                        if passed_over && !is_stopping || reason.by != Ranked::Front || reason.rank > reason.quota {
                            problems.push(format!("{decision:?}"));
                        }
                    }
                    Decision::Retire { trial, reason, .. } => {
                        let at = index.trial(*trial).unwrap();
                        let better = index.trials().filter(|other| other.bracket == at.bracket).filter(|other| {
                            let (own, other) = (standing(index, *trial, reason.rung), standing(index, other.number, reason.rung));
                            own.zip(other).is_some_and(|(own, other)| dominates(other, own))
                        }).count();
                        if scheduler != nas_search::Scheduler::Hyperband && better < reason.quota {
                            problems.push(format!("{decision:?}: {better}"));
                        }
                    }
                    _ => {}
                }
            }
        });
        prop_assert_eq!(problems, Vec::<String>::new());
        prop_assert_eq!(end, Some(End::Completed));
    }

    #[test]
    fn the_front_is_who_is_dominated_by_nobody_at_the_highest_rung(steps in steps(), max_trials in 1_u64..70) {
        let plan = Plan { additional: vec![cost()], ..plan(max_trials, 4, 3) };
        let (index, _) = drive(&plan, &steps, |_, _| ());
        let mut found: Vec<u64> = front(&plan, &index, usize::MAX).iter().map(|trial| trial.trial).collect();
        if let (Some(best), Some(first)) = (index.incumbent(), found.first()) {
            prop_assert_eq!(standing(&index, *first, best.rung).unwrap().0, best.value);
        }
        let rung = index.incumbent().map_or(0, |best| best.rung);
        let stand: Vec<(u64, (f64, f64))> =
            index.trials().filter_map(|trial| Some((trial.number, standing(&index, trial.number, rung)?))).collect();
        let expected: Vec<u64> = stand.iter()
            .filter(|(_, own)| !stand.iter().any(|(_, other)| dominates(*other, *own))).map(|(number, _)| *number).collect();
        found.sort_unstable();
        prop_assert_eq!(found, expected);
        prop_assert!(front(&plan, &index, 3).len() <= 3);
    }
}

/// Runs a search of 100 full trainings over ten layers, each of which adds to value and cost, not all of them as well as each other; returns
/// the area that its front covers.
fn covered(sampler: Sampler, seed: u64) -> f64 {
    let layers: Vec<String> = (0..10).map(|layer| format!("layer_{layer}")).collect();
    let space =
        space(layers.iter().map(|layer| (layer.as_str(), Domain::Categorical((0..5).map(Scalar::Int).collect()))).collect());
    let plan = Plan { seed, sampler, space, additional: vec![cost()], rungs: Rungs::full_length(81), ..plan(100, 4, 3) };
    let mut index = Index::new(plan.direction, &plan.rungs);
    let mut seq = 0;
    loop {
        for decision in decide(&plan, &index, &Usage::default()) {
            if let Decision::Finish { .. } = decision {
                let mut front = front(&plan, &index, usize::MAX);
                front.sort_by(|a, b| a.additional.0[0].total_cmp(&b.additional.0[0]));
                // Each step of the staircase, up to the highest cost.
                let edges = front.iter().skip(1).map(|next| next.additional.0[0]).chain([60.0]);
                return front.iter().zip(edges).map(|(at, next)| at.value * (next - at.additional.0[0])).sum();
            }
            let trial = index.record(&decision).unwrap();
            index.apply(trial);
        }
        let mut trial = index.trials().find(|trial| trial.running().is_some()).unwrap().clone();
        let chosen = layers.iter().map(|layer| trial.assignment[layer.as_str()].as_f64().unwrap());
        let (value, cost) = chosen.zip(1..).fold((0.0, 0.0), |(value, cost), (choice, layer)| {
            (value + choice.sqrt() * f64::from(layer % 4), cost + choice * f64::from(1 + layer % 3) / 2.0)
        });
        seq += 1;
        let recorded = Recorded::new(0, Outcome::Value(value), seq);
        trial.recorded.push(Recorded { additional: Additional([cost, 0.0, 0.0]), ..recorded });
        index.apply(trial);
    }
}

#[test]
fn samplers_that_learn_cover_more_than_chance_does() {
    let mean = |sampler: fn(Memory) -> Sampler| (0..8).map(|seed| covered(sampler(Memory::default()), seed)).sum::<f64>() / 8.0;
    let random = mean(|_| Sampler::Random);
    for (name, learned) in [
        ("guided", mean(|_| Sampler::Guided(Guided::default()))),
        ("tpe", mean(Sampler::Tpe)),
        ("mutation", mean(Sampler::Mutation)),
    ] {
        println!("{name}: {learned} over {random}");
        assert!(learned > random, "{name}: {learned} is not over {random}");
    }
}

#[test]
fn a_metric_that_nobody_knows_is_named() {
    let latency = AdditionalObjective { metric: "latency".to_owned(), direction: Direction::Minimize };
    let plan = Plan { additional: vec![cost(), latency], ..plan(9, 1, 3) };
    let reported = |name: &str| (name == "cost").then_some(3.0);
    assert_eq!(plan.measure(&Assignment::new(), reported), Err("latency"));
    assert_eq!(plan.measure(&Assignment::new(), |_| Some(f64::NAN)), Err("cost"));
    assert_eq!(plan.measure(&Assignment::new(), |_| Some(2.0)), Ok(Additional([2.0, 2.0, 0.0])));
}
