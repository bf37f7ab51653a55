//! What holds for every search, whatever the outcomes and whatever their order.

#![allow(clippy::unwrap_used, clippy::panic, clippy::float_cmp, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use nas_search::{
    Assignment, Budget, Decision, Domain, End, Index, Outcome, Plan, Recorded, Rungs, Scale, Trial, Usage, View, decide, sample,
    simulate,
};
use proptest::prelude::*;

mod searches;

use searches::{drive, plan, space, steps};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_search_ends_with_every_trial_created_and_nothing_left_to_do(
        steps in steps(), max_trials in 1_u64..60, parallel in 1_usize..9, eta in 2_u64..5,
    ) {
        let plan = plan(max_trials, parallel, eta);
        let (index, end) = drive(&plan, &steps, |_, _| {});
        prop_assert_eq!(end, Some(End::Completed));
        prop_assert_eq!(index.created() - index.infeasible(), max_trials);
        prop_assert_eq!(index.running(), 0);
    }

    #[test]
    fn a_promotion_is_within_the_quota_that_its_view_allows(steps in steps(), eta in 2_u64..5) {
        let plan = plan(50, 4, eta);
        drive(&plan, &steps, |index, decisions| {
            for decision in decisions {
                let Decision::Promote { trial, rung, view, reason } = decision else { continue };
                // Counted anew, from the records alone.
                let standing: Vec<(f64, u64)> = index
                    .trials()
                    .filter(|trial| !trial.is_infeasible())
                    .filter_map(|trial| trial.recorded.get(rung - 1).map(|recorded| (trial, recorded)))
                    .map(|(trial, recorded)| match recorded.outcome {
                        Outcome::Value(value) => (value, trial.number),
                        _ => (f64::NEG_INFINITY, trial.number),
                    })
                    .collect();
                let mine = *standing.iter().find(|(_, number)| number == trial).unwrap();
                let better = standing.iter().filter(|other| other.0 > mine.0 || (other.0 == mine.0 && other.1 < mine.1)).count();
                assert!(better < standing.len() / usize::try_from(eta).unwrap());
                assert_eq!((reason.rank, reason.entries), (better + 1, standing.len()));
                assert_eq!(reason.value, Some(mine.0));
                assert_eq!(*view, View { max_trials: Some(50), ..index.view() });
            }
        });
    }

    #[test]
    fn a_trial_has_the_same_configuration_whatever_comes_out(steps in steps()) {
        let plan = plan(30, 4, 3);
        let (index, _) = drive(&plan, &steps, |_, _| {});
        let simulated = simulate(&plan, |trial, _| Outcome::Value(f64::from(u32::try_from(trial.number).unwrap())));
        for trial in simulated.index.trials() {
            prop_assert_eq!(&trial.assignment, &index.trial(trial.number).unwrap().assignment);
        }
    }

    #[test]
    fn a_retired_trial_could_never_have_been_promoted(steps in steps()) {
        let plan = plan(30, 4, 3);
        let mut retired = Vec::new();
        let (index, _) = drive(&plan, &steps, |_, decisions| {
            for decision in decisions {
                match decision {
                    Decision::Retire { trial, .. } => retired.push(*trial),
                    Decision::Promote { trial, .. } => assert!(!retired.contains(trial)),
                    _ => {}
                }
            }
        });
        // Without infeasible trials (which leave their rungs) the rule is exact: nobody retired is ever among the best third.
        if index.infeasible() == 0 {
            for number in retired {
                let trial = index.trial(number).unwrap();
                let value = trial.value_at(trial.target_rung).unwrap();
                let better = index.trials().filter(|other| other.value_at(trial.target_rung).is_some_and(|v| v > value)).count();
                prop_assert!(better + 1 > 30 / 3 || index.trials().any(|other| other.number < number && other.value_at(trial.target_rung) == Some(value)));
            }
        }
    }

    #[test]
    fn configurations_are_not_repeated_while_others_are_left(seed in any::<u64>(), values in 2_i64..8) {
        let mut plan = plan(12, 1, 3);
        plan.seed = seed;
        plan.space = space(vec![("x", Domain::Int { min: 1, max: values, scale: Scale::Linear })]);
        let simulated = simulate(&plan, |_, _| Outcome::Value(0.5));
        let first: BTreeSet<String> = simulated
            .index
            .trials()
            .take(usize::try_from(values).unwrap())
            .map(|trial| format!("{:?}", trial.assignment))
            .collect();
        prop_assert_eq!(first.len(), usize::try_from(values).unwrap());
    }
}

#[test]
fn a_synchronous_search_promotes_exactly_a_third_at_each_rung() {
    let mut plan = plan(27, 1, 3);
    plan.rungs = Rungs::explicit(vec![20, 60, 180], 3, 180, 27).unwrap();
    // The later the better: the worst case for promotions on the way.
    let simulated = simulate(&plan, |trial, _| Outcome::Value(-f64::from(u32::try_from(trial.number).unwrap())));
    let entries: Vec<usize> = simulated.index.summaries(&plan.rungs).map(|rung| rung.entries).collect();
    assert_eq!(entries, [27, 9, 3]);
    assert_eq!(simulated.end, End::Completed);
    assert_eq!(simulated.index.incumbent().unwrap().trial, 0);
    assert_eq!(simulated.index.steps_trained(&plan.rungs), 27 * 20 + 9 * 40 + 3 * 120);
    assert_eq!(plan.ideal_steps(), 27 * 20 + 9 * 40 + 3 * 120);
}

fn recorded(number: u64, outcomes: &[Outcome], target_rung: usize) -> Trial {
    let recorded =
        outcomes.iter().enumerate().map(|(rung, outcome)| Recorded::new(rung, *outcome, number * 10 + rung as u64 + 1)).collect();
    Trial { target_rung, recorded, ..Trial::new(number, Assignment::from([("n".into(), i64::try_from(number).unwrap().into())])) }
}

fn index_of(plan: &Plan, trials: Vec<Trial>) -> Index {
    let mut index = Index::new(plan.direction, &plan.rungs);
    for trial in trials {
        index.apply(trial);
    }
    index
}

#[test]
fn ties_go_to_the_smaller_number_and_the_higher_rung_goes_first() {
    let plan = plan(81, 2, 3);
    let value = |v| Outcome::Value(v);
    let mut trials: Vec<Trial> = (0..9).map(|number| recorded(number, &[value(0.5)], 0)).collect();
    for number in [0, 1, 2] {
        trials[usize::try_from(number).unwrap()] = recorded(number, &[value(0.5), value(0.6)], 1);
    }
    trials.push(recorded(9, &[value(0.4)], 0));
    trials.extend((10..15).map(|number| recorded(number, &[value(0.1)], 0)));
    let grants: Vec<(u64, usize)> = decide(&plan, &index_of(&plan, trials), &Usage::default())
        .iter()
        .filter_map(|d| if let Decision::Promote { trial, rung, .. } = d { Some((*trial, *rung)) } else { None })
        .collect();
    assert_eq!(grants, [(0, 2), (3, 1)]);
}

#[test]
fn an_infeasible_trial_leaves_every_rung_and_is_replaced() {
    let plan = plan(3, 1, 3);
    let index = index_of(
        &plan,
        vec![
            recorded(0, &[Outcome::Value(0.9), Outcome::Infeasible], 1),
            recorded(1, &[Outcome::Value(0.5)], 0),
            recorded(2, &[Outcome::Value(0.4)], 0),
        ],
    );
    assert_eq!(index.incumbent().unwrap().trial, 1);
    let decisions = decide(&plan, &index, &Usage::default());
    assert!(matches!(&decisions[0], Decision::Create { new, .. } if new.number == 3), "{decisions:?}");
}

#[test]
fn three_misconfigured_in_a_row_stop_all_starts_until_a_person_has_looked() {
    let plan = plan(9, 2, 3);
    let trials: Vec<_> = (0..3).map(|number| recorded(number, &[Outcome::Misconfigured], 0)).collect();
    let index = index_of(&plan, trials);
    assert!(index.is_stalled(0));
    assert_eq!(decide(&plan, &index, &Usage::default()), []);
    let cleared = Usage { stall_cleared: index.view().seq, ..Usage::default() };
    assert_eq!(decide(&plan, &index, &cleared).len(), 2);
}

#[test]
fn no_slots_or_a_suspension_pause_the_search_and_do_not_end_it() {
    let none = plan(9, 0, 3);
    assert_eq!(decide(&none, &index_of(&none, vec![]), &Usage::default()), []);
    let some = plan(9, 2, 3);
    let suspended = Usage { suspended: true, ..Usage::default() };
    assert_eq!(decide(&some, &index_of(&some, vec![]), &suspended), []);
}

#[test]
fn limits_end_the_search_with_their_reason() {
    use std::time::Duration;
    let base = plan(9, 2, 3);
    let failed = index_of(&base, (0..3).map(|number| recorded(number, &[Outcome::Failed], 0)).collect());
    let infeasible = index_of(&base, (0..3).map(|number| recorded(number, &[Outcome::Infeasible], 0)).collect());
    let full = index_of(&base, vec![recorded(4, &[Outcome::Value(0.1), Outcome::Value(0.2), Outcome::Value(0.95)], 2)]);
    let ends = |plan: &Plan, index: &Index, usage: Usage| match decide(plan, index, &usage).as_slice() {
        [Decision::Finish { reason, .. }] => Some(*reason),
        _ => None,
    };
    let hour = Duration::from_hours(1);
    let usage = Usage { wall_clock: hour, accelerator: hour, ..Usage::default() };

    assert_eq!(ends(&base, &failed, usage), None);
    let limited = Plan { max_failed_trials: Some(2), ..plan(9, 2, 3) };
    assert_eq!(ends(&limited, &failed, usage), Some(End::TooManyFailed { failed: 3 }));
    let limited = Plan { max_infeasible_trials: 2, ..plan(9, 2, 3) };
    assert_eq!(ends(&limited, &infeasible, usage), Some(End::TooManyInfeasible { infeasible: 3 }));
    let limited = Plan { target: Some(0.95), ..plan(9, 2, 3) };
    assert_eq!(ends(&limited, &full, usage), Some(End::TargetReached { trial: 4 }));
    let limited = Plan { target: Some(0.96), ..plan(9, 2, 3) };
    assert_eq!(ends(&limited, &full, usage), None);
    let budget = Budget { wall_clock: Some(hour), accelerator: None, ..Budget::default() };
    assert_eq!(ends(&Plan { budget, ..plan(9, 2, 3) }, &full, usage), Some(End::WallClockSpent));
    let budget = Budget { wall_clock: None, accelerator: Some(hour), ..Budget::default() };
    assert_eq!(ends(&Plan { budget, ..plan(9, 2, 3) }, &full, usage), Some(End::AcceleratorTimeSpent));
}

#[test]
fn an_empty_space_names_the_rule_that_rejects_most() {
    let mut plan = plan(3, 1, 3);
    plan.space = space(vec![("x", Domain::Int { min: 1, max: 10, scale: Scale::Linear })]);
    plan.constraints.add("hp.x > 1", "").unwrap();
    plan.constraints.add("hp.x < 2", "").unwrap();
    let nothing = sample(&plan, &Index::new(plan.direction, &plan.rungs), &[], 0).unwrap_err();
    assert_eq!(nothing.worst_rule(), Some(1));
    assert_eq!(nothing.rejected.values().sum::<u32>(), nothing.draws);
    let simulated = simulate(&plan, |_, _| Outcome::Value(0.5));
    assert_eq!(simulated.end, End::SpaceExhausted);
}

#[test]
fn a_space_of_which_less_than_1_in_100_000_draws_is_allowed_is_refused_with_the_rule_that_rejects_most() {
    let of = |rules: &[&str]| {
        let mut plan = plan(3, 1, 3);
        plan.space = space(["a", "b", "c"].map(|name| (name, Domain::Int { min: 1, max: 1000, scale: Scale::Linear })).into());
        for rule in rules {
            plan.constraints.add(rule, "").unwrap();
        }
        sample(&plan, &Index::new(plan.direction, &plan.rungs), &[], 0)
    };
    // One point of 1,000,000,000 is allowed; a rule rejects what those before it let through.
    let nothing = of(&["hp.a > 100", "hp.b == 1", "hp.a == 1000 && hp.c == 1"]).unwrap_err();
    assert_eq!((nothing.draws, nothing.worst_rule()), (nas_search::MAX_DRAWS, Some(1)));
    let nothing = of(&["hp.b == 1", "hp.a > 100", "hp.a == 1000 && hp.c == 1"]).unwrap_err();
    assert_eq!((nothing.draws, nothing.worst_rule()), (nas_search::MAX_DRAWS, Some(0)));
    // One in 1,000 is found.
    assert!(of(&["hp.b == 1"]).unwrap().rejected > 0);
}
