//! Replay finds no difference in what was decided, and finds what was not.

#![allow(clippy::unwrap_used, clippy::panic, clippy::float_cmp, reason = "a test fails by panicking")]

use std::time::Duration;

use nas_search::{
    Brackets, Budget, Decision, Difference, End, Halving, Index, Outcome, Plan, Recorded, Replay, Scheduler, TrialHistory, Usage,
    View, decide, replay,
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
