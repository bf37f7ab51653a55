//! Whole searches of the compatibility mode: against recorded ones, and against the expectations of the original's own tests.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::float_cmp,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a test fails by panicking"
)]

use std::collections::{BTreeMap, VecDeque};

use nas_search::determined::{Action, AdaptiveAsha, AshaSettings, EarlyExit, Mode, PromotionAsha, StoppingAsha};
use proptest::prelude::*;
use serde_json::{Value, json};

mod traces;

use traces::{golden, settings};

/// The metric of a trial in the simulations: uniform in [-1, 1), by a hash.
fn metric(trial: u64) -> f64 {
    let mut z = ((9 << 32) | trial).wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    (z >> 11) as f64 / 9_007_199_254_740_992.0 * 2.0 - 1.0
}

/// What a simulation ended with, as the golden file has it.
fn outcome(lengths: &[u64], trained: &BTreeMap<u64, u64>, sizes: &[usize], progress: f64) -> Value {
    let mut ends: BTreeMap<String, u64> = lengths.iter().map(|length| (length.to_string(), 0)).collect();
    for length in trained.values() {
        *ends.get_mut(&length.to_string()).unwrap() += 1;
    }
    ends.retain(|_, trials| *trials > 0);
    json!({"trials": trained.len(), "final_length_counts": ends, "rung_sizes": sizes, "progress": progress})
}

fn stopping(settings: AshaSettings) -> Value {
    let (trained, search) = stopping_by_values(settings, metric, &[]);
    let trained = trained.into_iter().map(|(trial, (lengths, _))| (trial, *lengths.last().unwrap())).collect();
    let sizes: Vec<usize> = search.rungs().iter().map(Vec::len).collect();
    outcome(&settings.lengths(), &trained, &sizes, search.progress())
}

fn promotion(settings: AshaSettings) -> Value {
    let (trained, search) = promotion_by_values(settings, metric, &[], |_| 0);
    let trained = trained.into_iter().map(|(trial, (lengths, _))| (trial, *lengths.last().unwrap())).collect();
    let sizes: Vec<usize> = search.rungs().map(<[_]>::len).collect();
    outcome(&settings.lengths(), &trained, &sizes, search.progress())
}

#[test]
fn whole_searches_end_as_the_originals_did() {
    let sorted = |value: &Value| {
        let mut value = value.clone();
        value["final_length_counts"].as_object_mut().unwrap().retain(|_, trials| trials != 0);
        value
    };
    for case in golden("searcher_traces.json")["full_simulations"].as_array().unwrap() {
        let settings = settings(case);
        assert_eq!(json!(settings.lengths()), case["rung_units"]);
        let stopped = stopping(settings);
        assert_eq!(stopped, sorted(&case["head_stopping"]), "stopping: {case}");
        // The option `stop_once` of the versions before counts the same.
        assert_eq!(stopped, sorted(&case["legacy_stop_once"]), "stop_once: {case}");
        assert_eq!(promotion(settings), sorted(&case["legacy_promotion"]), "promotion: {case}");
    }
}

/// What each trial is trained to, in order; `true`: its process ends early on the last of them.
type Trained = BTreeMap<u64, (Vec<u64>, bool)>;

/// A search: what it shows, whether smaller is better, the metric of each trial, who ends early on which of its lengths, what each trains.
type Case<'a> = (&'a str, bool, &'a [f64], &'a [(u64, usize)], &'a [usize]);

/// Stopping with fixed metrics, told length by length as `stop_once` of the versions before was: first come first served.
fn stopping_by_values(settings: AshaSettings, value: impl Fn(u64) -> f64, early: &[(u64, usize)]) -> (Trained, StoppingAsha) {
    let mut search = StoppingAsha::new(settings);
    let all = settings.lengths();
    let mut trained = Trained::new();
    let created = |actions: Vec<Action>| {
        actions.into_iter().filter_map(|action| if let Action::Create(trial) = action { Some(trial) } else { None })
    };
    let mut running: VecDeque<u64> = created(search.begin()).collect();
    while let Some(trial) = running.pop_front() {
        let length = all[search.rung_of()[&trial]];
        let (lengths, ended) = trained.entry(trial).or_default();
        lengths.push(length);
        *ended = early.contains(&(trial, lengths.len()));
        let actions =
            if *ended { search.exited_early(trial, EarlyExit::Other) } else { search.validated(trial, length, value(trial)) };
        if *ended || actions.contains(&Action::Stop(trial)) {
            search.exited();
        } else {
            running.push_back(trial);
        }
        running.extend(created(actions));
    }
    assert_eq!(search.progress(), 1.0);
    (trained, search)
}

/// Promotion with fixed metrics, as the original's own tests drive it; `pick` says which of the operations that wait is next.
fn promotion_by_values(
    settings: AshaSettings,
    value: impl Fn(u64) -> f64,
    early: &[(u64, usize)],
    mut pick: impl FnMut(usize) -> usize,
) -> (Trained, PromotionAsha) {
    let mut search = PromotionAsha::new(settings);
    let mut trained = Trained::new();
    let mut operations: VecDeque<Action> = search.begin().into();
    while !operations.is_empty() {
        match operations.remove(pick(operations.len())).unwrap() {
            Action::ValidateAfter(trial, length) => {
                let (lengths, ended) = trained.entry(trial).or_default();
                lengths.push(length);
                *ended = early.contains(&(trial, lengths.len()));
                let next = if *ended {
                    search.exited();
                    search.exited_early(trial, EarlyExit::Other)
                } else {
                    search.validated(trial, value(trial))
                };
                operations.extend(next);
            }
            Action::Close(_) => search.exited(),
            Action::Create(_) | Action::Stop(_) => {}
        }
    }
    assert_eq!(search.progress(), 1.0);
    (trained, search)
}

/// One search as the original's own tests set it up.
fn halving(rungs: usize, max_trials: u64, max_length: u64, smaller_is_better: bool) -> AshaSettings {
    AshaSettings { rungs, max_trials, divisor: 3.0, max_length, max_concurrent_trials: 16, smaller_is_better }
}

/// What is to be trained: so many of the lengths of `settings`, trial by trial.
fn expect(settings: AshaSettings, rungs: &[usize], early: &[(u64, usize)]) -> Trained {
    let lengths = settings.lengths();
    let trained = |(trial, rungs): (u64, &usize)| (trial, (lengths[..*rungs].to_vec(), early.contains(&(trial, *rungs))));
    (0..).zip(rungs).map(trained).collect()
}

fn hundredths(numbers: impl IntoIterator<Item = u8>) -> Vec<f64> {
    numbers.into_iter().map(|number| f64::from(number) / 100.0).collect()
}

#[test]
fn promotion_trains_what_the_originals_own_tests_expect() {
    let follows = |settings: AshaSettings, (name, _, values, early, rungs): Case<'_>| {
        let (trained, _) = promotion_by_values(settings, |trial| values[trial as usize], early, |_| 0);
        assert_eq!(trained, expect(settings, rungs, early), "{name}");
    };
    let (rising, falling) = (hundredths(1..=12), hundredths((1..=12).rev()));
    let late = hundredths([10, 11, 12, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    let best_first = [3, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1];
    let cases: [Case<'_>; 5] = [
        ("smaller", true, &rising, &[], &best_first),
        ("smaller, one ends early", true, &rising, &[(2, 2)], &best_first),
        ("larger", false, &falling, &[], &best_first),
        ("larger, one ends early", false, &falling, &[(2, 2)], &best_first),
        ("the best come late", true, &late, &[(2, 1)], &[2, 1, 1, 3, 2, 2, 2, 1, 1, 1, 1, 1]),
    ];
    for case in cases {
        follows(halving(3, 12, 9000, case.1), case);
    }
    follows(halving(1, 4, 9000, true), ("one rung", true, &rising, &[], &[1; 4]));
    // Two searches side by side share nothing but the random generator.
    follows(halving(3, 3, 9000, true), ("side by side, one", true, &[0.1, 0.2, 0.3], &[], &[2, 1, 1]));
    follows(halving(3, 3, 9000, true), ("side by side, other", true, &[0.3, 0.2, 0.1], &[], &[1, 1, 2]));
}

#[test]
fn stop_once_trains_what_the_originals_own_tests_expect() {
    let follows = |settings: AshaSettings, (name, _, values, early, rungs): Case<'_>| {
        let (trained, _) = stopping_by_values(settings, |trial| values[trial as usize], early);
        assert_eq!(trained, expect(settings, rungs, early), "{name}");
    };
    let (rising, round) = (hundredths(1..=12), hundredths([1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4]));
    let cases: [Case<'_>; 6] = [
        ("smaller", true, &rising, &[], &[3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]),
        ("smaller, in rounds", true, &round, &[], &[3, 1, 1, 1, 3, 1, 1, 1, 3, 1, 1, 1]),
        ("larger", false, &rising, &[], &[3; 12]),
        ("larger, in rounds", false, &round, &[], &[3, 3, 3, 3, 1, 1, 2, 3, 1, 1, 2, 3]),
        ("smaller, one ends early", true, &round, &[(4, 2)], &[3, 1, 1, 1, 2, 1, 1, 1, 3, 1, 1, 1]),
        ("larger, one ends early", false, &round, &[(3, 2)], &[3, 3, 3, 2, 1, 1, 3, 3, 1, 1, 3, 3]),
    ];
    for case in cases {
        follows(halving(3, 12, 9000, case.1), case);
    }
    follows(halving(1, 4, 9000, true), ("one rung", true, &rising, &[], &[1; 4]));
}

#[test]
fn brackets_train_what_the_originals_own_tests_expect() {
    let brackets = |smaller_is_better| {
        let adaptive = AdaptiveAsha {
            mode: Mode::Standard,
            max_rungs: 2,
            divisor: 3.0,
            max_trials: 5,
            max_length: 900,
            max_concurrent_trials: 16,
            smaller_is_better,
        };
        let brackets = adaptive.brackets();
        assert_eq!(brackets.iter().map(AshaSettings::lengths).collect::<Vec<_>>(), [vec![300, 900], vec![900]]);
        assert_eq!(brackets.iter().map(|bracket| bracket.max_trials).collect::<Vec<_>>(), [3, 2]);
        [brackets[0], brackets[1]]
    };
    let (rising, falling) = ([0.1, 0.2, 0.3, 0.4, 0.5], [0.5, 0.4, 0.3, 0.2, 0.1]);
    // Whether a smaller metric is better; the metrics; who ends early; the rungs of the first bracket's three trials by promotion, and with `stop_once`.
    for (smaller, values, early, promoting, stopping) in [
        (true, rising, &[][..], Some([2, 1, 1]), [2, 1, 1]),
        (true, rising, &[(2, 1)], Some([2, 1, 1]), [2, 1, 1]),
        (false, falling, &[], Some([2, 1, 1]), [2, 1, 1]),
        (false, falling, &[(2, 1)], Some([2, 1, 1]), [2, 1, 1]),
        (false, rising, &[], None, [2, 2, 2]),
        (false, rising, &[(2, 1)], None, [2, 2, 1]),
    ] {
        let [first, second] = brackets(smaller);
        let value = |before: u64| move |trial: u64| values[(before + trial) as usize];
        if let Some(rungs) = promoting {
            assert_eq!(promotion_by_values(first, value(0), early, |_| 0).0, expect(first, &rungs, early));
            assert_eq!(promotion_by_values(second, value(3), &[], |_| 0).0, expect(second, &[1, 1], &[]));
        }
        assert_eq!(stopping_by_values(first, value(0), early).0, expect(first, &stopping, early));
        assert_eq!(stopping_by_values(second, value(3), &[]).0, expect(second, &[1, 1], &[]));
    }
}

proptest! {
    #[test]
    fn promotion_of_equals_trains_the_same_in_any_order(order in proptest::collection::vec(any::<usize>(), 12), epochs in any::<bool>()) {
        let settings = halving(3, 12, if epochs { 12 } else { 9000 }, true);
        let mut order = order.iter().cycle();
        let (trained, _) = promotion_by_values(settings, |_| 1.0, &[], |waiting| order.next().unwrap() % waiting);
        let mut rungs: Vec<usize> = trained.values().map(|(lengths, _)| lengths.len()).collect();
        rungs.sort_unstable();
        prop_assert_eq!(rungs, [1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 3]);
    }
}

#[test]
fn stopping_trains_what_the_originals_own_tests_expect() {
    let settings = AshaSettings {
        rungs: 3,
        max_trials: 10,
        divisor: 3.0,
        max_length: 900,
        max_concurrent_trials: 3,
        smaller_is_better: true,
    };
    // Trials in the order of their creation, each validated every 100 until it is stopped; the metric is a counter.
    let run = |sign: f64| {
        let mut search = StoppingAsha::new(settings);
        let mut waiting: VecDeque<Action> = search.begin().into();
        let (mut counter, mut ends) = (0.0, BTreeMap::<u64, u32>::new());
        while let Some(Action::Create(trial)) = waiting.pop_front() {
            for length in (0..=900).step_by(100) {
                counter += sign;
                let actions = search.validated(trial, length, counter);
                waiting.extend(actions.iter().filter(|action| matches!(action, Action::Create(_))));
                if actions.contains(&Action::Stop(trial)) {
                    *ends.entry(length).or_default() += 1;
                    break;
                }
            }
            search.exited();
        }
        ends
    };
    assert_eq!(run(1.0), BTreeMap::from([(100, 9), (900, 1)]));
    assert_eq!(run(-1.0), BTreeMap::from([(900, 10)]));

    let first = |metric: f64| {
        let mut search = StoppingAsha::new(AshaSettings { max_length: 9, ..settings });
        search.begin();
        assert_eq!(search.validated(0, 1, 0.5), []);
        (search.validated(1, 1, metric), search.rungs()[0].clone(), search.rung_of()[&1])
    };
    assert_eq!(first(0.4), (vec![], vec![(1, 0.4), (0, 0.5)], 1));
    assert_eq!(first(0.6), (vec![Action::Stop(1), Action::Create(3)], vec![(0, 0.5), (1, 0.6)], 0));
    // What is no number is the worst, and does not disturb the order.
    assert_eq!(first(f64::NAN).1, [(0, 0.5), (1, f64::MAX)]);
}

#[test]
fn trials_and_slots_are_split_as_in_the_originals_own_tests() {
    let adaptive = |mode, max_trials, divisor, max_rungs, max_length, slots| {
        let adaptive = AdaptiveAsha {
            mode,
            max_rungs,
            divisor,
            max_trials,
            max_length,
            max_concurrent_trials: slots,
            smaller_is_better: true,
        };
        let brackets = adaptive.brackets();
        brackets.iter().map(|bracket| (bracket.rungs, bracket.max_trials, bracket.max_concurrent_trials)).collect::<Vec<_>>()
    };
    assert_eq!(adaptive(Mode::Standard, 10, 4.0, 5, 100, 2), [(2, 7, 1), (1, 3, 1)]);
    assert_eq!(adaptive(Mode::Conservative, 10, 3.0, 5, 1000, 5), [(3, 7, 2), (2, 2, 2), (1, 1, 1)]);
    assert_eq!(adaptive(Mode::Conservative, 20, 3.0, 3, 1000, 11), [(3, 12, 4), (2, 5, 4), (1, 3, 3)]);
    assert_eq!(adaptive(Mode::Standard, 1, 4.0, 5, 100, 16), [(1, 1, 16)]);
    let sizes = |mode, rungs: usize| adaptive(mode, 1 << 20, 2.0, rungs, 1 << 20, 0).iter().map(|b| b.0).collect::<Vec<_>>();
    assert_eq!(
        [1, 2, 3, 4, 5].map(|rungs| sizes(Mode::Standard, rungs)),
        [vec![1], vec![2, 1], vec![3, 2], vec![4, 3, 2], vec![5, 4, 3]]
    );
    assert_eq!(sizes(Mode::Conservative, 4), [4, 3, 2, 1]);
    assert_eq!(sizes(Mode::Aggressive, 4), [4]);
}
