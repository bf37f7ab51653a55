//! Replay finds no difference in what was decided, and finds what was not.

#![allow(clippy::unwrap_used, clippy::panic, clippy::float_cmp, reason = "a test fails by panicking")]

use std::time::Duration;

use nas_search::{
    Brackets, Budget, Decision, Difference, Domain, End, Guided, Halving, Index, Memory, Outcome, Plan, Recorded, Replay,
    Sampler, Scale, Scheduler, Trial, TrialHistory, Usage, View, decide, replay,
};
use proptest::prelude::*;

mod searches;

use searches::{Step, cost, drive, finish, keep, of_trial, plan, schedulers, steps};

/// The records of a search.
struct Records {
    trials: Vec<TrialHistory>,
    end: Option<(End, View)>,
    decisions: usize,
}

impl Records {
    fn of(plan: &Plan, steps: &[Step]) -> Self {
        let mut records = Self { trials: Vec::new(), end: None, decisions: 0 };
        let (index, _) = drive(plan, steps, |_, decisions| {
            records.decisions += decisions.len();
            keep(&mut records.trials, decisions);
            if let Some(Decision::Finish { view, reason }) = decisions.last() {
                records.end = Some((*reason, *view));
            }
        });
        finish(&mut records.trials, &index);
        records
    }

    fn of_trial(&mut self, number: u64) -> &mut TrialHistory {
        of_trial(&mut self.trials, number)
    }

    fn replay(&self, plan: &Plan) -> Replay {
        let mut listed = self.trials.clone();
        listed.reverse();
        replay(plan, 0, &listed, self.end.map(|(end, view)| (end.name(), view)))
    }
}

/// A search of 30 trials with one slot, in which the value of a trial is that of its number: the later the better.
fn small() -> (Plan, Records) {
    let plan = plan(30, 1, 3);
    let step = |number: u32| Step { pick: 0, outcome: Outcome::Value(f64::from(number) / 1000.0) };
    let records = Records::of(&plan, &(0..400).map(step).collect::<Vec<_>>());
    (plan, records)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_differs_in_what_was_decided(
        steps in steps(), scheduler in schedulers(), max_trials in 1_u64..90, parallel in 1_usize..9, eta in 2_u64..5,
        budget in proptest::option::of(1_u64..3000), two_objectives in any::<bool>(),
    ) {
        let budget = Budget { accelerator: budget.map(Duration::from_secs), ..Budget::default() };
        let additional = if two_objectives { vec![cost()] } else { Vec::new() };
        let plan = Plan { scheduler, budget, additional, ..plan(max_trials, parallel, eta) };
        let records = Records::of(&plan, &steps);
        let found = records.replay(&plan);
        prop_assert_eq!(found, Replay { recomputed: records.decisions, ..Replay::default() });
    }

    #[test]
    fn nothing_differs_where_a_person_raised_max_trials_on_the_way(
        steps in steps(), scheduler in schedulers(), learns in any::<bool>(), few in 9_u64..40, more in 0_u64..100, at in 0_usize..60,
    ) {
        let sampler = if learns { Sampler::Guided(Guided::default()) } else { Sampler::Random };
        let mut plan = Plan { scheduler, sampler, ..plan(few, 3, 3) };
        let mut index = Index::new(plan.direction, &plan.rungs);
        let (mut trials, mut end, mut seq, mut decided) = (Vec::new(), None, 0, 0);
        for (pass, step) in steps.iter().cycle().enumerate() {
            if pass == at {
                plan = Plan { max_trials: few + more, ..plan.clone() };
            }
            let decisions = decide(&plan, &index, &searches::usage(&plan, &index));
            decided += decisions.len();
            keep(&mut trials, &decisions);
            if let Some(Decision::Finish { reason, view }) = decisions.last() {
                end = Some((reason.name(), *view));
                break;
            }
            for decision in &decisions {
                index.apply(index.record(decision).unwrap());
            }
            let running: Vec<_> = index.trials().filter(|trial| trial.running().is_some()).cloned().collect();
            let mut trial = running[step.pick % running.len()].clone();
            searches::record(&mut trial, step.outcome, &mut seq);
            index.apply(trial);
        }
        finish(&mut trials, &index);
        prop_assert_eq!(replay(&plan, 0, &trials, end), Replay { recomputed: decided, ..Replay::default() });
    }

    #[test]
    fn passes_that_are_cut_short_while_a_budget_runs_out_differ_in_nothing(
        steps in steps(), max_trials in 9_u64..60, parallel in 2_usize..6, budget in 30_u64..900,
        cuts in proptest::collection::vec(0_usize..5, 40),
    ) {
        let budget = Budget { wall_clock: Some(Duration::from_secs(budget)), ..Budget::default() };
        let plan = Plan { budget, ..plan(max_trials, parallel, 3) };
        let mut index = Index::new(plan.direction, &plan.rungs);
        let (mut trials, mut end, mut seq, mut passes) = (Vec::new(), None, 0, 0);
        let mut cuts = cuts.into_iter().cycle();
        'search: for step in steps.iter().cycle() {
            // Whatever was decided in the second pass is recorded whole.
            for cut in [cuts.next().unwrap(), usize::MAX] {
                passes += 1;
                let segments = Duration::from_secs(index.steps_trained(&plan.rungs));
                let usage = Usage { wall_clock: segments + Duration::from_millis(700 * passes), segments, ..Usage::default() };
                let mut decisions = decide(&plan, &index, &usage);
                decisions.truncate(cut);
                keep(&mut trials, &decisions);
                for decision in &decisions {
                    if let Decision::Finish { reason, view } = decision {
                        end = Some((*reason, *view));
                        break 'search;
                    }
                    index.apply(index.record(decision).unwrap());
                }
            }
            let running: Vec<_> = index.trials().filter(|trial| trial.running().is_some()).cloned().collect();
            let mut trial = running[step.pick % running.len()].clone();
            searches::record(&mut trial, step.outcome, &mut seq);
            index.apply(trial);
        }
        finish(&mut trials, &index);
        let decisions = trials.iter().map(|trial| trial.grants.len() + usize::from(trial.retired.is_some())).sum::<usize>();
        let found = replay(&plan, 0, &trials, end.map(|(end, view): (End, View)| (end.name(), view)));
        prop_assert_eq!(found, Replay { recomputed: decisions + 1, ..Replay::default() });
    }

    #[test]
    fn a_promotion_that_is_left_out_is_found(steps in steps(), which in any::<prop::sample::Index>()) {
        let plan = plan(40, 3, 3);
        let mut records = Records::of(&plan, &steps);
        // A trial that was promoted, as if it never had been.
        let promoted: Vec<u64> = records.trials.iter().filter(|t| t.trial.target_rung > 0).map(|t| t.trial.number).collect();
        prop_assume!(!promoted.is_empty());
        let left_out = records.of_trial(promoted[which.index(promoted.len())]);
        left_out.trial.target_rung = 0;
        left_out.trial.recorded.truncate(1);
        left_out.grants.truncate(1);
        // Everything that had seen its later outcomes cannot be recomputed; the rest shows the difference.
        let found = records.replay(&plan);
        prop_assert!(!found.differences.is_empty() || !found.unmatched.is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn what_a_sampler_that_learns_proposed_is_proposed_again(
        steps in steps(), scheduler in schedulers(), which in 0_usize..3, parallel in 1_usize..5, other in 0_usize..38,
    ) {
        let sampler = [Sampler::Mutation(Memory::default()), Sampler::Tpe(Memory::default()), Sampler::Guided(Guided::default())][which].clone();
        let plan = Plan { scheduler, sampler, ..plan(40, parallel, 3) };
        let mut records = Records::of(&plan, &steps);
        let found = records.replay(&plan);
        prop_assert_eq!(found, Replay { recomputed: records.decisions, ..Replay::default() });
        // Another configuration is found, unless it may be that of a trial which was deleted before.
        let different = records.trials[(other + 1) % 40].trial.assignment.clone();
        records.trials[other].trial.assignment = different;
        let wrong = Difference::Sample { trial: other as u64 };
        let is_found = |records: &Records| records.replay(&plan).differences.contains(&wrong);
        prop_assert!(is_found(&records));
        // One that was deleted and came later could not have it.
        records.trials.remove(records.trials.len() - 2);
        prop_assert!(is_found(&records));
        records.trials.remove(0);
        prop_assert!(!is_found(&records));
    }
}

#[test]
fn only_what_was_drawn_before_a_trial_that_was_deleted_is_drawn_again() {
    // Of 40 configurations, 30 are drawn: where one is gone, later draws that avoided it differ.
    let mut plan = plan(30, 1, 3);
    plan.space = searches::space(vec![("x", Domain::Int { min: 1, max: 40, scale: Scale::Linear })]);
    let step = |number: u32| Step { pick: 0, outcome: Outcome::Value(f64::from(number) / 1000.0) };
    let mut records = Records::of(&plan, &(0..400).map(step).collect::<Vec<_>>());
    for number in [2, 7, 12] {
        records.of_trial(number).trial.assignment = records.trials[29].trial.assignment.clone();
    }
    let samples = |records: &Records| -> Vec<u64> {
        let differences = records.replay(&plan).differences;
        differences.iter().filter_map(|d| if let Difference::Sample { trial } = d { Some(*trial) } else { None }).collect()
    };
    let mut wrong = samples(&records);
    assert!([2, 7, 12].iter().all(|number| wrong.contains(number)), "{wrong:?}");
    records.trials.remove(9);
    wrong.retain(|number| *number < 9);
    assert_eq!(samples(&records), wrong);
    // A seed does not depend on other trials.
    records.trials.last_mut().unwrap().seed += 1;
    wrong.push(29);
    assert_eq!(samples(&records), wrong);
}

#[test]
fn trials_that_were_created_and_are_gone_are_named_and_count() {
    let (plan, records) = small();
    let found = replay(&plan, 33, &records.trials, None);
    assert_eq!((found.deleted, found.differences), (vec![30, 31, 32], vec![Difference::TooMany { trials: 33 }]));
}

#[test]
fn a_trial_in_another_bracket_and_a_stop_of_one_of_the_best_are_found() {
    let scheduler = Scheduler::Asha { kind: Halving::Stopping, brackets: Brackets::Conservative };
    let plan = Plan { scheduler, ..plan(30, 1, 3) };
    let step = |number: u32| Step { pick: 0, outcome: Outcome::Value(f64::from(number) / 1000.0) };
    let mut records = Records::of(&plan, &(0..400).map(step).collect::<Vec<_>>());
    records.of_trial(6).trial.bracket = 3;
    let going_on = records.trials.iter().find(|t| t.grants.len() > 1 && t.trial.number != 6).unwrap().trial.number;
    let history = records.of_trial(going_on);
    history.stopped = Some(history.grants.pop().unwrap().1);
    let found = records.replay(&plan).differences;
    assert!(found.contains(&Difference::Bracket { trial: 6 }), "{found:?}");
    assert!(found.contains(&Difference::Stopped { trial: going_on }), "{found:?}");
    // It was its turn whatever became of a later one.
    records.trials.remove(20);
    assert!(records.replay(&plan).differences.contains(&Difference::Bracket { trial: 6 }));
}

#[test]
fn another_configuration_or_seed_is_found() {
    let (plan, mut records) = small();
    records.of_trial(4).seed += 1;
    let other = records.trials[7].trial.assignment.clone();
    records.of_trial(9).trial.assignment = other;
    let found = records.replay(&plan).differences;
    assert_eq!(found, [Difference::Sample { trial: 4 }, Difference::Sample { trial: 9 }]);
}

#[test]
fn a_promotion_that_was_not_next_is_found() {
    let (plan, mut records) = small();
    // Two promotions to the same rung change places: each takes the view of the other.
    let promoted: Vec<_> = records.trials.iter().filter(|t| t.grants.len() == 2).map(|t| t.trial.number).collect();
    let (one, other) = (promoted[0], promoted[1]);
    let (first, second) = (records.of_trial(one).grants[1], records.of_trial(other).grants[1]);
    records.of_trial(one).grants[1] = second;
    records.of_trial(other).grants[1] = first;
    let found = records.replay(&plan).differences;
    assert!(found.iter().any(|difference| matches!(difference, Difference::Promotions { .. })), "{found:?}");
}

#[test]
fn a_trial_that_was_created_in_place_of_a_promotion_is_found() {
    let (plan, mut records) = small();
    // The promotion is said to have come only after everything else.
    let late = records.end.unwrap().1;
    let number = records.trials.iter().find(|t| t.grants.len() == 2).unwrap().trial.number;
    let on = records.of_trial(number).grants[1].1;
    records.of_trial(number).grants[1].1 = late;
    let next = records.trials.iter().filter(|t| t.grants[0].1.seq >= on.seq).map(|t| t.trial.number).min().unwrap();
    // With one slot, the next decision after the promotion's view came once its outcome was there; this one is put on that view.
    records.of_trial(next).grants[0].1 = on;
    let found = records.replay(&plan).differences;
    assert!(found.contains(&Difference::Created { trial: next, instead_of: number }), "{found:?}");
}

#[test]
fn a_retirement_too_early_and_a_promotion_after_it_are_found() {
    let (plan, mut records) = small();
    let best = records.trials.iter().find(|t| t.trial.target_rung > 0).unwrap().trial.number;
    let history = records.of_trial(best);
    history.retired = Some(history.grants[0].1);
    let found = records.replay(&plan).differences;
    assert!(found.contains(&Difference::Retired { trial: best }), "{found:?}");
    assert!(
        found.contains(&Difference::Records { trial: best, what: "it was promoted after it was stopped or retired" }),
        "{found:?}"
    );
}

#[test]
fn records_that_contradict_each_other_are_found() {
    let (plan, mut records) = small();
    let promoted = records.trials.iter().find(|t| t.trial.target_rung > 0).unwrap().trial.number;
    records.of_trial(0).grants.clear();
    records.of_trial(promoted).trial.recorded[0].seq = u64::MAX;
    records.of_trial(2).trial.recorded.push(Recorded::new(3, Outcome::Failed, 10_000));
    let found = records.replay(&plan).differences;
    for trial in [0, 2, promoted] {
        assert!(found.iter().any(|d| matches!(d, Difference::Records { trial: of, .. } if *of == trial)), "{trial}: {found:?}");
    }
}

#[test]
fn an_end_that_the_records_do_not_show_is_found() {
    let (plan, mut records) = small();
    let view = records.end.unwrap().1;
    records.end = Some((End::TooManyFailed { failed: 3 }, view));
    assert_eq!(records.replay(&plan).differences, [Difference::Ended { recorded: "TooManyFailed".to_owned() }]);
    let fewer = Plan { max_trials: 29, ..searches::plan(30, 1, 3) };
    assert!(records.replay(&fewer).differences.contains(&Difference::TooMany { trials: 30 }));
}

#[test]
fn what_had_seen_a_trial_that_was_deleted_is_named_and_not_called_wrong() {
    let (plan, mut records) = small();
    let deleted = records.trials.iter().find(|t| t.trial.recorded.len() == 1).unwrap().trial.clone();
    records.trials.retain(|history| history.trial.number != deleted.number);
    let found = records.replay(&plan);
    assert_eq!((found.differences, found.deleted), (vec![], vec![deleted.number]));
    assert!(found.unmatched.iter().all(|view| view.seq >= deleted.recorded[0].seq));
    assert_eq!(found.recomputed + found.unmatched.len() + 1 + usize::from(deleted.retired), records.decisions);
}

/// What is said of one trial: two rungs were granted, both have a value.
fn said(change: impl FnOnce(&mut TrialHistory)) -> Vec<&'static str> {
    let view = |seq| View { seq, count: 1, digest: 1, ..View::default() };
    let value = |rung, seq| Recorded::new(rung, Outcome::Value(0.5), seq);
    let (plan, records) = small();
    let trial = Trial { target_rung: 1, recorded: vec![value(0, 2), value(1, 5)], ..records.trials[0].trial.clone() };
    let grants = vec![(0, view(0)), (1, view(2))];
    let mut history = TrialHistory { trial, seed: records.trials[0].seed, grants, stopped: None, retired: None };
    change(&mut history);
    let differences = replay(&plan, 0, &[history], None).differences;
    differences.iter().filter_map(|d| if let Difference::Records { what, .. } = d { Some(*what) } else { None }).collect()
}

#[test]
fn each_rule_that_records_break_is_named() {
    let not_granted_once = "each rung from its first to its target must have been granted once, in order";
    let not_in_order = "outcomes must be there for each rung from 0, in order";
    let not_growing = "the decisionSeq of its outcomes must grow";
    let beyond = "it has an outcome of a rung that was not granted";
    let too_early = "it was granted a rung before the one below had a value";
    let after_end = "it was promoted after it was stopped or retired";
    let seen = |seq| View { seq, count: 1, digest: 1, ..View::default() };

    assert_eq!(said(|_| ()), [""; 0]);
    assert_eq!(said(|history| history.trial.recorded.truncate(1)), [""; 0]);
    assert_eq!(said(|history| history.trial.target_rung = 2), [not_granted_once]);
    assert_eq!(said(|history| history.trial.first_rung = 1), [not_granted_once]);
    assert_eq!(said(|history| history.trial.recorded[1].rung = 2), [not_in_order]);
    assert_eq!(said(|history| history.trial.recorded[1].seq = 2), [not_growing]);
    let more = |history: &mut TrialHistory| {
        history.trial.recorded.push(Recorded::new(2, Outcome::Value(0.5), 6));
    };
    assert_eq!(said(more), [beyond]);
    assert_eq!(said(|history| history.grants[1].1 = seen(1)), [too_early]);
    assert_eq!(said(|history| history.trial.recorded[0].outcome = Outcome::Failed), [too_early]);
    assert_eq!(said(|history| history.trial.recorded.clear()), [too_early]);
    // At the same view as the promotion is not before it.
    assert_eq!(said(|history| history.stopped = Some(seen(2))), [""; 0]);
    assert_eq!(said(|history| history.stopped = Some(seen(1))), [after_end]);
    assert_eq!(said(|history| history.retired = Some(seen(1))), [after_end]);
}

#[test]
fn each_reason_to_end_is_held_against_the_records() {
    let step = |number: u32| {
        let value = Outcome::Value(f64::from(number % 100) / 100.0);
        let failed = if number % 11 == 5 { Outcome::Failed } else { value };
        Step { pick: 0, outcome: if number % 7 == 3 { Outcome::Infeasible } else { failed } }
    };
    let records = Records::of(&plan(30, 2, 3), &(0..400).map(step).collect::<Vec<_>>());
    let mut index = Index::new(plan(30, 2, 3).direction, &plan(30, 2, 3).rungs);
    records.trials.iter().for_each(|history| index.apply(history.trial.clone()));
    let (failed, infeasible) = (index.failed(), index.infeasible());
    assert!(failed > 1 && infeasible > 1 && index.incumbent().unwrap().rung == 3);
    // Without retirements, which come after the last grant.
    let mut trials = records.trials.clone();
    for history in &mut trials {
        history.retired = None;
    }
    let holds = |plan: &Plan, name: &str, view: View| {
        let found = replay(plan, 0, &trials, Some((name, view)));
        assert_eq!(found.unmatched, []);
        !found.differences.contains(&Difference::Ended { recorded: name.to_owned() })
    };
    let (end, seen) = records.end.unwrap();
    let at_end = index.view();
    assert_eq!((end, seen), (End::Completed, View { max_trials: Some(30), ..at_end }));
    let with_trials = |max_trials| Plan { max_trials, ..plan(30, 2, 3) };
    assert!(holds(&with_trials(30), "Completed", at_end) && !holds(&with_trials(31), "Completed", at_end));
    assert!(holds(&with_trials(31), "SpaceExhausted", at_end) && !holds(&with_trials(30), "SpaceExhausted", at_end));
    let with_target = |target| Plan { target, ..plan(30, 2, 3) };
    let best = index.incumbent().unwrap().value;
    assert!(holds(&with_target(Some(best)), "TargetReached", at_end));
    assert!(
        !holds(&with_target(Some(best + 0.01)), "TargetReached", at_end) && !holds(&with_target(None), "TargetReached", at_end)
    );
    let with_failed = |max_failed_trials| Plan { max_failed_trials, ..plan(30, 2, 3) };
    assert!(holds(&with_failed(Some(failed - 2)), "TooManyFailed", at_end));
    assert!(!holds(&with_failed(Some(failed)), "TooManyFailed", at_end) && !holds(&with_failed(None), "TooManyFailed", at_end));
    let with_infeasible = |max_infeasible_trials| Plan { max_infeasible_trials, ..plan(30, 2, 3) };
    assert!(holds(&with_infeasible(infeasible - 2), "TooManyInfeasible", at_end));
    assert!(!holds(&with_infeasible(infeasible), "TooManyInfeasible", at_end));
    assert!(holds(&plan(30, 2, 3), "WallClockSpent", at_end));
    // Before the last outcome, a trial was running.
    let last_grant = records.trials.iter().flat_map(|history| &history.grants).map(|(_, view)| *view).max_by_key(|view| view.seq);
    assert!(!holds(&plan(30, 2, 3), "Completed", last_grant.unwrap()));
}

#[test]
fn a_search_has_not_ended_while_a_promotion_waits() {
    let (plan, mut records) = small();
    let is_last = |history: &&mut TrialHistory| history.trial.target_rung == 3;
    let last = records.trials.iter_mut().filter(is_last).max_by_key(|history| history.grants[3].1.seq).unwrap();
    last.grants.pop();
    last.trial.recorded.pop();
    last.trial.target_rung = 2;
    let mut index = Index::new(plan.direction, &plan.rungs);
    records.trials.iter().for_each(|history| index.apply(history.trial.clone()));
    records.end = Some((End::Completed, index.view()));
    assert_eq!(index.running(), 0);
    let found = records.replay(&plan).differences;
    assert!(found.contains(&Difference::Ended { recorded: "Completed".to_owned() }), "{found:?}");
}
