//! Where each line is: who is above it, who below.

#![allow(clippy::float_cmp, reason = "numbers are plain")]

use std::collections::HashMap;

use super::{order::*, pasha::*, *};
use crate::{
    Additional, AdditionalObjective, Direction, Guided, Memory, Outcome, Ranked, Recorded, Rungs, Sampler, Trial,
    testing::{index, plan, trial},
};

const AGGRESSIVE: Scheduler = Scheduler::Asha { kind: Halving::Promotion, brackets: Brackets::Aggressive };
const STANDARD: Scheduler = Scheduler::Asha { kind: Halving::Promotion, brackets: Brackets::Standard };
const CONSERVATIVE: Scheduler = Scheduler::Asha { kind: Halving::Promotion, brackets: Brackets::Conservative };
const STOPPING: Scheduler = Scheduler::Asha { kind: Halving::Stopping, brackets: Brackets::Aggressive };

fn of(scheduler: Scheduler, max_trials: u64) -> Plan {
    Plan { scheduler, ..plan(max_trials) }
}

/// So many trials with a value at rung 0: the later the better.
fn ascending(count: u32) -> impl Iterator<Item = Trial> {
    (0..count).map(|number| trial(u64::from(number), &[f64::from(number)]))
}

/// A cost to be kept small beside the value.
fn with_cost(plan: Plan) -> Plan {
    let cost = AdditionalObjective { metric: "cost".to_owned(), direction: Direction::Minimize };
    Plan { additional: vec![cost], ..plan }
}

/// Trials with a value and a cost at rung 0.
fn costly<const N: usize>(trials: [(f64, f64); N]) -> impl Iterator<Item = Trial> {
    (0..).zip(trials).map(|(number, (value, cost))| {
        let mut trial = trial(number, &[value]);
        trial.recorded[0].additional = Additional([cost, 0.0, 0.0]);
        trial
    })
}

fn guided() -> Sampler {
    Sampler::Guided(Guided::default())
}

#[test]
fn brackets_begin_at_the_lowest_rung_at_those_of_the_lower_half_or_at_all() {
    let brackets = |scheduler, rungs: u32| {
        let steps: Vec<u64> = (0..rungs).map(|rung| 3_u64.pow(rung)).collect();
        let max = steps[steps.len() - 1];
        Plan { rungs: Rungs::explicit(steps, 3, max, max).unwrap(), ..of(scheduler, 9) }.brackets()
    };
    assert_eq!([1, 2, 3, 4, 5, 6].map(|rungs| brackets(STANDARD, rungs)), [1, 2, 2, 3, 3, 4]);
    assert_eq!([1, 4].map(|rungs| brackets(CONSERVATIVE, rungs)), [1, 4]);
    assert_eq!([1, 4].map(|rungs| brackets(AGGRESSIVE, rungs)), [1, 1]);
}

#[test]
fn a_bracket_never_has_more_trials_than_its_share_rounded_up_and_one() {
    let most = |scheduler, max_trials, brackets: usize| {
        let plan = of(scheduler, max_trials);
        (0..brackets).map(|bracket| plan.most_trials(bracket)).collect::<Vec<_>>()
    };
    // Shares of 27 / 4, 9 / 3 and 3 / 2 of 99 others.
    assert_eq!(most(STANDARD, 100, 3), [61, 28, 15]);
    assert_eq!(most(AGGRESSIVE, 100, 1), [100]);
    assert_eq!(most(STANDARD, 1, 3), [1, 1, 1]);
    for (scheduler, max_trials) in [STANDARD, CONSERVATIVE].into_iter().flat_map(|it| (1..200).map(move |max| (it, max))) {
        let sizes = of(scheduler, max_trials).bracket_sizes();
        let most = most(scheduler, max_trials, sizes.len());
        assert!(sizes.iter().zip(&most).all(|(size, most)| size <= most), "{sizes:?} of {most:?}");
    }
}

#[test]
fn brackets_that_begin_at_the_same_rung_are_one_course() {
    // Twice 27, 12, 6 and 4 trials.
    let courses: Vec<_> =
        of(Scheduler::Hyperband, 98).ideal().into_iter().map(|it| (it.first_rung, it.brackets, it.entries)).collect();
    let entries = [vec![54, 18, 6, 2], vec![24, 24, 8, 2], vec![12, 12, 12, 4], vec![8, 8, 8, 8]];
    assert_eq!(courses, (0..).zip(entries).map(|(rung, entries)| (rung, 2, entries)).collect::<Vec<_>>());
}

#[test]
fn at_the_end_of_a_budget_any_trial_that_can_still_reach_the_leader_goes_on() {
    let plan = plan(27);
    let deep = [0.9, 0.5, 0.7].map(|value| vec![value; 3]);
    let values = std::iter::once(vec![1.0; 4]).chain(deep).chain(std::iter::once(vec![2.0; 2]));
    let index = index(&plan, (0..).zip(values).map(|(number, values)| trial(number, &values)));
    let going_on = |left| {
        let promotions = promotions(&plan, &index, View { left, ..index.view() }, usize::MAX);
        let told = promotions.into_iter().filter_map(|decision| match decision {
            Decision::Promote { trial, rung, reason, .. } => Some((trial, rung, reason.rank, reason.quota)),
            _ => None,
        });
        told.collect::<Vec<_>>()
    };
    // Of four at rung 2 one goes on, and it has; of five at rung 1 one does.
    assert_eq!(going_on(None), [(4, 2, 1, 1)]);
    assert_eq!(going_on(Some(18)), [(1, 3, 2, 4), (3, 3, 3, 4), (2, 3, 4, 4)]);
    assert_eq!(going_on(Some(17)), []);
}

#[test]
fn trials_are_retired_once_as_many_beat_them_as_can_ever_go_on() {
    let retired = |plan: &Plan, trials: Vec<Trial>| {
        let index = index(plan, trials);
        let told = retirements(plan, &index, index.view()).into_iter().filter_map(|decision| match decision {
            Decision::Retire { trial, reason, .. } => Some((trial, reason.better, reason.quota)),
            _ => None,
        });
        told.collect::<Vec<_>>()
    };
    // Of nine trials, three go on.
    assert_eq!(retired(&plan(9), ascending(5).collect()), [(0, 4, 3), (1, 3, 3)]);
    assert_eq!(retired(&of(STOPPING, 9), ascending(5).collect()), []);
    // Hyperband waits for the whole rung, and then only the best third is left.
    let best_last = [(3, 1, 1), (2, 2, 1), (1, 3, 1), (0, 4, 1)];
    assert_eq!(retired(&of(Scheduler::Hyperband, 5), ascending(5).collect()), best_last);
    assert_eq!(retired(&of(Scheduler::Hyperband, 6), ascending(5).collect()), []);
    // Of two objectives, as many have to be better in one and worse in none.
    let trials = [(0.0, 1.0), (1.0, 5.0), (2.0, 5.0), (3.0, 5.0), (4.0, 5.0)];
    assert_eq!(retired(&with_cost(plan(9)), costly(trials).collect()), [(1, 3, 3)]);
}

#[test]
fn hyperband_holds_a_rung_for_complete_once_nobody_can_come_any_more() {
    let is_complete = |max_trials, trials: Vec<Trial>, rung| {
        let plan = of(Scheduler::Hyperband, max_trials);
        is_complete(&plan, &index(&plan, trials), 0, rung)
    };
    let waiting = || ascending(5).collect::<Vec<_>>();
    assert!(is_complete(5, waiting(), 0));
    // One is to be created yet, though not if the bracket is full.
    assert!(!is_complete(6, waiting(), 0));
    assert!(is_complete(100, ascending(27).collect(), 0) && !is_complete(100, ascending(26).collect(), 0));
    // One is on its way.
    let with = |last: Trial| ascending(4).chain([last]).collect::<Vec<_>>();
    assert!(!is_complete(5, with(trial(4, &[])), 0) && !is_complete(5, with(trial(4, &[])), 1));
    // The best is to go on yet, is on its way, or has come.
    assert!(!is_complete(5, waiting(), 1));
    let promoted = Trial { target_rung: 1, ..trial(4, &[4.0]) };
    assert!(is_complete(5, with(promoted.clone()), 0) && !is_complete(5, with(promoted), 1));
    assert!(is_complete(5, with(trial(4, &[4.0, 4.0])), 1));
}

#[test]
fn a_stopping_verdict_by_two_objectives_counts_only_those_that_came_before() {
    let plan = with_cost(of(STOPPING, 9));
    // The second is dominated by the first, the third by nobody, the last dominates all.
    let index = index(&plan, costly([(0.5, 5.0), (0.4, 6.0), (0.3, 1.0), (0.9, 0.0)]));
    let mut told: Vec<_> =
        arrivals(&plan, &index, 0, 0).map(|(trial, at)| (trial, at.rank, at.entries, at.quota, at.by)).collect();
    told.sort_by_key(|(trial, ..)| *trial);
    assert_eq!(told, [(0, 1, 1), (1, 2, 2), (2, 2, 3), (3, 1, 4)].map(|(trial, rank, of)| (trial, rank, of, 1, Ranked::Front)));
}

#[test]
fn by_two_objectives_a_trial_stands_where_its_front_does() {
    let plan = with_cost(plan(9));
    let index = index(&plan, costly([(0.5, 5.0), (0.4, 6.0), (0.3, 1.0)]));
    let ranks = [0, 1, 2].map(|trial| standing(&plan, &index, trial, 0).map(|at| (at.rank, at.by)));
    assert_eq!(ranks, [1, 3, 2].map(|rank| Some((rank, Ranked::Front))));
    assert_eq!(standing(&plan, &index, 0, 1), None);
}

#[test]
fn estimates_order_a_rung_whatever_its_values() {
    let plan = plan(9);
    let index = index(&plan, ascending(5));
    let estimates = HashMap::from([(0, 0.1), (1, 0.9), (2, 0.5), (4, 0.5)]);
    let ranked = by_estimate(&index, 0, 0, 2, &estimates);
    let told = ranked.iter().map(|(trial, at)| (*trial, at.rank, at.entries, at.quota, at.value));
    let expected = [(1, 1), (2, 2), (4, 3), (0, 4), (3, 5)];
    assert!(told.eq(expected.map(|(trial, rank)| (trial, rank, 5, 2, Some(f64::from(u32::try_from(trial).unwrap()))))));
}

#[test]
fn only_asynchronous_promotion_by_one_objective_asks_a_model() {
    let estimates = |plan: Plan| estimates_of(&plan, &index(&plan, ascending(20))).is_some();
    let with = |sampler, scheduler| Plan { sampler, ..of(scheduler, 60) };
    assert!(estimates(with(guided(), AGGRESSIVE)) && estimates(with(guided(), Scheduler::Progressive)));
    assert!(!estimates(with(guided(), Scheduler::Hyperband)) && !estimates(with(Sampler::Random, AGGRESSIVE)));
    assert!(!estimates(with_cost(with(guided(), AGGRESSIVE))));
}

#[test]
fn a_trial_that_waits_stands_where_the_model_puts_it() {
    let plan = Plan { sampler: guided(), ..plan(60) };
    let index = index(&plan, ascending(20));
    let ranked = by_estimate(&index, 0, 0, 6, &estimates_of(&plan, &index).unwrap());
    for (number, at) in ranked {
        assert_eq!(prospects(&plan, &index, number, 0), Some(at));
    }
    let by_value = of(AGGRESSIVE, 60);
    assert_eq!(prospects(&by_value, &index, 3, 0), standing(&by_value, &index, 3, 0));
}

#[test]
fn where_a_sampler_learns_a_rung_waits_for_a_few_entries_and_lets_few_go_on() {
    let patience = |plan: &Plan, trials: Vec<Trial>| patience(plan, &index(plan, trials), 0, 0);
    let tpe = |max_trials| Plan { sampler: Sampler::Tpe(Memory::default()), ..plan(max_trials) };
    // One and a quarter of a third.
    assert_eq!([11, 12, 24].map(|count| patience(&tpe(60), ascending(count).collect())), [0, 5, 10]);
    let with_promoted = |promoted: usize| {
        let mut trials: Vec<Trial> = ascending(12).collect();
        trials[..promoted].iter_mut().for_each(|trial| trial.target_rung = 1);
        patience(&tpe(60), trials)
    };
    assert_eq!([3, 5, 6].map(with_promoted), [2, 0, 0]);
    // None is to be created any more, the rung is waited for anyway, or nothing is learned.
    assert_eq!(patience(&tpe(11), ascending(11).collect()), usize::MAX);
    assert_eq!(patience(&tpe(12), ascending(11).collect()), 0);
    assert_eq!(patience(&Plan { scheduler: Scheduler::Hyperband, ..tpe(60) }, ascending(11).collect()), usize::MAX);
    assert_eq!(patience(&plan(60), ascending(11).collect()), usize::MAX);
    // The first six train to a deep rung at once: they are no entries to wait for.
    let rungs = Rungs::explicit(vec![1, 3, 9, 27, 81], 3, 81, 100).unwrap();
    let deep = Plan { sampler: guided(), rungs, ..plan(100) };
    assert_eq!([17, 18].map(|count| patience(&deep, ascending(count).collect())), [0, 7]);
}

/// The trials of a search by PASHA, with their values.
fn pasha(curves: &[&[f64]]) -> (Plan, Index) {
    let plan = of(Scheduler::Progressive, 60);
    let trials = (0..).zip(curves).map(|(number, values)| trial(number, values));
    let index = index(&plan, trials);
    (plan, index)
}

#[test]
fn a_ranking_is_unstable_where_the_rung_below_has_another_by_more_than_noise() {
    let unstable = |curves: &[&[f64]], rung| is_unstable(&pasha(curves).1, rung);
    assert!(!unstable(&[&[0.1, 0.2], &[0.3, 0.4]], 1));
    assert!(unstable(&[&[0.3, 0.2], &[0.1, 0.4]], 1));
    // Alike below is no order.
    assert!(!unstable(&[&[0.3, 0.2], &[0.3, 0.4]], 1));
    // Two cross twice, and end 0.1 apart: the third may stand as far from its place, and no farther.
    let crossing = |third: f64| unstable(&[&[0.5, 0.2, 0.5], &[0.4, 0.3, 0.4], &[0.0, third, 0.45]], 2);
    assert!(!crossing(0.25) && crossing(0.1));
}

#[test]
fn noise_is_what_nine_in_ten_pairs_that_cross_twice_differ_by() {
    let noise = |curves: &[&[f64]]| noise(&curves.iter().map(|curve| curve.to_vec()).collect::<Vec<_>>());
    assert_eq!(noise(&[]), 0.0);
    assert_eq!(noise(&[&[1.0, 1.0, 3.0], &[0.0, 0.0, 0.0]]), 0.0);
    assert_eq!(noise(&[&[1.0, 0.0, 0.0], &[0.0, 1.0, 3.0]]), 0.0);
    assert_eq!(noise(&[&[1.0, 0.0, 3.0], &[0.0, 1.0, 1.0]]), 2.0);
    // Alike is not better.
    assert_eq!(noise(&[&[1.0, 1.0, 3.0], &[0.0, 1.0, 1.0]]), 2.0);
    // Each of five crosses each other one; they end 1, 2, 3, 4, 6, 7, 8, 12, 14 and 15 apart.
    let ends = [0.0, 1.0, 3.0, 7.0, 15.0];
    let curves: Vec<[f64; 3]> = (0..).zip(ends).map(|(at, end)| [f64::from(at), -f64::from(at), end]).collect();
    assert_eq!(noise(&curves.iter().map(<[f64; 3]>::as_slice).collect::<Vec<_>>()), 14.0);
}

#[test]
fn pasha_opens_a_rung_above_the_highest_while_the_ranking_is_unstable_and_there_is_one() {
    let top = |curves: &[&[f64]]| {
        let (plan, index) = pasha(curves);
        top_rung(&plan, &index)
    };
    assert_eq!(top(&[]), 1);
    assert_eq!(top(&[&[0.1, 0.2], &[0.3, 0.4]]), 1);
    assert_eq!(top(&[&[0.3, 0.2], &[0.1, 0.4]]), 2);
    assert_eq!(top(&[&[0.3, 0.3, 0.2], &[0.1, 0.1, 0.4]]), 3);
    assert_eq!(top(&[&[0.3, 0.3, 0.3, 0.2], &[0.1, 0.1, 0.1, 0.4]]), 3);
}

#[test]
fn a_trial_that_failed_ranks_last_by_two_objectives() {
    let plan = with_cost(plan(9));
    let mut failed = trial(0, &[]);
    failed.recorded.push(Recorded::new(0, Outcome::Failed, 100));
    let index = index(&plan, [failed].into_iter().chain(costly([(0.5, 5.0), (0.4, 6.0), (0.3, 1.0)]).skip(1)));
    assert_eq!(standing(&plan, &index, 0, 0).map(|at| (at.rank, at.entries)), Some((3, 3)));
}

/// Who goes on to which rung, and where each stood.
fn going_on(plan: &Plan, trials: impl IntoIterator<Item = Trial>, left: Option<u64>) -> Vec<(u64, usize, Cutoff)> {
    let index = index(plan, trials);
    let promotions = promotions(plan, &index, View { left, ..index.view() }, usize::MAX);
    let told = promotions.into_iter().filter_map(|decision| match decision {
        Decision::Promote { trial, rung, reason, .. } => Some((trial, rung, reason)),
        _ => None,
    });
    told.collect()
}

#[test]
fn a_step_that_is_longer_than_what_is_left_is_not_granted() {
    let at_rung_2 = || (0..4).map(|number| trial(number, &[0.5; 3]));
    let numbers = |left| going_on(&plan(27), at_rung_2(), left).into_iter().map(|(trial, ..)| trial).collect::<Vec<_>>();
    assert_eq!([None, Some(18), Some(17)].map(numbers), [vec![0], vec![0], vec![]]);
}

#[test]
fn on_arrival_the_best_go_on_and_the_others_are_stopped() {
    let plan = of(STOPPING, 9);
    let trials = || (0..).zip([0.5, 0.4, 0.9]).map(|(number, value)| trial(number, &[value]));
    let told = going_on(&plan, trials(), None).into_iter().map(|(trial, rung, at)| (trial, rung, at.rank, at.entries));
    assert!(told.eq([(2, 1, 1, 3), (0, 1, 1, 1)]));
    let index = index(&plan, trials());
    let stopped: Vec<_> = stops(&plan, &index, index.view()).iter().filter_map(Decision::trial).collect();
    assert_eq!(stopped, [1]);
    assert_eq!(stops(&of(AGGRESSIVE, 9), &index, index.view()), []);
}

#[test]
fn hyperband_lets_the_best_go_on_once_its_rung_is_complete() {
    let hyperband = |max_trials| going_on(&of(Scheduler::Hyperband, max_trials), ascending(5), None);
    let (value, by) = (Some(4.0), Ranked::Value);
    assert_eq!(hyperband(5), [(4, 1, Cutoff { rung: 0, rank: 1, entries: 5, quota: 1, value, cutoff: value, by })]);
    assert_eq!(hyperband(6), []);
}

#[test]
fn pasha_lets_nobody_go_on_beyond_its_top_rung() {
    let numbers = |below: [f64; 3]| {
        let trials = (0..).zip(below).zip([0.1, 0.2, 0.3]).map(|((number, below), at)| trial(number, &[below, at]));
        going_on(&of(Scheduler::Progressive, 9), trials, None)
            .into_iter()
            .map(|(trial, rung, _)| (trial, rung))
            .collect::<Vec<_>>()
    };
    assert_eq!(numbers([0.1, 0.2, 0.3]), []);
    assert_eq!(numbers([0.2, 0.1, 0.3]), [(2, 2)]);
}

#[test]
fn hyperband_fills_the_first_bracket_that_is_not_full() {
    let plan = of(Scheduler::Hyperband, 98);
    // The third is full, and those after it hold more than they should.
    let next = |first| plan.next_bracket(|bracket| [first, 0, 6].get(bracket).copied().unwrap_or(99));
    assert_eq!([26, 27].map(next), [0, 1]);
}
