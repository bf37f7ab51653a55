//! What holds for every scheduler, and what each promises.

#![allow(clippy::unwrap_used, clippy::panic, clippy::float_cmp, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use nas_search::{Brackets, Decision, End, Halving, Index, Outcome, Plan, Rungs, Scheduler, Trial, Usage, decide, simulate};
use proptest::prelude::*;

mod searches;

use searches::{Step, drive, plan, schedulers, steps};

fn asha(kind: Halving, brackets: Brackets) -> Scheduler {
    Scheduler::Asha { kind, brackets }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn slots_and_trials_are_never_exceeded_and_none_is_left_empty(
        steps in steps(), scheduler in schedulers(), max_trials in 1_u64..90, parallel in 1_usize..9, eta in 2_u64..5,
    ) {
        let plan = Plan { scheduler, ..plan(max_trials, parallel, eta) };
        let (index, end) = drive(&plan, &steps, |index, decisions| {
            let is_start = |d: &&Decision| matches!(d, Decision::Create { .. } | Decision::Promote { .. });
            let starts = decisions.iter().filter(is_start).count();
            let creates = decisions.iter().filter(|d| matches!(d, Decision::Create { .. })).count() as u64;
            assert!(index.running() + starts <= parallel);
            let all_created = index.created() + creates - index.infeasible() >= max_trials;
            assert!(index.running() + starts == parallel || all_created);
        });
        prop_assert!(end.is_some());
        prop_assert_eq!(index.created() - index.infeasible(), max_trials);
        prop_assert_eq!(index.running(), 0);
    }

    #[test]
    fn nothing_that_is_recorded_is_decided_again(steps in steps(), scheduler in schedulers(), parallel in 1_usize..9) {
        let plan = Plan { scheduler, ..plan(60, parallel, 3) };
        drive(&plan, &steps, |index, decisions| {
            let mut after = index.clone();
            let recorded: Vec<_> = decisions.iter().filter_map(|decision| after.record(decision)).collect();
            for trial in recorded {
                after.apply(trial);
            }
            let again = decide(&plan, &after, &Usage::default());
            let finished = decisions.iter().any(|d| matches!(d, Decision::Finish { .. }));
            assert!(finished || again.is_empty(), "{again:?}");
        });
    }

    #[test]
    fn the_order_in_which_records_are_listed_never_matters(
        steps in steps(), scheduler in schedulers(), shuffle in any::<u64>(), cut in 1_usize..300,
    ) {
        let plan = Plan { scheduler, ..plan(60, 4, 3) };
        let (index, _) = drive(&plan, &steps[..cut], |_, _| {});
        let mut trials: Vec<Trial> = index.trials().cloned().collect();
        trials.sort_by_key(|trial| trial.number.wrapping_mul(shuffle | 1).rotate_left(17));
        let mut folded = Index::new(plan.direction, &plan.rungs);
        for trial in &trials {
            // What a watch may deliver first.
            folded.apply(Trial { recorded: Vec::new(), target_rung: trial.first_rung, stopped: false, retired: false, ..trial.clone() });
        }
        trials.iter().rev().for_each(|trial| folded.apply(trial.clone()));
        prop_assert_eq!(&folded, &index);
        prop_assert_eq!(decide(&plan, &folded, &Usage::default()), decide(&plan, &index, &Usage::default()));
    }

    #[test]
    fn trials_are_divided_among_brackets_as_planned(
        steps in steps(), scheduler in schedulers(), max_trials in 1_u64..200, parallel in 1_usize..9,
    ) {
        let plan = Plan { scheduler, ..plan(max_trials, parallel, 3) };
        let sizes = plan.bracket_sizes();
        prop_assert_eq!(sizes.iter().sum::<u64>(), max_trials);
        let feasible: Vec<Step> = steps.into_iter().filter(|step| step.outcome != Outcome::Infeasible).collect();
        let (index, _) = drive(&plan, &feasible, |_, _| {});
        let mut joined: BTreeMap<usize, u64> = BTreeMap::new();
        for trial in index.trials() {
            *joined.entry(trial.bracket).or_default() += 1;
            prop_assert_eq!(trial.first_rung, plan.first_rung(trial.bracket));
        }
        prop_assert_eq!(joined.into_values().collect::<Vec<_>>(), sizes);
    }

    #[test]
    fn a_trial_is_compared_with_its_own_bracket_only(steps in steps(), parallel in 1_usize..9) {
        let plan = Plan { scheduler: asha(Halving::Promotion, Brackets::Conservative), ..plan(90, parallel, 3) };
        drive(&plan, &steps, |index, decisions| {
            for decision in decisions {
                let Decision::Promote { trial, rung, reason, .. } = decision else { continue };
                let own = index.trial(*trial).unwrap();
                let standing = index.trials().filter(|other| {
                    let ended_by = other.recorded.iter().any(|r| r.rung < *rung && !matches!(r.outcome, Outcome::Value(_)));
                    let stands = other.recorded.len() >= *rung || (ended_by && other.first_rung == rung - 1);
                    other.bracket == own.bracket && !other.is_infeasible() && stands
                });
                assert_eq!(reason.entries, standing.count());
            }
        });
    }

    #[test]
    fn a_stopping_verdict_counts_only_those_that_came_before(steps in steps(), parallel in 1_usize..9, eta in 2_u64..5) {
        let plan = Plan { scheduler: asha(Halving::Stopping, Brackets::Aggressive), ..plan(60, parallel, eta) };
        let mut ended: BTreeSet<u64> = BTreeSet::new();
        drive(&plan, &steps, |index, decisions| {
            for decision in decisions {
                let (trial, reason, goes_on) = match decision {
                    Decision::Promote { trial, reason, .. } => (*trial, reason, true),
                    Decision::Stop { trial, reason, .. } => (*trial, reason, false),
                    _ => continue,
                };
                assert!(!ended.contains(&trial));
                if !goes_on {
                    ended.insert(trial);
                }
                let own = index.trial(trial).unwrap();
                let last = own.last().unwrap();
                let Outcome::Value(mine) = last.outcome else { panic!("{last:?}") };
                let before = index.trials().filter(|other| !other.is_infeasible());
                let before = before.filter_map(|other| Some((other, *other.recorded.get(last.rung)?)));
                let before: Vec<_> = before.filter(|(_, recorded)| recorded.seq <= last.seq).collect();
                let beats = |other: &Trial, outcome| match outcome {
                    Outcome::Value(value) => value > mine || (value == mine && other.number < trial),
                    _ => false,
                };
                let rank = 1 + before.iter().filter(|(other, recorded)| beats(other, recorded.outcome)).count();
                let quota = (before.len() / usize::try_from(eta).unwrap()).max(1);
                assert_eq!((reason.rank, reason.entries, reason.quota), (rank, before.len(), quota));
                assert_eq!(goes_on, rank <= quota);
            }
        });
    }

    #[test]
    fn hyperband_promotes_the_best_of_a_whole_rung_and_waits_for_no_failed_trial(steps in steps(), parallel in 1_usize..9) {
        let plan = Plan { scheduler: Scheduler::Hyperband, ..plan(300, parallel, 3) };
        let (_, end) = drive(&plan, &steps, |index, decisions| {
            for decision in decisions {
                let Decision::Promote { trial, rung, reason, .. } = decision else { continue };
                let own = index.trial(*trial).unwrap();
                // Nobody of the bracket is still on the way to the rung that it leaves.
                let mut others = index.trials().filter(|other| other.bracket == own.bracket);
                assert!(others.all(|other| other.running().is_none_or(|_| other.target_rung >= *rung)));
                assert_eq!(reason.quota, (reason.entries / 3).max(1));
            }
        });
        prop_assert_eq!(end, Some(End::Completed));
        let sizes = plan.bracket_sizes();
        prop_assert_eq!(&sizes[..4], [27, 12, 6, 4]);
    }

    #[test]
    fn progressive_opens_a_rung_only_where_the_two_below_disagree(noise in proptest::collection::vec(0_u32..1000, 81)) {
        let plan = Plan { scheduler: Scheduler::Progressive, ..plan(81, 4, 3) };
        let value = |trial: &Trial, rung: usize, agrees: bool| {
            let number = usize::try_from(trial.number).unwrap();
            let at = if agrees { number } else { number * (rung + 1) * 7 % 81 };
            Outcome::Value(f64::from(noise[at]) + f64::from(u32::try_from(rung).unwrap()))
        };
        let highest = |simulation: &nas_search::Simulation| simulation.index.trials().map(|trial| trial.target_rung).max().unwrap();
        let agreeing = simulate(&plan, |trial, rung| value(trial, rung, true));
        prop_assert_eq!(highest(&agreeing), 1);
        prop_assert_eq!(agreeing.end, End::Completed);
        let disagreeing = simulate(&plan, |trial, rung| value(trial, rung, false));
        prop_assert!(highest(&disagreeing) >= 1);
    }
}

/// The later a trial, the better: the worst case for promotions on the way.
fn ascending(plan: &Plan) -> nas_search::Simulation {
    simulate(plan, |trial, _| Outcome::Value(f64::from(u32::try_from(trial.number).unwrap())))
}

fn entries(plan: &Plan, index: &Index) -> Vec<usize> {
    index.summaries(&plan.rungs).map(|rung| rung.entries).collect()
}

#[test]
fn every_bracket_gets_a_trial_and_then_its_share() {
    let sizes = |brackets, max_trials| {
        let rungs = Rungs::explicit(vec![1, 3, 9, 27, 81], 3, 81, u64::MAX).unwrap();
        Plan { rungs, scheduler: asha(Halving::Promotion, brackets), ..plan(max_trials, 1, 3) }.bracket_sizes()
    };
    assert_eq!(sizes(Brackets::Aggressive, 100), [100]);
    assert_eq!(sizes(Brackets::Conservative, 5), [1, 1, 1, 1, 1]);
    // In proportion to 81 / 5, 27 / 4 and 9 / 3.
    assert_eq!(sizes(Brackets::Standard, 1000), [624, 260, 116]);
}

#[test]
fn of_brackets_that_are_as_far_behind_the_one_with_most_rungs_is_next() {
    let conservative = Plan { scheduler: asha(Halving::Promotion, Brackets::Conservative), ..plan(12, 1, 3) };
    let simulation = simulate(&conservative, |_, _| Outcome::Value(0.5));
    let brackets: Vec<usize> = simulation.index.trials().map(|trial| trial.bracket).collect();
    // Shares of 9 / 3, 3 / 2 and 1: twelve trials of three rungs.
    assert_eq!(conservative.rungs.steps().len(), 3);
    assert_eq!(brackets, [0, 1, 2, 0, 0, 1, 0, 2, 0, 1, 0, 0]);
}

#[test]
fn stopping_trains_every_trial_that_is_the_best_so_far_in_full() {
    let stopping = Plan { scheduler: asha(Halving::Stopping, Brackets::Aggressive), ..plan(30, 1, 3) };
    let simulation = ascending(&stopping);
    assert_eq!(entries(&stopping, &simulation.index), [30, 30, 30, 30]);
    let descending = simulate(&stopping, |trial, _| Outcome::Value(-f64::from(u32::try_from(trial.number).unwrap())));
    assert_eq!(entries(&stopping, &descending.index), [30, 1, 1, 1]);
    assert_eq!(descending.decisions.iter().filter(|d| matches!(d, Decision::Stop { .. })).count(), 29);
}

#[test]
fn hyperband_has_the_sizes_of_the_paper() {
    // Li et al. 2018, table 1: R = 81, eta = 3.
    let rungs = Rungs::explicit(vec![1, 3, 9, 27, 81], 3, 81, u64::MAX).unwrap();
    let plan = Plan { rungs, scheduler: Scheduler::Hyperband, ..plan(143, 9, 3) };
    let courses: Vec<_> = plan.ideal().into_iter().map(|course| course.entries[course.first_rung..].to_vec()).collect();
    assert_eq!(courses, [vec![81, 27, 9, 3, 1], vec![34, 11, 3, 1], vec![15, 5, 1], vec![8, 2], vec![5]]);
    let simulation = ascending(&plan);
    let reached = |rung: usize| simulation.index.trials().filter(|trial| trial.recorded.len() > rung).count();
    assert_eq!([0, 1, 2, 3, 4].map(reached), [143, 89, 48, 24, 10]);
    assert_eq!(simulation.end, End::Completed);
}

#[test]
fn a_hyperband_whose_last_bracket_is_cut_short_still_ends_with_a_full_training_of_it() {
    let rungs = Rungs::explicit(vec![1, 3, 9], 3, 9, u64::MAX).unwrap();
    let plan = Plan { rungs, scheduler: Scheduler::Hyperband, ..plan(11, 2, 3) };
    assert_eq!(plan.bracket_sizes(), [9, 2]);
    let simulation = ascending(&plan);
    let full: Vec<u64> =
        simulation.index.trials().filter(|trial| trial.recorded.len() == 3).map(|trial| trial.bracket as u64).collect();
    assert_eq!(full, [0, 1]);
}
